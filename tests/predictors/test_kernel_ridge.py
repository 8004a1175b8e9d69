"""Leave-one-out kernel ridge: what it leaves out, the ridge it takes, and new rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nllearn.functional.kernel_features import kernel_features
from nllearn.functional.mixup import smooth_over_neighbors
from nllearn.predictors import (
    LeaveOneOutKernelRidge,
    NeighborGraph,
    NeighborVotes,
)

NYSTROEM = "nllearn.predictors._nystroem"


@pytest.fixture
def unit():
    """Unit rows in three groups, and their labels of which a tenth are wrong."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(150) % 3
    rows = torch.randn(150, 5, generator=generator) + 3 * torch.eye(5)[labels]
    given = torch.where(torch.rand(150, generator=generator) < 0.1, (labels + 1) % 3, labels)
    return rows / rows.norm(dim=1, keepdim=True), given


def graph_of(rows, k):
    cosine = rows @ rows.T
    cosine.fill_diagonal_(-2)
    top = cosine.topk(k, dim=1)
    return NeighborGraph(top.values, top.indices.int())


def predicted(rows, given, weights=None, graph=None, n_landmarks=60):
    """The fitted predictor and its scores; votes of the neighbours choose the ridge."""
    weights = torch.ones(len(rows)) if weights is None else weights
    y_soft = F.one_hot(given, 3).float()
    votes = NeighborVotes(graph=graph_of(rows, 10)).predict_out_of_sample(rows, y_soft, weights)
    predictor = LeaveOneOutKernelRidge(n_landmarks, graph, votes, random_state=0)
    return predictor, predictor.predict_out_of_sample(rows, y_soft, weights)


