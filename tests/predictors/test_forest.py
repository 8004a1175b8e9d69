"""The forest: what it knows of a row, its arrays beside scikit-learn, and when it counts."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_wine
from sklearn.tree import DecisionTreeClassifier

from nllearn import LabelCleaner, MixNNClassifier, load
from nllearn.exceptions import NoisyLabelWarning
from nllearn.predictors import OutOfBagForest


def one_threshold(n=1500, seed=0):
    """Thirty columns; the class is told by two steps of one of them. A fifth are wrong."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 30))
    y = ((X[:, 4] > 0.3) & (X[:, 4] < 0.8)).astype(np.int64)
    return X, y, np.where(rng.random(n) < 0.2, 1 - y, y)


def test_new_rows_are_predicted_as_scikit_learns_trees_do():
    X, y = load_wine(return_X_y=True)
    X, new, y = X[::2], X[1::2] + np.random.default_rng(0).uniform(0, 1e-4, 13), y[::2]
    weight = np.linspace(0.5, 3, len(X))
    predictor = OutOfBagForest(n_trees=30, random_state=3)
    seen = predictor.predict_out_of_sample(X, np.eye(3)[y], weight)
    # Grown one by one on ranks, of rows drawn with replacement; new values as the nearest known.
    known = [np.unique(column) for column in X.T]
    near = [
        [k[np.abs(k - x).argmin()] for x in column] for k, column in zip(known, new.T, strict=True)
    ]
    new_ranks = np.stack(
        [np.searchsorted(k, column) for k, column in zip(known, near, strict=True)], 1
    )
    ranks = np.stack([np.searchsorted(k, column) for k, column in zip(known, X.T, strict=True)], 1)
    votes, votes_new, n_votes = np.zeros((len(X), 3)), np.zeros((len(new), 3)), np.zeros(len(X))
    for seed in np.random.RandomState(3).randint(2**31 - 1, size=30):
        times = np.zeros(len(X))
        for row in np.random.RandomState(seed).randint(len(X), size=len(X)):
            times[row] += 1
        some = np.flatnonzero(times)
        tree = DecisionTreeClassifier(min_samples_leaf=5, max_features="sqrt", random_state=seed)
        tree.fit(ranks[some], y[some], (np.float32(weight) * times)[some])
        for row in np.flatnonzero(times == 0):
            votes[row] += tree.predict_proba(ranks[row : row + 1])[0]
            n_votes[row] += 1
        votes_new += tree.predict_proba(new_ranks)
    np.testing.assert_allclose(seen.numpy(), votes / n_votes[:, None], atol=1e-6)
    found = predictor.forest_.predict(torch.from_numpy(new))
    np.testing.assert_allclose(found.numpy(), votes_new / 30, atol=1e-6)


def test_heavy_rows_are_predicted_like_others():
    # Drawn by their weight they would stand in every tree, and no tree would be left to ask.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 6))
    y = (X[:, 0] > 1.3).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = OutOfBagForest(random_state=0).predict_out_of_sample(
            X, np.eye(2)[y], np.where(y == 1, 10.0, 1.0)
        )
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    assert (found.argmax(1).numpy() == y).mean() > 0.97


def test_one_extreme_value_hides_no_other():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6))
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    for extreme in (-(2.0**31), 1e30, -1e300):
        X[0, 0] = extreme
        predictor = OutOfBagForest(rows=X, random_state=0)
        found = predictor.predict_out_of_sample(np.ones((300, 1)), np.eye(3)[y])
        assert (found.argmax(1).numpy() == y).mean() > 0.95
    # Numbers that have none between them are told apart too.
    near = np.tile([1.0, np.nextafter(1.0, 2.0)], 100)[:, None]
    predictor = OutOfBagForest(random_state=0, rows=near)
    codes = np.tile([0, 1], 100)
    predictor.predict_out_of_sample(np.ones((200, 1)), np.eye(2)[codes])
    found = predictor.forest_.predict(torch.from_numpy(near))
    np.testing.assert_array_equal(found.argmax(1).numpy(), codes)


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


def test_rows_that_are_alike_get_the_shares_of_the_classes():
    codes = np.arange(40) % 4 == 0
    found = OutOfBagForest(random_state=0).predict_out_of_sample(
        np.ones((40, 3)), np.eye(2)[codes.astype(int)]
    )
    np.testing.assert_allclose(found[:, 1].mean(), 0.25, atol=0.05)
    with pytest.raises(ValueError, match="sample_weight is 0 for all rows"):
        OutOfBagForest().predict_out_of_sample(np.eye(2), np.eye(2), np.zeros(2))
    with pytest.raises(ValueError, match="rows has 3 rows, X has 2"):
        OutOfBagForest(rows=np.eye(3)).predict_out_of_sample(np.eye(2), np.eye(2))


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


def test_it_does_not_tell_alone_that_there_is_signal():
    # A forest that errs at every margin alike: its errors would count as noise, and .60 of the
    # labels be right. Neighbours and regressions see nothing here.
    rng = np.random.default_rng(0)
    time = np.arange(1500)
    X, y = np.c_[time, rng.normal(size=(1500, 3))], (time // 25) % 3
    wrong = rng.random(1500) < 0.2
    noisy = np.where(wrong, (y + rng.integers(1, 3, 1500)) % 3, y)
    with pytest.warns(NoisyLabelWarning, match="tell nothing"):
        cleaner = LabelCleaner(random_state=0).fit(X, noisy)
    np.testing.assert_array_equal(cleaner.corrected_labels_, noisy)


def test_the_classifiers_labels_of_a_table_see_it_too():
    X, y, noisy = one_threshold()
    net = MixNNClassifier(max_epochs=3, random_state=0).fit(X, noisy)
    assert (net.corrected_labels_ == y).mean() > 0.94


def test_more_than_a_hundred_columns_have_no_forest_unasked():
    X, _, y = one_threshold(400)
    wide = np.hstack([X, X, X, X])
    assert LabelCleaner(random_state=0).fit(X, y).resolved_params_["forest"]
    assert not LabelCleaner(random_state=0).fit(wide, y).resolved_params_["forest"]
    asked = LabelCleaner(predictors=["neighbors", "kernel_ridge", "forest"], random_state=0)
    assert asked.fit(wide, y).resolved_params_["forest"]


def test_a_forest_comes_back_from_a_file(tmp_path):
    X, _, noisy = one_threshold(1500)
    cleaner = LabelCleaner(random_state=0).fit(X, noisy)
    assert cleaner.has_signal_
    cleaner.save(tmp_path / "cleaner.nllearn")
    again = load(tmp_path / "cleaner.nllearn")
    np.testing.assert_array_equal(cleaner.label_proba(X[:50]), again.label_proba(X[:50]))
