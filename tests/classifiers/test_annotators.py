"""Both classifiers on labels of several annotators."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from nllearn import AnchorHallucinationClassifier, MixNNClassifier, load
from nllearn.inspection import Decision, LabelQualityDisplay, LossMixtureDisplay

NAMES = np.array(["ant", "bee", "cat", "dog"])
QUALITY = (0.8, 0.6, 0.4)
CLASSIFIERS = (AnchorHallucinationClassifier, MixNNClassifier)
#: Above and below the size from which the posterior comes from the table itself.
SIZES = (400, 150)


def made(n):
    """Rows, true codes, and labels of three annotators with gaps, as text."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 4
    X = rng.normal(size=(n, 6)) + 2.0 * rng.normal(size=(4, 6))[y]
    labels = np.empty((n, 3), dtype=object)
    for a, quality in enumerate(QUALITY):
        wrong = rng.random(n) >= quality
        labels[:, a] = NAMES[np.where(wrong, (y + rng.integers(1, 4, n)) % 4, y)]
    labels[rng.random((n, 3)) < 0.2] = None
    labels[:5] = None
    return X.astype(np.float32), y, labels


@pytest.fixture(scope="module", params=[(c, n) for c in CLASSIFIERS for n in SIZES], ids=str)
def fitted(request):
    kind, n = request.param
    X, y, labels = made(n)
    frame = pd.DataFrame(labels, columns=["eve", "bob", "kim"])
    return X, y, labels, kind(max_epochs=20, random_state=0).fit(X, frame)


def test_labels_annotators_and_rows_without_a_label(fitted):
    X, y, labels, clf = fitted
    known = labels != None  # noqa: E711
    assert clf.classes_.tolist() == NAMES.tolist()
    assert clf.score(X, NAMES[y]) > 0.95
    assert (clf.corrected_labels_ == NAMES[y]).mean() > 0.95
    assert (clf.corrected_labels_[:5] == NAMES[y[:5]]).mean() > 0.6
    right = labels == NAMES[y][:, None]
    true = [right[known[:, a], a].mean() for a in range(3)]
    np.testing.assert_allclose(clf.annotator_quality_, true, atol=0.08)
    assert abs(clf.noise_rate_ - (1 - right[known].mean())) < 0.06
    assert clf.annotators_.tolist() == ["eve", "bob", "kim"]
    assert clf.annotator_transition_matrices_.shape == (3, 4, 4)
    np.testing.assert_allclose(clf.annotator_transition_matrices_.sum(2), 1)


def test_quality_table_and_page(fitted, tmp_path):
    _, y, labels, clf = fitted
    gaps = labels == None  # noqa: E711
    np.testing.assert_array_equal(np.isnan(clf.label_quality_), gaps)
    row = int(np.flatnonzero(~gaps[:, 1])[0])
    k = clf.classes_.tolist().index(labels[row, 1])
    assert clf.label_quality_[row, 1] == clf.label_distributions_[row, k]
    table = clf.label_issues()
    assert len(table) == (~gaps).sum() and table.columns[0] == "annotator"
    assert len(clf.row_issues()) == len(labels)
    page = clf.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "label by kim" in page
    given = clf.row_issues()["given_label"].to_numpy()
    kept = Decision(int(np.flatnonzero(given != clf.corrected_labels_)[0]), "reject", "", "")
    kept = dataclasses.replace(kept, given_label=given[kept.row], label=given[kept.row])
    final = clf.apply_decisions([kept])
    assert final.shape == y.shape and final[kept.row] == given[kept.row]
    with pytest.raises(ValueError, match="refit=True takes one label per row"):
        clf.apply_decisions([kept], refit=True, X=np.zeros((len(labels), 2)))
    LossMixtureDisplay.from_estimator(clf)
    LabelQualityDisplay.from_estimator(clf, clf.classes_[y])
    card = clf.model_card(tmp_path / "card.md").read_text(encoding="utf-8")
    assert f"| rows | {len(labels)} |" in card and "| kim |" in card


