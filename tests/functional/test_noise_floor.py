"""The noise floor: its estimate by loops, and error and noise rate found again."""

from __future__ import annotations

import itertools
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


CENTRE, SPREAD = (1.0, 1.3), (1.5, 0.7)
EDGES = [(1.0 - 4.5, 1.0 + 4.5), (1.3 - 2.1, 1.3 + 2.1), (-7.0, 5.0)]


def share_of(logit):
    return 1 / (1 + math.exp(-logit))


def log_prior_of(value, i):
    """Normal for a and log b; the rate over that of chance is uniform."""
    if i == 2:
        x = share_of(value)
        return math.log(x * (1 - x))
    z = (value - CENTRE[i]) / SPREAD[i]
    return -0.5 * z * z - math.log(SPREAD[i] * math.sqrt(2 * math.pi))


def narrowed(evaluate, first, n_points, n_zooms):
    """What is averaged over the points of the last grid, and the log evidence.

    `evaluate` gives the log likelihood of a point, and what is averaged. `first` are the numbers
    of points of the first grid, `n_points` those of the others in every direction.
    """
    n_axes = len(first)
    edges = EDGES[:n_axes]
    ranges = list(edges)
    for zoom in range(n_zooms):
        sizes = [n_points] * n_axes if zoom else first
        steps = [(high - low) / (m - 1) for (low, high), m in zip(ranges, sizes, strict=True)]
        axes = [
            [low + step * k for k in range(m)]
            for (low, _), step, m in zip(ranges, steps, sizes, strict=True)
        ]
        points = []
        for point in itertools.product(*axes):
            value, means = evaluate(point)
            value += sum(log_prior_of(part, i) for i, part in enumerate(point))
            points.append((value, point, means))
        best = max(value for value, *_ in points)
        total = sum(math.exp(value - best) for value, *_ in points)
        mass = [math.exp(value - best) / total for value, *_ in points]
        for i in range(n_axes):
            mean = sum(m * point[i] for m, (_, point, _) in zip(mass, points, strict=True))
            square = sum(
                m * (point[i] - mean) ** 2 for m, (_, point, _) in zip(mass, points, strict=True)
            )
            reach = 3 * math.sqrt(square) + steps[i]
            ranges[i] = max(mean - reach, edges[i][0]), min(mean + reach, edges[i][1])
    evidence = math.log(total) + best + sum(math.log(step) for step in steps)
    means = sum(m * np.array(point[2]) for m, point in zip(mass, points, strict=True))
    return means, evidence


def share_bins(log_shares, n_bins=6):
    """Bins between quantiles, which lie on lines between the ordered values."""
    ordered, last = sorted(log_shares), len(log_shares) - 1
    edges = []
    for k in range(1, n_bins):
        place = k / n_bins * last
        low = int(place)
        high = min(low + 1, last)
        edges.append(ordered[low] + (place - low) * (ordered[high] - ordered[low]))
    return [sum(value >= edge for edge in edges) for value in log_shares]


