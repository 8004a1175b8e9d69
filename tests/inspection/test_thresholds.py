"""Threshold of the quality: table, lines and plot, with and without an audit."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from nllearn import LabelCleaner
from nllearn.inspection import ThresholdDisplay, threshold_lines, threshold_table

RNG = np.random.default_rng(0)
TRUE = np.arange(300) % 3
X = 4 * np.eye(3)[TRUE] + RNG.normal(size=(300, 3))
GIVEN = np.where(np.arange(300) % 7 == 0, (TRUE + 1 + np.arange(300) // 7 % 2) % 3, TRUE)


@pytest.fixture(scope="module")
def fitted():
    return LabelCleaner(random_state=0).fit(X, GIVEN)


@pytest.fixture(scope="module")
def audit(fitted):
    rows = fitted.audit_sample(120, random_state=0)
    return fitted.audit(rows, TRUE[rows])


@pytest.fixture
def ax():
    plt.switch_backend("Agg")
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_the_table_agrees_with_the_issues(fitted):
    table = threshold_table(fitted.label_quality_, [0.0, 0.3, 0.7, 1.0])
    for threshold, row in table.iterrows():
        flagged = fitted.label_quality_ < threshold
        assert row["n_flagged"] == flagged.sum()
        if flagged.any():
            expected = (1 - fitted.label_quality_[flagged].astype(float)).mean()
            assert row["precision"] == pytest.approx(expected, rel=1e-5)
    assert table["low"].isna().all()
    assert table["share_found"].iloc[-1] == pytest.approx(1.0)


def test_with_an_audit_the_precision_is_that_of_the_audit(fitted, audit):
    table = threshold_table(fitted.label_quality_, [0.1, 0.5, 0.9], audit=audit)
    for threshold, row in table.iterrows():
        np.testing.assert_array_equal(row[["precision", "low", "high"]], audit.precision(threshold))
    is_wrong = GIVEN != TRUE
    flagged = fitted.label_quality_ < 0.5
    assert table.loc[0.5, "low"] <= is_wrong[flagged].mean() <= table.loc[0.5, "high"]
    assert table["share_found"].between(0, 1).all()


def test_lines_name_the_expectation_and_how_many_to_look_at(fitted, audit):
    lines = threshold_lines(fitted.label_quality_)
    n = int((fitted.label_quality_ < 0.5).sum())
    assert lines[-1].startswith(f"look at               {n} rows, quality below 0.5: ")
    assert lines[-1].endswith("(expected)") and "expected" in lines[0]
    audited = threshold_lines(fitted.label_quality_, audit=audit)
    assert "by the audit" in audited[0] and " to " in audited[1]


def test_lines_where_no_label_looks_wrong():
    assert threshold_lines(np.ones(4)) == [
        "look at               no row is more probably wrong than right"
    ]


def test_the_plot_shows_precision_and_number(fitted, ax):
    display = ThresholdDisplay.from_estimator(fitted, ax=ax)
    assert display.ax_ is ax and display.figure_ is ax.figure
    (precision,) = ax.lines
    (number,) = display.count_ax_.lines
    np.testing.assert_array_equal(precision.get_ydata(), display.table["precision"])
    np.testing.assert_array_equal(number.get_ydata(), display.table["n_flagged"])
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == ["precision, expected by the model", "labels flagged"]
    assert not ax.collections


def test_the_plot_of_an_audit_has_a_band(fitted, audit, ax):
    ThresholdDisplay.from_estimator(fitted, audit=audit, thresholds=[0.2, 0.5, 0.8], ax=ax)
    assert len(ax.collections) == 1
    assert ax.get_legend().get_texts()[0].get_text() == "precision by the audit"


@pytest.mark.parametrize(
    ("quality", "thresholds", "message"),
    [
        ([], None, "expected"),
        ([[0.5]], None, "shape"),
        ([0.5, np.nan], None, "nan"),
        ([0.5, 1.5], None, "1.5"),
        ([0.5], [2.0], "between 0 and 1"),
        ([0.5], [np.nan], "between 0 and 1"),
    ],
)
def test_bad_input_is_named(quality, thresholds, message):
    with pytest.raises(ValueError, match=message):
        threshold_table(quality, thresholds)


def test_an_audit_of_other_rows_is_refused(audit):
    with pytest.raises(ValueError, match="300 rows and label_quality about 2"):
        threshold_table([0.1, 0.9], audit=audit)


def test_an_unfitted_estimator_is_refused():
    with pytest.raises(NotFittedError):
        ThresholdDisplay.from_estimator(LabelCleaner())
