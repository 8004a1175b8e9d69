"""Plots: what is drawn, on the axes that were given."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

from nllearn import AnchorHallucinationClassifier, LabelCleaner
from nllearn.exceptions import MissingExtraError
from nllearn.inspection import (
    FeatureMapDisplay,
    LabelQualityDisplay,
    LossMixtureDisplay,
    ParameterSensitivityDisplay,
    TransitionMatrixDisplay,
)

RNG = np.random.default_rng(0)
Y = np.arange(90) % 3
X = 3 * np.eye(3)[Y] + RNG.normal(size=(90, 3))
NOISY = np.array(["a", "b", "c"])[np.where(np.arange(90) % 6, Y, (Y + 1) % 3)]
TRUE = np.array(["a", "b", "c"])[Y]


@pytest.fixture(scope="module")
def fitted():
    return AnchorHallucinationClassifier(max_epochs=6, random_state=0).fit(X, NOISY)


@pytest.fixture
def ax():
    plt.switch_backend("Agg")
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_loss_mixture(fitted, ax):
    display = LossMixtureDisplay.from_estimator(fitted, ax=ax, bins=20)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    heights = [patch.get_height() for patch in ax.patches]
    assert sum(heights) == 90  # stacked: every row once
    issues = fitted.label_issues()["is_label_issue"].to_numpy()
    np.testing.assert_array_equal(display.is_issue, issues)
    assert len(ax.lines) == 2
    with pytest.raises(ValueError, match="finite"):
        LossMixtureDisplay.from_predictions([1.0, np.nan])


def test_transition_matrix(fitted, ax):
    display = TransitionMatrixDisplay.from_estimator(fitted, ax=ax)
    np.testing.assert_array_equal(display.im_.get_array(), fitted.transition_matrix_)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b", "c"]
    assert len(ax.texts) == 9


def test_transition_matrix_of_labels(ax):
    display = TransitionMatrixDisplay.from_predictions(
        ["a", "a", "a", "b"], ["a", "a", "c", "b"], ax=ax
    )
    expected = [[2 / 3, 0, 1 / 3], [0, 1, 0], [0, 0, 0]]
    np.testing.assert_allclose(display.transition_matrix, expected)
    with pytest.raises(ValueError, match="expected"):
        TransitionMatrixDisplay.from_predictions(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="square"):
        TransitionMatrixDisplay(np.ones((2, 3))).plot(ax)
    with pytest.raises(ValueError, match="1 classes do not fit"):
        TransitionMatrixDisplay(np.eye(2), ["a"]).plot(ax)


def test_label_quality_against_loops(ax):
    quality = RNG.random(200)
    given = np.where(RNG.random(200) < quality**2, 0, 1)
    true = np.zeros(200, int)
    display = LabelQualityDisplay.from_predictions(true, given, quality, n_bins=7, ax=ax)
    error, found = 0.0, 0
    for b in range(7):
        rows = [i for i in range(200) if b / 7 <= quality[i] < (b + 1) / 7]
        if not rows:
            continue
        mean, right = quality[rows].mean(), (given[rows] == 0).mean()
        assert display.mean_quality[found] == pytest.approx(mean)
        assert display.share_right[found] == pytest.approx(right)
        error += len(rows) / 200 * abs(mean - right)
        found += 1
    assert found == len(display.counts)
    assert display.expected_calibration_error_ == pytest.approx(error)
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        LabelQualityDisplay.from_predictions([0], [0], [1.5])
    with pytest.raises(ValueError, match="n_bins=0"):
        LabelQualityDisplay.from_predictions([0], [0], [0.5], n_bins=0)


def test_label_quality_of_a_fit(fitted, ax):
    display = LabelQualityDisplay.from_estimator(fitted, TRUE, ax=ax)
    assert display.counts.sum() == 90
    right = (display.share_right * display.counts).sum() / 90
    assert right == pytest.approx((NOISY == TRUE).mean())


def test_feature_map_with_anchors(fitted, ax):
    display = FeatureMapDisplay.from_estimator(fitted, color_by="given", n_anchors=25, ax=ax)
    assert display.places.shape == (90, 2)
    np.testing.assert_array_equal(display.labels, NOISY)
    assert display.anchor_places.shape == (25, 2)
    assert set(display.anchor_labels) <= {"a", "b", "c"}
    drawn = sum(len(c.get_offsets()) for c in ax.collections)
    assert drawn == 90 + 25
    without = FeatureMapDisplay.from_estimator(fitted, n_anchors=0, max_rows=40, ax=ax)
    assert len(without.places) == 40
    assert without.anchor_places is None


def test_feature_map_refusals(ax):
    with pytest.raises(ValueError, match="3 rows of features and 2 labels"):
        FeatureMapDisplay.from_predictions(np.ones((3, 2)), [0, 1])
    with pytest.raises(ValueError, match="together"):
        FeatureMapDisplay.from_predictions(np.ones((3, 2)), [0, 1, 1], anchors=np.ones((1, 2)))
    clf = AnchorHallucinationClassifier(max_epochs=3, random_state=0).fit(X, NOISY)
    with pytest.raises(ValueError, match="color_by='true'"):
        FeatureMapDisplay.from_estimator(clf, color_by="true")
    with pytest.raises(ValueError, match="compact"):
        FeatureMapDisplay.from_estimator(clf.compact())


def test_parameter_sensitivity_takes_the_best_of_the_others(ax):
    grid = {"max_depth": [4, 1, 2], "criterion": ["gini", "entropy"]}
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), grid, cv=3).fit(X, NOISY)
    display = ParameterSensitivityDisplay.from_estimator(search, "max_depth", ax=ax)
    assert display.values == [1, 2, 4]
    for value, score in zip(display.values, display.mean_scores, strict=True):
        results = search.cv_results_
        scores = [
            s
            for s, params in zip(results["mean_test_score"], results["params"], strict=True)
            if params["max_depth"] == value
        ]
        assert score == max(scores)
    words = ParameterSensitivityDisplay.from_estimator(search, "criterion", ax=ax)
    assert words.values == ["gini", "entropy"]
    with pytest.raises(ValueError, match="must be one of the searched"):
        ParameterSensitivityDisplay.from_estimator(search)
    with pytest.raises(ValueError, match="score='f1'"):
        ParameterSensitivityDisplay.from_estimator(search, "max_depth", score="f1")


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingExtraError, match=r"nllearn\[report\]"):
        TransitionMatrixDisplay(np.eye(2)).plot()


def test_a_label_cleaner_has_a_map_and_no_losses(ax):
    cleaner = LabelCleaner(random_state=0).fit(X, NOISY)
    display = FeatureMapDisplay.from_estimator(cleaner, ax=ax)
    assert display.places.shape == (90, 2)
    assert display.labels.tolist() == cleaner.corrected_labels_.tolist()
    with pytest.raises(ValueError, match="LabelCleaner trains no network"):
        LossMixtureDisplay.from_estimator(cleaner, ax=ax)
    with pytest.raises(ValueError, match="compact"):
        FeatureMapDisplay.from_estimator(cleaner.compact(), ax=ax)
