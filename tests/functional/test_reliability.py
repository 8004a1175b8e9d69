"""Reliability of witnesses: loops, known answers, and recovery of noise that was put in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import gammaln

from nllearn.functional.reliability import (
    agreement,
    boundary_rates,
    equal_bins,
    equal_bins_within,
    estimate_rates,
    fuse_at_boundary,
    noise_sits_at_boundary,
    prior_strength,
    sharpness_for,
)


def test_agreement_is_a_weighted_share():
    one = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    assert agreement(one, torch.tensor([0, 0, 0]), torch.tensor([1.0, 2.0, 1.0])) == 0.5
    assert agreement(one, one * 7, torch.ones(3)) == 1.0


@pytest.mark.parametrize("target", [0.4, 0.7, 0.9])
def test_sharpness_reaches_the_target(target):
    scores = torch.rand(300, 5, generator=torch.Generator().manual_seed(0))
    weights = torch.rand(300, generator=torch.Generator().manual_seed(1))
    factor = sharpness_for(scores, target, weights)
    top = (factor * scores).softmax(1).amax(1)
    assert float((weights * top).sum() / weights.sum()) == pytest.approx(target, abs=1e-3)


def test_sharpness_out_of_reach_is_an_end_of_the_range():
    scores = torch.rand(50, 4, generator=torch.Generator().manual_seed(0))
    assert sharpness_for(scores, 0.0, torch.ones(50)) < 0.051
    assert sharpness_for(scores, 1.0, torch.ones(50)) > 59


def test_bins_are_of_equal_size_and_in_order():
    values = torch.rand(83, generator=torch.Generator().manual_seed(0))
    bins = equal_bins(values, 8)
    assert set(np.diff(np.unique(np.bincount(bins, minlength=8)))) <= {1}
    for low in range(7):
        assert values[bins == low].max() <= values[bins == low + 1].min()


@pytest.mark.parametrize("seed", range(3))
def test_bins_within_groups_are_those_of_each_group(seed):
    rng = np.random.default_rng(seed)
    values, groups = torch.tensor(rng.random(90)), torch.tensor(rng.choice([0, 1, 4, 5], 90))
    got = equal_bins_within(values, groups, 4)
    for group in (0, 1, 4, 5):
        of = groups == group
        torch.testing.assert_close(got[of], equal_bins(values[of], 4))
    few = equal_bins_within(torch.tensor([3.0, 1.0]), torch.tensor([2, 2]), 8)
    assert few.tolist() == [4, 0]


def drawn(confusable, rates=(0.5, 0.3, 0.05), n=30_000, n_classes=4, seed=0):
    """Rows with known probabilities, and given labels drawn from the model."""
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.full(n_classes, 0.3), n)
    true = (proba.cumsum(1) > rng.random((n, 1))).argmax(1)
    bins = rng.integers(0, len(rates), n)
    kind = proba.copy() if confusable else np.ones_like(proba)
    kind[np.arange(n), true] = 0
    kind = kind / kind.sum(1, keepdims=True)
    wrong = (kind.cumsum(1) > rng.random((n, 1))).argmax(1)
    given = np.where(rng.random(n) < np.array(rates)[bins], wrong, true)
    return tuple(
        torch.from_numpy(a) for a in (proba.astype(np.float32), given.astype(np.int64), bins)
    )


def test_rates_are_recovered():
    proba, given, bins = drawn(False)
    rates = estimate_rates(proba, given, bins, 3, torch.ones(len(given)))
    np.testing.assert_allclose(rates, [0.5, 0.3, 0.05], atol=0.03)


def slow_boundary_rates(differs, bins, n_bins, weights):
    shown = []
    for b in range(n_bins):
        inside = [i for i in range(len(bins)) if bins[i] == b]
        share = sum(weights[i] * differs[i] for i in inside) / sum(weights[i] for i in inside)
        shown.append(min(max(share, 0.005), 0.995))
    odds = [np.log(s / (1 - s)) for s in shown]
    use = [b for b in range(n_bins) if 0.015 < shown[b] < 1 / 3]
    if len(use) >= 2:
        line = np.polyfit(use, [odds[b] for b in use], 1)
        for b in range(min(use)):
            odds[b] = max(odds[b], np.polyval(line, b))
    return np.clip(1 / (1 + np.exp(-np.array(odds))), 0.005, 0.995)


@pytest.mark.parametrize("seed", range(4))
def test_boundary_rates_by_loops(seed):
    rng = np.random.default_rng(seed)
    bins = rng.permutation(np.arange(400) % 8)
    differs = rng.random(400) < 0.6 * np.exp(-0.6 * bins)
    weights = rng.random(400)
    got = boundary_rates(*(torch.from_numpy(a) for a in (differs, bins)), 8, torch.tensor(weights))
    np.testing.assert_allclose(got, slow_boundary_rates(differs, bins, 8, weights), atol=1e-5)


def test_boundary_rates_go_on_where_the_witnesses_follow_the_noise():
    # The witnesses differ from at most half of the labels, of which nine in ten are wrong.
    n_bins, per_bin = 10, 2000
    true = 1 / (1 + np.exp(-(2.4 - 0.9 * np.arange(n_bins))))
    shown = np.minimum(true, 0.5)
    bins = np.repeat(np.arange(n_bins), per_bin)
    differs = np.tile((np.arange(per_bin) + 0.5) / per_bin, n_bins) < shown[bins]
    rates = boundary_rates(
        torch.from_numpy(differs), torch.from_numpy(bins), n_bins, torch.ones(len(bins))
    ).numpy()
    assert true[0] > 0.9
    np.testing.assert_allclose(rates[:-2], true[:-2], atol=0.03)


def test_boundary_rates_without_noise_or_with_noise_everywhere_are_what_is_shown():
    bins, ones = torch.arange(800) % 8, torch.ones(800)
    none = boundary_rates(torch.zeros(800, dtype=torch.bool), bins, 8, ones)
    np.testing.assert_allclose(none, 0.005, atol=1e-6)
    half = boundary_rates((torch.arange(800) // 8) % 2 == 0, bins, 8, ones)
    np.testing.assert_allclose(half, 0.5, atol=1e-6)


def test_fusion_by_loops():
    proba, given, _ = drawn(True, n=20)
    rate = torch.linspace(0.05, 0.9, 20)
    got = fuse_at_boundary(proba, given, rate).numpy()
    for i in range(20):
        p, j = proba[i].double().numpy(), int(given[i])
        raw = np.empty(4)
        for k in range(4):
            others = sum(max(p[m], 1e-4) for m in range(4) if m != k)
            raw[k] = p[k] * (
                1 - float(rate[i]) if k == j else float(rate[i]) * max(p[j], 1e-4) / others
            )
        np.testing.assert_allclose(got[i], raw / raw.sum(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("rates", "n_rows", "expected"),
    [
        ([0.4] * 8, 1000, False),  # the same everywhere: class-conditional
        ([0.2, 0.3, 0.2, 0.1, 0.05, 0.01, 0, 0], 1000, True),  # where the witnesses are unsure
        ([0.2, 0.3, 0.2, 0.1, 0.05, 0.01, 0, 0], 40, False),  # a handful of rows
        ([0.05, 0.01, 0, 0, 0, 0, 0, 0], 1000, False),  # too little to tell from hard rows
        ([0.2, 0.2, 0.15, 0.15, 0.1, 0.1, 0.06, 0.06], 1000, False),  # sure rows have it too
        ([0.0] * 8, 1000, False),
    ],
)
def test_noise_at_the_boundary_is_told_from_other_noise(rates, n_rows, expected):
    assert noise_sits_at_boundary(torch.tensor(rates), n_rows) is expected


def test_noise_that_spares_whole_classes_is_not_at_the_boundary():
    rates = torch.tensor([0.5, 0.4, 0.2, 0.1, 0.02, 0.0, 0.0, 0.0])
    assert noise_sits_at_boundary(rates, 5000)
    assert noise_sits_at_boundary(rates, 5000, rates_within=rates)
    # In the classes that it reaches the surest rows have it as well.
    assert not noise_sits_at_boundary(rates, 5000, rates_within=torch.full((8,), 0.2))
    assert not noise_sits_at_boundary(torch.full((8,), 0.2), 5000, rates_within=rates)
    # Of many classes noise at the boundary takes the hard ones nearly whole.
    half = torch.tensor([0.4, 0.3, 0.2, 0.2, 0.2, 0.2, 0.1, 0.1])
    assert noise_sits_at_boundary(rates, 5000, rates_within=half, n_classes=77)
    assert not noise_sits_at_boundary(rates, 5000, rates_within=half, n_classes=2)
    # Noise that spares classes is seen best on the surest rows of the others.
    seen = torch.linspace(0.1, 0.3, 8)
    assert not noise_sits_at_boundary(rates, 5000, rates_within=seen, n_classes=77)


def slow_evidence(counts, strength):
    n, c = counts.sum(), len(counts)
    rate = 1 - np.trace(counts) / n
    total = 0.0
    for k in range(c):
        total += gammaln(strength) - gammaln(strength + counts[k].sum())
        for j in range(c):
            a = strength * (1 - rate if j == k else rate / (c - 1))
            total += gammaln(a + counts[k, j]) - gammaln(a)
    return total


@pytest.mark.parametrize("pair", [False, True])
def test_strength_has_the_highest_evidence(pair):
    rng = np.random.default_rng(0)
    c = 10
    matrix = np.full((c, c), 0.3 / (c - 1))
    if pair:
        matrix = 0.3 * np.roll(np.eye(c), 1, 1)
    np.fill_diagonal(matrix, 0.7)
    counts = np.stack([rng.multinomial(300, row) for row in matrix]).astype(float)
    candidates = (10.0, 50.0, 250.0, 1250.0)
    best = prior_strength(torch.from_numpy(counts), candidates)
    assert best == max(candidates, key=lambda s: slow_evidence(counts, s))
    assert (best <= 10) if pair else (best >= 250)
