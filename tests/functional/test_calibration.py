"""Calibration of predictors against known answers and loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nllearn.functional.calibration import (
    agreement,
    class_probabilities,
    fit_inverse_temperature,
    quantile_bins,
)


def test_agreement_is_a_weighted_share():
    one = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    assert agreement(one, torch.tensor([0, 0, 0]), torch.tensor([1.0, 2.0, 1.0])) == 0.5
    assert agreement(one, one * 7, torch.ones(3)) == 1.0


@pytest.mark.parametrize("target", [0.4, 0.7, 0.9])
def test_the_temperature_reaches_the_target(target):
    scores = torch.rand(300, 5, generator=torch.Generator().manual_seed(0))
    weights = torch.rand(300, generator=torch.Generator().manual_seed(1))
    inverse_temperature = fit_inverse_temperature(scores, target, weights)
    top = (inverse_temperature * scores).softmax(1).amax(1)
    assert float((weights * top).sum() / weights.sum()) == pytest.approx(target, abs=1e-3)


def test_the_temperature_out_of_reach_is_an_end_of_the_range():
    scores = torch.rand(50, 4, generator=torch.Generator().manual_seed(0))
    assert fit_inverse_temperature(scores, 0.0, torch.ones(50)) < 0.051
    assert fit_inverse_temperature(scores, 1.0, torch.ones(50)) > 59


def test_bins_are_of_equal_size_and_in_order():
    values = torch.rand(83, generator=torch.Generator().manual_seed(0))
    bins = quantile_bins(values, 8)
    assert set(np.diff(np.unique(np.bincount(bins, minlength=8)))) <= {1}
    for low in range(7):
        assert values[bins == low].max() <= values[bins == low + 1].min()


def slow_probabilities(evidence, error, inverse_temperature):
    top = max(range(len(evidence)), key=lambda k: evidence[k])
    others = [k for k in range(len(evidence)) if k != top]
    raw = {k: np.exp(inverse_temperature * (evidence[k] - evidence[top])) for k in others}
    spread = {k: raw[k] / sum(raw.values()) for k in others}
    # No class gets more than the predicted one.
    error = min(error, 1 / (1 + max(spread.values())))
    proba = [max(error * spread[k], 1e-6) if k != top else 1 - error for k in range(len(evidence))]
    return np.array(proba) / sum(proba)


@given(st.integers(1, 12), st.integers(2, 6), st.floats(0.1, 20), st.integers(0, 2**16))
def test_probabilities_by_loops(n, n_classes, inverse_temperature, seed):
    rng = np.random.default_rng(seed)
    evidence = torch.tensor(rng.random((n, n_classes)), dtype=torch.float32)
    error = torch.tensor(rng.random(n) * (n_classes - 1) / n_classes, dtype=torch.float32)
    got = class_probabilities(evidence, error, inverse_temperature)
    for i in range(n):
        expected = slow_probabilities(
            evidence[i].double().numpy(), float(error[i]), inverse_temperature
        )
        np.testing.assert_allclose(got[i], expected, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(got.sum(1), 1.0, atol=1e-6)


def test_the_largest_probability_is_one_less_the_error():
    evidence = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.2, 0.1]])
    got = class_probabilities(evidence, torch.tensor([0.1, 0.4]), 1.0)
    torch.testing.assert_close(got.amax(1), torch.tensor([0.9, 0.6]), atol=1e-5, rtol=0)
    torch.testing.assert_close(got[0, 1:], torch.tensor([0.05, 0.05]), atol=1e-5, rtol=0)


def test_a_second_class_gets_no_more_than_the_predicted_one():
    evidence = torch.tensor([[1.0, 0.99, -9.0, -9.0]])
    got = class_probabilities(evidence, torch.tensor([0.7]), 5.0)
    torch.testing.assert_close(got[0, :2], torch.tensor([0.5, 0.5]), atol=1e-5, rtol=0)
