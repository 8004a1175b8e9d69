"""Several annotators: who is right, who copies, gaps, and what comes out."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from nllearn import CleanedClassifier, LabelCleaner, find_label_issues, load

NAMES = np.array(["ant", "bee", "cat", "dog"])
QUALITY = (0.8, 0.6, 0.4)


@pytest.fixture(scope="module")
def crowd():
    """Rows, true codes, and labels of three annotators with gaps, as text."""
    rng = np.random.default_rng(0)
    y = np.arange(600) % 4
    X = rng.normal(size=(600, 6)) + 2.0 * rng.normal(size=(4, 6))[y]
    labels = np.empty((600, 3), dtype=object)
    for a, quality in enumerate(QUALITY):
        wrong = rng.random(600) >= quality
        labels[:, a] = NAMES[np.where(wrong, (y + rng.integers(1, 4, 600)) % 4, y)]
    labels[rng.random((600, 3)) < 0.2] = None
    labels[:5] = None
    return X.astype(np.float32), y, labels


@pytest.fixture(scope="module")
def cleaner(crowd):
    return LabelCleaner(random_state=0).fit(crowd[0], crowd[2])


def test_labels_annotators_and_rows_without_a_label(crowd, cleaner):
    _, y, labels = crowd
    assert (cleaner.corrected_labels_ == NAMES[y]).mean() > 0.95
    assert (cleaner.corrected_labels_[:5] == NAMES[y[:5]]).mean() > 0.6
    true = [np.mean(labels[k, a] == NAMES[y[k]]) for a in range(3) for k in [known(labels, a)]]
    np.testing.assert_allclose(cleaner.annotator_quality_, true, atol=0.05)
    assert cleaner.annotator_transition_matrices_.shape == (3, 4, 4)
    np.testing.assert_allclose(cleaner.annotator_transition_matrices_.sum(2), 1)
    assert cleaner.annotators_.tolist() == [0, 1, 2]
    assert cleaner.classes_.tolist() == NAMES.tolist()
    wrong = np.mean([labels[i, a] != NAMES[y[i]] for i, a in zip(*np.nonzero(labels), strict=True)])
    assert abs(cleaner.noise_rate_ - wrong) < 0.04


def known(labels, annotator):
    return np.flatnonzero(labels[:, annotator] != None)  # noqa: E711


def test_quality_is_that_of_each_label(crowd, cleaner):
    _, y, labels = crowd
    quality = cleaner.label_quality_
    assert quality.dtype == np.float32 and quality.shape == labels.shape
    gaps = labels == None  # noqa: E711
    np.testing.assert_array_equal(np.isnan(quality), gaps)
    for i, a in [(7, 0), (7, 1), (300, 2), (599, 0)]:
        if not gaps[i, a]:
            k = cleaner.classes_.tolist().index(labels[i, a])
            assert quality[i, a] == cleaner.label_distributions_[i, k]
    # As sure as right.
    right = (labels == NAMES[y][:, None])[~gaps]
    assert abs(right.mean() - quality[~gaps].mean()) < 0.04


def test_the_prediction_does_not_look_at_the_labels_of_its_row(crowd, cleaner):
    X, y, labels = crowd
    changed = labels.copy()
    rows = np.arange(20, 40)
    changed[rows] = NAMES[(y[rows] + 2) % 4][:, None]
    other = LabelCleaner(random_state=0).fit(X, changed)
    one, two = (each.row_issues().iloc[rows] for each in (cleaner, other))
    # Twenty rows of 600 change the predictions of others a little, and their own no more.
    assert (one["predicted_label"] == two["predicted_label"]).mean() > 0.94
    assert (two["predicted_label"] == NAMES[y[rows]]).mean() > 0.85
    assert (two["given_label"] == changed[rows, 0]).all()


def test_agreement_is_a_share_of_common_rows(crowd, cleaner):
    labels = crowd[2]
    for a in range(3):
        for b in range(3):
            both = np.intersect1d(known(labels, a), known(labels, b))
            expected = np.mean(labels[both, a] == labels[both, b])
            assert abs(cleaner.annotator_agreement_[a, b] - expected) < 1e-9


def test_the_table_has_one_row_per_label(crowd):
    X, _, labels = crowd
    frame = pd.DataFrame(labels, columns=["eve", "bob", "kim"], index=np.arange(600) + 1000)
    cleaner = LabelCleaner(random_state=0).fit(pd.DataFrame(X, index=frame.index), frame)
    assert cleaner.annotators_.tolist() == ["eve", "bob", "kim"]
    table = cleaner.label_issues()
    n_labels = int((labels != None).sum())  # noqa: E711
    assert len(table) == n_labels and table.columns[0] == "annotator"
    some = table[table["annotator"] == "kim"]
    assert (some["given_label"] == frame.loc[some.index, "kim"]).all()
    differs = table["given_label"] != table["corrected_label"]
    assert (table["is_label_issue"] == differs).all()
    assert not {1000, 1004} & set(table.index)
    assert table["predicted_label"].isin(NAMES).all()
    # More labels are issues above a threshold, and a budget counts labels.
    assert cleaner.label_issues(0.9)["is_label_issue"].sum() > differs.sum()
    few = LabelCleaner(budget=7, random_state=0).fit(X, labels).label_issues()
    assert few["is_label_issue"].sum() == 7


@pytest.mark.parametrize("form", ["lists", "frame", "numbers", "nan", "masked"])
def test_forms_of_labels(form, crowd, cleaner):
    X, _, labels = crowd
    codes = np.vectorize({**{n: i for i, n in enumerate(NAMES)}, None: np.nan}.get)(labels)
    y = {
        "lists": labels.tolist(),
        "frame": pd.DataFrame(labels).where(lambda cells: cells.notna(), np.nan),
        "numbers": pd.DataFrame(codes).astype("Int64"),
        "nan": codes,
        "masked": np.ma.masked_array(np.nan_to_num(codes).astype(int), np.isnan(codes)),
    }[form]
    other = LabelCleaner(random_state=0).fit(X, y)
    np.testing.assert_array_equal(other.label_quality_, cleaner.label_quality_)
    if form in ("numbers", "nan", "masked"):
        assert other.classes_.tolist() == [0, 1, 2, 3]
        assert other.corrected_labels_.dtype.kind == "i"


def test_those_who_copy_count_once():
    rng = np.random.default_rng(5)
    y = np.arange(900) % 3
    X = rng.normal(size=(900, 6)) + 0.8 * rng.normal(size=(3, 6))[y]
    said = [np.where(rng.random(900) < 0.6, (y + rng.integers(1, 3, 900)) % 3, y) for _ in "abc"]
    honest = np.where(rng.random(900) < 0.3, (y + 1) % 3, y)
    copies = [np.where(rng.random(900) < 0.03, (said[0] + 1) % 3, said[0]) for _ in "ab"]
    cleaner = LabelCleaner(random_state=0).fit(X, np.stack([honest, said[0], *copies], 1))
    dependence = cleaner.annotator_dependence_
    assert dependence[1:, 1:][~np.eye(3, dtype=bool)].min() > 0.7
    assert dependence[0].max() < 0.15
    np.testing.assert_allclose(cleaner.annotator_quality_, [0.7, 0.4, 0.4, 0.4], atol=0.08)
    # Three of four labels are the copied ones; they do not win.
    assert (cleaner.corrected_labels_ == y).mean() > (honest == y).mean() + 0.1


def test_without_signal_the_labels_alone_decide():
    rng = np.random.default_rng(0)
    y = np.arange(500) % 4
    said = [np.where(rng.random(500) < 0.25, rng.integers(0, 4, 500), y) for _ in range(5)]
    with pytest.warns(match="the features tell nothing"):
        cleaner = LabelCleaner(random_state=0).fit(rng.normal(size=(500, 4)), np.stack(said, 1))
    assert not cleaner.has_signal_
    assert (cleaner.corrected_labels_ == y).mean() > 0.95
    assert np.abs(cleaner.annotator_quality_ - [np.mean(s == y) for s in said]).max() < 0.05


def test_trusted_rows_keep_their_label_and_must_agree(crowd):
    X, y, labels = crowd
    labels = labels.copy()
    trusted = np.zeros(600, bool)
    trusted[10:60] = True
    # Known to be what hardly any predictor says.
    labels[10:60] = None
    labels[10:60, 1] = NAMES[(y[10:60] + 1) % 4]
    cleaner = LabelCleaner(random_state=0).fit(X, labels, trusted=trusted)
    assert (cleaner.corrected_labels_[10:60] == labels[10:60, 1]).all()
    np.testing.assert_array_equal(cleaner.label_quality_[10:60, 1], 1.0)
    labels[12] = ["ant", "bee", None]
    with pytest.raises(ValueError, match=r"row 12 is trusted and has the labels \['ant', 'bee'\]"):
        LabelCleaner().fit(X, labels, trusted=trusted)


def test_weights(crowd):
    X, y, labels = crowd
    weight = np.ones(600)
    weight[300:] = 0.0
    one = LabelCleaner(random_state=0).fit(X, labels, weight)
    assert (one.corrected_labels_ == NAMES[y])[300:].mean() > 0.9
    other = labels.copy()
    other[300:, 0] = "ant"
    two = LabelCleaner(random_state=0).fit(X, other, 3 * weight)
    # Labels of weight zero say nothing of their annotator, nor of any other row.
    np.testing.assert_allclose(one.annotator_quality_, two.annotator_quality_, atol=1e-6)
    np.testing.assert_allclose(one.label_quality_[:300], two.label_quality_[:300], atol=1e-5)


def test_files_pickles_and_a_second_fit(crowd, cleaner, tmp_path):
    X, y, labels = crowd
    cleaner.save(tmp_path / "cleaner")
    for other in (load(tmp_path / "cleaner"), pickle.loads(pickle.dumps(cleaner))):
        np.testing.assert_array_equal(other.label_quality_, cleaner.label_quality_)
        np.testing.assert_array_equal(other.annotator_quality_, cleaner.annotator_quality_)
        pd.testing.assert_frame_equal(other.label_issues(), cleaner.label_issues())
    again = LabelCleaner(random_state=0).fit(X, labels).fit(X, NAMES[y])
    assert again.label_quality_.shape == (600,) and not hasattr(again, "annotators_")


def test_report_new_rows_and_rates_by_group(crowd, cleaner, tmp_path):
    X, y, _ = crowd
    page = cleaner.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "label by 2" in page and "n_labels" in page
    assert cleaner.label_proba(X[:9]).argmax(1).shape == (9,)
    assert cleaner.score_labels(X[:9], NAMES[y[:9]]).mean() > 0.5
    assert len(cleaner.noise_by(y % 2)) == 2


def test_a_classifier_on_top(crowd):
    X, y, labels = crowd
    for action in ("relabel", "drop", "weight"):
        clf = CleanedClassifier(LogisticRegression(), action=action).fit(X, labels)
        assert clf.score(X, NAMES[y]) > 0.9


def test_predictions_alone(crowd):
    _, y, labels = crowd
    rng = np.random.default_rng(0)
    probs = 0.7 * np.eye(4)[np.where(rng.random(600) < 0.3, rng.integers(0, 4, 600), y)] + 0.075
    table = find_label_issues(labels, probs)
    corrected = table.groupby(level=0)["corrected_label"].first()
    votes = np.stack([(labels == name).sum(1) for name in NAMES], 1)[corrected.index]
    majority = votes.argmax(1) == y[corrected.index]
    assert (corrected == NAMES[y][corrected.index]).mean() > majority.mean() + 0.05


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda y: np.full(y.shape, None), r"y of shape \(600, 3\) has no label at all"),
        (
            lambda y: np.where(np.arange(600)[:, None] == 99, [["ant", "bee", "cat"]], None),
            r"y has labels in 1 row\(s\) that take part; at least 2",
        ),
        (lambda y: y[:-1], "X has 600 rows and y has 599"),
        (lambda y: np.eye(4)[np.arange(600) % 4], r"is one-hot: every row has one 1.*argmax"),
        (lambda y: np.where(np.arange(600)[:, None] < 9, y, 3), "y mixes text"),
    ],
)
def test_bad_labels(change, words, crowd):
    X, _, labels = crowd
    with pytest.raises(ValueError, match=words):
        LabelCleaner().fit(X, change(labels))


def test_what_needs_one_label_per_row(crowd):
    X, _, labels = crowd
    with pytest.raises(ValueError, match="fit_resample takes one label per row"):
        LabelCleaner().fit_resample(X, labels)
    with pytest.raises(ValueError, match="boundary_noise=True is for one label per row"):
        LabelCleaner(boundary_noise=True).fit(X, labels)
