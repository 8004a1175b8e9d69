"""The noise floor: its estimate by loops, and error and noise rate found again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from nllearn.functional.noise_floor import NoiseFloor, fit_noise_floor


def drawn(n, n_classes, rate, a=1.0, log_b=1.3, lapse=0.2, seed=0):
    """Margins, whether prediction and given label differ, and the predictor's error."""
    rng = np.random.default_rng(seed)
    margin = rng.exponential(0.3, n) + 0.01
    chance = (n_classes - 1) / n_classes
    sigmoid = expit(a - math.exp(log_b) * margin / np.median(margin))
    error = chance * (lapse * sigmoid.mean() + (1 - lapse * sigmoid.mean()) * sigmoid)
    true = rng.integers(0, n_classes, n)
    shift = np.where(rng.random(n) < error, rng.integers(1, n_classes, n), 0)
    noise = np.where(rng.random(n) < rate, rng.integers(1, n_classes, n), 0)
    differs = (true + shift) % n_classes != (true + noise) % n_classes
    return margin, differs, error


def slow_floor(margin, differs, n_classes, weights, trusted):
    """The estimate of the docstring for distinct margins and at most 200 rows of weight 1 or 0.

    Every row is a bin of its own, every point of the grid is visited by itself.
    """
    chance = (n_classes - 1) / n_classes
    rows = sorted((i for i in range(len(margin)) if weights[i] > 0), key=lambda i: margin[i])
    n = len(rows)
    median = np.median([margin[i] for i in rows])
    x = [margin[i] / median for i in rows]
    n_top = max(1, int(0.1 * n + 1e-6))
    centre, spread = (1.0, 1.3, -1.0), (1.5, 0.7, 2.0)
    edges = [(c - 3 * s, c + 3 * s) for c, s in zip(centre, spread, strict=True)]
    ranges = list(edges)
    for _ in range(4):
        axes = [[lo + (hi - lo) * k / 12 for k in range(13)] for lo, hi in ranges]
        points = []
        for a in axes[0]:
            for log_b in axes[1]:
                sigmoid = [1 / (1 + math.exp(-(a - math.exp(log_b) * v))) for v in x]
                lapse = 0.2 * sum(sigmoid) / n
                w = [chance * (lapse + (1 - lapse) * s) for s in sigmoid]
                top = sum(w[-n_top:]) / n_top
                for logit in axes[2]:
                    r = 1 / (1 + math.exp(-logit))
                    value = -top / 0.03
                    for point, c, s in zip((a, log_b, logit), centre, spread, strict=True):
                        value -= 0.5 * ((point - c) / s) ** 2
                    for i, own in zip(rows, w, strict=True):
                        p = own if trusted[i] else own + r * (1 - own * n_classes / (n_classes - 1))
                        p = min(max(p, 1e-9), 1 - 1e-9)
                        value += math.log(p if differs[i] else 1 - p)
                    points.append((value, (a, log_b, logit), w, r))
        best = max(value for value, *_ in points)
        mass = [math.exp(value - best) for value, *_ in points]
        total = sum(mass)
        rate = sum(m * point[3] for m, point in zip(mass, points, strict=True)) / total
        error = sum(m * np.array(point[2]) for m, point in zip(mass, points, strict=True)) / total
        for i in range(3):
            mean = sum(m * point[1][i] for m, point in zip(mass, points, strict=True)) / total
            square = sum(
                m * (point[1][i] - mean) ** 2 for m, point in zip(mass, points, strict=True)
            )
            reach = 3 * math.sqrt(square / total) + axes[i][1] - axes[i][0]
            ranges[i] = max(mean - reach, edges[i][0]), min(mean + reach, edges[i][1])
    return [margin[i] for i in rows], error, rate


