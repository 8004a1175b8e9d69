"""The witnesses against versions that leave rows out one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nllearn.functional.witnesses import (
    combine_witnesses,
    leave_one_out_scores,
    neighbor_log_votes,
)

RIDGES = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0]


def made(n=40, d=5, n_classes=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.nn.functional.normalize(torch.randn(n, d, generator=g))
    given_labels = torch.randint(n_classes, (n,), generator=g)
    return x, given_labels, torch.nn.functional.one_hot(given_labels, n_classes).float()


def slow_scores(x, targets, weights):
    """Refit the centred ridge without each row in turn; keep the best ridge."""
    x, t, w = (a.double().numpy() for a in (x, targets, weights))
    fitted = w > 0
    w = w * fitted.sum() / w.sum()
    n, d = fitted.sum(), x.shape[1]
    prior = np.stack(
        [np.average(np.delete(t, i, 0), 0, np.delete(w, i)) - 1 / t.shape[1] for i in range(len(x))]
    )
    x = x - (w[:, None] * x).sum(0) / n
    t = t - (w[:, None] * t).sum(0) / n
    best, best_error = None, np.inf
    for ridge in RIDGES:
        out = np.empty_like(t)
        for i in range(len(x)):
            keep = w.copy()
            keep[i] = 0
            gram = (x.T * keep) @ x + (ridge * n / d + 1e-6) * np.eye(d)
            out[i] = x[i] @ np.linalg.solve(gram, (x.T * keep) @ t)
        error = (w[:, None] * (out - t) ** 2).sum()
        if error < best_error:
            best, best_error = out, error
    best = best + prior
    return best / ((w * best.max(1)).sum() / n)


@pytest.mark.parametrize("weighted", [False, True])
def test_scores_equal_refits_without_each_row(weighted):
    x, _, targets = made()
    weights = torch.ones(40)
    if weighted:
        weights = torch.rand(40, generator=torch.Generator().manual_seed(1)) * 3
        weights[:4] = 0
    got = leave_one_out_scores(x, targets, weights).numpy()
    np.testing.assert_allclose(got, slow_scores(x, targets, weights), rtol=2e-3, atol=2e-4)


def test_a_row_does_not_speak_for_itself():
    # Changing one row's label leaves its own score at a fixed ridge as it was, up to the
    # centring and the common scale: the order of the classes stays.
    x, labels, targets = made(n=200, seed=3)
    before = leave_one_out_scores(x, targets, torch.ones(200))[7]
    flipped = targets.clone()
    flipped[7] = torch.nn.functional.one_hot((labels[7] + 1) % 3, 3)
    after = leave_one_out_scores(x, flipped, torch.ones(200))[7]
    assert (before - after).abs().max() < 0.05 * before.abs().max() + 0.05


def test_a_rare_class_is_not_overrated():
    # One class of nine rows to one: a row that says nothing belongs to the large one.
    g = torch.Generator().manual_seed(0)
    x = torch.nn.functional.normalize(torch.randn(400, 5, generator=g))
    labels = (torch.arange(400) % 10 == 0).long()
    scores = leave_one_out_scores(x, torch.nn.functional.one_hot(labels).float(), torch.ones(400))
    assert (scores.argmax(1) == 0).float().mean() > 0.99


def test_a_common_factor_of_the_weights_changes_nothing():
    x, _, targets = made()
    one = leave_one_out_scores(x, targets, torch.ones(40))
    seven = leave_one_out_scores(x, targets, torch.full((40,), 7.0))
    torch.testing.assert_close(one, seven, rtol=1e-4, atol=1e-5)


@given(seed=st.integers(0, 1000), k=st.integers(1, 6))
def test_votes_by_loops(seed, k):
    rng = np.random.default_rng(seed)
    n, n_classes = 9, 4
    cosine = -np.sort(-rng.uniform(-1, 1, (n, k)), axis=1)
    near, labels = rng.integers(0, n, (n, k)), rng.integers(0, n_classes, n)
    weights = rng.uniform(0, 2, n)
    got = neighbor_log_votes(
        torch.from_numpy(cosine).float(),
        torch.from_numpy(near),
        torch.from_numpy(labels),
        n_classes,
        torch.from_numpy(weights).float(),
    ).numpy()
    for i in range(n):
        votes = np.full(n_classes, 0.5 / n_classes)
        for j in range(k):
            strength = np.exp(5 * (cosine[i, j] - cosine[i, 0]))
            votes[labels[near[i, j]]] += weights[near[i, j]] * strength
        np.testing.assert_allclose(got[i], np.log(votes / votes.sum() + 1e-3), rtol=1e-4, atol=1e-5)


def test_combination_is_a_normalised_sum():
    scores, votes = torch.randn(5, 3), torch.randn(5, 3)
    got = combine_witnesses(scores, votes, score_weight=2.0, vote_weight=0.5)
    for i in range(5):
        raw = [2.0 * float(scores[i, c]) + 0.5 * float(votes[i, c]) for c in range(3)]
        total = np.log(np.exp(raw).sum())
        np.testing.assert_allclose(got[i].numpy(), np.array(raw) - total, rtol=1e-5, atol=1e-5)
