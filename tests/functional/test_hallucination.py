"""Partners, eq. 2 and anchor validity against loops and counts."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from nllearn.functional.hallucination import anchor_validity, draw_partners, hallucination_loss


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


@given(
    labels=st.lists(st.sampled_from([0, 1, 2, 5]), max_size=25),
    n_partners=st.integers(1, 4),
    seed=st.integers(0, 2**16),
)
def test_partners_are_of_another_class(labels, n_partners, seed):
    first, second = draw_partners(
        torch.tensor(labels, dtype=torch.int64), n_partners, generator=generator(seed)
    )
    assert first.dtype == second.dtype == torch.int64
    if len(set(labels)) < 2:
        assert first.shape == second.shape == (0,)
        return
    # All partners of one row stand side by side.
    assert first.tolist() == [i for i in range(len(labels)) for _ in range(n_partners)]
    for u, v in zip(first.tolist(), second.tolist(), strict=True):
        assert labels[u] != labels[v]


@pytest.mark.parametrize("labels", [[], [0], [3], [2, 2, 2, 2]])
def test_one_class_has_no_partners(labels):
    first, second = draw_partners(torch.tensor(labels, dtype=torch.int64), 3, generator=generator())
    assert len(first) == len(second) == 0


def test_partners_are_uniform_over_the_rows_of_other_classes():
    # Unequal classes in mixed order, with a class number that no row has.
    labels = [4, 0, 1, 0, 4, 0, 1, 0, 0, 2]
    draws = 4000
    first, second = draw_partners(torch.tensor(labels), draws, generator=generator(1))
    for row, label in enumerate(labels):
        counts = Counter(second[first == row].tolist())
        others = [j for j, other in enumerate(labels) if other != label]
        assert set(counts) == set(others)
        assert chisquare([counts[j] for j in others]).pvalue > 1e-4


def test_partners_depend_on_the_generator_alone(global_random_state_untouched):
    labels = torch.arange(60) % 3
    one = draw_partners(labels, 2, generator=generator(5))
    two = draw_partners(labels, 2, generator=generator(5))
    other = draw_partners(labels, 2, generator=generator(6))
    assert torch.equal(one[1], two[1]) and not torch.equal(one[1], other[1])


@pytest.mark.parametrize("lambda_p", [0.5, 0.75, 1.0])
def test_hallucination_loss_equals_equation_2(lambda_p):
    rng = np.random.default_rng(0)
    anchors, first, second = (torch.from_numpy(rng.normal(size=(7, 4))) for _ in range(3))
    logits, labels = torch.from_numpy(rng.normal(size=(7, 3))), torch.arange(7) % 3
    expected = 0.0
    for i in range(7):
        row = logits[i].tolist()
        entropy = math.log(sum(math.exp(v) for v in row)) - row[i % 3]
        near = cosine(anchors[i].tolist(), first[i].tolist())
        far = cosine(anchors[i].tolist(), second[i].tolist())
        expected += (entropy - lambda_p * near - (1 - lambda_p) * far) / 7
    loss = hallucination_loss(anchors, first, second, logits, labels, lambda_p)
    assert loss.shape == () and float(loss) == pytest.approx(expected, rel=1e-9)


def test_hallucination_loss_sends_gradients_to_the_anchors():
    anchors = torch.randn(5, 3, generator=generator()).requires_grad_()
    parents = torch.randn(5, 3, generator=generator(1))
    loss = hallucination_loss(anchors, parents, -parents, anchors, torch.zeros(5).long(), 0.75)
    (gradient,) = torch.autograd.grad(loss, anchors)
    assert gradient.norm() > 0


@given(
    values=st.lists(st.floats(-1, 1, width=32), max_size=30),
    lambda_conf=st.floats(-1, 1, width=32),
)
def test_validity_by_threshold(values, lambda_conf):
    valid = anchor_validity(torch.tensor(values), lambda_conf=lambda_conf, quantile=0.9)
    assert valid.dtype == torch.bool
    assert valid.tolist() == [value > lambda_conf for value in values]  # strictly above


@given(
    values=st.lists(st.floats(-1, 1, width=32), max_size=30),
    quantile=st.floats(0, 1, exclude_max=True),
)
def test_validity_by_quantile(values, quantile):
    valid = anchor_validity(torch.tensor(values), lambda_conf=None, quantile=quantile)
    assert valid.dtype == torch.bool and valid.shape == (len(values),)
    if not values:
        return
    n_dropped = int(quantile * len(values))
    floor = sorted(values)[n_dropped]
    assert valid.tolist() == [value >= floor for value in values]
    if len(set(values)) == len(values):
        assert int((~valid).sum()) == n_dropped


def test_quantile_follows_the_scale_of_the_cosines():
    values = torch.linspace(0.9, 0.99, 100)
    kept = anchor_validity(values, lambda_conf=None, quantile=0.75)
    assert kept.tolist() == [False] * 75 + [True] * 25
    assert torch.equal(kept, anchor_validity(values - 0.9, lambda_conf=None, quantile=0.75))
    assert not anchor_validity(values - 0.9, lambda_conf=0.5, quantile=0.75).any()


def test_equal_similarities_are_all_valid():
    assert anchor_validity(torch.full((9,), 0.3), lambda_conf=None, quantile=0.9).all()
