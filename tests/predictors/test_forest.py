"""The forest: what it knows of a row, its arrays beside scikit-learn, and when it counts."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier

from nllearn import LabelCleaner, MixNNClassifier, load
from nllearn.predictors import OutOfBagForest


def one_threshold(n=1500, seed=0):
    """Thirty columns; the class is told by two steps of one of them. A fifth are wrong."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 30))
    y = ((X[:, 4] > 0.3) & (X[:, 4] < 0.8)).astype(np.int64)
    return X, y, np.where(rng.random(n) < 0.2, 1 - y, y)


def test_new_rows_are_predicted_as_scikit_learns_trees_do():
    X, y = load_wine(return_X_y=True)
    X = X.astype(np.float32)
    predictor = OutOfBagForest(n_trees=30, random_state=3)
    predictor.predict_out_of_sample(X[::2], np.eye(3)[y[::2]])
    seed = int(np.random.RandomState(3).randint(2**31 - 1))
    theirs = RandomForestClassifier(30, min_samples_leaf=5, random_state=seed)
    theirs.fit(X[::2], y[::2], np.ones(len(y[::2])))
    found = predictor.forest_.predict(torch.from_numpy(X[1::2]))
    np.testing.assert_allclose(found.numpy(), theirs.predict_proba(X[1::2]), atol=1e-6)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 149), st.integers(1, 2))
def test_a_rows_own_label_does_not_reach_its_prediction(row, shift):
    X, y = load_wine(return_X_y=True)
    X, y = X[:150], y[:150]
    other = y.copy()
    other[row] = (y[row] + shift) % 3
    one, two = (
        OutOfBagForest(n_trees=20, random_state=0).predict_out_of_sample(X, np.eye(3)[codes])
        for codes in (y, other)
    )
    torch.testing.assert_close(one[row], two[row])
    assert not torch.equal(one, two)


def test_rows_without_weight_are_predicted_and_teach_nothing():
    X, y = load_wine(return_X_y=True)
    weight = np.ones(len(y))
    weight[::3] = 0.0
    other = np.where(weight == 0, (y + 1) % 3, y)
    one, two = (
        OutOfBagForest(random_state=0).predict_out_of_sample(X, np.eye(3)[codes], weight)
        for codes in (y, other)
    )
    torch.testing.assert_close(one, two)
    assert (one.argmax(1).numpy() == y)[::3].mean() > 0.9


def test_distributions_count_by_their_most_probable_label():
    X, y = load_wine(return_X_y=True)
    soft = np.eye(3)[y] * 0.7 + 0.1
    one = OutOfBagForest(random_state=0).predict_out_of_sample(X, soft)
    assert (one.argmax(1).numpy() == y).mean() > 0.9
    np.testing.assert_allclose(one.sum(1), 1, atol=1e-5)


def test_constant_columns_and_threads_change_nothing():
    X, y = load_wine(return_X_y=True)
    wide = np.column_stack([np.full(len(X), 7.0), X, np.zeros(len(X))])
    n_threads = torch.get_num_threads()
    found = []
    try:
        for rows, threads in ((X, 1), (wide, 1), (X, 2)):
            torch.set_num_threads(threads)
            found.append(OutOfBagForest(random_state=0).predict_out_of_sample(rows, np.eye(3)[y]))
    finally:
        torch.set_num_threads(n_threads)
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
    torch.testing.assert_close(found[0], found[2], rtol=0, atol=1e-6)


@pytest.mark.parametrize("n", [2, 3, 6])
def test_few_rows_have_finite_predictions_without_a_warning(n):
    X = np.random.default_rng(0).normal(size=(n, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = OutOfBagForest(random_state=0).predict_out_of_sample(X, np.eye(2)[np.arange(n) % 2])
    assert torch.isfinite(found).all()


def test_a_step_in_one_of_many_columns_is_seen():
    # Neighbours and kernels on all thirty columns leave 260 of 300 wrong labels.
    X, y, noisy = one_threshold()
    without = LabelCleaner(predictors=["neighbors", "kernel_ridge"], random_state=0).fit(X, noisy)
    cleaner = LabelCleaner(random_state=0).fit(X, noisy)
    assert (without.corrected_labels_ == y).mean() < 0.85
    assert (cleaner.corrected_labels_ == y).mean() > 0.94
    X_new, y_new, noisy_new = one_threshold(500, 1)
    assert (cleaner.label_proba(X_new).argmax(1) == y_new).mean() > 0.94
    assert (without.label_proba(X_new).argmax(1) == y_new).mean() < 0.8
    quality = cleaner.score_labels(X_new, noisy_new)
    assert quality[noisy_new == y_new].mean() > 0.9 > 0.2 > quality[noisy_new != y_new].mean()


def test_the_classifiers_labels_of_a_table_see_it_too():
    X, y, noisy = one_threshold()
    net = MixNNClassifier(max_epochs=3, random_state=0).fit(X, noisy)
    assert (net.corrected_labels_ == y).mean() > 0.94


def test_more_than_a_hundred_columns_have_no_forest_unasked():
    X, y = load_digits(return_X_y=True)
    X, y = X[:400], y[:400]
    wide = np.hstack([X, X])
    assert LabelCleaner(random_state=0).fit(X, y).resolved_params_["forest"]
    assert not LabelCleaner(random_state=0).fit(wide, y).resolved_params_["forest"]
    asked = LabelCleaner(predictors=["neighbors", "kernel_ridge", "forest"], random_state=0)
    assert asked.fit(wide, y).resolved_params_["forest"]


def test_a_forest_comes_back_from_a_file(tmp_path):
    X, _, noisy = one_threshold(400)
    cleaner = LabelCleaner(random_state=0).fit(X, noisy)
    cleaner.save(tmp_path / "cleaner.nllearn")
    again = load(tmp_path / "cleaner.nllearn")
    np.testing.assert_array_equal(cleaner.label_proba(X[:50]), again.label_proba(X[:50]))
