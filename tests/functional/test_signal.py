"""Signal of features and predictions: loops, known answers, and chance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma, norm

from nllearn.functional import signal
from nllearn.functional.signal import dependence_strength, recognized_classes, signal_strength


def drawn(n, n_classes, signal, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_classes, n)
    scores = rng.random((n, n_classes)) + signal * np.eye(n_classes)[codes]
    weights = np.where(rng.random(n) < 0.2, 0.0, rng.random(n) + 0.5)
    return scores, codes, weights


def as_tensors(scores, codes, weights):
    return (
        torch.tensor(scores, dtype=torch.float32),
        torch.tensor(codes),
        torch.tensor(weights, dtype=torch.float32),
    )


@given(st.integers(2, 40), st.integers(2, 5), st.integers(0, 2**16))
def test_the_strength_by_loops(n, n_classes, seed):
    scores, codes, weights = drawn(n, n_classes, 0.2, seed)
    weights[0] = 1.0
    scores, codes_t, weights_t = as_tensors(scores, codes, weights)
    w, s = weights_t.double().numpy(), scores.double().numpy()
    rows = [i for i in range(n) if w[i] > 0]
    share = [sum(w[i] for i in rows if codes[i] == k) / sum(w) for k in range(n_classes)]

    def rank(i, k):
        """Rows below, and half of those that are level."""
        below = sum(s[j, k] < s[i, k] for j in rows)
        return below + 0.5 * sum(s[j, k] == s[i, k] for j in rows)

    gains = [
        w[i] * (rank(i, codes[i]) - sum(share[k] * rank(i, k) for k in range(n_classes)))
        for i in rows
    ]
    square = sum(g * g for g in gains)
    expected = sum(gains) / (2 * square) ** 0.5 if square > 1e-20 else None
    if expected is not None:
        assert signal_strength(scores, codes_t, weights_t) == pytest.approx(expected, rel=1e-5)


def kernel_scores(X, codes, n_classes, weights, width):
    """Shares of the classes near every row, without the row itself."""
    distance = ((X[:, None] - X[None]) ** 2).sum(2)
    kernel = np.exp(-distance / width) * weights
    np.fill_diagonal(kernel, 0.0)
    votes = kernel @ np.eye(n_classes)[codes]
    return votes / votes.sum(1, keepdims=True).clip(1e-30)


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.9, 0.1], [0.25, 0.25, 0.25, 0.25]])
def test_predictions_without_signal_give_a_standard_normal(shares):
    found = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        X, codes = rng.normal(size=(200, 3)), rng.choice(len(shares), 200, p=shares)
        weights = np.where(rng.random(200) < 0.2, 0.0, 1.0)
        scores = kernel_scores(X, codes, len(shares), weights, 0.1)
        found.append(signal_strength(*as_tensors(scores, codes, weights)))
    assert abs(np.mean(found)) < 0.25 and 0.8 < np.std(found) < 1.2


def test_a_rare_class_that_features_show_is_a_signal():
    # 10 standard errors of independent rows.
    assert signal_strength(*as_tensors(*drawn(500, 4, 0.3, 0))) > 10 / 2**0.5
    rng = np.random.default_rng(0)
    codes = (rng.random(2000) < 0.03).astype(np.int64)
    X = rng.normal(size=(2000, 3))
    X[codes == 1, 0] += 1.5
    scores = kernel_scores(X, codes, 2, np.ones(2000), 4.0)
    assert scores.argmax(1).sum() == 0  # the rare class is never predicted
    assert signal_strength(*as_tensors(scores, codes, np.ones(2000))) > 5


def test_constant_predictions_and_one_class_have_no_signal():
    codes = torch.tensor([0, 1, 0, 0])
    assert abs(signal_strength(torch.full((4, 2), 0.3), codes, torch.ones(4))) < 1e-3
    # The frequencies of the classes alone are no signal.
    assert abs(signal_strength(torch.tensor([[0.75, 0.25]] * 4), codes, torch.ones(4))) < 1e-3


def test_a_factor_changes_nothing():
    scores, codes, weights = as_tensors(*drawn(300, 3, 0.1, 0))
    one = signal_strength(scores, codes, weights)
    assert signal_strength(5 * scores, codes, weights) == pytest.approx(one, rel=1e-5)


@given(st.integers(4, 6), st.integers(1, 8), st.integers(2, 3), st.integers(0, 2**16))
def test_the_dependence_is_that_of_all_orders_of_the_labels(n, d, n_classes, seed):
    rng = np.random.default_rng(seed)
    X, codes = rng.normal(size=(n + 2, d)), rng.integers(0, n_classes, n + 2)
    weights = np.append(rng.random(n) + 0.5, [0.0, 0.0])
    share = [weights[codes == k].sum() / weights.sum() for k in range(n_classes)]
    centred = X[:n] - X[:n].mean(0)

    def statistic(order):
        total = np.zeros((d, n_classes))
        for row, other in enumerate(order):
            for k in range(n_classes):
                total[:, k] += centred[row] * weights[other] * ((codes[other] == k) - share[k])
        return (total**2).sum()

    values = [statistic(order) for order in itertools.permutations(range(n))]
    got = dependence_strength(torch.tensor(X), torch.tensor(codes), torch.tensor(weights))
    if len(set(codes[:n])) == 1 or np.std(values) < 1e-5 * np.mean(values):
        return
    mean, variance = np.mean(values), np.var(values)
    chance = gamma.sf(values[0], mean**2 / variance, scale=variance / mean)
    assert got == pytest.approx(norm.isf(chance), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("n", "d"), [(40, 100), (300, 3), (300, 30)])
def test_features_without_signal_depend_on_labels_as_seldom_as_chance_has_it(n, d):
    found = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        X, codes = np.exp(rng.normal(size=(n, d))), rng.choice(3, n, p=[0.7, 0.2, 0.1])
        found.append(dependence_strength(*as_tensors(X, codes, np.ones(n))))
    found = np.array(found)
    assert abs(found.mean()) < 0.15 and 0.85 < found.std() < 1.15
    assert (found > norm.isf(0.01)).mean() <= 0.03


def test_many_columns_that_say_a_little_each_are_found():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 600)
    X = rng.normal(size=(600, 20)) + 0.15 * codes[:, None]
    assert dependence_strength(*as_tensors(X, codes, np.ones(600))) > 4
    assert dependence_strength(*as_tensors(X, rng.permutation(codes), np.ones(600))) < 2.33


def test_where_there_is_nothing_to_depend_on():
    rng = np.random.default_rng(0)
    X, codes, weights = as_tensors(rng.normal(size=(50, 4)), rng.integers(0, 2, 50), np.ones(50))
    assert dependence_strength(torch.ones(50, 4), codes, weights) == 0
    assert dependence_strength(X, torch.zeros_like(codes), weights) == 0
    assert dependence_strength(X, codes, torch.zeros(50)) == 0
    assert dependence_strength(X[:3], codes[:3], weights[:3]) == 0
    # A perfect dependence is finite.
    assert 5 < dependence_strength(codes[:, None].float(), codes, weights) < 40


def test_an_order_of_the_labels_that_repeats_changes_nothing(monkeypatch):
    monkeypatch.setattr(signal, "_N_NUMBERS", 1000)
    codes = np.arange(4000) % 4
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 4)) + np.eye(4)[codes]
    for strength in (signal_strength, dependence_strength):
        # Of every sixteen rows one is looked at.
        assert strength(*as_tensors(X, codes, np.ones(4000))) > 5


def slow_recognized(scores, predicted, codes, weights):
    n, n_classes = scores.shape
    share = [weights[codes == k].sum() / weights.sum() for k in range(n_classes)]
    relative = [
        max(range(n_classes), key=lambda k: scores[i, k] / max(share[k], 1e-9)) for i in range(n)
    ]
    found = []
    for k in range(n_classes):
        better = False
        for named in (predicted, relative):
            size = sum(weights[i] for i in range(n) if named[i] == k)
            hits = sum(weights[i] for i in range(n) if named[i] == k == codes[i])
            error = max(size * share[k] * (1 - share[k]), 1e-9) ** 0.5
            better = better or (hits - share[k] * size) / error > 1.0
        named_at_all = any(weights[i] > 0 and predicted[i] == k for i in range(n))
        found.append(better and named_at_all)
    return found


@given(st.integers(2, 40), st.integers(2, 5), st.floats(0, 0.5), st.integers(0, 2**16))
def test_recognized_classes_by_loops(n, n_classes, signal, seed):
    scores, codes, weights = drawn(n, n_classes, signal, seed)
    weights[0] = 1.0
    scores, codes_t, weights_t = as_tensors(scores, codes, weights)
    predicted = scores.argmax(1)
    got = recognized_classes(scores, predicted, codes_t, weights_t)
    expected = slow_recognized(
        scores.double().numpy(), predicted.numpy(), codes, weights_t.double().numpy()
    )
    assert got.tolist() == expected


def test_a_class_that_is_guessed_is_not_recognized():
    codes = torch.arange(400) % 4
    scores = torch.eye(4)[codes].clone()
    # Rows of class 3 are predicted as any class, and so are a few of the others as 3.
    scores[codes == 3] = torch.eye(4)[torch.arange(100) % 4]
    scores[torch.arange(0, 400, 4)] = torch.eye(4)[torch.tensor([3, 0, 0, 0] * 25)]
    scores[torch.arange(1, 400, 4)] = torch.eye(4)[torch.tensor([3, 1, 1, 1] * 25)]
    scores[torch.arange(2, 400, 4)] = torch.eye(4)[torch.tensor([3, 2, 2, 2] * 25)]
    got = recognized_classes(scores, scores.argmax(1), codes, torch.ones(400))
    assert got.tolist() == [True, True, True, False]


def test_a_class_that_is_never_predicted_is_not_recognized():
    codes = torch.tensor([0] * 90 + [1] * 10)
    scores = torch.tensor([[0.9, 0.1]] * 90 + [[0.6, 0.4]] * 10)
    got = recognized_classes(scores, scores.argmax(1), codes, torch.ones(100))
    assert not got[1]
    # A rare class that gets more than its share is recognized once it is predicted at all.
    predicted = torch.cat([torch.zeros(99, dtype=torch.int64), torch.ones(1, dtype=torch.int64)])
    assert recognized_classes(scores, predicted, codes, torch.ones(100))[1]
