"""A classifier in folds: who is left out, weights, small classes, seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from nllearn.functional.folds import stratified_folds
from nllearn.predictors import CrossValidatedClassifier


class Remembers(ClassifierMixin, BaseEstimator):
    """Says 1 for the label of a row that it has seen, and the mean of the labels for others."""

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        self.seen_ = dict(zip(X[:, 0], y, strict=True))
        self.mean_ = np.average(y[:, None] == self.classes_, axis=0, weights=sample_weight)
        return self

    def predict_proba(self, X):
        known = [self.seen_.get(value) for value in X[:, 0]]
        rows = [self.mean_ if k is None else 1.0 * (self.classes_ == k) for k in known]
        return np.array(rows)


def rows_and_labels(n=200, n_classes=4, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    return np.column_stack([np.arange(n), rng.normal(size=(n, 2)) + y[:, None]]), y


def test_no_row_is_predicted_by_a_fit_that_saw_it():
    X, y = rows_and_labels()
    proba = CrossValidatedClassifier(Remembers(), X, random_state=0).predict_out_of_sample(
        X, np.eye(4)[y]
    )
    assert float(proba.max()) < 0.5
    np.testing.assert_allclose(proba.sum(1), 1.0, rtol=1e-6)


def test_folds_are_even_in_every_class_and_shuffled():
    codes = np.repeat([0, 1, 2], [23, 7, 2])
    folds = stratified_folds(codes, 5, np.random.RandomState(0))
    for code in range(3):
        counts = [np.sum(folds[codes == code] == fold) for fold in range(5)]
        assert max(counts) - min(counts) <= 1
    sizes = np.bincount(folds, minlength=5)
    assert sizes.max() - sizes.min() <= 1
    again = stratified_folds(codes, 5, np.random.RandomState(1))
    assert (folds != again).any()


def test_weights_reach_the_classifier_and_rows_of_weight_zero_are_predicted_only():
    X, y = rows_and_labels()
    weight = np.where(y == 0, 9.0, 1.0)
    weight[:20] = 0.0
    predictor = CrossValidatedClassifier(Remembers(), X, random_state=0)
    proba = predictor.predict_out_of_sample(X, np.eye(4)[y], weight).numpy()
    expected = np.bincount(y, weight, 4) / weight.sum()
    np.testing.assert_allclose(proba.mean(0), expected, atol=0.02)
    # A label of weight zero is used nowhere.
    other = y.copy()
    other[:20] = (y[:20] + 1) % 4
    again = CrossValidatedClassifier(Remembers(), X, random_state=0).predict_out_of_sample(
        X, np.eye(4)[other], weight
    )
    np.testing.assert_array_equal(proba, again)


def test_weights_that_a_classifier_does_not_take_are_refused():
    X, y = rows_and_labels()
    predictor = CrossValidatedClassifier(KNeighborsClassifier(), X)
    with pytest.raises(ValueError, match="sample_weight was passed, but fit of the predictor KNe"):
        predictor.predict_out_of_sample(X, np.eye(4)[y], 1.0 + y)


def test_soft_labels_weigh_by_their_probability():
    X, y = rows_and_labels()
    soft = np.full((200, 4), 0.02)
    soft[np.arange(200), y] = 0.94
    sure = CrossValidatedClassifier(LogisticRegression(), X[:, 1:], random_state=0)
    proba = sure.predict_out_of_sample(X, soft).numpy()
    assert np.abs(proba - sure.predict_out_of_sample(X, np.eye(4)[y]).numpy()).max() < 0.02


def test_a_class_of_one_row_and_a_single_label_left():
    X, y = rows_and_labels(30, 1)
    y[0] = 1
    proba = CrossValidatedClassifier(LogisticRegression(), X, random_state=0).predict_out_of_sample(
        X, np.eye(2)[y]
    )
    # Without that row its class is unknown.
    assert proba[0].tolist() == [1.0, 0.0]


def test_seeds_and_sparse_rows():
    X, y = rows_and_labels()
    forest = RandomForestClassifier(5)

    def predict(rows, seed):
        predictor = CrossValidatedClassifier(forest, rows, random_state=seed)
        return predictor.predict_out_of_sample(X, np.eye(4)[y]).numpy()

    first = predict(X, 0)
    np.testing.assert_array_equal(first, predict(X, 0))
    np.testing.assert_array_equal(first, predict(sparse.csr_matrix(X), 0))
    assert (first != predict(X, 1)).any()
    assert forest.random_state is None and not hasattr(forest, "classes_")
