"""Cleaning by predictions alone, and predictions in a DataFrame."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from nllearn import LabelCleaner, find_label_issues, load

NAMES = np.array(["dog", "ant", "cat", "bee"])


@pytest.fixture(scope="module")
def predicted(blobs):
    """True names, given names, and out-of-sample probabilities in the order of sorted names."""
    X, y, noisy = blobs
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    probs = cross_val_predict(
        LogisticRegression(), X, NAMES[noisy], cv=folds, method="predict_proba"
    )
    return NAMES[y], NAMES[noisy], probs


def test_labels_are_cleaned_without_rows(predicted):
    true, given, probs = predicted
    table = find_label_issues(given, probs)
    assert (given == true).mean() == 0.8
    # The model alone changes right labels as well; the given label counts too.
    assert (table["corrected_label"] == true).mean() >= 0.97
    assert (table["is_label_issue"] == (table["corrected_label"] != table["given_label"])).all()
    assert "duplicate_group" not in table


def test_the_free_function_and_the_cleaner_are_one(predicted):
    _, given, probs = predicted
    before = probs.copy()
    cleaner = LabelCleaner(random_state=0).fit(None, given, pred_probs=probs)
    pd.testing.assert_frame_equal(cleaner.label_issues(), find_label_issues(given, probs))
    np.testing.assert_array_equal(probs, before)


def test_known_labels_stay(predicted):
    _, given, probs = predicted
    wrong = np.flatnonzero(find_label_issues(given, probs)["is_label_issue"])[:3]
    trusted = np.isin(np.arange(len(given)), wrong)
    table = find_label_issues(given, probs, trusted=trusted)
    assert not table["is_label_issue"].iloc[wrong].any()
    assert (table["label_quality"].iloc[wrong] == 1).all()


def test_columns_are_read_by_name_and_the_index_is_kept(predicted):
    _, given, probs = predicted
    rows = [f"row {i}" for i in range(len(given))]
    frame = pd.DataFrame(probs, columns=np.sort(NAMES), index=rows)
    labels = pd.Series(given, index=rows)
    plain = find_label_issues(given, probs)
    for y, P in ((labels, frame), (given, frame[NAMES]), (labels, frame[NAMES]), (labels, probs)):
        table = find_label_issues(y, P)
        assert list(table.index) == rows
        pd.testing.assert_frame_equal(table.reset_index(drop=True), plain)


@pytest.mark.parametrize("with_rows", [True, False])
def test_frames_that_do_not_fit_are_refused(blobs, predicted, with_rows):
    _, given, probs = predicted
    index = np.arange(len(given)) + 7
    frame = pd.DataFrame(probs, columns=np.sort(NAMES), index=index)
    X = pd.DataFrame(blobs[0], index=index) if with_rows else None
    labels = pd.Series(given, index=index)
    what = "X" if with_rows else "y"

    def fit(P, y=labels):
        return LabelCleaner(random_state=0).fit(X, y, pred_probs=P)

    straight, turned = fit(frame), fit(frame[::-1])
    np.testing.assert_array_equal(straight.label_quality_, turned.label_quality_)
    with pytest.raises(ValueError, match=rf"index of pred_probs is not that of {what}"):
        fit(frame.set_index(index + 5))
    with pytest.raises(ValueError, match=r"columns.*'gnu'.*are no classes"):
        fit(frame.rename(columns={"bee": "gnu"}))
    with pytest.raises(ValueError, match=r"pred_probs has shape \(240, 3\)"):
        fit(frame.iloc[:, :3])
    if with_rows:
        with pytest.raises(ValueError, match="y has the rows of X in another order"):
            fit(frame, labels[::-1])


@pytest.mark.parametrize(
    ("y", "P", "message"),
    [
        (["a", "b"] * 5, None, "X is None; pass the rows, or out-of-sample predictions"),
        (["a", "b"] * 5, np.full((9, 2), 0.5), r"pred_probs has shape \(9, 2\)"),
        (["a", "b"] * 5, np.full((10, 2), 0.4), "sums to 0.8"),
        (["a", None] * 5, np.full((10, 2), 0.5), "missing label"),
        (None, np.full((10, 2), 0.5), "1d array"),
        (["a", "b"] * 5, np.full((10, 2), 0.5), "pred_probs is the same in every row"),
    ],
)
def test_bad_input_is_named(y, P, message):
    with pytest.raises(ValueError, match=message):
        LabelCleaner(random_state=0).fit(None, y, pred_probs=P)


def test_new_predictions_are_scored_also_from_a_file(predicted, tmp_path):
    true, given, probs = predicted
    cleaner = LabelCleaner(random_state=0).fit(None, given[40:], pred_probs=probs[40:])
    cleaner.save(tmp_path / "cleaner.nll")
    new = pd.DataFrame(probs[:40], columns=np.sort(NAMES))[NAMES]
    quality = cleaner.score_labels(new, given[:40])
    right = given[:40] == true[:40]
    assert quality[right].mean() > 0.9 and quality[~right].mean() < 0.3
    assert (cleaner.classes_[cleaner.label_proba(new).argmax(1)] == true[:40]).mean() > 0.9
    np.testing.assert_array_equal(
        load(tmp_path / "cleaner.nll").score_labels(probs[:40], given[:40]), quality
    )


def test_classes_that_occur_in_no_label():
    rng = np.random.default_rng(0)
    names = np.array(["ant", "bee", "cat", "dog"])
    y = np.arange(300) % 3
    noisy = np.where(rng.random(300) < 0.15, (y + 1) % 3, y)
    probs = pd.DataFrame(0.85 * np.eye(4)[y] + 0.0375, columns=names)
    shuffled = probs[["dog", "cat", "ant", "bee"]]
    cleaner = LabelCleaner(random_state=0)
    cleaner.fit(None, names[noisy], pred_probs=shuffled, classes=names[::-1])
    assert cleaner.classes_.tolist() == names.tolist()
    assert cleaner.label_distributions_.shape == (300, 4)
    assert (cleaner.corrected_labels_ == names[y]).mean() > 0.98
    assert cleaner.label_distributions_[:, 3].max() < 0.1
    other = LabelCleaner(random_state=0)
    other.fit(None, names[noisy], pred_probs=probs.to_numpy(), classes=names)
    np.testing.assert_array_equal(other.label_distributions_, cleaner.label_distributions_)
    assert len(find_label_issues(names[noisy], shuffled, classes=names)) == 300
    several = np.stack([names[noisy], names[y]], axis=1).astype(object)
    several[::4, 1] = None
    rows = rng.normal(size=(300, 5)) + 3.0 * np.eye(3, 5)[y]
    cleaner.fit(rows, several, pred_probs=shuffled, classes=names)
    assert cleaner.annotator_transition_matrices_.shape == (2, 4, 4)
    for classes, words in (
        (names[:2], r"y has the labels \['cat'\], which are not in classes=\['ant', 'bee'\]"),
        ([0, 1, 2, 3], "of different kinds"),
    ):
        with pytest.raises(ValueError, match=words):
            find_label_issues(names[noisy], probs, classes=classes)
    with pytest.raises(ValueError, match=r"\['dog'\] are no classes|shape"):
        find_label_issues(names[noisy], probs)
