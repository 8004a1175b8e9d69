"""From losses to clean probabilities: the formulas by loops, and what must always hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nllearn.functional.loss_mixture import per_sample_loss, scale_losses, small_loss_posterior

# Losses a network can give, with many ties among them.
losses_of_a_network = hnp.arrays(
    np.float64,
    st.integers(1, 60),
    elements=st.one_of(
        st.floats(0, 30), st.sampled_from([0.0, 0.1, 2.0, 1e-9]), st.floats(0, 1e30)
    ),
)


def two_clusters(n=200, seed=0, apart=3.0):
    """Three quarters of small losses, a quarter of large ones."""
    rng = np.random.default_rng(seed)
    return np.r_[rng.gamma(2.0, 0.1, n - n // 4), rng.normal(apart, 0.5, n // 4).clip(0)]


def quantile(values, q):
    """Linear interpolation between the two nearest order statistics."""
    ranked = sorted(values)
    position = q * (len(ranked) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (position - below) * (ranked[above] - ranked[below])


def normal_density(x, mean, variance):
    return math.exp(-0.5 * (x - mean) ** 2 / variance) / math.sqrt(2 * math.pi * variance)


def slow_mixture(values, max_iter=10, tol=1e-2, reg_covar=5e-4):
    """Expectation maximisation of two Gaussians, started at the quartiles."""
    n = len(values)
    centre = sum(values) / n
    spread = max(sum((v - centre) ** 2 for v in values) / n, reg_covar)
    weights = [0.5, 0.5]
    means = [quantile(values, 0.25), quantile(values, 0.75)]
    variances = [spread, spread]
    bound = -math.inf
    for _ in range(max_iter):
        shares, likelihood = [], 0.0
        for v in values:
            joint = [weights[k] * normal_density(v, means[k], variances[k]) for k in range(2)]
            shares.append([j / sum(joint) for j in joint])
            likelihood += math.log(sum(joint)) / n
        for k in range(2):
            mass = sum(share[k] for share in shares)
            weights[k] = mass / n
            means[k] = sum(s[k] * v for s, v in zip(shares, values, strict=True)) / mass
            variances[k] = reg_covar + (
                sum(s[k] * (v - means[k]) ** 2 for s, v in zip(shares, values, strict=True)) / mass
            )
        if abs(likelihood - bound) < tol:
            break
        bound = likelihood
    return weights, means, variances


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_per_sample_loss_equals_its_formula(dtype):
    logits = torch.randn(20, 5, generator=torch.Generator().manual_seed(0)).mul(4).to(dtype)
    labels = torch.arange(20) % 5
    losses = per_sample_loss(logits, labels)
    assert losses.dtype == torch.float32 and losses.shape == (20,)
    for i in range(20):
        row = [float(v) for v in logits[i]]
        expected = math.log(sum(math.exp(v) for v in row)) - row[int(labels[i])]
        assert losses[i] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_per_sample_loss_is_finite_and_not_negative_for_sure_networks():
    logits = torch.tensor([[1e4, -1e4], [-1e4, 1e4]])
    losses = per_sample_loss(logits, torch.tensor([0, 0]))
    assert losses[0] == 0 and losses[1] == pytest.approx(2e4)


@given(losses_of_a_network, st.sampled_from([0.0, 0.005, 0.1, 0.3]))
def test_scaled_losses_lie_between_zero_and_one_in_the_same_order(losses, tail):
    scaled = scale_losses(losses, tail=tail)
    assert scaled.dtype == np.float64 and scaled.shape == losses.shape
    assert (scaled >= 0).all() and (scaled <= 1).all()
    order = np.argsort(losses, kind="stable")
    assert (np.diff(scaled[order]) >= 0).all()
    assert not scaled[losses == losses.min()].any()  # the smallest loss is 0


@pytest.mark.parametrize("tail", [0.0, 0.005, 0.1])
def test_scaled_losses_equal_their_formula(tail):
    losses = two_clusters(90)
    low, high = quantile(losses, tail), quantile(losses, 1 - tail)
    expected = [min(1.0, max(0.0, (loss - low) / (high - low))) for loss in losses]
    np.testing.assert_allclose(scale_losses(losses, tail=tail), expected, atol=1e-12)


def test_one_outlier_does_not_squeeze_the_others():
    losses = two_clusters(1000)
    with_outlier = losses.copy()
    with_outlier[0] = 1e6
    scaled = scale_losses(with_outlier)
    assert scaled[0] == 1.0
    np.testing.assert_allclose(scaled[1:], scale_losses(losses)[1:], atol=0.05)


@pytest.mark.parametrize("value", [0.0, 0.7, 1e9])
def test_equal_losses_scale_to_zero(value):
    assert scale_losses(np.full(7, value)).tolist() == [0.0] * 7


def test_quantiles_that_coincide_fall_back_on_the_ends():
    losses = np.full(1000, 0.1)
    losses[17] = 5.0
    scaled = scale_losses(losses)
    assert scaled[17] == 1.0 and scaled.sum() == 1.0


@given(losses_of_a_network)
def test_posterior_is_a_probability_that_never_rises_with_the_loss(losses):
    posterior, mixture = small_loss_posterior(losses)
    assert posterior.dtype == np.float32 and posterior.shape == losses.shape
    assert (posterior >= 0).all() and (posterior <= 1).all()
    assert (np.diff(posterior[np.argsort(losses, kind="stable")]) <= 0).all()
    if mixture is None:
        assert (posterior == 1).all()
    else:
        assert mixture["means"].shape == mixture["variances"].shape == (2,)
        assert mixture["weights"].sum() == pytest.approx(1.0)


@given(losses_of_a_network, st.integers(0, 2**32 - 1))
def test_posterior_moves_with_the_rows(losses, seed):
    order = np.random.default_rng(seed).permutation(len(losses))
    posterior, _ = small_loss_posterior(losses)
    np.testing.assert_allclose(small_loss_posterior(losses[order])[0], posterior[order], atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_posterior_equals_a_slow_mixture(seed):
    losses = two_clusters(80, seed, apart=0.8)  # overlapping, so that the start matters
    scaled = [float(v) for v in scale_losses(losses)]
    weights, means, variances = slow_mixture(scaled)
    posterior, mixture = small_loss_posterior(losses)
    small = means.index(min(means))
    np.testing.assert_allclose(np.sort(mixture["means"]), sorted(means), atol=1e-6)
    np.testing.assert_allclose(np.sort(mixture["variances"]), sorted(variances), atol=1e-6)
    np.testing.assert_allclose(np.sort(mixture["weights"]), sorted(weights), atol=1e-6)

    def raw(x):
        x = max(x, means[small])
        joint = [weights[k] * normal_density(x, means[k], variances[k]) for k in range(2)]
        return joint[small] / sum(joint)

    for row, value in enumerate(scaled):
        # No cleaner than any row of smaller loss.
        expected = min(raw(other) for other in scaled if other <= value)
        assert posterior[row] == pytest.approx(expected, abs=1e-5)


def test_clusters_are_told_apart():
    losses = two_clusters(400)
    posterior, mixture = small_loss_posterior(losses)
    assert posterior[:300].mean() > 0.95
    assert posterior[300:].mean() < 0.05
    assert mixture["weights"][np.argmin(mixture["means"])] == pytest.approx(0.75, abs=0.05)


def test_smallest_losses_stay_clean_where_the_raw_posterior_falls_again():
    # A narrow small component: far below it the wide one is likelier.
    rng = np.random.default_rng(0)
    losses = np.r_[np.zeros(5), rng.normal(1.0, 0.02, 300), rng.uniform(1.0, 5.0, 200)]
    posterior, mixture = small_loss_posterior(losses)
    small = int(np.argmin(mixture["means"]))
    joint = [
        mixture["weights"][k] * normal_density(0.0, mixture["means"][k], mixture["variances"][k])
        for k in (small, 1 - small)
    ]
    assert joint[0] / sum(joint) < 0.5  # the case is the one that is meant
    assert (posterior[:5] == posterior.max()).all() and posterior.max() > 0.9


def test_largest_losses_stay_noisy_where_the_raw_posterior_rises_again():
    # A narrow large component: far above it the wide one of small losses is likelier.
    rng = np.random.default_rng(0)
    losses = np.r_[rng.normal(2.0, 1.0, 300).clip(0), rng.normal(4.0, 0.02, 300), np.full(10, 6.0)]
    posterior, mixture = small_loss_posterior(losses)
    small = int(np.argmin(mixture["means"]))
    joint = [
        mixture["weights"][k] * normal_density(1.0, mixture["means"][k], mixture["variances"][k])
        for k in (small, 1 - small)
    ]
    assert joint[0] / sum(joint) > 0.5  # the case is the one that is meant
    assert (posterior[-10:] == posterior.min()).all() and posterior.min() < 0.1


@pytest.mark.parametrize("n", [1, 2, 5, 1000])
def test_equal_losses_are_all_clean(n):
    posterior, mixture = small_loss_posterior(np.full(n, 0.7))
    assert posterior.tolist() == [1.0] * n and mixture is None


def test_no_row_gives_an_empty_posterior():
    posterior, mixture = small_loss_posterior(np.empty(0))
    assert posterior.shape == (0,) and mixture is None


def test_two_rows_are_split():
    posterior, mixture = small_loss_posterior(np.array([4.0, 0.1]))
    assert posterior[1] > 0.99 and posterior[0] < 0.01
    assert sorted(mixture["means"]) == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize("n", [3, 50, 1000])
def test_one_outlier_among_equal_losses_alone_is_noisy(n):
    losses = np.full(n, 0.2)
    losses[1] = 9.0
    posterior, _ = small_loss_posterior(losses)
    assert posterior[1] < 0.01
    assert (np.delete(posterior, 1) > 0.99).all()


def test_posterior_draws_no_random_number(global_random_state_untouched):
    losses = two_clusters(100)
    first, second = small_loss_posterior(losses)[0], small_loss_posterior(losses)[0]
    np.testing.assert_array_equal(first, second)
