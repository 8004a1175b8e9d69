"""Votes, moving averages and Bayes' rule against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nllearn.functional.relabelling import (
    accept_votes,
    moving_average,
    posterior_given_label,
    refine_targets,
    sharpen,
    vote_assigned_anchors,
)

seeds = st.integers(0, 2**16)


def distributions(n, n_classes, seed):
    """Random rows that sum to one, some entries exactly zero."""
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.full(n_classes, 0.5), n)
    rows[rng.random(rows.shape) < 0.2] = 0
    rows[rows.sum(1) == 0, 0] = 1
    return torch.from_numpy(rows / rows.sum(1, keepdims=True))


@given(n_hard=st.integers(1, 8), m=st.integers(0, 30), n_votes=st.integers(1, 6), seed=seeds)
def test_votes_count_the_anchors_of_each_hard_row(n_hard, m, n_votes, seed):
    rng = np.random.default_rng(seed)
    similarity = torch.from_numpy(rng.permutation(m) / max(1, m)).float()  # no ties
    nearest_hard = torch.from_numpy(rng.integers(0, n_hard, m))
    labels = torch.from_numpy(rng.integers(0, 3, m))
    votes = vote_assigned_anchors(similarity, nearest_hard, labels, n_hard, 3, n_votes)
    assert votes.dtype == torch.float32 and votes.shape == (n_hard, 3)
    for h in range(n_hard):
        own = [j for j in range(m) if int(nearest_hard[j]) == h]
        best = sorted(own, key=lambda j: -float(similarity[j]))[:n_votes]
        assert votes[h].tolist() == [sum(int(labels[j]) == c for j in best) for c in range(3)]


def test_reading_a_takes_ties_in_row_order():
    votes = vote_assigned_anchors(
        torch.tensor([0.5, 0.5, 0.9, 0.5]),
        torch.zeros(4, dtype=torch.int64),
        torch.tensor([1, 0, 2, 0]),
        n_hard=2,
        n_classes=3,
        n_votes=2,
    )
    assert votes.tolist() == [[0, 1, 1], [0, 0, 0]]


@given(
    rows=st.lists(st.lists(st.integers(0, 6), min_size=3, max_size=3), min_size=1, max_size=10),
    min_votes=st.integers(0, 6),
    min_share=st.sampled_from([0.0, 0.5, 0.6, 0.75, 1.0]),
)
def test_acceptance_rules(rows, min_votes, min_share):
    votes = torch.tensor(rows, dtype=torch.float32)
    labels, share, accepted = accept_votes(votes, min_votes=min_votes, min_share=min_share)
    assert labels.dtype == torch.int64 and accepted.dtype == torch.bool
    for i, row in enumerate(rows):
        total = sum(row)
        expected = max(row) / total if total else 0.0
        assert int(labels[i]) == row.index(max(row))  # the lowest class on a tie
        assert float(share[i]) == pytest.approx(expected)
        # As a float32 quotient, so that 3 of 5 pass 0.6.
        enough = np.float32(expected) >= np.float32(min_share)
        assert bool(accepted[i]) == (total >= min_votes and bool(enough))


def test_a_tie_is_not_accepted_above_one_half():
    votes = torch.tensor([[2.0, 2.0, 0.0], [3.0, 2.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    _, _, accepted = accept_votes(votes, min_votes=2, min_share=0.6)
    assert accepted.tolist() == [False, True, False, False]


@given(alpha=st.floats(0, 1), seed=seeds)
def test_moving_average_equals_equation_12(alpha, seed):
    targets, probs = distributions(5, 4, seed), distributions(5, 4, seed + 1)
    made = moving_average(targets, probs, alpha)
    for i in range(5):
        expected = [
            alpha * float(t) + (1 - alpha) * float(p)
            for t, p in zip(targets[i], probs[i], strict=True)
        ]
        assert made[i].tolist() == pytest.approx(expected, abs=1e-12)
        assert float(made[i].sum()) == pytest.approx(1.0)


def test_moving_average_at_its_ends():
    targets, probs = distributions(5, 4, 0), distributions(5, 4, 1)
    assert torch.equal(moving_average(targets, probs, 1.0), targets)
    assert torch.equal(moving_average(targets, probs, 0.0), probs)


@given(seed=seeds)
def test_refined_targets_mix_by_confidence(seed):
    targets, probs = distributions(6, 3, seed), distributions(6, 3, seed + 1)
    confidence = torch.from_numpy(np.random.default_rng(seed).random(6))
    confidence[0], confidence[1] = 1.0, 0.0
    made = refine_targets(targets, probs, confidence)
    for i in range(6):
        w = float(confidence[i])
        for c in range(3):
            expected = w * float(targets[i, c]) + (1 - w) * float(probs[i, c])
            assert float(made[i, c]) == pytest.approx(expected, abs=1e-12)
    assert torch.equal(made[0], targets[0]) and torch.equal(made[1], probs[1])


@given(temperature=st.sampled_from([0.25, 0.5, 0.9, 1.0, 2.0]), seed=seeds)
def test_sharpening_equals_its_formula(temperature, seed):
    probs = distributions(6, 4, seed)
    made = sharpen(probs, temperature)
    for i in range(6):
        powers = [max(float(p), 1e-12) ** (1 / temperature) for p in probs[i]]
        assert made[i].tolist() == pytest.approx([p / sum(powers) for p in powers], abs=2e-6)
        assert float(made[i].sum()) == pytest.approx(1.0)
        assert int(made[i].argmax()) == int(probs[i].argmax())


def test_sharpening_concentrates_and_one_changes_nothing():
    probs = torch.tensor([[0.6, 0.3, 0.1]])
    assert sharpen(probs, 0.5)[0, 0] > 0.6 > sharpen(probs, 2.0)[0, 0]
    assert torch.equal(sharpen(probs, 1.0), probs)
    assert sharpen(torch.tensor([[0.0, 1.0]]), 0.5)[0].tolist() == pytest.approx([0.0, 1.0])


@given(n=st.integers(1, 6), n_classes=st.integers(1, 4), shift=st.floats(-50, 50), seed=seeds)
def test_fusion_equals_bayes_rule(n, n_classes, shift, seed):
    probs = np.random.default_rng(seed).dirichlet(np.ones(n_classes), n)
    transition = np.random.default_rng(seed + 1).dirichlet(np.ones(n_classes), n_classes)
    labels = np.random.default_rng(seed + 2).integers(0, n_classes, n)
    fused = posterior_given_label(
        torch.from_numpy(np.log(probs) + shift),  # a constant per row must not matter
        torch.from_numpy(labels),
        torch.from_numpy(transition),
    )
    for i in range(n):
        joint = [probs[i, k] * transition[k, labels[i]] for k in range(n_classes)]
        assert fused[i].tolist() == pytest.approx([j / sum(joint) for j in joint], abs=1e-6)


def test_fusion_reads_rows_as_true_and_columns_as_given():
    # Class 0 is often given as 1, never the other way round.
    transition = torch.tensor([[0.6, 0.4], [0.0, 1.0]])
    unsure = torch.full((2, 2), math.log(0.5))
    fused = posterior_given_label(unsure, torch.tensor([0, 1]), transition)
    assert fused[0].tolist() == pytest.approx([1.0, 0.0], abs=1e-6)
    assert fused[1].tolist() == pytest.approx([0.4 / 1.4, 1.0 / 1.4])


def test_fusion_stays_finite_where_network_and_label_exclude_each_other():
    sure = torch.tensor([[1.0, 0.0]]).clamp_min(1e-12).log()
    fused = posterior_given_label(sure, torch.tensor([1]), torch.eye(2))
    assert torch.isfinite(fused).all() and float(fused.sum()) == pytest.approx(1.0)
