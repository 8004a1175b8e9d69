"""Noise at the class boundary: loops, known answers, and recovery of noise that was put in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nllearn.functional.boundary_noise import (
    estimate_flip_rates,
    extrapolate_flip_rates,
    is_boundary_noise,
    posterior_at_boundary,
)


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
    rates = estimate_flip_rates(proba, given, bins, 3, torch.ones(len(given)))
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
    got = extrapolate_flip_rates(
        *(torch.from_numpy(a) for a in (differs, bins)), 8, torch.tensor(weights)
    )
    np.testing.assert_allclose(got, slow_boundary_rates(differs, bins, 8, weights), atol=1e-5)


def test_rates_are_extrapolated_where_the_predictors_follow_the_noise():
    # The predictions differ from at most half of the labels, of which nine in ten are wrong.
    n_bins, per_bin = 10, 2000
    true = 1 / (1 + np.exp(-(2.4 - 0.9 * np.arange(n_bins))))
    shown = np.minimum(true, 0.5)
    bins = np.repeat(np.arange(n_bins), per_bin)
    differs = np.tile((np.arange(per_bin) + 0.5) / per_bin, n_bins) < shown[bins]
    rates = extrapolate_flip_rates(
        torch.from_numpy(differs), torch.from_numpy(bins), n_bins, torch.ones(len(bins))
    ).numpy()
    assert true[0] > 0.9
    np.testing.assert_allclose(rates[:-2], true[:-2], atol=0.03)


def test_boundary_rates_without_noise_or_with_noise_everywhere_are_what_is_shown():
    bins, ones = torch.arange(800) % 8, torch.ones(800)
    none = extrapolate_flip_rates(torch.zeros(800, dtype=torch.bool), bins, 8, ones)
    np.testing.assert_allclose(none, 0.005, atol=1e-6)
    half = extrapolate_flip_rates((torch.arange(800) // 8) % 2 == 0, bins, 8, ones)
    np.testing.assert_allclose(half, 0.5, atol=1e-6)


def test_the_posterior_by_loops():
    proba, given, _ = drawn(True, n=20)
    rate = torch.linspace(0.05, 0.9, 20)
    got = posterior_at_boundary(proba, given, rate).numpy()
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
        ([0.2, 0.3, 0.2, 0.1, 0.05, 0.01, 0, 0], 1000, True),  # of small margin
        ([0.2, 0.3, 0.2, 0.1, 0.05, 0.01, 0, 0], 40, False),  # a handful of rows
        ([0.05, 0.01, 0, 0, 0, 0, 0, 0], 1000, False),  # too little to tell from hard rows
        ([0.2, 0.2, 0.15, 0.15, 0.1, 0.1, 0.06, 0.06], 1000, False),  # confident rows have it too
        ([0.0] * 8, 1000, False),
    ],
)
def test_noise_at_the_boundary_is_told_from_other_noise(rates, n_rows, expected):
    assert is_boundary_noise(torch.tensor(rates), n_rows) is expected


def test_noise_that_spares_whole_classes_is_not_at_the_boundary():
    rates = torch.tensor([0.5, 0.4, 0.2, 0.1, 0.02, 0.0, 0.0, 0.0])
    assert is_boundary_noise(rates, 5000)
    assert is_boundary_noise(rates, 5000, rates_within=rates)
    # In the classes that it reaches the most confident rows have it as well.
    assert not is_boundary_noise(rates, 5000, rates_within=torch.full((8,), 0.2))
    assert not is_boundary_noise(torch.full((8,), 0.2), 5000, rates_within=rates)
    # Of many classes noise at the boundary takes the hard ones nearly whole.
    half = torch.tensor([0.4, 0.3, 0.2, 0.2, 0.2, 0.2, 0.1, 0.1])
    assert is_boundary_noise(rates, 5000, rates_within=half, n_classes=77)
    assert not is_boundary_noise(rates, 5000, rates_within=half, n_classes=2)
    # Noise that spares classes is seen best on the most confident rows of the others.
    seen = torch.linspace(0.1, 0.3, 8)
    assert not is_boundary_noise(rates, 5000, rates_within=seen, n_classes=77)
