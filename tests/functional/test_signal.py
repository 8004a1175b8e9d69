"""Signal of predictions: loops, known answers, and chance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nllearn.functional.signal import recognized_classes, signal_strength


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
    share = [sum(w[i] for i in range(n) if codes[i] == k) / sum(w) for k in range(n_classes)]
    gains = [
        w[i] * (s[i, codes[i]] - sum(share[k] * s[i, k] for k in range(n_classes)))
        for i in range(n)
    ]
    square = sum(g * g for g in gains)
    expected = sum(gains) / square**0.5 if square > 1e-20 else None
    if expected is not None:
        assert signal_strength(scores, codes_t, weights_t) == pytest.approx(expected, rel=1e-5)


def test_predictions_without_signal_give_a_standard_normal():
    found = [signal_strength(*as_tensors(*drawn(500, 4, 0.0, seed))) for seed in range(200)]
    assert abs(np.mean(found)) < 0.25 and 0.8 < np.std(found) < 1.2
    assert signal_strength(*as_tensors(*drawn(500, 4, 0.3, 0))) > 10


def test_constant_predictions_and_one_class_have_no_signal():
    codes = torch.tensor([0, 1, 0, 0])
    assert abs(signal_strength(torch.full((4, 2), 0.3), codes, torch.ones(4))) < 1e-3
    # The frequencies of the classes alone are no signal.
    assert abs(signal_strength(torch.tensor([[0.75, 0.25]] * 4), codes, torch.ones(4))) < 1e-3


def test_a_factor_changes_nothing():
    scores, codes, weights = as_tensors(*drawn(300, 3, 0.1, 0))
    one = signal_strength(scores, codes, weights)
    assert signal_strength(5 * scores, codes, weights) == pytest.approx(one, rel=1e-5)


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
