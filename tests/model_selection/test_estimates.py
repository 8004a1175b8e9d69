"""The estimates against loops, against the truth in the mean, and with bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nllearn.model_selection import (
    expected_accuracy,
    forward_log_likelihood,
    weighted_accuracy,
)

T3 = np.array([[0.7, 0.2, 0.1], [0.0, 0.8, 0.2], [0.3, 0.1, 0.6]])


@pytest.fixture(scope="module")
def drawn():
    """Classes, given labels, predictions, qualities, distributions and weights of 40 rows."""
    rng = np.random.default_rng(0)
    classes = np.array(["ant", "bee", "cow"])
    return {
        "classes": classes,
        "given": rng.choice(classes, 40),
        "predicted": rng.choice(classes, 40),
        "quality": rng.random(40),
        "q": rng.dirichlet(np.ones(3), 40),
        "weight": rng.random(40),
    }


@pytest.mark.parametrize("weighted", [False, True])
def test_estimates_equal_loops(drawn, weighted):
    given, predicted, q = drawn["given"], drawn["predicted"], drawn["q"]
    weight = drawn["weight"] if weighted else None
    s = drawn["weight"] if weighted else np.ones(40)
    place = {label: code for code, label in enumerate(drawn["classes"])}
    hit = mass = expected = forward = 0.0
    for i in range(40):
        g, h = place[given[i]], place[predicted[i]]
        hit += s[i] * drawn["quality"][i] * (g == h)
        mass += s[i] * drawn["quality"][i]
        expected += s[i] * q[i, h]
        forward += s[i] * np.log(0.99 * T3[h, g] + 0.01 / 3)
    known = {"classes": drawn["classes"], "sample_weight": weight}
    total = s.sum()
    assert weighted_accuracy(
        given, predicted, drawn["quality"], sample_weight=weight
    ) == pytest.approx(hit / mass)
    assert expected_accuracy(predicted, q, **known) == pytest.approx(expected / total)
    assert forward_log_likelihood(given, predicted, T3, **known) == pytest.approx(forward / total)


def test_without_noise_all_are_plain_accuracy(drawn):
    given, predicted, classes = drawn["given"], drawn["predicted"], drawn["classes"]
    plain = np.mean(given == predicted)
    onehot = (given[:, None] == classes).astype(float)
    assert weighted_accuracy(given, predicted, np.ones(40)) == pytest.approx(plain)
    assert expected_accuracy(predicted, onehot, classes=classes) == pytest.approx(plain)
    sure, wrong = np.log(0.99 + 0.01 / 3), np.log(0.01 / 3)
    forward = forward_log_likelihood(given, predicted, np.eye(3), classes=classes)
    assert forward == pytest.approx(plain * sure + (1 - plain) * wrong)


def test_each_estimates_the_true_accuracy():
    """Class-dependent noise, a predictor that is right in 70 % of the rows."""
    rng = np.random.default_rng(1)
    n, classes = 60_000, np.arange(3)
    y = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    h = np.where(rng.random(n) < 0.7, y, rng.integers(0, 3, n))
    given = (rng.random(n)[:, None] > T3[y].cumsum(1)).sum(1)
    truth = np.mean(h == y)
    assert abs(np.mean(h == given) - truth) > 0.1
    # Bayes, knowing the features and so, here, the true label.
    q = np.eye(3)[y]
    assert expected_accuracy(h, q, classes=classes) == pytest.approx(truth)
    right = (given == y).astype(float)
    on_right = np.mean((h == y)[given == y])
    assert weighted_accuracy(given, h, right) == pytest.approx(on_right)


def test_forward_prefers_the_truth_where_most_labels_of_a_class_are_wrong():
    rng = np.random.default_rng(2)
    T = np.array([[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.6, 0.0, 0.4]])
    y = rng.integers(0, 3, 20_000)
    given = (rng.random(len(y))[:, None] > T[y].cumsum(1)).sum(1)
    # A model that learned the most frequent given label of each class.
    learned = T.argmax(1)[y]
    assert np.mean(y == given) < np.mean(learned == given)
    scores = [forward_log_likelihood(given, h, T, classes=np.arange(3)) for h in (y, learned)]
    assert scores[0] > scores[1]


@pytest.mark.parametrize(
    "labels",
    [
        np.array([10, 20, 30]),
        np.array([0.5, 1.5, 2.5]),
        np.array(["a", "bb", "ccc"]),
        np.array(["a", "bb", "ccc"], dtype=object),
        np.array([b"x", b"y", b"z"]),
        pd.Series(["a", "bb", "ccc"], index=[7, 8, 9]),
        pd.Series(["a", "bb", "ccc"], dtype="category"),
        np.array([1, 2, 3], dtype=np.uint8),
    ],
    ids=lambda labels: f"{type(labels).__name__}-{labels.dtype}",
)
def test_any_label_dtype(labels):
    given = labels.take([0, 1, 2, 2])
    predicted = labels.take([0, 1, 1, 2])
    assert weighted_accuracy(given, predicted, [1, 1, 1, 0.5]) == pytest.approx(2.5 / 3.5)
    q = np.eye(3)[[0, 1, 2, 2]]
    assert expected_accuracy(predicted, q, classes=labels) == 0.75
    value = forward_log_likelihood(given, given, np.eye(3), classes=labels)
    assert value == pytest.approx(np.log(0.99 + 0.01 / 3))


def test_bool_labels():
    classes = np.array([False, True])
    assert expected_accuracy(classes, [[0.25, 0.75], [0.5, 0.5]], classes=classes) == 0.375


def test_predictions_outside_the_classes_are_wrong():
    q = [[1.0, 0.0], [0.5, 0.5]]
    assert expected_accuracy(["z", "a"], q, classes=["a", "b"]) == 0.25


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: weighted_accuracy([0, 1], [0, 1, 1], [1, 1]), "must be equal"),
        (lambda: weighted_accuracy([[0], [1]], [0, 1], [1, 1]), r"shape \(2, 1\)"),
        (lambda: weighted_accuracy([], [], []), "must be equal and not 0"),
        (lambda: weighted_accuracy([0, None], [0, 1], [1, 1]), "1 missing labels.*row 1"),
        (lambda: weighted_accuracy(["0", "1"], [0, 1], [1, 1]), "text and numbers"),
        (lambda: weighted_accuracy([0, 1], [0, 1], [1]), r"expected one number per row, \(2,\)"),
        (lambda: weighted_accuracy([0, 1], [0, 1], [1, np.nan]), "nan in row 1"),
        (lambda: weighted_accuracy([0, 1], [0, 1], [1, 1.5]), "from 1 to 1.5"),
        (lambda: weighted_accuracy([0, 1], [0, 1], [0, 0]), "zero in all 2 rows"),
        (
            lambda: weighted_accuracy([0, 1], [0, 1], [1, 1], sample_weight=[1, -1]),
            "sample_weight runs from -1 to 1",
        ),
        (
            lambda: weighted_accuracy([0, 1], [0, 1], [1, 1], sample_weight=[1]),
            "sample_weight has shape",
        ),
        (
            lambda: expected_accuracy([0], [[0.5, 0.5]], classes=[0, 1], sample_weight=[0]),
            "not all be zero",
        ),
        (lambda: expected_accuracy([0], [[0.5, 0.5]], classes=[0, 0]), "each named once"),
        (lambda: expected_accuracy([0], [[1.0]], classes=[0]), "at least two labels"),
        (lambda: expected_accuracy([0], [[0.5, 0.5]], classes=[0, 1, 2]), r"expected \(1, 3\)"),
        (lambda: expected_accuracy([0], [[0.5, 0.6]], classes=[0, 1]), "sums to 1.1"),
        (lambda: expected_accuracy([0], [[1.5, -0.5]], classes=[0, 1]), "not negative"),
        (lambda: expected_accuracy([0], [["a", "b"]], classes=[0, 1]), "finite numbers"),
        (
            lambda: forward_log_likelihood([2], [0], np.eye(2), classes=[0, 1]),
            r"not in classes: \[2\]",
        ),
        (lambda: forward_log_likelihood([0], [0], np.eye(3), classes=[0, 1]), r"expected \(2, 2\)"),
        (
            lambda: forward_log_likelihood([0], [0], [[0.9, 0.3], [0.1, 0.7]], classes=[0, 1]),
            "pass its transpose",
        ),
        (
            lambda: forward_log_likelihood([0], [0], [[0.9, 0.3], [0.2, 0.7]], classes=[0, 1]),
            r"row 0 of transition_matrix sums to 1.2; rows are true classes and must sum to 1$",
        ),
        (
            lambda: forward_log_likelihood([0], [0], [[1.5, -0.5], [0, 1]], classes=[0, 1]),
            "not negative",
        ),
        (
            lambda: forward_log_likelihood([0], [2], np.eye(2), classes=[0, 1]),
            r"y_pred has labels that are not in classes: \[2\]",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
