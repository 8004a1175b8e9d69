"""Labels that the rows cannot decide are kept, and fit says so."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_classification

from nllearn.datasets import make_classification_noise
from nllearn.exceptions import NoisyLabelWarning


def test_without_signal_nothing_is_changed(cls):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 6)), rng.integers(3, size=300)
    with pytest.warns(NoisyLabelWarning, match="tell nothing about the labels"):
        clf = cls(max_epochs=4, random_state=0).fit(X, y)
    assert not clf.has_signal_ and clf.n_undecided_ == 0
    np.testing.assert_array_equal(clf.corrected_labels_, y)
    np.testing.assert_allclose(clf.label_quality_, 2 / 3, atol=1e-3)


def test_right_labels_of_overlapping_classes_are_kept(cls):
    X, y = make_classification(
        600, 10, n_informative=6, n_clusters_per_class=1, class_sep=0.6, flip_y=0, random_state=0
    )
    clf = cls(max_epochs=6, random_state=0).fit(X, y)
    assert clf.has_signal_
    assert (clf.corrected_labels_ == y).mean() >= 0.985


def test_two_rows_keep_their_labels(cls):
    clf = cls(max_epochs=4, random_state=0).fit([[0.0, 1], [1, 0]], ["a", "b"])
    assert clf.corrected_labels_.tolist() == ["a", "b"]


def test_noise_at_the_boundary_is_left_undecided_unless_asked_for(cls):
    X, y = load_digits(return_X_y=True)
    X, y = X[:700], y[:700]
    noisy = make_classification_noise(X, y, noise_rate=0.15, random_state=0)
    auto, asked = (
        cls(max_epochs=4, boundary_noise=value, random_state=0).fit(X, noisy)
        for value in ("auto", True)
    )
    assert auto.n_undecided_ > 20 and asked.n_undecided_ == 0
    right = [(clf.corrected_labels_ == y).mean() for clf in (auto, asked)]
    assert right[1] > right[0] + 0.02
