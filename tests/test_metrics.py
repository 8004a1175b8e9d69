"""Scores against the true labels: slow loops, dtypes, weights, empty denominators, errors."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nllearn.metrics import (
    correction_report,
    detection_auroc,
    detection_average_precision,
    label_accuracy,
    quality_calibration_error,
    realized_noise,
    selection_precision,
    selection_recall,
)

NAMES = np.array(["ant", "bee", "cat"])


@st.composite
def rows(draw, max_weight=3):
    """True, given and corrected codes, quality, mask and whole-number weights of some rows."""
    row = st.tuples(
        *[st.integers(0, 2)] * 3,
        st.integers(0, 8).map(lambda k: k / 8),
        st.booleans(),
        st.integers(0, max_weight),
    )
    table = draw(st.lists(row, min_size=1, max_size=30).filter(lambda r: any(x[5] for x in r)))
    return tuple(np.array(column) for column in zip(*table, strict=True))


def share(part, whole):
    return part / whole if whole else math.nan


def scores(true, given_label, corrected, quality, easy, weight):
    """All scores that are one number, by name."""
    args = {"sample_weight": weight}
    return {
        "rate": realized_noise(true, given_label, **args)[0],
        "accuracy": label_accuracy(true, corrected, **args),
        **correction_report(true, given_label, corrected, **args),
        "precision": selection_precision(true, given_label, easy, **args),
        "recall": selection_recall(true, given_label, easy, **args),
        "auroc": detection_auroc(true, given_label, quality, **args),
        "ap": detection_average_precision(true, given_label, quality, **args),
        "ece": quality_calibration_error(true, given_label, quality, n_bins=4, **args),
    }


def assert_scores_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert type(found[name]) is float
        assert found[name] == pytest.approx(value, abs=1e-12, nan_ok=True), name


# Definitions


def slow_ece(right, quality, weight, n_bins):
    """Equal-mass bins by walking over the distinct values."""
    total = sum(weight)
    bins = [[] for _ in range(n_bins)]
    before = 0
    for value in sorted(set(quality)):
        members = [i for i in range(len(quality)) if quality[i] == value]
        mass = sum(weight[i] for i in members)
        middle = before + mass / 2
        bins[min(n_bins - 1, math.floor(n_bins * middle / total))] += members
        before += mass
    error = 0.0
    for members in bins:
        mass = sum(weight[i] for i in members)
        if mass:
            confidence = sum(weight[i] * quality[i] for i in members) / mass
            accuracy = sum(weight[i] * right[i] for i in members) / mass
            error += mass / total * abs(confidence - accuracy)
    return error


@given(rows())
def test_scores_against_loops(table):
    true, given_label, corrected, quality, easy, weight = table
    n = len(true)
    total = sum(weight)
    right = [true[i] == given_label[i] for i in range(n)]
    fixed = [true[i] == corrected[i] for i in range(n)]
    n_right = sum(weight[i] for i in range(n) if right[i])
    n_wrong = total - n_right
    n_easy = sum(weight[i] for i in range(n) if easy[i])
    both = sum(weight[i] for i in range(n) if easy[i] and right[i])

    pairs = 0.0
    average_precision = 0.0
    for i in range(n):
        if right[i] or not weight[i]:
            continue
        below = [k for k in range(n) if quality[k] <= quality[i]]
        hits = sum(weight[k] for k in below if not right[k])
        average_precision += weight[i] * hits / sum(weight[k] for k in below)
        for k in range(n):
            if right[k]:
                order = (quality[i] < quality[k]) + 0.5 * (quality[i] == quality[k])
                pairs += weight[i] * weight[k] * order

    expected = {
        "rate": n_wrong / total,
        "accuracy": sum(weight[i] for i in range(n) if fixed[i]) / total,
        "accuracy_before": n_right / total,
        "accuracy_after": sum(weight[i] for i in range(n) if fixed[i]) / total,
        "changed": sum(weight[i] for i in range(n) if corrected[i] != given_label[i]) / total,
        "wrong_repaired": share(
            sum(weight[i] for i in range(n) if fixed[i] and not right[i]), n_wrong
        ),
        "right_harmed": share(
            sum(weight[i] for i in range(n) if right[i] and not fixed[i]), n_right
        ),
        "precision": share(both, n_easy),
        "recall": share(both, n_right),
        "auroc": share(pairs, n_right * n_wrong),
        "ap": share(average_precision, n_wrong),
        "ece": slow_ece(right, quality, weight, 4),
    }
    assert_scores_equal(scores(*table), expected)


@given(rows())
def test_transition_matrix_against_a_loop(table):
    true, noisy, _, _, _, weight = table
    classes = sorted({*true.tolist(), *noisy.tolist()})
    _, T = realized_noise(true, noisy, sample_weight=weight)
    assert T.shape == (len(classes), len(classes)) and T.dtype == np.float64
    np.testing.assert_allclose(T.sum(axis=1), 1)
    for i, a in enumerate(classes):
        mass = sum(weight[true == a])
        for j, b in enumerate(classes):
            found = sum(weight[(true == a) & (noisy == b)])
            assert T[i, j] == pytest.approx(found / mass if mass else float(i == j))


def test_transition_matrix_has_true_labels_in_rows():
    rate, T = realized_noise(["a"] * 4 + ["b"] * 4, ["a", "b", "b", "b"] + ["b"] * 4)
    assert rate == 0.375
    assert T.tolist() == [[0.25, 0.75], [0.0, 1.0]]


def test_class_without_true_rows():
    _, T = realized_noise([0, 0, 1], [0, 2, 1])
    assert T.tolist() == [[0.5, 0.0, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


def test_one_class_and_no_noise():
    rate, T = realized_noise(["a"], ["a"])
    assert rate == 0.0 and T.tolist() == [[1.0]]


# Calibration


def test_calibration_of_calibrated_and_of_overconfident_quality():
    rng = np.random.default_rng(0)
    quality = rng.uniform(size=20_000)
    true = np.zeros(20_000, dtype=int)
    given_label = (rng.uniform(size=20_000) > quality).astype(int)
    assert quality_calibration_error(true, given_label, quality) < 0.02
    too_low = quality_calibration_error(true, given_label, 0.5 * quality)
    assert too_low == pytest.approx(np.mean(0.5 * quality), abs=0.01)


def test_calibration_bins_have_equal_mass():
    # Two bins: rows 1-4 (mean quality .25, half right) and 5-8 (mean .75, all right).
    quality = [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]
    right = [0, 1, 0, 1, 1, 1, 1, 1]
    found = quality_calibration_error([1] * 8, right, quality, n_bins=2)
    assert found == pytest.approx(0.5 * 0.25 + 0.5 * 0.25)
    assert quality_calibration_error([1] * 8, right, quality, n_bins=1) == pytest.approx(0.25)
    # Equal-width bins would leave this in one; equal mass parts it.
    assert quality_calibration_error([1, 1], [1, 0], [0.51, 0.52], n_bins=2) == pytest.approx(
        0.5 * 0.49 + 0.5 * 0.52
    )


@given(rows(), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(table, random):
    order = list(range(len(table[0])))
    random.shuffle(order)
    assert_scores_equal(scores(*(column[order] for column in table)), scores(*table))


@given(rows())
def test_weights_count_as_repeated_rows(table):
    weight = table[-1]
    repeated = [np.repeat(column, weight) for column in table[:-1]]
    assert_scores_equal(scores(*repeated, None), scores(*table))


@given(rows())
def test_all_scores_lie_between_zero_and_one(table):
    for name, value in scores(*table).items():
        assert math.isnan(value) or 0 <= value <= 1, name


# Label dtypes


@given(rows())
def test_labels_of_any_dtype(table):
    codes, rest = table[:3], table[3:]
    expected = scores(*table)
    kinds = [
        lambda c: NAMES[c],
        lambda c: NAMES[c].astype(object),
        lambda c: NAMES[c].tolist(),
        lambda c: pd.Series(NAMES[c], index=np.arange(len(c))[::-1]),
        lambda c: pd.Series(NAMES[c], dtype="category"),
        lambda c: pd.Series(c, dtype="Int64"),
        lambda c: (10 * c + 10).astype(np.uint8),
        lambda c: c.astype(float),
        lambda c: c.astype(object),
    ]
    for kind in kinds:
        assert_scores_equal(scores(*map(kind, codes), *rest), expected)


def test_label_dtypes_may_differ_between_arguments():
    assert label_accuracy(np.array(["a", "b"], dtype=object), np.array(["a", "c"])) == 0.5
    assert label_accuracy(np.array([0, 1], dtype=np.uint8), [0.0, 1.0]) == 1.0
    assert label_accuracy([True, False], np.array([True, True], dtype=object)) == 0.5


def test_large_whole_numbers_stay_different():
    large = np.array([2**62, 2**62 + 1])
    assert label_accuracy(large.astype(np.uint64), np.full(2, large[1])) == 0.5


def test_arguments_as_lists_and_series():
    table = ([0, 1, 1], [0, 1, 0], [0, 0, 0], [0.9, 0.8, 0.1], [True, False, True], [1, 2, 3])
    expected = scores(*(np.array(column) for column in table))
    assert_scores_equal(scores(*table), expected)
    assert_scores_equal(scores(*(pd.Series(c, index=[3, 1, 2]) for c in table)), expected)


# What cannot be scored


def test_empty_denominators_are_nan():
    clean, wrong = ([0, 1], [0, 1]), ([0, 1], [1, 0])
    assert math.isnan(detection_auroc(*clean, [0.5, 0.5]))
    assert math.isnan(detection_auroc(*wrong, [0.5, 0.5]))
    assert math.isnan(detection_average_precision(*clean, [0.5, 0.5]))
    assert detection_average_precision(*wrong, [0.5, 0.5]) == 1.0
    assert math.isnan(selection_precision(*clean, [False, False]))
    assert math.isnan(selection_recall(*wrong, [True, True]))
    assert math.isnan(correction_report(*clean, [0, 1])["wrong_repaired"])
    assert math.isnan(correction_report(*wrong, [0, 1])["right_harmed"])
    # A wrong label of weight 0 is as good as absent.
    assert math.isnan(detection_auroc([0, 1], [0, 0], [0.5, 0.5], sample_weight=[1, 0]))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1], r"\{'y': 3, 'y_noisy': 2\}; they must be equal"),
        ([[0], [1], [0]], r"y_noisy has shape \(3, 1\)"),
        ([0, 1, np.nan], "y_noisy has 1 missing labels .* row 2"),
        (["a", "b", None], "y_noisy has 1 missing"),
        (["a", np.nan, "b"], "y_noisy has 1 missing .* row 1"),
        (pd.Series([0, 1, None], dtype="Int64"), "y_noisy has 1 missing"),
        (["0", "1", "0"], "text and numbers are never equal"),
        (["0", 1, 0], "y_noisy mixes text and other labels"),
        (np.array(["0", 1, 0], dtype=object), "y_noisy mixes text and other labels"),
    ],
)
def test_label_errors(labels, message):
    with pytest.raises(ValueError, match=message):
        realized_noise([0, 1, 0], labels)


def test_no_rows():
    with pytest.raises(ValueError, match="not 0"):
        realized_noise([], [])


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1, 1], r"sample_weight has shape \(2,\)"),
        ([1, 1, -1], "from -1 to 1"),
        ([0, 0, 0], "not all be zero"),
        ([1, np.nan, 1], "sample_weight has NaN .* row 1"),
    ],
)
def test_weight_errors(weight, message):
    with pytest.raises(ValueError, match=message):
        label_accuracy([0, 1, 0], [0, 1, 1], sample_weight=weight)


@pytest.mark.parametrize("score", [selection_precision, selection_recall])
@pytest.mark.parametrize("easy", [[0, 1, 1], [0, 2], [True, False], [[True], [True], [False]]])
def test_selection_must_be_a_mask(score, easy):
    with pytest.raises(ValueError, match="easy has dtype"):
        score([0, 1, 0], [0, 1, 1], easy)


@pytest.mark.parametrize(
    "score", [detection_auroc, detection_average_precision, quality_calibration_error]
)
def test_quality_errors(score):
    with pytest.raises(ValueError, match=r"label_quality has shape \(2,\)"):
        score([0, 1, 0], [0, 1, 1], [0.5, 0.5])
    with pytest.raises(ValueError, match=r"label_quality has NaN .* row 1"):
        score([0, 1, 0], [0, 1, 1], [0.5, np.nan, 0.5])


def test_calibration_errors():
    with pytest.raises(ValueError, match=r"from -0\.5 to 1"):
        quality_calibration_error([0, 1], [0, 1], [-0.5, 1.0])
    with pytest.raises(ValueError, match="n_bins=0"):
        quality_calibration_error([0, 1], [0, 1], [0.5, 1.0], n_bins=0)


def test_detection_needs_only_an_order():
    true, given_label, margin = [0, 0, 1, 1], [0, 1, 1, 0], np.array([5.0, -3.0, 2.0, 4.0])
    for score in (detection_auroc, detection_average_precision):
        squashed = 1 / (1 + np.exp(-margin))
        assert score(true, given_label, margin) == score(true, given_label, squashed)
