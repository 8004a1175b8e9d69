"""The splitter: who validates, who trains, and how evenly."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.tree import DecisionTreeClassifier

from nllearn.exceptions import NoisyLabelWarning
from nllearn.model_selection import CleanValidationSplit


@pytest.fixture(scope="module")
def table():
    """Labels sorted by class (100, 40 and 6 rows), and their quality: (X, y, quality)."""
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], [100, 40, 6])
    return np.arange(146.0)[:, None], y, rng.random(146)


def folds_of(table, **settings):
    X, y, quality = table
    splitter = CleanValidationSplit(**{"label_quality": quality, "random_state": 0, **settings})
    return list(splitter.split(X, y))


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3, 0.5, 1.0])
def test_the_best_of_each_class_validate_once(table, share):
    _, y, quality = table
    folds = folds_of(table, share=share)
    tests = np.concatenate([test for _, test in folds])
    assert len(np.unique(tests)) == len(tests)
    for label in "abc":
        rows = np.flatnonzero(y == label)
        quota = max(1, round(share * len(rows)))
        best = rows[np.argsort(-quality[rows])[:quota]]
        np.testing.assert_array_equal(np.sort(tests[y[tests] == label]), np.sort(best))
        counts = [np.sum(y[test] == label) for _, test in folds]
        assert max(counts) - min(counts) <= 1
    sizes = [len(test) for _, test in folds]
    assert max(sizes) - min(sizes) <= 1


def test_all_other_rows_train_and_no_class_is_lost(table):
    _, y, _ = table
    for train, test in folds_of(table):
        np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(146))
        assert set(y[train]) == set(y)
        assert train.dtype == test.dtype == np.int64
        assert (np.diff(train) > 0).all() and (np.diff(test) > 0).all()


def test_rows_are_shuffled_and_seeds_matter(table):
    first, again, other = (folds_of(table, random_state=seed) for seed in (0, 0, 1))
    for (_, a), (_, b) in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for (_, a), (_, b) in zip(first, other, strict=True))
    # Not a run of neighbours, as without shuffling.
    assert np.diff(first[0][1]).max() > 5


def test_equal_qualities_are_chosen_by_chance(table):
    X, y, _ = table
    chosen = [
        np.concatenate(
            [
                test
                for _, test in CleanValidationSplit(
                    label_quality=np.ones(146), random_state=seed
                ).split(X, y)
            ]
        )
        for seed in (0, 1)
    ]
    assert set(chosen[0]) != set(chosen[1])


def test_labels_take_the_place_of_y(table):
    X, y, quality = table
    labels = np.tile([0, 1], 73)
    splitter = CleanValidationSplit(3, label_quality=quality, labels=labels, random_state=0)
    for _, test in splitter.split(X, y):
        counts = np.bincount(labels[test])
        assert abs(counts[0] - counts[1]) <= 1
    np.testing.assert_array_equal(
        np.concatenate([test for _, test in splitter.split(X)]),
        np.concatenate([test for _, test in splitter.split(X, y)]),
    )


def test_a_class_with_one_row_stays_in_training():
    y = np.array([0] * 10 + [1] * 10 + [2])
    splitter = CleanValidationSplit(2, label_quality=np.ones(21), random_state=0)
    with pytest.warns(NoisyLabelWarning, match=r"1 classes have one row.*\[2\]"):
        folds = list(splitter.split(np.zeros(21), y))
    assert all(20 in train for train, _ in folds)


def test_a_class_with_two_rows_keeps_one_in_training():
    y = np.array([0] * 10 + [1] * 2)
    for share in (0.5, 1.0):
        splitter = CleanValidationSplit(2, label_quality=np.ones(12), share=share, random_state=0)
        for train, _ in splitter.split(np.zeros(12), y):
            assert set(y[train]) == {0, 1}


def test_groups_are_never_on_both_sides(table):
    X, y, quality = table
    groups = np.array([f"g{number}" for number in np.random.default_rng(1).integers(0, 30, 146)])
    splitter = CleanValidationSplit(3, label_quality=quality, random_state=0)
    folds = list(splitter.split(X, y, groups))
    tests = np.concatenate([test for _, test in folds])
    alone = np.concatenate([test for _, test in splitter.split(X, y)])
    np.testing.assert_array_equal(np.sort(tests), np.sort(alone))
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])
        assert len(test) > 0
        # Only rows of the validation groups are left out.
        out = np.setdiff1d(np.arange(146), np.concatenate([train, test]))
        assert set(groups[out]) <= set(groups[test])


def test_groups_reach_the_splitter_in_a_search(table):
    X, y, quality = table
    groups = np.arange(146) // 2
    tree = DecisionTreeClassifier(random_state=0)
    cv = CleanValidationSplit(3, label_quality=quality, random_state=0)
    plain = cross_val_score(tree, X, y, cv=list(cv.split(X, y, groups)))
    search = GridSearchCV(tree, {"max_depth": [None]}, cv=cv)
    assert search.fit(X, y, groups=groups).best_score_ == pytest.approx(plain.mean())
    with config_context(enable_metadata_routing=True):
        assert search.fit(X, y, groups=groups).best_score_ == pytest.approx(plain.mean())
        assert np.isfinite(search.fit(X, y).best_score_)


def test_in_a_search_with_workers_clone_and_pickle(table):
    X, y, quality = table
    cv = CleanValidationSplit(3, label_quality=list(quality), random_state=0)
    search = GridSearchCV(
        DecisionTreeClassifier(random_state=0), {"max_depth": [1, None]}, cv=cv, n_jobs=2
    )
    copies = [clone(search), pickle.loads(pickle.dumps(search)), copy.deepcopy(search)]
    results = [one.fit(X, y).cv_results_["mean_test_score"] for one in [search, *copies]]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    assert search.n_splits_ == cv.get_n_splits() == 3
    assert "n_splits=3" in repr(cv)


def test_frames_series_and_label_dtypes(table):
    X, y, quality = table
    frame = pd.DataFrame(X, index=np.arange(146)[::-1])
    reference = folds_of(table)
    codes = np.unique(y, return_inverse=True)[1]
    for labels in (pd.Series(y, index=frame.index), y.astype(object), codes, codes * 1.5, list(y)):
        splitter = CleanValidationSplit(
            label_quality=pd.Series(quality, index=frame.index), random_state=0
        )
        for (_, a), (_, b) in zip(splitter.split(frame, labels), reference, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_global_random_state_is_left_alone(table, global_random_state_untouched):
    folds_of(table, random_state=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_splits": 1}, "n_splits=1 must be an int of at least 2"),
        ({"n_splits": 2.5}, "n_splits=2.5"),
        ({"n_splits": True}, "n_splits=True"),
        ({"share": 0}, r"share=0 must be a float in \(0, 1\]"),
        ({"share": 1.2, "n_splits": 0}, "n_splits=0 .*; share=1.2"),
        ({"share": "half"}, "share='half'"),
        ({"label_quality": [[0.5]]}, "label_quality has shape"),
        ({"label_quality": [0.5, np.nan]}, "nan in row 1"),
        ({"label_quality": [0.5, 7]}, "from 0.5 to 7"),
        ({"labels": [0, 1]}, "must be equal"),
        ({"random_state": "seed"}, "seed"),
    ],
)
def test_bad_parameters_are_named(table, settings, message):
    with pytest.raises(ValueError, match=message):
        CleanValidationSplit(**{"label_quality": table[2], **settings})


def test_bad_data_is_named(table):
    X, y, quality = table
    splitter = CleanValidationSplit(label_quality=quality)
    with pytest.raises(ValueError, match="X has 145 rows and label_quality has 146"):
        next(splitter.split(X[1:], y[1:]))
    with pytest.raises(ValueError, match="pass y or labels="):
        next(splitter.split(X))
    with pytest.raises(ValueError, match="y has 145"):
        next(splitter.split(X, y[1:]))
    with pytest.raises(ValueError, match=r"groups has shape \(3,\)"):
        next(splitter.split(X, y, [1, 2, 3]))
    with pytest.raises(ValueError, match="2 groups with validation rows for n_splits=5"):
        next(splitter.split(X, y, np.arange(146) % 2))
    few = CleanValidationSplit(10, label_quality=quality[:12], share=0.1)
    with pytest.raises(ValueError, match="1 validation rows for n_splits=10"):
        next(few.split(X[:12], y[:12]))
