"""Predictors that the user chooses, beside ours and in their place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Perceptron

from nllearn import LabelCleaner, load
from nllearn.datasets import make_symmetric_noise


class Shares:
    """The shares of the labels for every row: the poorest predictor."""

    def predict_out_of_sample(self, X, y_soft, sample_weight):
        assert isinstance(X, np.ndarray) and np.allclose((X**2).sum(1), 1, atol=1e-4)
        return np.tile(np.average(y_soft, axis=0, weights=sample_weight), (len(X), 1))


class Random:
    """Sure of a class that is drawn."""

    def predict_out_of_sample(self, X, y_soft, sample_weight):
        drawn = np.random.default_rng(0).integers(0, y_soft.shape[1], len(X))
        return np.eye(y_soft.shape[1])[drawn]


def right(cleaner, X, y, noisy, **beside):
    return float((clone(cleaner).fit(X, noisy, **beside).corrected_labels_ == y).mean())


@pytest.fixture(scope="module")
def stripes():
    """Classes by steps of one column: trees see them, distances do not."""
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(900, 8)).astype(np.float32)
    y = (X[:, 0] * 12).astype(int) % 3
    return X, y, make_symmetric_noise(y, noise_rate=0.2, random_state=0)


def test_a_classifier_that_sees_more_helps_beside_ours_and_in_their_place(stripes):
    X, y, noisy = stripes
    trees = HistGradientBoostingClassifier(max_iter=40, random_state=0)
    alone = right(LabelCleaner(random_state=0), X, y, noisy)
    beside = LabelCleaner(predictors=["neighbors", "kernel_ridge", trees], random_state=0)
    instead = LabelCleaner(predictors=[trees], random_state=0)
    assert right(beside, X, y, noisy) > alone + 0.03
    assert right(instead, X, y, noisy) > alone + 0.08


@pytest.mark.parametrize("poor", [Shares(), Random()])
def test_a_poor_predictor_costs_nothing(poor):
    X, y = load_digits(return_X_y=True)
    noisy = make_symmetric_noise(y, noise_rate=0.3, random_state=0)
    alone = right(LabelCleaner(random_state=0), X, y, noisy)
    beside = LabelCleaner(predictors=["neighbors", "kernel_ridge", poor], random_state=0)
    assert right(beside, X, y, noisy) > alone - 0.003


@pytest.mark.parametrize(
    "chosen",
    [
        ["neighbors"],
        ["kernel_ridge"],
        ["kernel_ridge", LogisticRegression(max_iter=1000)],
        [LogisticRegression(max_iter=1000), Shares(), HistGradientBoostingClassifier(max_iter=10)],
    ],
)
def test_every_choice_cleans(chosen, blobs):
    X, y, noisy = blobs
    cleaner = LabelCleaner(predictors=chosen, random_state=0).fit(X, noisy)
    assert (cleaner.corrected_labels_ == y).mean() > 0.92
    assert abs(cleaner.noise_rate_ - 0.2) < 0.08
    assert len(cleaner.label_issues()) == len(y)


def test_none_is_neighbours_regressions_and_forest(blobs):
    X, _, noisy = blobs
    one = LabelCleaner(random_state=0).fit(X, noisy)
    two = LabelCleaner(predictors=["forest", "kernel_ridge", "neighbors"], random_state=0).fit(
        X, noisy
    )
    np.testing.assert_array_equal(one.label_distributions_, two.label_distributions_)


def test_equal_seeds_give_equal_bits(blobs):
    X, _, noisy = blobs
    found = [
        LabelCleaner(predictors=[LogisticRegression(), "neighbors"], random_state=3)
        .fit(X, noisy)
        .label_distributions_
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*found)


def test_new_rows_need_the_regressions(blobs, tmp_path):
    X, _, noisy = blobs
    cleaner = LabelCleaner(predictors=["neighbors"], random_state=0).fit(X, noisy)
    with pytest.raises(ValueError, match="add 'kernel_ridge' and fit again"):
        cleaner.label_proba(X[:3])
    cleaner.save(tmp_path / "cleaner")
    loaded = load(tmp_path / "cleaner")
    np.testing.assert_array_equal(loaded.label_quality_, cleaner.label_quality_)
    with pytest.raises(ValueError, match="score_labels needs the regressions"):
        loaded.score_labels(X[:3], noisy[:3])


@pytest.mark.parametrize(
    ("predictors", "words"),
    [
        ("neighbors", "predictors='neighbors' must be"),
        ([], r"predictors=\[\] must be None or a list"),
        (["trees"], "predictors has 'trees'; pass a list of 'neighbors', 'kernel_ridge'"),
        (["neighbors", "neighbors"], "predictors has 'neighbors' twice"),
        ([LogisticRegression], "the class LogisticRegression; pass an instance"),
        ([object()], "which is no predictor; pass a list"),
        ([Perceptron()], "has no predict_proba; wrap it in sklearn.calibration"),
    ],
)
def test_what_is_no_predictor(predictors, words, blobs):
    X, _, noisy = blobs
    with pytest.raises(ValueError, match=words):
        LabelCleaner(predictors=predictors).fit(X, noisy)


def test_probabilities_are_aligned_by_the_names_of_rows_and_columns(blobs):
    X, y, noisy = blobs
    names = np.array(["ant", "bee", "cat", "dog"])
    rows = pd.DataFrame(X, index=[f"row {i}" for i in range(len(X))])
    probs = pd.DataFrame(0.1 + 0.6 * np.eye(4)[y], columns=names, index=rows.index)
    straight = LabelCleaner(random_state=0).fit(rows, names[noisy], pred_probs=probs)
    shuffled = probs.sample(frac=1, random_state=0)[["dog", "ant", "cat", "bee"]]
    other = LabelCleaner(random_state=0).fit(rows, names[noisy], pred_probs=shuffled)
    np.testing.assert_array_equal(straight.label_distributions_, other.label_distributions_)
    # Rows that are not asked for are left aside.
    some = LabelCleaner(random_state=0).fit(rows[:100], names[noisy[:100]], pred_probs=shuffled)
    assert len(some.label_quality_) == 100
