"""The audit: sample, answers, intervals, decisions, and a fit with the answers."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from nllearn import LabelCleaner, MixNNClassifier, load
from nllearn.audit import AuditedLabels, audit_labels, draw_audit_sample
from nllearn.datasets import make_symmetric_noise


def made_world(seed, n=1000, error=lambda q: 1 - q, shape=(2, 0.4)):
    """Labels of two classes whose given label is wrong with a probability that we know."""
    rng = np.random.default_rng(seed)
    quality = rng.beta(*shape, n)
    wrong = rng.random(n) < error(quality)
    given = rng.integers(0, 2, n)
    corrected = np.where(quality < 0.5, 1 - given, given)
    labels = AuditedLabels(given, corrected, quality, np.array(["no", "yes"]))
    return labels, wrong


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    names = np.array([f"digit {k}" for k in range(10)])
    noisy = make_symmetric_noise(y, noise_rate=0.3, random_state=0)
    return X, names[y], names[noisy], LabelCleaner(random_state=0).fit(X, names[noisy])


def test_sample_goes_where_answers_decide(digits):
    _, y, y_noisy, cleaner = digits
    rows = cleaner.audit_sample(60, random_state=0)
    assert len(set(rows.tolist())) == 60
    np.testing.assert_array_equal(rows, cleaner.audit_sample(60, random_state=0))
    assert (rows != cleaner.audit_sample(60, random_state=1)).any()
    changed = cleaner.corrected_labels_ != y_noisy
    assert changed.mean() < 0.35 and 20 <= changed[rows].sum() <= 50
    assert len(cleaner.audit_sample(len(y), random_state=0)) == len(y)


def test_audit_of_a_cleaner(digits):
    X, y, y_noisy, cleaner = digits
    changed = cleaner.corrected_labels_ != y_noisy
    rows = cleaner.audit_sample(80, random_state=1)
    told, seen = cleaner.audit(rows, y[rows] == y_noisy[rows]), cleaner.audit(rows, y[rows])
    for audit in (told, seen):
        for interval, truth in (
            (audit.noise_rate, (y != y_noisy).mean()),
            (audit.precision(), (y != y_noisy)[changed].mean()),
            (audit.accuracy_gain, (cleaner.corrected_labels_ == y).mean() - (y == y_noisy).mean()),
        ):
            assert interval.low <= truth <= interval.high
            assert interval.low <= interval.value <= interval.high
        assert audit.changes_help is True
        assert audit.boundary_noise is not True  # it lies anywhere
    assert seen.noise_rate == told.noise_rate
    # Of ten classes, "wrong" alone does not tell the true label.
    wrong = y[rows] != y_noisy[rows]
    assert seen.trusted_mask().sum() == 80 and told.trusted_mask().sum() == (~wrong).sum()
    np.testing.assert_array_equal(seen.labels()[rows], y[rows])
    np.testing.assert_array_equal(told.labels(), y_noisy)
    again = LabelCleaner(random_state=0).fit(X, seen.labels(), trusted=seen.trusted_mask())
    np.testing.assert_array_equal(again.corrected_labels_[rows], y[rows])
    assert "changes help          yes" in str(seen)


def test_changes_that_harm_and_changes_that_nobody_knows():
    labels, _ = made_world(0, error=lambda q: np.zeros(len(q)))
    rows = draw_audit_sample(labels, 40, random_state=0)
    audit = audit_labels(labels, rows, np.ones(40, dtype=bool))
    assert audit.changes_help is False and audit.precision().value == 0
    assert audit.noise_rate.value == 0 and audit.threshold_for(0.5) is None
    assert any("keep the given labels" in line for line in audit.summary())
    few = audit_labels(labels, rows[:3], np.ones(3, dtype=bool))
    assert few.changes_help is None and few.precision(0.5).high > 0.5

    same = AuditedLabels(labels.given, labels.given, labels.quality, labels.classes)
    nothing = audit_labels(same, rows, np.ones(40, dtype=bool))
    assert nothing.changes_help is None and nothing.accuracy_gain == (0, 0, 0)
    assert np.isnan(nothing.precision().value) and nothing.precision()[1:] == (0, 1)


def test_wrong_to_wrong_is_no_gain():
    """Every changed label was wrong, and so is the corrected one."""
    n = 300
    quality = np.r_[np.full(100, 0.1), np.full(200, 0.95)]
    given, corrected = np.zeros(n, dtype=int), np.r_[np.ones(100, dtype=int), np.zeros(200, int)]
    true = np.r_[np.full(100, 2), np.zeros(200, dtype=int)]
    proba = np.where(corrected == given, quality, 0.85)
    labels = AuditedLabels(given, corrected, quality, np.arange(3), proba)
    rows = draw_audit_sample(labels, 30, random_state=0)
    audit = audit_labels(labels, rows, true[rows])
    assert audit.precision().value == 1 and audit.precision().low > 0.7
    assert audit.accuracy_gain.value == 0 and audit.changes_help is None
    # Without the true label the posterior says how many of the wrong ones were mended.
    told = audit_labels(labels, rows, (true == given)[rows])
    assert told.accuracy_gain.value == pytest.approx(100 / n * 0.85 / 0.9)
    assert told.changes_help is True
    silent = AuditedLabels(given, corrected, quality, np.arange(3))
    assert audit_labels(silent, rows, (true == given)[rows]).changes_help is None


def test_all_rows_looked_at_leave_no_doubt():
    labels, wrong = made_world(3, n=80)
    rows = np.arange(80)
    audit = audit_labels(labels, rows, ~wrong)
    assert audit.noise_rate == pytest.approx((wrong.mean(),) * 3)
    changed = labels.changed
    assert audit.precision() == pytest.approx((wrong[changed].mean(),) * 3)
    flagged = labels.quality < 0.7
    assert audit.precision(0.7) == pytest.approx(
        (wrong[flagged].mean(),) * 3,
    )
    # Two classes: a wrong label is the other one.
    np.testing.assert_array_equal(audit.trusted_mask(), np.ones(80, dtype=bool))
    np.testing.assert_array_equal(
        audit.labels(), labels.classes[np.where(wrong, 1 - labels.given, labels.given)]
    )


def test_threshold_for_a_false_discovery_rate():
    labels, wrong = made_world(1, error=lambda q: np.where(q < 0.3, 1.0, 0.02), shape=(0.6, 0.4))
    rows = draw_audit_sample(labels, 300, random_state=0)
    audit = audit_labels(labels, rows, ~wrong[rows])
    found = [audit.threshold_for(fdr) for fdr in (0.1, 0.3, 0.6)]
    assert found == sorted(found) and 0.2 < found[0] < 0.5
    candidates = [*np.unique(labels.quality), 1.0]
    for fdr, threshold in zip((0.1, 0.3, 0.6), found, strict=True):
        slow = [t for t in candidates if 1 - audit.precision(t).low <= fdr]
        assert threshold == max(t for t in slow if (labels.quality < t).any())
        flagged = labels.quality < threshold
        assert 1 - wrong[flagged].mean() <= fdr


@pytest.mark.parametrize(
    "error",
    [lambda q: 1 - q, lambda q: 0.4 * (1 - q), lambda q: np.full(len(q), 0.15)],
    ids=["calibrated", "too sure", "unrelated"],
)
def test_intervals_hold_at_their_level(error):
    """Of 60 audits with 30 answers, 8 or more fail with probability .01 where .05 may."""
    failed = np.zeros(4)
    for seed in range(60):
        labels, wrong = made_world(seed, error=error)
        rows = draw_audit_sample(labels, 30, random_state=seed)
        audit = audit_labels(labels, rows, ~wrong[rows])
        band = {t: audit.precision(t) for t in (0.2, 0.5, 0.8, 0.9, 0.95, 1.0)}
        # Chosen after the answers: where the lower and where the upper end looks best.
        chosen = max(band, key=lambda t: band[t].low), min(band, key=lambda t: band[t].high)
        outside = {
            t: not b.low - 1e-9 <= wrong[labels.quality < t].mean() <= b.high + 1e-9
            for t, b in band.items()
        }
        rate, changes = audit.noise_rate, audit.precision()
        failed += [
            not rate.low <= wrong.mean() <= rate.high,
            not changes.low <= wrong[labels.changed].mean() <= changes.high,
            outside[chosen[0]] or outside[chosen[1]],
            any(outside.values()),
        ]
    assert failed.max() <= 7


def test_boundary_noise_is_decided_by_the_answers():
    """Two claims about rows that the predictor contradicts: hard, or wrong."""
    rng = np.random.default_rng(0)
    n = 2000
    hard = rng.random(n) < 0.3
    given = np.zeros(n, dtype=int)
    quality, boundary = np.where(hard, 0.8, 0.98), np.where(hard, 0.2, 0.97)
    labels = AuditedLabels(given, given, quality, np.arange(2), None, boundary)
    for rate, decided in ((0.85, True), (0.1, False)):
        wrong = rng.random(n) < np.where(hard, rate, 0.02)
        for seed in range(10):
            rows = draw_audit_sample(labels, 30, random_state=seed)
            assert hard[rows].mean() > 0.4
            audit = audit_labels(labels, rows, ~wrong[rows])
            assert audit.boundary_noise is decided
            assert f"fit with boundary_noise={decided}" in str(audit)
    assert audit_labels(labels, rows[:1], [True]).boundary_noise is None


def test_classifiers_and_files_have_it_too(digits, tmp_path):
    X, y, y_noisy, cleaner = digits
    cleaner.save(tmp_path / "cleaner.safetensors")
    again = load(tmp_path / "cleaner.safetensors")
    rows = cleaner.audit_sample(30, random_state=0)
    np.testing.assert_array_equal(rows, again.audit_sample(30, random_state=0))
    assert again.audit(rows, y[rows]).precision(0.5) == cleaner.audit(rows, y[rows]).precision(0.5)
    frame = pd.DataFrame(X[:200], index=np.arange(200) * 3)
    classifier = MixNNClassifier(max_epochs=3, random_state=0).fit(frame, y_noisy[:200])
    rows = classifier.audit_sample(30, random_state=0)
    audit = classifier.audit(rows, pd.Series(y[rows]))
    assert rows.max() < 200 and 0 < audit.noise_rate.value < 0.8


def test_confidence_level():
    labels, wrong = made_world(0)
    rows = draw_audit_sample(labels, 40, random_state=0)
    wide, narrow = (
        audit_labels(labels, rows, ~wrong[rows], confidence_level=level) for level in (0.99, 0.8)
    )
    for one, other in (
        (wide.noise_rate, narrow.noise_rate),
        (wide.precision(), narrow.precision()),
    ):
        assert one.low < other.low < other.high < one.high


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda c, y: c.audit_sample(0), "n=0 must be a whole number from 1"),
        (lambda c, y: c.audit_sample(5.0), "n=5.0 must be a whole number"),
        (lambda c, y: c.audit_sample(10**6), "to the number of rows, 1797"),
        (lambda c, y: c.audit([], []), "at least one"),
        (lambda c, y: c.audit([0.5], [True]), "pass the row numbers"),
        (lambda c, y: c.audit([-1], [True]), "rows has -1, but row numbers go from 0 to 1796"),
        (lambda c, y: c.audit([3, 4, 3], [True] * 3), "rows has 3 twice"),
        (lambda c, y: c.audit([3, 4], [True]), "right has 1 answers for 2 rows"),
        (lambda c, y: c.audit([3, 4], ["digit 1", None]), "missing"),
        (lambda c, y: c.audit([3], ["digit X"]), "none of the classes: ['digit X']"),
        (lambda c, y: c.audit([3], [True], confidence_level=95), "confidence_level=95 must be"),
        (lambda c, y: c.audit([3], [True]).precision(2), "threshold=2 must be between 0 and 1"),
        (lambda c, y: c.audit([3], [True]).threshold_for(0), "fdr=0 must be between 0 and 1"),
    ],
)
def test_bad_input_is_named(digits, call, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        call(digits[3], digits[1])


def test_answers_in_another_order_are_refused(digits):
    _, y, _, cleaner = digits
    rows = cleaner.audit_sample(30, random_state=0)
    answers = pd.Series(y[rows], index=rows)
    assert cleaner.audit(rows, answers).noise_rate == cleaner.audit(rows, y[rows]).noise_rate
    with pytest.raises(ValueError, match="right has the rows of rows in another order"):
        cleaner.audit(rows, answers.sort_index())
