"""CleanedClassifier around classifiers of scikit-learn: its checks, searches, weights, routing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from nllearn import CleanedClassifier, LabelCleaner, MixNNClassifier
from nllearn.functional.resampling import keep_every_class

LOGISTIC = LogisticRegression()
BOOSTING = HistGradientBoostingClassifier(max_iter=10, min_samples_leaf=5, random_state=0)
SVM = LinearSVC(random_state=0)

# What each classifier fails by itself, as test_its_classifier_fails_alone shows.
FAILS_ALONE = {
    "LogisticRegression": {},
    "HistGradientBoostingClassifier": {
        "check_sample_weight_equivalence_on_dense_data": "bins depend on the number of rows",
        "check_estimators_nan_inf": "it takes gaps",
    },
    "LinearSVC": {
        "check_sample_weight_equivalence_on_dense_data": "its solver draws coordinates",
        "check_sample_weight_equivalence_on_sparse_data": "its solver draws coordinates",
    },
}


@pytest.mark.filterwarnings("ignore::nllearn.exceptions.NoisyLabelWarning")
@parametrize_with_checks(
    [CleanedClassifier(inner) for inner in (LOGISTIC, BOOSTING, SVM)],
    expected_failed_checks=lambda clf: FAILS_ALONE[type(clf.estimator).__name__],
)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("inner", [BOOSTING, SVM], ids=lambda inner: type(inner).__name__)
def test_its_classifier_fails_alone(inner):
    name = type(inner).__name__
    checks = {
        check.func.__name__: check
        for _, check in estimator_checks_generator(CleanedClassifier(LOGISTIC), legacy=True)
    }
    for failing in FAILS_ALONE[name]:
        with pytest.raises(AssertionError):
            checks[failing](clone(inner))


# -- what fit does


def test_each_action_by_hand(blobs):
    X, _, noisy = blobs
    cleaner = LabelCleaner(random_state=0).fit(X, noisy)
    issue = cleaner.label_issues()["is_label_issue"].to_numpy()
    by_hand = {
        "relabel": clone(LOGISTIC).fit(X, cleaner.corrected_labels_),
        "drop": clone(LOGISTIC).fit(X[~issue], noisy[~issue]),
        "weight": clone(LOGISTIC).fit(X, noisy, sample_weight=cleaner.label_quality_.astype(float)),
    }
    for action, expected in by_hand.items():
        clf = CleanedClassifier(LOGISTIC, action=action).fit(X, noisy)
        np.testing.assert_array_equal(clf.predict_proba(X), expected.predict_proba(X))
        np.testing.assert_array_equal(clf.corrected_labels_, cleaner.corrected_labels_)
        np.testing.assert_array_equal(clf.label_quality_, cleaner.label_quality_)
        np.testing.assert_array_equal(clf.classes_, clf.estimator_.classes_)
    assert not np.allclose(by_hand["drop"].coef_, by_hand["weight"].coef_)


@pytest.mark.parametrize("action", ["relabel", "drop", "weight"])
@pytest.mark.parametrize("inner", [LOGISTIC, BOOSTING, SVM], ids=lambda inner: type(inner).__name__)
def test_it_beats_its_classifier_where_labels_are_wrong(inner, action):
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), 200)
    X = rng.normal(size=(600, 20)) + 0.9 * rng.normal(size=(3, 20))[y]
    rows = rng.permutation(600)
    fit, test = rows[:400], rows[400:]
    noisy = y.copy()
    wrong = rng.choice(fit, 140, replace=False)
    noisy[wrong] = (y[wrong] + 1) % 3
    alone = clone(inner).fit(X[fit], noisy[fit]).score(X[test], y[test])
    cleaned = CleanedClassifier(inner, action=action).fit(X[fit], noisy[fit])
    assert cleaned.score(X[test], y[test]) > alone + 0.03


def test_the_cleaner_rules_what_is_an_issue(blobs):
    X, _, noisy = blobs
    kept = {}
    for budget in (None, 7):
        cleaner = LabelCleaner(budget=budget, random_state=0)
        clf = CleanedClassifier(KNeighborsClassifier(), cleaner, action="drop").fit(X, noisy)
        kept[budget] = clf.estimator_.n_samples_fit_
        assert kept[budget] == 240 - clf.cleaner_.label_issues()["is_label_issue"].sum()
        assert not hasattr(cleaner, "label_quality_") and clf.cleaner_ is not cleaner
    assert kept[7] == 233 > kept[None]


def test_nothing_is_cleaned_at_predict(blobs, monkeypatch):
    X, _, noisy = blobs
    clf = CleanedClassifier(LOGISTIC).fit(X, noisy)
    monkeypatch.delattr(clf, "cleaner_")
    np.testing.assert_array_equal(clf.predict(X), clf.estimator_.predict(X))
    assert clf.decision_function(X).shape == (240, 4)


def test_methods_are_those_of_the_classifier(blobs):
    X, _, noisy = blobs
    svm = CleanedClassifier(SVM)
    assert hasattr(svm, "decision_function") and not hasattr(svm, "predict_proba")
    with pytest.raises(AttributeError, match="predict_proba"):
        svm.fit(X, noisy).predict_proba(X)
    clf = CleanedClassifier(LOGISTIC)
    with pytest.raises(NotFittedError):
        clf.predict(X)
    np.testing.assert_allclose(
        np.exp(clf.fit(X, noisy).predict_log_proba(X)), clf.predict_proba(X), rtol=1e-4
    )
    # A fit on plain rows forgets the names of an earlier one.
    frame = pd.DataFrame(X).add_prefix("c")
    assert list(clf.fit(frame, noisy).feature_names_in_) == list(frame.columns)
    assert not hasattr(clf.fit(X, noisy), "feature_names_in_") and clf.n_features_in_ == 6


def test_text_labels_frames_and_sparse_rows(blobs):
    X, y, noisy = blobs
    names = np.array(["ant", "bee", "cat", "dog"])
    frame = pd.DataFrame(X, index=[f"row {i}" for i in range(240)]).add_prefix("c")
    for action in ("relabel", "drop", "weight"):
        plain = CleanedClassifier(LOGISTIC, action=action).fit(X, names[noisy])
        framed = CleanedClassifier(LOGISTIC, action=action).fit(frame, pd.Series(names[noisy]))
        packed = CleanedClassifier(LOGISTIC, action=action).fit(sparse.csr_array(X), names[noisy])
        assert plain.score(X, names[y]) > 0.95 and plain.predict(X).dtype == names.dtype
        np.testing.assert_array_equal(framed.predict(frame), plain.predict(X))
        np.testing.assert_array_equal(packed.predict(sparse.csr_array(X)), plain.predict(X))
    assert list(framed.cleaner_.label_issues().index) == list(frame.index)


@pytest.mark.filterwarnings("ignore:no row keeps")
@pytest.mark.parametrize("action", ["relabel", "drop", "weight"])
def test_no_class_is_lost(action):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 60)
    X = rng.normal(size=(120, 4)) + 6 * y[:, None]
    noisy = y.copy()
    noisy[10] = 2  # the only one of its class, among the rows of class 0
    clf = CleanedClassifier(LOGISTIC, action=action).fit(X, noisy)
    assert clf.classes_.tolist() == clf.estimator_.classes_.tolist() == [0, 1, 2]
    # Of one row nothing can be known: it keeps its label.
    assert clf.predict_proba(X).shape == (120, 3) and clf.corrected_labels_[10] == 2


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 12))
def test_every_class_is_kept_and_nothing_else_changes(seed, n):
    rng = np.random.default_rng(seed)
    old, labels, kept = rng.integers(0, 4, n), rng.integers(0, 4, n), rng.random(n) < 0.6
    labels = np.where(np.isin(labels, old), labels, old)
    new, stay, restored = keep_every_class(labels, kept, old)
    assert set(new[stay]) == set(old)
    back = np.isin(old, restored)
    np.testing.assert_array_equal(new, np.where(back, old, labels))
    np.testing.assert_array_equal(stay, kept | back)
    if set(labels[kept]) == set(old):
        assert not len(restored)


# -- weights, known labels, and their routing


def test_weights_reach_cleaner_and_classifier(blobs):
    X, _, noisy = blobs
    weight = np.random.default_rng(0).uniform(0.1, 3.0, 240)
    cleaner = LabelCleaner(random_state=0).fit(X, noisy, sample_weight=weight)
    clf = CleanedClassifier(LOGISTIC).fit(X, noisy, sample_weight=weight)
    np.testing.assert_array_equal(clf.label_quality_, cleaner.label_quality_)
    expected = clone(LOGISTIC).fit(X, cleaner.corrected_labels_, sample_weight=weight)
    np.testing.assert_array_equal(clf.estimator_.coef_, expected.coef_)
    both = CleanedClassifier(LOGISTIC, action="weight").fit(X, noisy, sample_weight=weight)
    expected = clone(LOGISTIC).fit(X, noisy, sample_weight=weight * both.label_quality_)
    np.testing.assert_allclose(both.estimator_.coef_, expected.coef_, rtol=1e-6)


def test_a_classifier_without_weights_is_named(blobs):
    X, _, noisy = blobs
    neighbors = KNeighborsClassifier()
    CleanedClassifier(neighbors).fit(X, noisy)
    with pytest.raises(ValueError, match=r"action='weight' passes.*KNeighborsClassifier.*'drop'"):
        CleanedClassifier(neighbors, action="weight").fit(X, noisy)
    with pytest.raises(ValueError, match="sample_weight was passed, but fit of KNeighborsCl"):
        CleanedClassifier(neighbors).fit(X, noisy, sample_weight=np.ones(240))
    with pytest.raises(ValueError, match="put CleanedClassifier inside the Pipeline"):
        CleanedClassifier(make_pipeline(LOGISTIC), action="weight").fit(X, noisy)


def test_known_labels_keep_their_label_and_their_weight(blobs):
    X, y, noisy = blobs
    trusted = noisy != y
    trusted[np.flatnonzero(trusted)[5:]] = False
    clf = CleanedClassifier(LOGISTIC, action="weight").fit(X, noisy, trusted=trusted)
    assert (clf.label_quality_[trusted] == 1).all()
    np.testing.assert_array_equal(clf.corrected_labels_[trusted], noisy[trusted])


def test_routing_of_weights_and_known_labels(blobs):
    X, _, noisy = blobs
    trusted = np.arange(240) < 60
    weight = np.linspace(0.5, 2.0, 240)
    direct = CleanedClassifier(LOGISTIC).fit(X, noisy, sample_weight=weight, trusted=trusted)
    with sklearn.config_context(enable_metadata_routing=True):
        inner = LogisticRegression().set_fit_request(sample_weight=True)
        clf = CleanedClassifier(inner).set_fit_request(sample_weight=True, trusted=True)
        clf.set_score_request(sample_weight=False)
        scaler = StandardScaler(with_mean=False, with_std=False)
        pipeline = make_pipeline(scaler.set_fit_request(sample_weight=False), clf)
        pipeline.fit(X, noisy, sample_weight=weight, trusted=trusted)
        np.testing.assert_array_equal(pipeline[-1].label_quality_, direct.label_quality_)
        np.testing.assert_allclose(pipeline[-1].estimator_.coef_, direct.estimator_.coef_)
        params = {"sample_weight": weight, "trusted": trusted}
        scored = cross_validate(clf, X, noisy, params=params, return_estimator=True, cv=3)
        for fitted, (rows, _) in zip(
            scored["estimator"], StratifiedKFold(3).split(X, noisy), strict=True
        ):
            assert (fitted.label_quality_[trusted[rows]] == 1).all()
        # Weights by quality through a Pipeline as the classifier.
        piped = CleanedClassifier(make_pipeline(inner), action="weight").fit(X, noisy)
        alone = CleanedClassifier(inner, action="weight").fit(X, noisy)
        np.testing.assert_array_equal(piped.estimator_[-1].coef_, alone.estimator_.coef_)
        unasked = LogisticRegression().set_fit_request(sample_weight=False)
        with pytest.raises(ValueError, match=r"call set_fit_request\(sample_weight=True\)"):
            CleanedClassifier(unasked, action="weight").fit(X, noisy)
        got = CleanedClassifier(unasked).fit(X, noisy, sample_weight=weight)
        expected = clone(LOGISTIC).fit(X, got.corrected_labels_)
        np.testing.assert_array_equal(got.estimator_.coef_, expected.coef_)


# -- inside other tools


def test_grid_search_with_two_workers(blobs):
    X, y, noisy = blobs
    clf = CleanedClassifier(LOGISTIC, LabelCleaner(random_state=0), action="drop")
    model = make_pipeline(StandardScaler(), clf)
    grid = {
        "cleanedclassifier__estimator__C": [0.01, 1.0],
        "cleanedclassifier__cleaner__threshold": [None, 0.5],
    }
    search = GridSearchCV(model, grid, n_jobs=2, cv=3, error_score="raise").fit(X, noisy)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    assert search.score(X, y) > 0.95


def test_calibration_around_it(blobs):
    X, y, noisy = blobs
    clf = CalibratedClassifierCV(CleanedClassifier(SVM), cv=3).fit(X, noisy)
    proba = clf.predict_proba(X)
    assert proba.shape == (240, 4) and np.isfinite(proba).all() and clf.score(X, y) > 0.95


def test_one_of_our_classifiers_as_the_cleaner(blobs):
    X, y, noisy = blobs
    network = MixNNClassifier(max_epochs=4, random_state=0)
    clf = CleanedClassifier(LOGISTIC, network).fit(X, noisy)
    np.testing.assert_array_equal(clf.corrected_labels_, clf.cleaner_.corrected_labels_)
    assert clf.score(X, y) > 0.95


def test_counts_for_naive_bayes():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 60)
    X = rng.poisson(np.array([[6, 2, 1], [1, 2, 6]])[y])
    noisy = np.where(np.arange(120) % 6 == 0, 1 - y, y)
    assert CleanedClassifier(MultinomialNB()).fit(X, noisy).score(X, y) > 0.95
    assert CleanedClassifier(MultinomialNB()).__sklearn_tags__().input_tags.positive_only


def test_html_shows_both_parts():
    text = CleanedClassifier(LOGISTIC, LabelCleaner(threshold=0.25))._repr_html_()
    assert "CleanedClassifier" in text and "LogisticRegression" in text and "LabelCleaner" in text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CleanedClassifier(LinearRegression()), "is no classifier; pass one"),
        (lambda: CleanedClassifier(None), "estimator=None must be"),
        (lambda: CleanedClassifier(LOGISTIC, action="drp"), "did you mean 'drop'"),
        (lambda: CleanedClassifier(LOGISTIC, StandardScaler()), "cleaner=StandardScaler"),
        (
            lambda: CleanedClassifier(LOGISTIC, LabelCleaner(action="drop")),
            "action='drop' of the cleaner has no effect here",
        ),
        (
            lambda: CleanedClassifier(LOGISTIC).set_params(cleaner__threshold=0.5),
            "pass an instance as cleaner, then set cleaner__threshold",
        ),
        (
            lambda: CleanedClassifier(LOGISTIC, LabelCleaner(threshold=3)),
            "LabelCleaner has 1 invalid parameter",
        ),
    ],
)
def test_bad_parameters_are_named(blobs, make, message):
    X, _, noisy = blobs
    with pytest.raises(ValueError, match=message):
        make().fit(X, noisy)