def test_files_and_pickles(fitted, tmp_path):
    X, _, _, clf = fitted
    clf.save(tmp_path / "clf")
    for other in (load(tmp_path / "clf"), pickle.loads(pickle.dumps(clf))):
        np.testing.assert_array_equal(other.label_quality_, clf.label_quality_)
        np.testing.assert_array_equal(other.predict(X), clf.predict(X))
        np.testing.assert_array_equal(other.annotator_quality_, clf.annotator_quality_)
        pd.testing.assert_frame_equal(other.label_issues(), clf.label_issues())


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_better_annotator_counts_for_more_than_two_bad_ones(kind):
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    X = rng.normal(size=(300, 4)) + 3.0 * rng.normal(size=(3, 4))[y]
    bad = [np.where(rng.random(300) < 0.55, (y + rng.integers(1, 3, 300)) % 3, y) for _ in "ab"]
    labels = np.stack([np.where(rng.random(300) < 0.05, (y + 1) % 3, y), *bad], axis=1)
    clf = kind(max_epochs=6, random_state=0).fit(X, labels)
    votes = (labels[:, :, None] == np.arange(3)).sum(1)
    assert (clf.corrected_labels_ == y).mean() > (votes.argmax(1) == y).mean() + 0.05
    assert (clf.corrected_labels_ == y).mean() > 0.96
    # And the same rows with one label each afterwards.
    clf.fit(X, y)
    assert clf.label_quality_.shape == (300,) and not hasattr(clf, "annotators_")


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_trusted_rows_and_weights(kind):
    X, y, labels = made(240)
    trusted = np.zeros(240, bool)
    trusted[10:30] = True
    labels[10:30] = None
    labels[10:30, 1] = NAMES[(y[10:30] + 1) % 4]
    weight = np.ones(240)
    weight[200:] = 0.0
    fits = []
    for said in ("ant", "bee"):
        other = labels.copy()
        other[200:, 0] = said
        clf = kind(max_epochs=5, random_state=0).fit(X, other, weight, trusted)
        assert (clf.corrected_labels_[10:30] == labels[10:30, 1]).all()
        np.testing.assert_array_equal(clf.label_quality_[10:30, 1], 1.0)
        fits.append(clf)
    # Labels of weight zero say nothing of their annotator, nor of any other row.
    np.testing.assert_array_equal(fits[0].annotator_quality_, fits[1].annotator_quality_)
    np.testing.assert_array_equal(fits[0].label_quality_[:200], fits[1].label_quality_[:200])
    np.testing.assert_array_equal(fits[0].predict_proba(X), fits[1].predict_proba(X))
    labels[12] = ["ant", "bee", None]
    with pytest.raises(ValueError, match="row 12 is trusted and has the labels"):
        kind().fit(X, labels, trusted=trusted)


def test_images(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    X = (60 * y[:, None, None] + rng.integers(0, 60, (120, 8, 8))).astype(np.uint8)
    labels = np.stack([np.where(rng.random(120) < e, (y + 1) % 3, y) for e in (0.1, 0.3, 0.4)], 1)
    settings = {"max_epochs": 6, "random_state": 0, "backbone": TwoLayers()}
    clf = MixNNClassifier(**settings, checkpoint_dir=tmp_path).fit(X, labels)
    assert (clf.corrected_labels_ == y).mean() > 0.95
    assert clf.annotator_quality_.argmax() == 0
    other = labels.copy()
    # The label that they give together stays.
    row = int(np.flatnonzero((labels[:, 0] == labels[:, 1]) & (labels[:, 1] == labels[:, 2]))[0])
    other[row, 2] = (other[row, 2] + 1) % 3
    with pytest.raises(ValueError, match="checkpoint"):
        MixNNClassifier(**settings, checkpoint_dir=tmp_path).fit(X, other)


class TwoLayers(torch.nn.Module):
    """A network for tiny images."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(64, 16), torch.nn.ReLU()
        )
        self.head = torch.nn.Linear(16, 3)

    def forward(self, x):
        features = self.body(x)
        return self.head(features), features


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda y: np.full(y.shape, None), r"y of shape \(150, 3\) has no label at all"),
        (
            lambda y: np.where(np.arange(150)[:, None] == 99, [["ant", "bee", "cat"]], None),
            r"y has labels in 1 row\(s\) that take part; at least 2",
        ),
        (lambda y: np.where(y == None, None, "ant"), "y has 1 class, 'ant'"),  # noqa: E711
        (lambda y: y[:-1], "150"),
        (lambda y: np.eye(4)[np.arange(150) % 4], r"is one-hot: every row has one 1.*argmax"),
        (lambda y: pd.DataFrame(y, index=np.arange(150)[::-1]), "another order"),
    ],
)
def test_bad_labels(change, words):
    X, _, labels = made(150)
    with pytest.raises(ValueError, match=words):
        MixNNClassifier().fit(pd.DataFrame(X), change(labels))


def test_boundary_noise_needs_one_label_per_row():
    X, _, labels = made(150)
    with pytest.raises(ValueError, match="boundary_noise=True is for one label per row"):
        MixNNClassifier(boundary_noise=True).fit(X, labels)
