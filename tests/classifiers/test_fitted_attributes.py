"""What fit leaves: shapes, dtypes and the invariants that tie them together."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

COLUMNS = [
    "is_label_issue",
    "label_quality",
    "given_label",
    "corrected_label",
    "predicted_label",
    "predicted_proba",
]


def test_shapes_and_dtypes(fitted, blobs):
    X, _, noisy = blobs
    n, n_classes = len(X), 3
    assert fitted.label_distributions_.shape == (n, n_classes)
    assert fitted.label_distributions_.dtype == np.float32
    assert fitted.label_quality_.shape == fitted.clean_proba_.shape == (n,)
    assert fitted.corrected_labels_.dtype == noisy.dtype
    assert fitted.transition_matrix_.shape == (n_classes, n_classes)
    assert isinstance(fitted.noise_rate_, float)
    assert fitted.n_iter_ == len(fitted.history_) == 20


def test_invariants_of_the_contract(fitted, blobs):
    _, _, noisy = blobs
    rows = np.arange(len(noisy))
    given = np.searchsorted(fitted.classes_, noisy)
    np.testing.assert_allclose(fitted.label_distributions_.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(fitted.label_quality_, fitted.label_distributions_[rows, given])
    best = fitted.label_distributions_.max(1)
    expected = np.where(fitted.label_quality_ >= best, given, fitted.label_distributions_.argmax(1))
    np.testing.assert_array_equal(fitted.corrected_labels_, fitted.classes_[expected])
    np.testing.assert_allclose(fitted.transition_matrix_.sum(1), 1)
    assert 0 <= fitted.noise_rate_ <= 1
    assert ((fitted.clean_proba_ >= 0) & (fitted.clean_proba_ <= 1)).all()


def test_labels_get_better_and_the_classifier_withstands_the_noise(fitted, blobs):
    X, clean, noisy = blobs
    assert (fitted.corrected_labels_ == clean).mean() > (noisy == clean).mean() + 0.2
    assert fitted.score(X, clean) > 0.95


def test_noise_rate_and_transition_matrix_near_the_truth(fitted, blobs):
    _, clean, noisy = blobs
    truth = pd.crosstab(clean, noisy, normalize="index").to_numpy()
    assert abs(fitted.noise_rate_ - (clean != noisy).mean()) < 0.08
    assert np.abs(fitted.transition_matrix_ - truth).max() < 0.15


def test_label_issues_table(fitted, blobs):
    X, _, noisy = blobs
    table = fitted.label_issues()
    assert list(table.columns[: len(COLUMNS)]) == COLUMNS
    assert len(table.columns) > len(COLUMNS), "evidence columns are missing"
    np.testing.assert_array_equal(table["is_label_issue"], fitted.corrected_labels_ != noisy)
    np.testing.assert_array_equal(table["predicted_label"], fitted.predict(X))
    np.testing.assert_allclose(table["predicted_proba"], fitted.predict_proba(X).max(1), atol=1e-4)


def test_threshold_adds_issues_and_is_checked(fitted):
    assert (
        fitted.label_issues(threshold=1.0)["is_label_issue"].sum()
        >= (fitted.label_quality_ < 1.0).sum()
    )
    assert fitted.label_issues(0.0)["is_label_issue"].equals(
        fitted.label_issues()["is_label_issue"]
    )
    with pytest.raises(ValueError, match=r"threshold=1\.5"):
        fitted.label_issues(1.5)


def test_history_tells_phases_shares_and_seconds(fitted):
    phases = [row["phase"] for row in fitted.history_]
    assert phases[0] == "warm-up" and phases[-1] == "posterior" and "robust" in phases
    refreshed = [row for row in fitted.history_ if "share_easy" in row]
    assert refreshed
    for row in refreshed:
        assert 0 < row["share_easy"] <= 1
        assert row["seconds_collect"] >= 0
    assert all(np.isfinite(row["train_loss"]) for row in fitted.history_)
    assert fitted.history_[0]["lr"] > fitted.history_[-1]["lr"] > 0


def test_every_none_is_resolved(fitted):
    resolved = fitted.resolved_params_
    assert resolved["batch_size"] == 24 and resolved["max_epochs"] == 20
    assert resolved["lr"] == 1e-3 and resolved["device"] in ("cpu", "cuda")
    assert resolved["selector"] is fitted.selector_
    assert resolved["neighbors"] is fitted.neighbors_
    assert isinstance(resolved["random_state"], int)


def test_compact_drops_the_features_alone(fitted, blobs):
    import copy

    small = copy.deepcopy(fitted).compact()
    assert len(pickle.dumps(small)) < len(pickle.dumps(fitted)) - 240 * 256
    np.testing.assert_array_equal(small.predict(blobs[0]), fitted.predict(blobs[0]))
    assert small.label_issues().equals(fitted.label_issues())


def test_embed_gives_float32_features(fitted, blobs):
    features = fitted.embed(blobs[0][:7])
    assert features.shape == (7, 256) and features.dtype == np.float32


def test_fit_keeps_no_copy_of_x(fitted, blobs):

    # 240 rows of 8 columns: the state is dominated by the network (about 14 kB of weights,
    # 3 kB) and the float16 features (240 x 256); X in any float form would show by name.
    state = pickle.loads(pickle.dumps(fitted)).__dict__
    for name, value in state.items():
        if isinstance(value, np.ndarray) and name != "_features":
            assert value.shape != blobs[0].shape, name
    assert fitted._features.dtype == np.float16


def test_no_rows_are_kept_but_float16_features(fitted):
    assert not hasattr(fitted.neighbors_, "_rows")
    assert fitted._features.dtype == np.float16


def test_logarithms_of_the_probabilities(fitted, blobs):
    X, _, _ = blobs
    log_proba = fitted.predict_log_proba(X)
    np.testing.assert_allclose(np.exp(log_proba), fitted.predict_proba(X), atol=1e-12)
    # Far from all rows a probability is rounded to zero, its logarithm is not.
    far = fitted.predict_log_proba(X[:3] * 1e4)
    assert np.isfinite(far).all() and log_proba.dtype == np.float64
