"""Made annotators: quality, copies, gaps, dtypes and seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nllearn.datasets import make_annotator_labels

Y = np.arange(12_000) % 4


def test_quality_is_the_share_that_is_right_and_errors_are_even():
    labels = make_annotator_labels(Y, quality=[0.9, 0.5, 0.25], random_state=0)
    assert labels.shape == (12_000, 3) and labels.dtype == Y.dtype
    np.testing.assert_allclose((labels == Y[:, None]).mean(0), [0.9, 0.5, 0.25], atol=0.015)
    for a in range(3):
        wrong = labels[:, a] != Y
        step = (labels[wrong, a] - Y[wrong]) % 4
        np.testing.assert_allclose(
            np.bincount(step, minlength=4)[1:] / wrong.sum(), 1 / 3, atol=0.03
        )
    # Independent of one another.
    both = ((labels[:, 0] == Y) & (labels[:, 1] == Y)).mean()
    assert abs(both - 0.45) < 0.015


def test_copies():
    made = make_annotator_labels(
        Y, quality=[0.6, 0.6, 0.6], copies={2: 0}, copy_rate=0.7, random_state=0
    )
    independent = (made[:, 0] == made[:, 1]).mean()
    assert abs((made[:, 0] == made[:, 2]).mean() - (0.7 + 0.3 * independent)) < 0.015
    whole = make_annotator_labels(Y, quality=[0.6, 0.1], copies={1: 0}, random_state=0)
    np.testing.assert_array_equal(whole[:, 0], whole[:, 1])


@pytest.mark.parametrize("kind", ["int", "text", "series"])
def test_gaps(kind):
    y = {"int": Y, "text": np.array(list("abcd"))[Y], "series": pd.Series(Y)}[kind]
    made = make_annotator_labels(y, quality=[0.8] * 5, labels_per_row=2, random_state=0)
    assert (pd.notna(made).sum(1) == 2).all()
    np.testing.assert_allclose(pd.notna(made).mean(0), 0.4, atol=0.02)
    assert made.dtype == (object if kind == "text" else np.float64)
    again = make_annotator_labels(y, quality=[0.8] * 5, labels_per_row=2, random_state=0)
    assert pd.DataFrame(made).equals(pd.DataFrame(again))


def test_seeds_and_the_input_stay(global_random_state_untouched):
    y = Y.copy()
    one, two = (make_annotator_labels(y, quality=[0.5, 0.5], random_state=s) for s in (0, 1))
    assert (one != two).any()
    np.testing.assert_array_equal(y, Y)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quality": [0.9]}, r"quality=\[0.9\] must hold a probability"),
        ({"quality": [0.9, 1.2]}, "in \\[0, 1\\] for each of two annotators"),
        (
            {"quality": [0.9, 0.8], "copies": {0: 2}},
            "0 cannot copy 2; both are numbers from 0 to 1",
        ),
        ({"quality": [0.9, 0.8, 0.7], "copies": {0: 1, 1: 2}}, "who is copied copies nobody"),
        ({"quality": [0.9, 0.8], "copy_rate": 2}, "copy_rate=2 must be a number"),
        ({"quality": [0.9, 0.8], "labels_per_row": 3}, "labels_per_row=3 must be None or a whole"),
    ],
)
def test_bad_settings(settings, words):
    with pytest.raises(ValueError, match=words):
        make_annotator_labels(Y, **settings)
