"""The formulas of the audit, against slow versions and exact distributions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, hypergeom

from nllearn.functional.audit import (
    allocate_sample,
    bound_totals,
    boundary_log_ratio,
    draw_sample,
    quality_strata,
    sampling_density,
    stratified_mean,
    total_between_strata,
)


def both_bounds(values, strata, sizes, **options):
    return tuple(
        bound_totals(values, strata, np.asarray(sizes), upper=upper, **options)
        for upper in (False, True)
    )


@pytest.mark.parametrize(("N", "n", "x"), [(20, 8, 0), (20, 8, 3), (200, 30, 11), (40, 39, 7)])
def test_one_stratum_has_the_exact_bounds_of_the_hypergeometric_distribution(N, n, x):
    values = np.repeat([1.0, 0.0], [x, n - x])
    (low,), (high,) = both_bounds(values, np.zeros(n, dtype=int), [N], alpha=0.04)
    for alpha, loosest in ((0.046, False), (0.034, True)):
        # The draws leave the level uncertain by .003: the bound is between two exact ones.
        fitting = [
            K
            for K in range(x, N - (n - x) + 1)
            if hypergeom.sf(x - 1, N, K, n) > alpha and hypergeom.cdf(x, N, K, n) > alpha
        ]
        if loosest:
            assert min(fitting) <= low and high <= max(fitting)
        else:
            assert low <= min(fitting) and max(fitting) <= high


def test_a_large_stratum_has_the_bounds_of_clopper_and_pearson():
    values = np.repeat([1.0, 0.0], [6, 44])
    (low,), (high,) = both_bounds(values, np.zeros(50, dtype=int), [10**8], alpha=0.025)
    assert low / 10**8 == pytest.approx(beta.ppf(0.025, 6, 45), abs=0.004)
    assert high / 10**8 == pytest.approx(beta.ppf(0.975, 7, 44), abs=0.006)


def test_rows_looked_at_are_known_and_a_stratum_without_answers_is_not():
    strata = np.array([0, 0, 0, 2])
    values = np.array([1.0, 1.0, 0.0, 1.0])
    low, high = both_bounds(values, strata, [3, 5, 1], alpha=0.025, cumulative=True)
    assert low.tolist() == [2, 2, 3]
    assert high.tolist() == [2, 7, 8]


def test_limits_are_mirrored_and_a_factor_goes_through():
    rng = np.random.default_rng(0)
    strata, values = np.repeat([0, 1], 12), rng.choice([-1.0, 0.0, 1.0], 24)
    sizes = [100, 400]
    (low,), (high,) = both_bounds(values, strata, sizes, alpha=0.05, limits=(-1, 1))
    (mirrored_low,), (mirrored_high,) = both_bounds(
        -values, strata, sizes, alpha=0.05, limits=(-1, 1)
    )
    assert (mirrored_low, mirrored_high) == (-high, -low)
    halves = both_bounds((values + 1) / 2, strata, sizes, alpha=0.05)
    assert [2 * end[0] - 500 for end in halves] == pytest.approx([low, high], abs=1e-6)
    assert low < 100 * values[:12].mean() + 400 * values[12:].mean() < high


@pytest.mark.parametrize("p", [(0.1,) * 4, (0.5,) * 4, (0, 0.05, 0.3, 0.7)])
def test_bounds_over_strata_hold_at_their_level(p):
    """Also with four answers in a stratum. A bound of .05 may fail 14 times of 150 by chance."""
    sizes, counts = np.array([50, 100, 400, 1000]), np.array([4, 4, 5, 9])
    wrong = np.rint(sizes * p).astype(int)
    rng = np.random.default_rng(1)
    strata, failed = np.repeat(np.arange(4), counts), np.zeros(2)
    for _ in range(150):
        found = rng.hypergeometric(wrong, sizes - wrong, counts)
        values = np.concatenate(
            [np.repeat([1.0, 0.0], [x, n - x]) for x, n in zip(found, counts, strict=True)]
        )
        (low,), (high,) = both_bounds(values, strata, sizes, alpha=0.05)
        failed += [low > wrong.sum(), high < wrong.sum()]
    assert failed.max() <= 14


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_bounds_between_strata_against_a_slow_version(data):
    sizes = np.array(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
    ends = sizes.cumsum()
    n = int(ends[-1])
    wrong = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    slack = data.draw(st.lists(st.floats(0, 3), min_size=len(ends), max_size=len(ends)))
    truth = wrong.cumsum()
    low, high = truth[ends - 1] - np.array(slack), truth[ends - 1] + np.array(slack)[::-1]
    looked = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    seen_wrong = np.append(0, (looked & wrong).cumsum())
    seen_right = np.append(0, (looked & ~wrong).cumsum())
    counts = np.arange(1, n + 1)
    lower, upper = total_between_strata(counts, ends, low, high, seen_wrong, seen_right)
    for count in counts:
        least, most = 0.0, float("inf")
        for end, a, b in [(0, 0.0, 0.0), *zip(ends, low, high, strict=True)]:
            between = slice(min(count, end), max(count, end))
            sure = (looked & wrong)[between].sum()
            possible = (~looked | wrong)[between].sum()
            least = max(least, a + sure if end <= count else a - possible)
            most = min(most, b + possible if end <= count else b - sure)
        assert (lower[count - 1], upper[count - 1]) == pytest.approx((least, most))
        assert lower[count - 1] <= truth[count - 1] <= upper[count - 1]


def test_density_is_the_mean_of_three():
    rng = np.random.default_rng(0)
    q, changed = rng.uniform(0.05, 0.95, 50), rng.random(50) < 0.2
    density = sampling_density(q, changed)
    told = sum(v * (1 - v) for v in q)
    for row in range(50):
        parts = [1 / 50, changed[row] / changed.sum(), q[row] * (1 - q[row]) / told]
        assert density[row] == pytest.approx(sum(parts) / 3)
    # Where nothing was changed there are two questions.
    assert sampling_density(np.full(4, 0.9), np.zeros(4, bool)) == pytest.approx(np.full(4, 0.25))
    # Rows about which two claims differ are looked at more often.
    b = q.copy()
    b[7] = 0.5 * q[7]
    assert sampling_density(q, changed, b).argmax() == 7


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_strata_and_allocation(data):
    n = data.draw(st.integers(1, 60))
    q = np.array(data.draw(st.lists(st.integers(0, 8), min_size=n, max_size=n))) / 8
    changed = q < data.draw(st.sampled_from([0.0, 0.3, 0.6, 1.1]))
    density = sampling_density(q, changed)
    strata = quality_strata(q, changed, density)
    assert np.unique(strata).tolist() == list(range(strata.max() + 1)) and strata.max() < 4
    # Strata follow the quality: equal quality, equal stratum.
    assert (np.diff(strata[np.argsort(q)]) >= 0).all()
    assert all(len(set(strata[q == value])) == 1 for value in q)
    if changed.any() and not changed.all():
        assert strata[changed].max() < strata[~changed].min()
    parts = quality_strata(q, changed, density, n_parts=3)
    assert all(len(set(strata[parts == part])) == 1 for part in range(parts.max() + 1))
    assert parts.max() < 12 and (np.diff(parts[np.argsort(q)]) >= 0).all()
    m = data.draw(st.integers(1, n))
    counts, sizes = allocate_sample(density, strata, m), np.bincount(strata)
    assert counts.sum() == m and (counts <= sizes).all()
    if m >= 2 * len(sizes):
        assert (counts >= np.minimum(sizes, 2)).all()
    rows = draw_sample(strata, counts, np.random.RandomState(0))
    assert len(set(rows.tolist())) == m
    np.testing.assert_array_equal(np.bincount(strata[rows], minlength=len(sizes)), counts)


def test_strata_have_equal_shares_of_the_sample():
    rng = np.random.default_rng(0)
    q = rng.beta(2, 0.4, 5000)
    density = sampling_density(q, q < 0.4)
    strata = quality_strata(q, q < 0.4, density)
    shares = np.bincount(strata, weights=density)
    assert len(shares) == 4 and shares.min() > 0.17 and shares.max() < 0.33
    parts = quality_strata(q, q < 0.4, density, n_parts=2)
    assert np.bincount(parts, weights=density) == pytest.approx(np.repeat(shares / 2, 2), abs=0.01)
    assert allocate_sample(density, strata, 400) == pytest.approx(400 * shares, abs=1)


def test_the_order_of_a_sample_is_random():
    strata = np.repeat([0, 1], 50)
    first = [
        strata[draw_sample(strata, np.array([5, 5]), np.random.RandomState(seed))[0]]
        for seed in range(200)
    ]
    assert 70 < sum(first) < 130


def test_stratified_mean_is_unbiased():
    rng = np.random.default_rng(0)
    q = rng.beta(2, 0.4, 400)
    wrong = rng.random(400) > q
    density = sampling_density(q, q < 0.4)
    strata = quality_strata(q, q < 0.4, density)
    counts, sizes = allocate_sample(density, strata, 30), np.bincount(strata)
    means = []
    for seed in range(400):
        rows = draw_sample(strata, counts, np.random.RandomState(seed))
        mean = stratified_mean(wrong[rows].astype(float), strata[rows], sizes, np.zeros(len(sizes)))
        slow = sum(wrong[row] * sizes[strata[row]] / counts[strata[row]] for row in rows) / 400
        assert mean == pytest.approx(slow)
        means.append(mean)
    assert np.mean(means) == pytest.approx(wrong.mean(), abs=4 * np.std(means) / 20)
    expected = np.array([0.25, 0.5])
    assert stratified_mean(np.array([1.0]), np.array([0]), np.array([1, 3]), expected) == 0.625


def test_log_ratio_against_a_slow_version():
    rng = np.random.default_rng(0)
    q, b, right = rng.uniform(0.02, 0.98, 20), rng.uniform(0.02, 0.98, 20), rng.random(20) < 0.5
    slow = 0.0
    for row in range(20):
        slow += np.log(b[row] if right[row] else 1 - b[row])
        slow -= np.log(q[row] if right[row] else 1 - q[row])
    assert boundary_log_ratio(right, q, b) == pytest.approx(slow)
    # One answer against a claim that is all too sure decides no more than this.
    one = boundary_log_ratio(np.array([False]), np.array([1.0]), np.array([0.5]))
    assert one == pytest.approx(np.log(50))
