"""Calibration of predictors against known answers and loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nllearn.functional.calibration import (
    agreement,
    combine_predictions,
    fit_inverse_temperature,
    quantile_bins,
    quantile_bins_within,
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


@pytest.mark.parametrize("seed", range(3))
def test_bins_within_groups_are_those_of_each_group(seed):
    rng = np.random.default_rng(seed)
    values, groups = torch.tensor(rng.random(90)), torch.tensor(rng.choice([0, 1, 4, 5], 90))
    got = quantile_bins_within(values, groups, 4)
    for group in (0, 1, 4, 5):
        of = groups == group
        torch.testing.assert_close(got[of], quantile_bins(values[of], 4))
    few = quantile_bins_within(torch.tensor([3.0, 1.0]), torch.tensor([2, 2]), 8)
    assert few.tolist() == [4, 0]


def test_combination_is_a_normalised_sum():
    scores, votes = torch.randn(5, 3), torch.randn(5, 3)
    got = combine_predictions(scores, votes, score_weight=2.0, vote_weight=0.5)
    for i in range(5):
        raw = [2.0 * float(scores[i, c]) + 0.5 * float(votes[i, c]) for c in range(3)]
        total = np.log(np.exp(raw).sum())
        np.testing.assert_allclose(got[i].numpy(), np.array(raw) - total, rtol=1e-5, atol=1e-5)
