"""Training that diverges says so, names the epoch and the learning rate, and leaves no result."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from nllearn.networks import MLPBackbone

CASES = int(20 * settings.default.max_examples / 50)


class NaNAfter(torch.nn.Module):
    """A network whose outputs are NaN from a number of training batches on."""

    def __init__(self, n_batches):
        super().__init__()
        self.hidden, self.head = torch.nn.Linear(3, 4), torch.nn.Linear(4, 3)
        self.left = n_batches

    def forward(self, x):
        self.left -= self.training
        hidden = self.hidden(x).relu()
        logits = self.head(hidden)
        return (logits * float("nan") if self.left < 0 else logits), hidden


@pytest.mark.parametrize("kind", ["ah", "mixnn"])
@settings(max_examples=CASES)
@given(
    lr=st.sampled_from([10.0, 1e3, 1e6, 1e9, 1e20]),
    optimizer=st.sampled_from([None, "sgd", "adamw"]),
    epochs=st.integers(3, 6),
)
def test_large_learning_rates(kind, lr, optimizer, epochs, make, rows, check_fitted):
    X, y = rows
    clf = make(kind, lr=lr, optimizer=optimizer, max_epochs=epochs)
    try:
        clf.fit(X, y)
    except FloatingPointError as error:
        assert "training diverged in epoch" in str(error) and "lower lr" in str(error)
        assert not hasattr(clf, "label_quality_")
    else:
        check_fitted(clf, X, y)


@pytest.mark.parametrize("kind", ["ah", "mixnn"])
@pytest.mark.parametrize("n_batches", range(6))
def test_losses_that_are_nan(kind, n_batches, make, rows):
    clf = make(kind, backbone=NaNAfter(n_batches), batch_size=6)
    with pytest.raises(FloatingPointError, match="training diverged in epoch"):
        clf.fit(*rows)
    with pytest.raises(NotFittedError):
        make(kind).predict(rows[0])


@pytest.mark.parametrize("kind", ["ah", "mixnn"])
def test_a_fit_after_one_that_diverged_is_as_good_as_new(kind, make, rows):
    X, y = rows
    clf = make(kind, backbone=NaNAfter(0))
    with pytest.raises(FloatingPointError):
        clf.fit(X, y)
    clf.set_params(backbone=MLPBackbone(4)).fit(X, y)
    fresh = make(kind).fit(X, y)
    np.testing.assert_array_equal(clf.label_distributions_, fresh.label_distributions_)
