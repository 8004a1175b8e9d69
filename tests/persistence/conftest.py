"""Small fitted classifiers, on tables and on images; tests must not change them."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.datasets import make_blobs

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.exceptions import NoisyLabelWarning
from nllearn.file_format import seal
from nllearn.networks import MLPBackbone, SmallBackbone

SHORT = {"max_epochs": 3, "device": "cpu", "random_state": 0}
CLASSES = {"ah": AnchorHallucinationClassifier, "mixnn": MixNNClassifier}


@pytest.fixture(scope="session")
def table():
    """Rows around three centres far from zero, and labels."""
    X, y = make_blobs(60, centers=3, n_features=4, random_state=0)
    return X + [0, 10, 1000, -5], np.array(["a", "b", "c"])[y]


@pytest.fixture(scope="session")
def pictures():
    """Images of bytes (n, 10, 9, 3), and labels."""
    rng = np.random.default_rng(0)
    y = np.arange(40) % 3
    x = rng.integers(0, 60, (40, 10, 9, 3)).astype(np.uint8)
    for row, label in enumerate(y):
        x[row, 2:8, 2:8, label] += 150
    return x, y * 10


@pytest.fixture(scope="session", params=[*CLASSES])
def on_table(request, table):
    """Each classifier, fitted to the table."""
    return CLASSES[request.param](backbone=MLPBackbone(16), **SHORT).fit(*table)


@pytest.fixture(scope="session", params=[*CLASSES])
def on_pictures(request, pictures):
    """Each classifier, fitted to the images."""
    with warnings.catch_warnings():
        # So short a fit may empty a class; nothing here depends on it.
        warnings.simplefilter("ignore", NoisyLabelWarning)
        return CLASSES[request.param](backbone=SmallBackbone(4), **SHORT).fit(*pictures)


@pytest.fixture
def forge():
    """The function that changes a saved file and gives it a checksum that is right again."""

    def change(path, edit):
        with safe_open(path, "pt") as file:
            head = json.loads(file.metadata()["nllearn"])
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
        del head["sha256"]
        edit(head, tensors)
        save_file(tensors, path, {"nllearn": seal(json.dumps(head), tensors)})

    return change