@pytest.mark.parametrize(("n_classes", "seed"), [(2, 0), (5, 1)])
def test_the_estimate_by_loops(n_classes, seed):
    margin, differs, _ = drawn(40, n_classes, 0.3, seed=seed)
    weights = np.where(np.arange(40) % 5 == 0, 0.0, 1.0)
    trusted = np.arange(40) % 4 == 1
    floor = fit_noise_floor(margin, differs, n_classes, weights, trusted)
    margins, error, rate = slow_floor(margin, differs, n_classes, weights, trusted)
    np.testing.assert_allclose(floor.margins, margins, rtol=1e-9)
    np.testing.assert_allclose(floor.errors, error, rtol=1e-6)
    assert floor.rate == pytest.approx(rate, rel=1e-6)


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([2, 3, 10, 50]),
    st.floats(0.0, 0.4),
    st.floats(-0.5, 2.5),
    st.floats(0.8, 1.8),
    st.integers(0, 2**16),
)
def test_error_and_noise_rate_are_found_again(n_classes, rate, a, log_b, seed):
    rate = rate if n_classes > 2 else rate / 2
    margin, differs, error = drawn(20_000, n_classes, rate, a, log_b, seed=seed)
    floor = fit_noise_floor(margin, differs, n_classes, np.ones(len(margin)))
    assert abs(floor.rate - rate) < 0.06
    assert np.abs(floor.error_at(margin) - error).mean() < 0.06


def test_a_scale_of_the_margin_changes_nothing_but_the_margins():
    margin, differs, _ = drawn(3000, 4, 0.3)
    one = fit_noise_floor(margin, differs, 4, np.ones(3000))
    other = fit_noise_floor(7 * margin, differs, 4, np.ones(3000))
    np.testing.assert_allclose(other.margins, 7 * one.margins)
    np.testing.assert_allclose(other.errors, one.errors, rtol=1e-6)
    assert other.rate == pytest.approx(one.rate, rel=1e-6)


def test_rows_of_weight_zero_do_not_count():
    margin, differs, _ = drawn(2000, 4, 0.3)
    weights = np.ones(2000)
    alone = fit_noise_floor(margin, differs, 4, weights)
    more = fit_noise_floor(
        np.r_[margin, np.full(3000, 9.0)],
        np.r_[differs, np.ones(3000, bool)],
        4,
        np.r_[weights, np.zeros(3000)],
    )
    np.testing.assert_allclose(more.errors, alone.errors, rtol=1e-9)
    np.testing.assert_allclose(more.margins, alone.margins, rtol=1e-9)
    assert more.rate == pytest.approx(alone.rate, rel=1e-9)


def test_trusted_rows_show_the_error_without_noise():
    # A predictor that errs at every margin alike: from the rows alone that is noise.
    rng = np.random.default_rng(0)
    margin, differs = rng.random(3000), rng.random(3000) < 0.3
    trusted = np.arange(3000) < 600
    blind = fit_noise_floor(margin, differs, 5, np.ones(3000))
    known = fit_noise_floor(margin, differs, 5, np.ones(3000), trusted)
    assert blind.rate > 0.25 and blind.errors.mean() < 0.05
    assert known.rate < 0.1 and known.errors.mean() > 0.2


def test_errors_fall_with_the_margin_and_stay_in_their_range():
    for rate in (0.0, 0.3, 0.9):
        margin, differs, _ = drawn(500, 3, rate)
        floor = fit_noise_floor(margin, differs, 3, np.ones(500))
        assert (np.diff(floor.errors) <= 1e-12).all() and (np.diff(floor.margins) > 0).all()
        assert floor.errors.min() > 0 and floor.errors.max() <= 2 / 3
        assert 0 <= floor.rate <= 1


@pytest.mark.parametrize("value", [True, False])
def test_few_rows_and_equal_margins_give_an_estimate(value):
    for n in (1, 7):
        floor = fit_noise_floor(np.zeros(n), np.full(n, value), 2, np.ones(n))
        assert np.isfinite(floor.errors).all() and 0 <= floor.rate <= 1


def test_the_error_between_known_margins_is_on_a_line():
    floor = NoiseFloor(np.array([0.0, 1.0]), np.array([0.5, 0.1]), 0.2)
    np.testing.assert_allclose(floor.error_at(np.array([-1.0, 0.25, 3.0])), [0.5, 0.4, 0.1])
