"""Noise at the class boundary: loops, known answers, and recovery of noise that was put in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nllearn.functional.boundary_noise import (
    extrapolate_flip_rates,
    posterior_at_boundary,
)


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
    rng = np.random.default_rng(0)
    proba = torch.tensor(rng.dirichlet(np.full(4, 0.3), 20), dtype=torch.float32)
    given = torch.tensor(rng.integers(0, 4, 20))
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
