"""Rows of known classes, their neighbours, and labels with noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nllearn.label_model import NoisyLabels
from nllearn.predictors import NeighborGraph


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def blobs():
    """Make unit rows around the corners of a simplex, their graph, and their classes."""

    def make(n, n_classes, spread, seed=0):
        rng = np.random.default_rng(seed)
        y = np.arange(n) % n_classes
        X = np.eye(n_classes)[y] - 1 / n_classes + spread * rng.normal(size=(n, n_classes))
        unit = torch.nn.functional.normalize(torch.tensor(X, dtype=torch.float32), dim=1)
        similarities = unit @ unit.T
        similarities.fill_diagonal_(-2)
        return unit, NeighborGraph(*similarities.topk(15, dim=1)), y

    return make


@pytest.fixture
def noisy_labels():
    """Make the input of the label model from codes."""

    def make(codes, n_classes, weights=None, trusted=None):
        n = len(codes)
        weights = np.ones(n) if weights is None else weights
        trusted = np.zeros(n, bool) if trusted is None else trusted
        return NoisyLabels(
            torch.tensor(codes),
            n_classes,
            torch.tensor(weights, dtype=torch.float32),
            torch.tensor(trusted),
        )

    return make
