"""Mixed rows and targets against loops, and the law of the mixup weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, kstest

from nllearn.functional.losses import soft_cross_entropy
from nllearn.functional.mixup import (
    beta_weights,
    clean_weights,
    mix_neighbors,
    mixup,
    smooth_over_neighbors,
)

seeds = st.integers(0, 2**16)
row_shapes = st.sampled_from([(3,), (1,), (2, 3, 2)])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("alpha", [0.4, 0.75, 1.0, 4.0])
def test_beta_weights_follow_the_folded_beta_law(alpha):
    weights = beta_weights(4000, alpha, generator=generator(1))
    assert weights.dtype == torch.float32
    assert weights.min() >= 0.5 and weights.max() <= 1.0
    law = beta(alpha, alpha)

    def folded(x):
        """P(max(l, 1 - l) <= x)."""
        return law.cdf(x) - law.cdf(1 - x)

    assert kstest(weights.numpy().astype(float), folded).pvalue > 1e-3


def test_beta_weights_depend_on_the_generator_alone(global_random_state_untouched):
    one, two = (beta_weights(50, 4.0, generator=generator(3)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, beta_weights(50, 4.0, generator=generator(4)))
    assert beta_weights(0, 4.0, generator=generator()).shape == (0,)


@given(b=st.integers(1, 6), shape=row_shapes, seed=seeds)
def test_mixup_equals_its_formula(b, shape, seed):
    rng = np.random.default_rng(seed)
    x, targets = rng.normal(size=(b, *shape)), rng.dirichlet(np.ones(4), b)
    partners, weights = rng.integers(0, b, b), rng.random(b)
    mixed_x, mixed_targets = mixup(*map(torch.from_numpy, (x, targets, partners, weights)))
    for i in range(b):
        w, j = weights[i], partners[i]
        np.testing.assert_allclose(mixed_x[i], w * x[i] + (1 - w) * x[j], atol=1e-12)
        expected = w * targets[i] + (1 - w) * targets[j]
        np.testing.assert_allclose(mixed_targets[i], expected, atol=1e-12)


@given(n=st.integers(1, 8), k=st.integers(0, 4), seed=seeds)
def test_clean_weights_equal_equation_4(n, k, seed):
    rng = np.random.default_rng(seed)
    proba = np.where(rng.random(n) < 0.4, 0.0, rng.uniform(1e-6, 1, n))
    neighbors = np.column_stack([np.arange(n), rng.integers(0, n, (n, k))])
    weights = clean_weights(torch.from_numpy(proba), torch.from_numpy(neighbors)).numpy()
    np.testing.assert_allclose(weights.sum(1), 1.0, atol=1e-9)
    for i in range(n):
        total = sum(proba[j] for j in neighbors[i])
        for place, j in enumerate(neighbors[i]):
            expected = proba[j] / total if total else float(place == 0)
            assert weights[i, place] == pytest.approx(expected, abs=1e-9)


def test_a_row_without_clean_company_keeps_itself():
    weights = clean_weights(torch.tensor([0.0, 0.0, 0.5]), torch.tensor([[0, 1], [1, 2]]))
    assert weights.tolist() == [[1.0, 0.0], [0.0, 1.0]]


@given(b=st.integers(1, 5), k=st.integers(0, 3), shape=row_shapes, seed=seeds)
def test_mixed_neighbours_equal_their_formula(b, k, shape, seed):
    rng = np.random.default_rng(seed)
    n = 7
    x, targets = rng.normal(size=(n, *shape)), rng.dirichlet(np.ones(3), n)
    neighbors, weights = rng.integers(0, n, (b, k + 1)), rng.dirichlet(np.ones(k + 1), b)
    mixed_x, mixed_targets = mix_neighbors(*map(torch.from_numpy, (x, targets, neighbors, weights)))
    assert mixed_x.shape == (b, *shape) and mixed_targets.shape == (b, 3)
    for i in range(b):
        pairs = list(zip(weights[i], neighbors[i], strict=True))
        np.testing.assert_allclose(mixed_x[i], sum(w * x[j] for w, j in pairs), atol=1e-12)
        expected = sum(w * targets[j] for w, j in pairs)
        np.testing.assert_allclose(mixed_targets[i], expected, atol=1e-12)


def test_one_mixed_target_equals_the_weighted_sum_of_cross_entropies():
    rng = np.random.default_rng(0)
    targets, logits = rng.dirichlet(np.ones(4), 6), torch.from_numpy(rng.normal(size=(6, 4)))
    neighbors, weights = rng.integers(0, 6, (6, 3)), rng.dirichlet(np.ones(3), 6)
    _, mixed = mix_neighbors(
        torch.zeros(6, 1, dtype=torch.float64),
        *map(torch.from_numpy, (targets, neighbors, weights)),
    )
    log_probs = logits.log_softmax(1).numpy()
    expected = 0.0
    for i in range(6):
        for w, j in zip(weights[i], neighbors[i], strict=True):
            expected += w * -(targets[j] * log_probs[i]).sum() / 6
    assert float(soft_cross_entropy(logits, mixed)) == pytest.approx(expected, rel=1e-9)


def test_one_neighbour_of_weight_zero_changes_nothing():
    x, targets = torch.randn(4, 3, generator=generator()), torch.eye(4)
    neighbors = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 0]])
    alone = torch.tensor([[1.0, 0.0]]).expand(4, 2)
    mixed_x, mixed_targets = mix_neighbors(x, targets, neighbors, alone)
    assert torch.equal(mixed_x, x) and torch.equal(mixed_targets, targets)


def test_smoothed_rows_lie_halfway():
    bank = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    neighbors = torch.tensor([[1, 2]])
    expected = torch.tensor([[0.5**0.5, 0.5**0.5]])
    torch.testing.assert_close(smooth_over_neighbors(bank[:1], neighbors, bank), expected)
    torch.testing.assert_close(smooth_over_neighbors(bank[:1], neighbors[:, :0], bank), bank[:1])