@pytest.mark.parametrize("smoothed", [False, True])
def test_features_are_made_once_for_all_fits_where_they_are_small(unit, smoothed, monkeypatch):
    rows, given = unit
    graph = graph_of(rows, 10) if smoothed else None
    made = []

    def watched(block, kmap):
        made.append(len(block))
        return kernel_features(block, kmap)

    monkeypatch.setattr(f"{NYSTROEM}.kernel_features", watched)
    monkeypatch.setattr(f"{NYSTROEM}._N_TRIED", 60)
    found = {}
    for kept in (0, 75_000_000):
        monkeypatch.setattr(f"{NYSTROEM}._MOST_KEPT", kept)
        made.clear()
        predictor, first = predicted(rows, given, graph=graph)
        found[kept] = first, predictor.predict_again(torch.linspace(0.1, 1.0, 150))
        # Kept: all rows once. Else twice in each fit, and the rows that a ridge is chosen on,
        # which the second fit does not.
        assert sum(made) == (150 if kept else (150 + 60 + 150) + (150 + 150))
    for one, two in zip(*found.values(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)
    assert (found[0][0] - found[0][1]).abs().max() > 0.01, "weights make another fit"


@pytest.mark.parametrize("smoothed", [False, True])
def test_a_row_of_weight_zero_is_scored_like_a_new_one(unit, smoothed):
    # Nothing must be left out for it: its score is the prediction of the fit itself.
    rows, given = unit
    weights = torch.ones(150)
    weights[::7] = 0
    graph = graph_of(rows, 10) if smoothed else None
    predictor, out = predicted(rows, given, weights, graph)
    new = smooth_over_neighbors(rows, graph.indices, rows) if smoothed else rows
    fitted = predictor.kernel_ridge_.predict(new)
    torch.testing.assert_close(fitted[::7], out[::7], atol=2e-3, rtol=1e-3)
    assert (fitted - out)[weights > 0].abs().max() > 0.02, "the others leave themselves out"
    # Scores add up to about the same for every row, and the mean of the highest is one.
    top = (weights * out.max(1).values).sum() / weights.sum()
    assert abs(float(top) - 1) < 0.02


def test_the_label_of_a_row_does_not_reach_its_own_score(unit):
    # Its share in the labels' mean is all that is left: a difference of order 1 / n.
    rows, given = unit
    _, before = predicted(rows, given)
    changed = given.clone()
    changed[4] = (given[4] + 1) % 3
    _, after = predicted(rows, changed)
    others = [i for i in range(150) if i != 4]
    assert (after - before)[4].abs().max() < 0.03
    assert (after - before)[others].abs().max() > 0.03


def test_soft_labels_that_are_nearly_hard_give_nearly_the_same(unit):
    rows, given = unit
    hard = F.one_hot(given, 3).float()
    predictors = [LeaveOneOutKernelRidge(60, random_state=0) for _ in range(2)]
    one = predictors[0].predict_out_of_sample(rows, hard)
    two = predictors[1].predict_out_of_sample(rows, 0.9998 * hard + 0.0001 * torch.ones(3))
    torch.testing.assert_close(one, two, atol=5e-3, rtol=5e-3)


def test_a_class_without_rows_has_a_column(unit):
    rows, given = unit
    y_soft = F.one_hot(given, 4).float()
    scores = LeaveOneOutKernelRidge(60, random_state=0).predict_out_of_sample(rows, y_soft)
    assert scores.shape == (150, 4) and scores[:, 3].abs().max() < 0.1


def test_a_fit_that_memorises_the_labels_is_not_tried():
    # Labels of pairs of rows, random from pair to pair: the finest fit agrees with all of them.
    generator = torch.Generator().manual_seed(0)
    pairs = torch.randn(75, 1, 8, generator=generator)
    rows = (pairs + 0.2 * torch.randn(75, 2, 8, generator=generator)).reshape(150, 8)
    rows /= rows.norm(dim=1, keepdim=True)
    wild = torch.randint(3, (75,), generator=generator).repeat_interleave(2)
    weights = torch.ones(150)
    weights[140:] = 0
    y_soft = F.one_hot(wild, 3).float()
    predictor = LeaveOneOutKernelRidge(150, None, y_soft, random_state=0)
    predictor.predict_out_of_sample(rows, y_soft, weights)

    def effective_dof(ridge):
        kmap = predictor.kernel_ridge_.kmap
        squared = (2 - 2 * rows @ kmap.landmarks.T).clamp_min(0)
        x = (torch.exp(-kmap.gamma * squared) @ kmap.projection)[:140].double().numpy()
        x = x - x.mean(0)
        values = np.linalg.eigvalsh(x.T @ x)
        return (values / (values + ridge * 140 / len(values) + 1e-6)).sum()

    assert effective_dof(1e-3) > 70 >= effective_dof(predictor.kernel_ridge_.ridge) > 10
    # A refit has twelve for every class, and fewer where labels are probably wrong.
    for clean, expected in ((1.0, 36), (0.5, 9), (0.1, 6)):
        predictor.predict_again(torch.full((150,), clean))
        assert effective_dof(predictor.kernel_ridge_.ridge) == pytest.approx(expected, rel=0.12)


def test_rows_far_beyond_one_block_keep_memory_small(monkeypatch):
    # Scores and result are n x C; nothing may be n x landmarks at once.
    n = 30_000
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    unit = torch.from_numpy((rng.normal(size=(n, 4)) + 3 * np.eye(4)[y]).astype(np.float32))
    unit /= unit.norm(dim=1, keepdim=True)
    sizes = []

    def watched(rows, kmap):
        sizes.append(len(rows))
        return kernel_features(rows, kmap)

    monkeypatch.setattr(f"{NYSTROEM}.kernel_features", watched)
    monkeypatch.setattr(f"{NYSTROEM}._MOST_KEPT", 0)
    scores = LeaveOneOutKernelRidge(50, random_state=0).predict_out_of_sample(unit, np.eye(3)[y])
    assert max(sizes) <= 12_000
    assert (scores.argmax(1).numpy() == y).mean() > 0.9