def slow_floor(
    margin, differs, n_classes, weights, trusted, predicted=None, share=None, learnt=False
):
    """The estimate of the docstring for thirty distinct margins of weight 1 and others of 0.

    Every row is a bin of its own, every point of the grid is visited by itself. Gives margins,
    errors and the rate.
    """
    others, chance = n_classes - 1, (n_classes - 1) / n_classes
    rows = sorted((i for i in range(len(margin)) if weights[i] > 0), key=lambda i: margin[i])
    n = len(rows)
    median = np.median([margin[i] for i in rows])
    n_top = n // 10
    similar = [0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95, 1]
    if share is None or n_classes == 2:
        share, similar = [1 / others] * len(margin), [0.0]
    counted = [i for i in rows if differs[i] and not trusted[i]]

    def errors(a, log_b):
        sigmoid = [1 / (1 + math.exp(-(a - math.exp(log_b) * margin[i] / median))) for i in rows]
        lapse = 0.0 if learnt else 0.2 * sum(sigmoid) / n
        return [chance * (lapse + (1 - lapse) * s) for s in sigmoid]

    def strong(w):
        top = sum(w[-n_top:]) / n_top
        return math.exp(-top / 0.03 - top / (0.15 * sum(w) / n))

    # The mean of it under the priors of a and log b: one point of 25 x 25 after the other.
    mean_strong = total_density = 0.0
    for a, log_b in itertools.product(*(np.linspace(*ends, 25) for ends in EDGES[:2])):
        density = math.exp(log_prior_of(a, 0) + log_prior_of(log_b, 1))
        mean_strong += density * strong(errors(a, log_b))
        total_density += density
    mean_strong /= total_density

    def log_prior(w):
        if learnt:
            return -sum(w[-n_top:]) / n_top * 0.1 * n
        return math.log(0.8 * strong(w) / mean_strong + 0.2)

    def log_likelihood(row, s, own, r, part):
        if trusted[row]:
            return math.log(own if differs[row] else 1 - own)
        if not differs[row]:
            return math.log((1 - own) * (1 - r) + own * r / others)
        given = (1 - own) * r * ((1 - part) / others + part * s)
        wrong = (1 - part) * (1 - s) + (n_classes - 2) * part * s
        return math.log(given + own * ((1 - r) * s + r * wrong / others))

    def one_rate(w_of_row, share_of_row, part):
        def evaluate(point):
            w, r = errors(*point[:2]), chance * share_of(point[2])
            value = log_prior(w)
            for row, own in zip(rows, w_of_row(w), strict=True):
                value += log_likelihood(row, share_of_row[row], own, r, part)
            return value, [*w, r]

        return narrowed(evaluate, (13, 9, 21), 7, 4)

    models = [one_rate(lambda w: w, share, part) for part in similar]
    best = max(evidence for _, evidence in models)
    total = sum(math.exp(evidence - best) for _, evidence in models)
    means = sum(math.exp(evidence - best) / total * found for found, evidence in models)
    if predicted is not None:
        # Twelve bins of the margin; rows that share a bin share the mean of their shares, too.
        part = similar[max(range(len(models)), key=lambda k: models[k][1])]
        coarse = [12 * (2 * place + 1) // (2 * n) for place in range(n)]
        bin_of = dict(zip(counted, share_bins([math.log(share[i]) for i in counted]), strict=True))

        def shared(name_of):
            cells = {}
            for place, row in enumerate(rows):
                if row in bin_of:
                    cells.setdefault((name_of(row), coarse[place], bin_of[row]), []).append(row)
            found = dict.fromkeys(rows, 1.0)
            for members in cells.values():
                mean = math.exp(sum(math.log(share[i]) for i in members) / len(members))
                found.update(dict.fromkeys(members, mean))
            return found

        def mean_by_bin(w):
            return [np.mean([w[k] for k in range(n) if coarse[k] == c]) for c in coarse]

        _, evidence = one_rate(mean_by_bin, shared(lambda row: 0), part)
        own_share = shared(lambda row: predicted[row])
        logits = np.linspace(-7, 5, 33)
        prior = [math.exp(log_prior_of(logit, 2)) for logit in logits]
        prior = [value / sum(prior) for value in prior]

        def rate_per_class(point):
            w = errors(*point)
            value, rate, mean = log_prior(w), 0.0, mean_by_bin(w)
            for name in set(predicted[rows]):
                mine = [k for k in range(n) if predicted[rows[k]] == name]
                terms = [
                    math.log(mass)
                    + sum(
                        log_likelihood(
                            rows[k], own_share[rows[k]], mean[k], chance * share_of(logit), part
                        )
                        for k in mine
                    )
                    for mass, logit in zip(prior, logits, strict=True)
                ]
                total = sum(math.exp(term) for term in terms)
                value += math.log(total)
                for term, logit in zip(terms, logits, strict=True):
                    rate += math.exp(term) / total * chance * share_of(logit) * len(mine) / n
            return value, [*w, rate]

        found, other_evidence = narrowed(rate_per_class, (13, 9), 7, 4)
        mass = 1 / (1 + math.exp(evidence - other_evidence))
        means = mass * found + (1 - mass) * means
    return [margin[i] for i in rows], means[:-1], means[-1]


@pytest.mark.parametrize(("by_class", "learnt"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize(
    ("n_classes", "seed", "shared"), [(2, 0, False), (5, 1, False), (5, 1, True)]
)
def test_the_estimate_by_loops(n_classes, seed, shared, by_class, learnt):
    margin, differs, _ = drawn(38, n_classes, 0.3, seed=seed)
    weights = np.where(np.arange(38) % 5 == 0, 0.0, 1.0)
    trusted = np.arange(38) % 4 == 1
    predicted = np.arange(38) % n_classes if by_class else None
    share = np.random.default_rng(seed).dirichlet(np.ones(3), 38)[:, 0] if shared else None
    arguments = margin, differs, n_classes, weights, trusted, predicted, share
    floor = fit_noise_floor(*arguments, learnt_features=learnt)
    margins, error, rate = slow_floor(*arguments, learnt)
    np.testing.assert_allclose(floor.margins, margins, rtol=1e-9)
    np.testing.assert_allclose(floor.errors, error, rtol=1e-6)
    assert floor.rate == pytest.approx(rate, rel=1e-6)


def test_noise_of_some_classes_alone_is_not_taken_for_errors():
    # Every second class has 40 % of noise, and margins that are smaller by the same share.
    rng = np.random.default_rng(0)
    predicted = rng.integers(0, 10, 5000)
    noisy = predicted % 2 == 1
    margin = rng.gamma(6.0, 0.2, 5000) * np.where(noisy, 0.56, 1.0)
    differs = rng.random(5000) < np.where(noisy, 0.4, 0.0)
    common = fit_noise_floor(margin, differs, 10, np.ones(5000))
    floor = fit_noise_floor(margin, differs, 10, np.ones(5000), predicted=predicted)
    assert common.errors.mean() > 0.1 > 0.05 > floor.errors.mean()
    assert floor.rate == pytest.approx(0.2, abs=0.03)


def test_learnt_features_take_confident_differences_for_noise():
    # Wrong labels are learnt in part, so margins are smaller there and noise depends on them.
    rng = np.random.default_rng(0)
    margin = rng.exponential(0.3, 8000)
    error = 0.6 * np.exp(-margin / 0.25)
    noise = 0.2 + 0.3 * np.exp(-margin / 0.6)
    differs = rng.random(8000) < error + noise * (1 - error * 10 / 9)
    given_rows, learnt = (
        fit_noise_floor(margin, differs, 10, np.ones(8000), learnt_features=value)
        for value in (False, True)
    )
    assert noise.mean() == pytest.approx(0.4, abs=0.01)
    assert given_rows.rate + 0.05 < learnt.rate < 0.35
    # Without noise nothing is taken for it.
    clean = fit_noise_floor(
        margin, rng.random(8000) < error, 10, np.ones(8000), learnt_features=True
    )
    assert clean.rate < 0.03


def test_classes_of_equal_noise_share_one_rate():
    margin, differs, _ = drawn(2000, 100, 0.3)
    predicted = np.arange(2000) % 100
    common = fit_noise_floor(margin, differs, 100, np.ones(2000))
    floor = fit_noise_floor(margin, differs, 100, np.ones(2000), predicted=predicted)
    np.testing.assert_allclose(floor.errors, common.errors, rtol=1e-3)
    assert floor.rate == pytest.approx(common.rate, rel=1e-3)


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


def near_and_far(n, low, more, similar, seed=0):
    """Twenty classes; errors and a part of the noise go to two classes beside the predicted one.

    The noise rate falls with the margin from `low + more` to `low`. Gives margins, whether
    prediction and given label differ, the given label's share in the errors, error and rate.
    """
    rng = np.random.default_rng(seed)
    margin = rng.exponential(0.3, n) + 0.01
    error = 0.6 * expit(2.0 - 4.0 * margin / np.median(margin))
    rate = low + more * np.exp(-margin / 0.3)
    true = np.where(rng.random(n) < error, rng.integers(1, 3, n), 0)
    beside = np.where(true == 0, rng.integers(1, 3, n), 0)
    anywhere = (true + rng.integers(1, 20, n)) % 20
    wrong = np.where(rng.random(n) < similar, beside, anywhere)
    label = np.where(rng.random(n) < rate, wrong, true)
    share = np.where((label == 1) | (label == 2), 0.499, 0.002 / 17)
    return margin, label != 0, share, error, rate.mean()


@pytest.mark.parametrize(("low", "more"), [(0.0, 0.0), (0.1, 0.0), (0.1, 0.3), (0.0, 0.4)])
def test_labels_that_no_error_would_reach_are_noise_at_any_margin(low, more):
    margin, differs, share, error, rate = near_and_far(8000, low, more, 0.0)
    blind = fit_noise_floor(margin, differs, 20, np.ones(8000))
    floor = fit_noise_floor(margin, differs, 20, np.ones(8000), None, None, share)
    assert floor.rate == pytest.approx(rate, abs=0.02)
    assert np.abs(floor.error_at(margin) - error).mean() < 0.03
    if more:
        assert blind.rate < rate - 0.1 and np.abs(blind.error_at(margin) - error).mean() > 0.1


@pytest.mark.parametrize("similar", [0.0, 0.5, 1.0])
def test_noise_that_goes_where_errors_go_is_seen_among_the_confident(similar):
    margin, differs, share, error, _ = near_and_far(8000, 0.3, 0.0, similar)
    floor = fit_noise_floor(margin, differs, 20, np.ones(8000), None, None, share)
    assert floor.rate == pytest.approx(0.3, abs=0.06)
    assert np.abs(floor.error_at(margin) - error).mean() < 0.08


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
