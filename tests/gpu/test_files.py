"""What was fitted on a GPU is read, and goes on working, on a machine without one."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch

from nllearn import AnchorHallucinationClassifier, LabelCleaner, MixNNClassifier, load
from nllearn.hallucinators import LearnedHallucinator
from nllearn.networks import MLPBackbone, SmallBackbone

NETWORK = {"max_epochs": 3, "backbone": MLPBackbone(16), "random_state": 0}
FITS = {
    "mixnn": MixNNClassifier(**NETWORK),
    "anchors": AnchorHallucinationClassifier(**NETWORK),
    "cleaner": LabelCleaner(random_state=0),
    "images": MixNNClassifier(max_epochs=2, backbone=SmallBackbone(4), random_state=0),
}


def rows_of(name):
    rng = np.random.default_rng(0)
    if name == "images":
        X = rng.integers(0, 256, (40, 8, 8), dtype=np.uint8)
        return X, (X.mean((1, 2)) > 127.5).astype(int)
    X = rng.normal(size=(120, 5))
    return X, (X[:, 0] + 0.3 * rng.normal(size=120) > 0).astype(int)


def scores(estimator, X):
    return (
        estimator.label_proba(X)
        if isinstance(estimator, LabelCleaner)
        else estimator.predict_proba(X)
    )


@pytest.mark.parametrize("name", FITS)
def test_a_fit_on_a_gpu_loads_without_one(name, pretend, tmp_path):
    X, y = rows_of(name)
    with pretend():
        fitted = copy.deepcopy(FITS[name]).fit(X, y)
        expected = scores(fitted, X)
        pickled = pickle.dumps(fitted)
        fitted.save(tmp_path / "model")
        # Neither of them moved what was fitted.
        np.testing.assert_array_equal(scores(fitted, X), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        both = pickle.loads(pickled), load(tmp_path / "model")
        for found in both:
            np.testing.assert_allclose(scores(found, X), expected, atol=0.02)
            np.testing.assert_array_equal(found.corrected_labels_, fitted.corrected_labels_)
    for found in both:
        found.set_params(device="cpu").fit(X, y)


def test_a_loaded_net_is_one_network(pretend):
    X, y = rows_of("mixnn")
    with pretend():
        pickled = pickle.dumps(copy.deepcopy(FITS["mixnn"]).fit(X, y))
    for again in (pickle.loads(pickled), copy.deepcopy(pickle.loads(pickled))):
        assert again.net_.module is again.net_.module_
        assert {p.device.type for p in again.net_.module.parameters()} == {"cpu"}


def test_a_hallucinator_goes_on_where_it_was(pretend):
    rows, labels = torch.eye(3).repeat(4, 1), torch.arange(3).repeat(4)

    def learn(hallucinator, device):
        hallucinator.partial_fit(
            rows.to(device),
            labels.to(device),
            head=lambda s: 5 * s,
            generator=torch.Generator().manual_seed(0),
        )
        return hallucinator

    with pretend():
        fitted = learn(LearnedHallucinator(steps=2), "cuda")
        pickled = pickle.dumps(fitted)
        learn(fitted, "cuda")
        weights = [p.cpu() for p in fitted.module_.parameters()]
    again = learn(pickle.loads(pickled), "cpu")
    for one, two in zip(again.module_.parameters(), weights, strict=True):
        torch.testing.assert_close(one, two)
