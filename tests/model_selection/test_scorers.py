"""The scorers inside scikit-learn's searches."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_selection import RFECV
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.model_selection import (
    CleanValidationSplit,
    ExpectedAccuracyScorer,
    ForwardScorer,
    WeightedAccuracyScorer,
    expected_accuracy,
    forward_log_likelihood,
    weighted_accuracy,
)

NAMES = ["weighted", "expected", "forward"]
FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)
TREE = DecisionTreeClassifier(random_state=0)
DEPTHS = {"max_depth": [1, None]}


def scorers_of(X, y, cleaner, classes=None):
    T = cleaner.transition_matrix_
    classes = cleaner.classes_ if classes is None else classes
    return {
        "weighted": WeightedAccuracyScorer(X, y, cleaner.label_quality_),
        "expected": ExpectedAccuracyScorer(X, y, cleaner.label_distributions_),
        "forward": ForwardScorer(T, classes),
    }


def by_hand(name, model, X, y, test, cleaner, sample_weight=None):
    """The score of a fold, from row numbers."""
    weight = None if sample_weight is None else sample_weight[test]
    predicted, given = model.predict(X[test]), y[test]
    known = {"classes": cleaner.classes_, "sample_weight": weight}
    if name == "weighted":
        quality = cleaner.label_quality_[test]
        return weighted_accuracy(given, predicted, quality, sample_weight=weight)
    if name == "expected":
        return expected_accuracy(predicted, cleaner.label_distributions_[test], **known)
    return forward_log_likelihood(given, predicted, cleaner.transition_matrix_, **known)


@pytest.mark.parametrize("name", NAMES)
def test_folds_are_scored_as_by_hand(trap, name):
    X, _, noisy, cleaner = trap
    found = cross_val_score(TREE, X, noisy, cv=FOLDS, scoring=scorers_of(*trap[::2], cleaner)[name])
    expected = [
        by_hand(name, clone(TREE).fit(X[train], noisy[train]), X, noisy, test, cleaner)
        for train, test in FOLDS.split(X, noisy)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_model_that_learned_the_noise_is_not_chosen(trap):
    X, y, noisy, cleaner = trap
    plain = GridSearchCV(TREE, DEPTHS, cv=FOLDS).fit(X, noisy)
    scorer = scorers_of(X, noisy, cleaner)["expected"]
    ours = GridSearchCV(TREE, DEPTHS, cv=FOLDS, scoring=scorer).fit(X, noisy)
    assert plain.best_params_ == {"max_depth": None} and np.mean(plain.predict(X) == y) < 0.8
    assert ours.best_params_ == {"max_depth": 1} and np.mean(ours.predict(X) == y) > 0.95


def test_weighted_accuracy_does_not_reward_the_learned_noise(trap):
    """It sees the rows with right labels alone, on which the two models are equal."""
    X, _, noisy, cleaner = trap
    scorer = scorers_of(X, noisy, cleaner)["weighted"]
    by_rule = [
        GridSearchCV(TREE, DEPTHS, cv=FOLDS, scoring=scoring)
        .fit(X, noisy)
        .cv_results_["mean_test_score"]
        for scoring in ("accuracy", scorer)
    ]
    assert np.diff(by_rule[0])[0] > 0.2
    assert abs(np.diff(by_rule[1])[0]) < 0.05


@pytest.mark.parametrize(
    "model",
    [
        MixNNClassifier(max_epochs=3, random_state=0),
        AnchorHallucinationClassifier(max_epochs=3, random_state=0),
        KNeighborsClassifier(5),
        make_pipeline(StandardScaler(), LogisticRegression()),
        RidgeClassifier(),
        CalibratedClassifierCV(LogisticRegression(), cv=2),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore::nllearn.exceptions.NoisyLabelWarning")
def test_classifiers_of_all_kinds(trap, model):
    X, _, noisy, cleaner = trap
    found = cross_validate(
        model,
        X,
        noisy,
        cv=2,
        scoring=scorers_of(X, noisy, cleaner),
        error_score="raise",
    )
    assert all(0 <= value <= 1 for value in found["test_expected"])
    assert all(value <= 0 for value in found["test_forward"])


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "yes"]),
        np.array(["no", "yes"], dtype=object),
        np.array([False, True]),
        np.array([10, 20]),
        np.array([-1.0, 1.0]),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_any_label_dtype(trap, labels):
    X, _, noisy, cleaner = trap
    ours = scorers_of(X, labels[noisy], cleaner, classes=labels)
    numbers = scorers_of(X, noisy, cleaner)
    for name in NAMES:
        np.testing.assert_array_equal(
            cross_val_score(TREE, X, labels[noisy], cv=FOLDS, scoring=ours[name]),
            cross_val_score(TREE, X, noisy, cv=FOLDS, scoring=numbers[name]),
        )


def test_frames_and_series(trap):
    X, _, noisy, cleaner = trap
    frame = pd.DataFrame(X, index=np.arange(240)[::-1]).add_prefix("c")
    names = pd.Series(noisy, index=frame.index)
    scorer = ExpectedAccuracyScorer(frame, names, cleaner.label_distributions_)
    turned = pd.DataFrame(cleaner.label_distributions_, columns=cleaner.classes_)
    turned = turned[turned.columns[::-1]]
    other = ExpectedAccuracyScorer(frame, names, turned)
    tree = TREE.fit(frame, names)
    assert other(tree, frame, names) == scorer(tree, frame, names)
    quality = pd.Series(cleaner.label_quality_, index=frame.index)
    with pytest.raises(ValueError, match="label_quality has the rows of X in another order"):
        WeightedAccuracyScorer(frame, names, quality.sample(frac=1.0, random_state=0))
    np.testing.assert_array_equal(
        cross_val_score(TREE, frame, names, cv=FOLDS, scoring=scorer, error_score="raise"),
        cross_val_score(
            TREE, X, noisy, cv=FOLDS, scoring=scorers_of(X, noisy, cleaner)["expected"]
        ),
    )


@pytest.mark.parametrize("name", NAMES)
def test_clone_and_pickle(trap, name):
    X, _, noisy, cleaner = trap
    scorer = scorers_of(X, noisy, cleaner)[name]
    search = GridSearchCV(TREE, DEPTHS, cv=FOLDS, scoring=scorer)
    copies = [clone(search), pickle.loads(pickle.dumps(search))]
    value = search.fit(X, noisy).best_score_
    assert [copy.fit(X, noisy).best_score_ for copy in copies] == [value, value]
    # Nested: the inner search sees some of the rows, and its scorer knows them.
    nested = cross_val_score(search, X, noisy, cv=2, scoring=scorer, error_score="raise")
    assert np.isfinite(nested).all()


def test_only_hashes_of_the_rows_are_kept():
    X = np.random.default_rng(0).normal(size=(500, 400))
    y = np.tile([0, 1], 250)
    scorer = WeightedAccuracyScorer(X, y, np.ones(500))
    assert len(pickle.dumps(scorer)) < 20_000


@pytest.mark.parametrize("name", NAMES)
def test_sample_weight_reaches_the_folds(trap, name):
    X, _, noisy, cleaner = trap
    weight = np.random.default_rng(0).random(240)
    folds = list(FOLDS.split(X, noisy))
    expected = np.mean(
        [
            by_hand(
                name,
                clone(TREE).fit(X[train], noisy[train], sample_weight=weight[train]),
                X,
                noisy,
                test,
                cleaner,
                weight,
            )
            for train, test in folds
        ]
    )
    scorer = scorers_of(X, noisy, cleaner)[name]
    grid = {"max_depth": [None]}
    search = GridSearchCV(TREE, grid, cv=folds, scoring=scorer).fit(X, noisy, sample_weight=weight)
    assert search.best_score_ == pytest.approx(expected, rel=1e-6)
    with config_context(enable_metadata_routing=True):
        scorer = scorer.set_score_request(sample_weight=True)
        model = clone(TREE).set_fit_request(sample_weight=True)
        search = GridSearchCV(model, grid, cv=folds, scoring=scorer)
        search.fit(X, noisy, sample_weight=weight)
        assert search.best_score_ == pytest.approx(expected, rel=1e-6)
        scorer.set_score_request(sample_weight=False)
        search.fit(X, noisy, sample_weight=weight)
        assert search.best_score_ != pytest.approx(expected, rel=1e-6)


def test_several_scorers_take_sample_weight(trap):
    X, _, noisy, cleaner = trap
    weight = np.random.default_rng(0).random(240)
    scoring = {**scorers_of(X, noisy, cleaner), "accuracy": "accuracy"}
    search = GridSearchCV(TREE, DEPTHS, cv=FOLDS, scoring=scoring, refit="weighted")
    search.fit(X, noisy, sample_weight=weight)
    alone = GridSearchCV(TREE, DEPTHS, cv=FOLDS, scoring=scoring["weighted"])
    alone.fit(X, noisy, sample_weight=weight)
    assert search.best_score_ == alone.best_score_


def test_a_search_that_changes_the_columns(trap):
    X, _, noisy, cleaner = trap
    by_matrix = ForwardScorer(cleaner.transition_matrix_, cleaner.classes_)
    assert RFECV(LogisticRegression(), cv=FOLDS, scoring=by_matrix).fit(X, noisy).n_features_ >= 1
    by_row = ExpectedAccuracyScorer(X, noisy, cleaner.label_distributions_)
    with pytest.raises(ValueError, match="change the columns, use ForwardScorer"):
        RFECV(LogisticRegression(), cv=FOLDS, scoring=by_row).fit(X, noisy)


@pytest.mark.filterwarnings("ignore:A worker stopped:UserWarning")
def test_our_classifier_in_other_processes(trap):
    X, y, noisy, cleaner = trap
    X = X[:, :4]
    one, two = (
        GridSearchCV(
            MixNNClassifier(random_state=0),
            {"max_epochs": [3, 8]},
            scoring=scorers_of(X, noisy, cleaner),
            refit="expected",
            cv=CleanValidationSplit(2, label_quality=cleaner.label_quality_, random_state=0),
            n_jobs=n_jobs,
            error_score="raise",
        ).fit(X, noisy)
        for n_jobs in (None, 2)
    )
    for name in NAMES:
        key = f"mean_test_{name}"
        np.testing.assert_allclose(one.cv_results_[key], two.cv_results_[key], rtol=1e-5)
    assert np.mean(two.predict(X) == y) > 0.9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda X, y: WeightedAccuracyScorer(X, y, np.ones(3)), r"shape \(3,\)"),
        (lambda X, y: WeightedAccuracyScorer(X[1:], y, np.ones(240)), "X has 239 rows"),
        (lambda X, y: WeightedAccuracyScorer(X, y, np.full(240, 2)), "from 2 to 2"),
        (lambda X, y: ExpectedAccuracyScorer(X, y, np.ones((240, 3)) / 3), r"\(240, 2\)"),
        (lambda X, y: ExpectedAccuracyScorer(X, 0 * y, np.ones((240, 1))), "at least two"),
        (lambda X, y: ForwardScorer(np.eye(3), [0, 1]), r"expected \(2, 2\)"),
        (lambda X, y: ForwardScorer([[0.9, 0.3], [0.1, 0.7]], [0, 1]), "pass its transpose"),
    ],
)
def test_bad_input_is_named_when_made(trap, make, message):
    X, _, noisy, _ = trap
    with pytest.raises(ValueError, match=message):
        make(X, noisy)


def test_a_label_that_the_matrix_lacks(trap):
    X, _, noisy, _ = trap
    model = TREE.fit(X, noisy)
    with pytest.raises(ValueError, match=r"not in classes: \[1\]"):
        ForwardScorer(np.eye(2), [0, 2])(model, X, noisy)
