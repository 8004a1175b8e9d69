"""Sample weights, class weights and trusted rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest


def test_weight_zero_is_absent_from_training_and_still_scored(cls, blobs):
    X, _, noisy = blobs
    garbage = np.full((40, X.shape[1]), 50.0)
    both, labels = np.vstack([X, garbage]), np.concatenate([noisy, np.zeros(40, int)])
    weight = np.r_[np.ones(len(X)), np.zeros(40)]
    with_absent = cls(max_epochs=6, random_state=0).fit(both, labels, sample_weight=weight)
    without = cls(max_epochs=6, random_state=0).fit(X, noisy)
    np.testing.assert_allclose(with_absent.predict_proba(X), without.predict_proba(X), atol=1e-5)
    assert with_absent.label_quality_.shape == (len(both),)
    assert np.isfinite(with_absent.label_quality_).all()
    assert with_absent.noise_rate_ == pytest.approx(without.noise_rate_, abs=0.05)


@pytest.mark.parametrize("kind", [list, pd.Series, np.asarray])
def test_weights_as_list_series_and_array_agree(cls, blobs, kind):
    X, _, noisy = blobs
    weight = np.linspace(0.5, 2, len(X))
    a = cls(max_epochs=4, random_state=0).fit(X, noisy, sample_weight=kind(weight))
    b = cls(max_epochs=4, random_state=0).fit(X, noisy, sample_weight=weight)
    np.testing.assert_array_equal(a.label_quality_, b.label_quality_)


def test_a_common_factor_of_the_weights_changes_nothing(cls, blobs):
    X, _, noisy = blobs
    a = cls(max_epochs=4, random_state=0).fit(X, noisy)
    b = cls(max_epochs=4, random_state=0).fit(X, noisy, sample_weight=np.full(len(X), 7.0))
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-5)


def test_doubling_a_weight_acts_like_repeating_the_row(cls, noisy_blobs):
    # Two overlapping classes: what the weights of one class do to the boundary, repeated
    # rows must do as well. Compared over seeds, since the batches differ, and without the
    # last phase: there two rows with the same label corroborate each other and a weight,
    # which is importance and not evidence, does not.
    X, _, noisy = noisy_blobs(200, 2, rate=0.1, n_features=2)
    X = X / X.std(0) + np.random.default_rng(0).normal(0, 2.5, X.shape)
    twice = noisy == 1
    rows = np.r_[np.arange(len(X)), np.flatnonzero(twice)]

    def share(X, y, weight=None):
        probs = [
            cls(max_epochs=20, posterior_share=0.0, random_state=seed)
            .fit(X, y, sample_weight=weight)
            .predict_proba(grid)[:, 1]
            .mean()
            for seed in range(3)
        ]
        return np.mean(probs)

    grid = np.random.default_rng(1).normal(0, 3, (400, 2))
    plain = share(X, noisy)
    weighted = share(X, noisy, 1.0 + twice)
    repeated = share(X[rows], noisy[rows])
    assert abs(weighted - plain) > 0.02
    assert abs(weighted - repeated) < 0.5 * abs(weighted - plain) + 0.02


def test_bad_weights_are_refused(cls, blobs):
    X, _, noisy = blobs
    with pytest.raises(ValueError, match="zero"):
        cls().fit(X, noisy, sample_weight=np.zeros(len(X)))
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        cls().fit(X, noisy, sample_weight=-np.ones(len(X)))


def test_class_weight_moves_the_predictions(cls, noisy_blobs):
    X, _, noisy = noisy_blobs(200, 2, rate=0.1, n_features=2)
    X = X + np.random.default_rng(0).normal(0, 12, X.shape)
    few = cls(max_epochs=15, class_weight={0: 0.05, 1: 5.0}, random_state=0).fit(X, noisy)
    none = cls(max_epochs=15, random_state=0).fit(X, noisy)
    assert (few.predict(X) == 1).mean() > (none.predict(X) == 1).mean() + 0.1


def test_trusted_rows_keep_their_label(cls, blobs):
    X, clean, noisy = blobs
    trusted = np.zeros(len(X), bool)
    trusted[::3] = True
    y = np.where(trusted, clean, noisy)
    clf = cls(max_epochs=15, random_state=0).fit(X, y, trusted=trusted)
    np.testing.assert_array_equal(clf.corrected_labels_[trusted], y[trusted])
    assert (clf.label_quality_[trusted] == 1).all()
    assert (clf.clean_proba_[trusted] == 1).all()
    assert clf.label_issues().loc[trusted, "is_easy"].all()
    assert not clf.label_issues().loc[trusted, "is_label_issue"].any()


def test_trusted_rows_with_wrong_labels_are_believed(cls, blobs):
    # The user's word stands even against all evidence.
    X, clean, noisy = blobs
    trusted = np.zeros(len(X), bool)
    trusted[:5] = True
    y = noisy.copy()
    y[:5] = (clean[:5] + 1) % 3
    clf = cls(max_epochs=10, random_state=0).fit(X, y, trusted=trusted)
    np.testing.assert_array_equal(clf.corrected_labels_[:5], y[:5])


def test_trusted_is_checked(cls, blobs):
    X, _, noisy = blobs
    with pytest.raises(ValueError, match="one bool per row"):
        cls().fit(X, noisy, trusted=[True])
    with pytest.raises(ValueError, match="not row numbers"):
        cls().fit(X, noisy, trusted=np.arange(len(X)))
