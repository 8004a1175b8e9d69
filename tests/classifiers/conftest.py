"""Small noisy data on which both classifiers are tried."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from nllearn import AnchorHallucinationClassifier, MixNNClassifier


def make_noisy_blobs(n=240, n_classes=3, rate=0.3, seed=0, n_features=8):
    """Well separated blobs with symmetric noise: X, clean y, noisy y."""
    X, y = make_blobs(
        n, centers=n_classes, n_features=n_features, cluster_std=2.0, random_state=seed
    )
    rng = np.random.default_rng(seed)
    flip = rng.random(n) < rate
    noisy = np.where(flip, (y + rng.integers(1, n_classes, n)) % n_classes, y)
    return X, y, noisy


@pytest.fixture(params=[AnchorHallucinationClassifier, MixNNClassifier], ids=["ah", "mixnn"])
def cls(request):
    """Each classifier in turn."""
    return request.param


@pytest.fixture(scope="session")
def blobs():
    """Three blobs with 30 % symmetric noise."""
    return make_noisy_blobs()


@pytest.fixture(scope="session", params=[AnchorHallucinationClassifier, MixNNClassifier])
def fitted(request, blobs):
    """Each classifier, fitted to the blobs once; tests must not change it."""
    X, _, noisy = blobs
    return request.param(max_epochs=20, random_state=0).fit(X, noisy)


@pytest.fixture(scope="session")
def noisy_blobs():
    """The function that makes noisy blobs."""
    return make_noisy_blobs
