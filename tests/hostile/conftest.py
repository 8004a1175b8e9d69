"""What every hostile case must end in: a right answer, or one clear error of ours."""

from __future__ import annotations

import traceback
import warnings

import numpy as np
import pytest
from sklearn.exceptions import DataConversionWarning, NotFittedError

from nllearn import AnchorHallucinationClassifier, LabelCleaner, MixNNClassifier
from nllearn.exceptions import MissingExtraError, NoisyLabelWarning
from nllearn.networks import MLPBackbone

OURS = (ValueError, TypeError, NotFittedError, MissingExtraError, FileNotFoundError)
# Whose checks speak for the arguments of a call. An error from any other file is one from
# the depths, whatever its type.
SPEAKERS = ("nllearn", "sklearn", "narwhals")


def _end_of(call):
    """Result of a call and None, or None and its error; fail for an error that is not clear."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", NoisyLabelWarning)
        # What scikit-learn tells of y: that it is a column, or has very many classes.
        warnings.simplefilter("ignore", DataConversionWarning)
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        # Its first look for NaN is the sum of X, which may be infinity minus infinity.
        warnings.filterwarnings("ignore", "invalid value encountered in reduce", RuntimeWarning)
        try:
            return call(), None
        except Exception as error:
            frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
            from_ours = any(f"/{name}/" in frames[-1] for name in SPEAKERS)
            if isinstance(error, OURS) and from_ours and str(error).strip():
                return None, error
            raise


@pytest.fixture(scope="session")
def end_of():
    """The function that checks how a call ends."""
    return _end_of


def _make(kind, **params):
    if kind == "cleaner":
        return LabelCleaner(device="cpu", random_state=0, **params)
    cls = AnchorHallucinationClassifier if kind == "ah" else MixNNClassifier
    short = {"max_epochs": 3, "backbone": MLPBackbone(4), "device": "cpu", "random_state": 0}
    return cls(**{**short, **params})


@pytest.fixture(scope="session")
def make():
    """The function that makes a tiny estimator: "ah", "mixnn" or "cleaner"."""
    return _make


def _check_fitted(est, X, y, trusted=None):
    """The contract of the fitted attributes."""
    n, classes = len(est.label_quality_), est.classes_
    shares = est.label_distributions_
    assert shares.shape == (n, len(classes)) and shares.dtype == np.float32
    assert np.isfinite(shares).all() and (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(1), 1.0, atol=1e-5)
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] > 1:  # of several annotators
        given = np.searchsorted(classes, y)
        np.testing.assert_array_equal(est.label_quality_, np.take_along_axis(shares, given, 1))
    else:
        given = np.searchsorted(classes, y.ravel())
        np.testing.assert_array_equal(est.label_quality_, shares[np.arange(n), given])
    assert est.corrected_labels_.dtype == y.dtype
    assert np.isin(est.corrected_labels_, classes).all()
    T = est.transition_matrix_
    assert T.shape == (len(classes),) * 2 and (T >= 0).all()
    np.testing.assert_allclose(T.sum(1), 1.0, atol=1e-6)
    assert 0.0 <= est.noise_rate_ <= 1.0
    if trusted is not None:
        mask = np.asarray(trusted, dtype=bool)
        assert (est.label_quality_[mask] == 1).all()
        assert (est.corrected_labels_[mask] == np.asarray(y).ravel()[mask]).all()
    table = est.label_issues()
    assert len(table) == n and table["label_quality"].between(0, 1).all()
    if hasattr(est, "predict_proba"):
        proba = est.predict_proba(X)
        assert proba.shape == (n, len(classes)) and np.isfinite(proba).all()
        np.testing.assert_allclose(proba.sum(1), 1.0, atol=1e-6)


@pytest.fixture(scope="session")
def check_fitted():
    """The function that checks the invariants of a fitted estimator."""
    return _check_fitted


@pytest.fixture(scope="session")
def rows():
    """Twelve rows of three columns and three classes."""
    rng = np.random.default_rng(0)
    y = np.arange(12) % 3
    return rng.normal(size=(12, 3)) + 4 * np.eye(3)[y], y
