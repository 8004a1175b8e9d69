"""The stages one by one, against slow versions and answers known by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nllearn._judgement import (
    GivenLabels,
    Graph,
    LandmarkRows,
    RowScale,
    _landmarks,
    ask_neighbors,
    choose_scale,
    fit_regression,
    mixed_rows,
)
from nllearn._judgement._verdict import easiest_per_class
from nllearn.cleaning._evidence import gather_evidence, predict_alone
from nllearn.cleaning._model import add_model
from nllearn.cleaning._resample import apply_action
from nllearn.functional.kernel_ridge import kernel_map, ridge_system
from nllearn.functional.transition import fused_transition


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def unit(generator):
    """Unit rows in three groups, and their labels of which a tenth are wrong."""
    labels = torch.arange(150) % 3
    rows = torch.randn(150, 5, generator=generator) + 3 * torch.eye(5)[labels]
    given = torch.where(torch.rand(150, generator=generator) < 0.1, (labels + 1) % 3, labels)
    return rows / rows.norm(dim=1, keepdim=True), given


def graph_of(rows, k):
    cosine = rows @ rows.T
    cosine.fill_diagonal_(-2)
    top = cosine.topk(k, dim=1)
    return Graph(top.values, top.indices.int())


def regressed(unit, given, weights, graph, seed=0):
    out = torch.zeros(len(unit), 3)
    votes = ask_neighbors(graph_of(unit, 10), given, 3, weights)
    generator = torch.Generator().manual_seed(seed)
    labels = GivenLabels(given, 3, weights, torch.zeros(len(given), dtype=torch.bool))
    rows = LandmarkRows(unit, graph, weights, 60, generator)
    fit = fit_regression(rows, labels, votes, out)
    return fit, out


@pytest.mark.parametrize("mixed", [False, True])
def test_features_are_made_once_for_all_regressions_where_they_fit(unit, mixed, monkeypatch):
    rows, given = unit
    graph, weights = graph_of(rows, 10), torch.ones(150)
    votes = ask_neighbors(graph, given, 3, weights)
    labels = GivenLabels(given, 3, weights, torch.zeros(150, dtype=torch.bool))
    made = []
    original = _landmarks.kernel_features

    def watched(block, kmap):
        made.append(len(block))
        return original(block, kmap)

    monkeypatch.setattr(_landmarks, "kernel_features", watched)
    monkeypatch.setattr(_landmarks, "_N_TRIED", 60)
    found = {}
    for held in (0, 75_000_000):
        monkeypatch.setattr(_landmarks, "_HELD", held)
        made.clear()
        generator = torch.Generator().manual_seed(0)
        witness = LandmarkRows(rows, graph if mixed else None, weights, 60, generator)
        found[held] = [torch.zeros(150, 3) for _ in range(2)]
        fit_regression(witness, labels, votes, found[held][0])
        fit_regression(witness, labels, votes, found[held][1], torch.linspace(0.1, 1.0, 150))
        # Held: all rows once. Else twice in each fit, and the rows that a ridge is chosen on.
        assert sum(made) == (150 if held else 2 * (150 + 60 + 150))
    for one, two in zip(*found.values(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)
    assert (found[0][0] - found[0][1]).abs().max() > 0.01, "trust makes another fit"


@pytest.mark.parametrize("mixed", [False, True])
def test_a_row_of_weight_zero_is_scored_like_a_new_one(unit, mixed):
    # Nothing must be left out for it: its score is the prediction of the fit itself.
    rows, given = unit
    weights = torch.ones(150)
    weights[::7] = 0
    graph = graph_of(rows, 10) if mixed else None
    fit, out = regressed(rows, given, weights, graph)
    new = mixed_rows(rows, graph.rows, rows) if mixed else rows
    predicted = fit.predict(new)
    torch.testing.assert_close(predicted[::7], out[::7], atol=2e-3, rtol=1e-3)
    assert (predicted - out)[weights > 0].abs().max() > 0.02, "the others leave themselves out"
    # Scores add up to about the same for every row, and the mean of the highest is one.
    top = (weights * out.max(1).values).sum() / weights.sum()
    assert abs(float(top) - 1) < 0.02


def test_the_label_of_a_row_does_not_reach_its_own_score(unit):
    # Its share in the labels' mean is all that is left: a difference of order 1 / n.
    rows, given = unit
    _, before = regressed(rows, given, torch.ones(150), None)
    changed = given.clone()
    changed[4] = (given[4] + 1) % 3
    _, after = regressed(rows, changed, torch.ones(150), None)
    others = [i for i in range(150) if i != 4]
    assert (after - before)[4].abs().max() < 0.03
    assert (after - before)[others].abs().max() > 0.03


def test_mixed_rows_lie_halfway():
    bank = F.normalize(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), dim=1)
    near = torch.tensor([[1, 2]])
    torch.testing.assert_close(
        mixed_rows(bank[:1], near, bank), torch.tensor([[0.5**0.5, 0.5**0.5]])
    )
    torch.testing.assert_close(mixed_rows(bank[:1], near[:, :0], bank), bank[:1])


def test_the_easiest_of_every_class(generator):
    labels = torch.tensor([0] * 10 + [1] * 3 + [2])
    confidence = torch.rand(14, generator=generator)
    easy = easiest_per_class(labels, confidence, 4)
    expected = torch.zeros(14, dtype=torch.bool)
    for code, count in ((0, 8), (1, 3), (2, 1)):
        rows = [i for i in range(14) if labels[i] == code]
        rows.sort(key=lambda i: -float(confidence[i]))
        expected[rows[:count]] = True
    assert torch.equal(easy, expected)


def test_the_transition_matrix_against_loops():
    rng = np.random.default_rng(0)
    q = rng.dirichlet(np.ones(3), 50)
    given, weight = rng.integers(0, 3, 50), rng.random(50)
    q[:, 2] = 0  # no row is believed to be of class 2
    expected = np.zeros((3, 3))
    for i in range(50):
        for true in range(3):
            expected[true, given[i]] += weight[i] * q[i, true]
    expected[:2] /= expected[:2].sum(1, keepdims=True)
    expected[2] = [0, 0, 1]
    np.testing.assert_allclose(fused_transition(q, given, weight), expected)


def test_who_decided():
    # Rows: trusted, both agree, regression alone, neighbours alone, given label, noise model.
    corrected = np.array([0, 1, 1, 1, 0, 2])
    given = np.array([0, 0, 0, 0, 0, 0])
    scores = F.one_hot(torch.tensor([1, 1, 1, 0, 1, 1]), 3).float()
    votes = torch.log(
        torch.tensor([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]] * 2)[[0, 1, 2, 1, 1, 1]]
    )
    easy_votes = votes.flip(1)
    easy = torch.tensor([True, False] * 3)
    trusted = np.arange(6) == 0
    found = gather_evidence(scores, votes, easy_votes, easy, given, corrected, trusted)
    assert found["decided_by"].tolist() == [
        "trusted",
        "all",
        "regression",
        "neighbors",
        "given label",
        "noise model",
    ]
    np.testing.assert_allclose(found["neighbor_share_given"], [0.7, 0.2, 0.6, 0.2, 0.2, 0.2])
    np.testing.assert_allclose(found["neighbor_share_corrected"], [0.7, 0.7, 0.3, 0.7, 0.2, 0.1])
    np.testing.assert_allclose(found["easy_share_given"], [0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    np.testing.assert_allclose(found["easy_share_corrected"], [0.1, 0.7, 0.3, 0.7, 0.1, 0.2])
    assert found["is_easy"].tolist() == easy.tolist()


def test_predictions_of_the_witnesses_alone():
    class Noise:
        sharpness = 3.0

    scores = torch.tensor([[1.0, 0.0], [0.2, 0.4]])
    votes = torch.log(torch.tensor([[0.5, 0.5], [0.9, 0.1]]))
    predicted, proba = predict_alone(scores, votes, Noise())
    expected = []
    for i in range(2):
        e = np.exp(3.0 * (scores[i].numpy() + 0.12 * votes[i].numpy()))
        expected.append(e / e.sum())
    np.testing.assert_array_equal(predicted, np.argmax(expected, 1))
    np.testing.assert_allclose(proba, np.max(expected, 1), rtol=1e-5)


def test_a_model_counts_as_far_as_it_agrees_with_the_neighbours():
    votes = torch.log(torch.eye(2)[torch.arange(8) % 2] * 0.8 + 0.1)
    weights = torch.ones(8)
    mine = torch.eye(2)[torch.tensor([0, 1, 0, 1, 0, 1, 1, 0])]  # right in 6 of 8: odds 3
    theirs = torch.eye(2)[torch.tensor([0, 1, 0, 1, 1, 0, 1, 0])]  # right in 4 of 8: odds 1
    scores = mine.clone()
    add_model(scores, theirs.numpy(), votes, weights)
    torch.testing.assert_close(scores, 0.75 * mine + 0.25 * theirs)
    # A model is divided by its mean top probability, as the scores are.
    scores = mine.clone()
    add_model(scores, (0.5 * theirs + 0.25).numpy(), votes, weights)
    torch.testing.assert_close(scores, 0.75 * mine + 0.25 * (0.5 * theirs + 0.25) / 0.75)
    # Where none agrees with the neighbours, the scores stay.
    scores = 1 - torch.eye(2)[torch.arange(8) % 2]
    add_model(scores, scores.numpy(), votes, weights)
    torch.testing.assert_close(scores, 1 - torch.eye(2)[torch.arange(8) % 2])


@pytest.mark.parametrize(
    ("action", "kept", "labels"),
    [
        ("relabel", None, [0, 2, 1, 3, 0]),
        ("drop", [0, 4], [0, 0]),
        ("relabel_or_drop", [0, 1, 4], [0, 2, 0]),
    ],
)
def test_actions_by_hand(action, kept, labels):
    # Rows: no issue; a sure and an unsure correction; an issue by quality alone; no issue, since
    # the budget was spent.
    given, corrected = np.array([0, 1, 2, 3, 0]), np.array([0, 2, 1, 3, 1])
    issue = np.array([False, True, True, True, False])
    q = np.full((5, 4), 0.1)
    q[np.arange(5), corrected] = [0.9, 0.8, 0.79, 0.95, 0.9]
    found, rows = apply_action(action, 0.8, issue, given, corrected, q)
    assert found.tolist() == labels
    assert (rows if rows is None else rows.tolist()) == kept


def test_the_scale_is_asked_of_rows_that_take_part(generator):
    # The labels of the rows that take part follow a small column, those of the others a large one.
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    X = np.column_stack([rng.normal(size=400) * 1000, 4 * y + rng.normal(size=400)])
    X = np.column_stack([X, rng.normal(size=400) * 1000])
    weight = np.ones(400)
    assert len(np.unique(choose_scale(X, y, 2, weight, generator).scale)) > 1
    other = (X[:, 0] > 0).astype(np.int64)
    mixed = np.where(np.arange(400) < 200, y, other)
    weight[200:] = 0
    assert len(np.unique(choose_scale(X, mixed, 2, weight, generator).scale)) > 1
    assert len(np.unique(choose_scale(X, mixed, 2, 1 - weight, generator).scale)) == 1


@pytest.mark.parametrize("seed", range(6))
def test_few_rows_with_wrong_labels_do_not_outvote_mixed_units(seed):
    # A column in the thousands tells one class, ten small ones tell all three: what 100 rows
    # with 40 % wrong labels say of a scale is half chance.
    rng = np.random.default_rng(seed)
    y = np.arange(100) % 3
    small = rng.normal(size=(3, 10))[y] + rng.normal(size=(100, 10))
    X = np.column_stack([1000 * rng.normal(size=100) + 3000 * (y == 0), small])
    y = np.where(rng.random(100) < 0.4, rng.integers(0, 3, 100), y)
    generator = torch.Generator().manual_seed(seed)
    assert len(np.unique(choose_scale(X, y, 3, np.ones(100), generator).scale)) > 1


def test_columns_that_are_constant_up_to_rounding_do_not_count():
    # Only a scale of its own for each column shows the small one that the labels follow.
    rng = np.random.default_rng(0)
    y = np.arange(300) % 2
    X = rng.normal(size=(300, 3)) * [0.01, 0.5, 0.5]
    X[:, 0] += 0.04 * y
    rounded = np.where(rng.random(300) < 0.5, 1e9, np.nextafter(1e9, np.inf))
    wide = np.column_stack([X, rounded])
    scale = choose_scale(wide, y, 2, np.ones(300), torch.Generator().manual_seed(0))
    assert len(np.unique(scale.scale)) > 1
    assert scale.scale[3] == np.inf


def test_unit_rows_of_a_scale():
    scale = RowScale(np.array([1.0, 2.0]), np.array([2.0, np.inf]), 3.0)
    found = scale.apply(np.array([[9.0, 7.0], [1e300, 0.0]]), torch.device("cpu"))
    # ((9 - 1) / 2, 0, 3) has length 5; a row that is far away keeps its direction.
    torch.testing.assert_close(found, torch.tensor([[0.8, 0.0, 0.6], [1.0, 0.0, 0.0]]))


def test_the_width_of_the_kernel_where_most_landmarks_are_duplicates(generator):
    rows = torch.eye(3)[torch.tensor([0] * 18 + [1, 2])]
    kmap = kernel_map(rows, 20, generator)
    # Of 380 ordered pairs 74 differ, by a squared distance of 2.
    assert kmap.gamma == pytest.approx(380 / (74 * 2))
    assert kernel_map(rows[:18], 18, generator).gamma == 1.0


def test_a_fit_that_knows_the_labels_by_heart_is_not_tried(generator):
    # Labels of pairs of rows, random from pair to pair: the finest fit agrees with all of them.
    pairs = torch.randn(75, 1, 8, generator=generator)
    rows = (pairs + 0.2 * torch.randn(75, 2, 8, generator=generator)).reshape(150, 8)
    rows /= rows.norm(dim=1, keepdim=True)
    wild = torch.randint(3, (75,), generator=generator).repeat_interleave(2)
    weights = torch.ones(150)
    weights[140:] = 0
    labels = GivenLabels(wild, 3, weights, torch.zeros(150, dtype=torch.bool))
    witness = LandmarkRows(rows, None, weights, 150, torch.Generator().manual_seed(0))
    votes = F.one_hot(wild, 3).float()
    fit = fit_regression(witness, labels, votes, torch.zeros(150, 3))
    system = ridge_system(witness.blocks, weights, wild)

    def freedom(ridge):
        return float((system.values * system.shrinkage(ridge)).sum())

    assert freedom(1e-3) > 70 >= freedom(fit.ridge) > 10
    # A refit has twelve for every class, and fewer where labels are not believed.
    for trust, expected in ((1.0, 36), (0.5, 9), (0.1, 6)):
        refit = fit_regression(
            witness, labels, votes, torch.zeros(150, 3), torch.full((150,), trust)
        )
        system = ridge_system(witness.blocks, weights / weights[weights > 0].mean(), wild)
        assert freedom(refit.ridge) == pytest.approx(expected, rel=0.1)
