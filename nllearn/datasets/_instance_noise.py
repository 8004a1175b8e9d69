"""Label noise that depends on the features: part-dependent and classification-based."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import softmax
from scipy.stats import truncnorm
from sklearn.base import clone
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from nllearn._validation import as_float64

from ._labels import (
    check_noise_rate,
    check_rng,
    n_of,
    read_features,
    read_labels,
    row_chunks,
    sample_rows,
)

_VARIANTS = ("per_class_raw", "per_class_standardized", "shared_raw", "shared_standardized")


def make_part_dependent_noise(
    X: Any,
    y: ArrayLike | pd.Series,
    *,
    noise_rate: float,
    variant: str = "per_class_standardized",
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray | pd.Series:
    """Replace labels by a class that a random projection of the features picks (PTD).

    For row n with flattened features x_n and class y_n, out of C classes::

        q_n ~ Normal(noise_rate, 0.1**2) truncated to [0, 1]
        A   = x_n W,   W of shape (d, C) with entries from Normal(0, 1),   A[y_n] = -inf
        P   = q_n * softmax(A),   P[y_n] = 1 - q_n
        given label ~ P

    Parameters
    ----------
    X : array-like of shape (n, d) or (n, ...), numeric
        Features or images.
    y : array-like or Series of shape (n,), any label dtype
        Clean labels. Never modified.
    noise_rate : float in [0, 1]
        Mean of the untruncated normal, which is the expected share of wrong labels between
        about 0.25 and 0.75. Nearer to the ends truncation pulls it inwards (0.2 gives 0.206,
        0.05 gives 0.10). 0 and 1 are taken as they stand: no row flips, every row flips.
    variant : {'per_class_standardized', 'per_class_raw', 'shared_standardized', \
            'shared_raw'}, default='per_class_standardized'
        Four readings of the definition are in use. They share the name and differ in
        difficulty, so state the variant next to every result.

        * 'per_class_...': each class has its own W, as in the paper.
        * 'shared_...': one W for all classes. All classes then tend to flip to the same few
          targets, and one observed class becomes a sink (CORES, CAL, CIFAR-N's code).
        * '..._standardized': each feature is first shifted and scaled to mean 0, variance 1
          (a constant feature to 0). On CIFAR-10 it gives the statistics of pixels that are
          normalised per channel (DISC).
        * '..._raw': features as given. Pixels 0..255 give large products, so that softmax is a
          hard argmax and most flips of a class go to one target (the authors' own code). In a
          table of mixed units the columns with the largest numbers decide.
    random_state : int, RandomState or None, default=None
        Seed. None draws a fresh one; the global state of numpy is neither read nor set.

    Returns
    -------
    ndarray or Series of shape (n,), dtype of `y`
        Noisy labels. A Series keeps its index and name.

    Raises
    ------
    ValueError
        If `noise_rate` is outside [0, 1], `variant` is unknown, `X` is sparse, not numeric, of
        another length than `y` or holds NaN or infinity, or `y` is not one-dimensional, has
        missing labels or fewer than two classes.

    Notes
    -----
    Measured on 10,000 CIFAR-10 images, as mean over three draws: the share of a class's flips
    that go to its most frequent target is 0.67 for 'per_class_raw', 0.63 for 'shared_raw' and
    0.25 for the standardised ones. The largest observed class at rate 0.4, out of 1,000 true
    rows per class, has 1,570, 2,850, 1,120 ('per_class_standardized') and 1,270
    ('shared_standardized') rows. Memory is O(n C + d C).

    References
    ----------
    X. Xia et al., "Part-dependent Label Noise: Towards Instance-dependent Label Noise",
    NeurIPS 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from nllearn.datasets import make_part_dependent_noise
    >>> X, y = load_digits(return_X_y=True)
    >>> y_noisy = make_part_dependent_noise(X, y, noise_rate=0.3, random_state=0)
    >>> bool(0.25 < (y_noisy != y).mean() < 0.35)
    True
    """
    noise_rate = check_noise_rate(noise_rate)
    if variant not in _VARIANTS:
        raise ValueError(f"variant={variant!r} is not known; give one of {list(_VARIANTS)}.")
    labels = read_labels(y)
    codes, n_classes = labels.codes, labels.n_classes
    features = read_features(X, len(codes))
    rng = check_rng(random_state)

    flip_rates = _draw_flip_rates(noise_rate, len(codes), rng)
    shape = (features.shape[1], n_classes)
    shared = rng.standard_normal(shape) if variant.startswith("shared") else None

    def weights_of(code: int) -> np.ndarray:
        # One class at a time: all of them at once would be C times the memory.
        return rng.standard_normal(shape) if shared is None else shared

    probabilities = _part_dependent_probabilities(
        features, codes, flip_rates, weights_of, standardize=variant.endswith("standardized")
    )
    return labels.decode(sample_rows(probabilities, rng))


def make_classification_noise(
    X: Any,
    y: ArrayLike | pd.Series,
    *,
    noise_rate: float,
    estimator: Any = None,
    pred_probs: ArrayLike | None = None,
    n_epochs: int = 30,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray | pd.Series:
    """Give the rows that a model most nearly confuses the class it confuses them with (SEAL).

    A model is trained on the clean labels. Its class probabilities for every training row are
    averaged over the epochs. The strongest wrong class of a row is the one with the highest
    mean probability apart from its own. The ``int(noise_rate * n)`` rows whose strongest wrong
    class has the highest mean probability flip to that class.

    The number of wrong labels is exact. The rate per class is not controlled: classes that
    are hard to tell apart receive most of the noise. Ties keep the order of the rows.

    Parameters
    ----------
    X : array-like of shape (n, d) or (n, ...), numeric
        Features or images; images are flattened. Not read, and may be None, when `pred_probs`
        is given.
    y : array-like or Series of shape (n,), any label dtype
        Clean labels. Never modified.
    noise_rate : float in [0, 1]
        Share of labels that become wrong.
    estimator : scikit-learn classifier or None, default=None
        Must have `partial_fit` and `predict_proba`; one call of `partial_fit` is one epoch.
        It is cloned, gets `X` as given (flattened), classes as codes 0..n_classes-1, and a seed
        drawn from `random_state` if its own is None. None: one hidden layer of 100 units on
        standardised features.
    pred_probs : array-like of shape (n, n_classes) or None, default=None
        Averaged probabilities of a model of your own, with columns in the order of the sorted
        distinct labels. Rows sum to 1. Takes the place of `estimator`. The published noise for
        CIFAR-10 averages a WRN-28-10 over 150 epochs.
    n_epochs : int, default=30
        Number of epochs, and of probability tables averaged.
    random_state : int, RandomState or None, default=None
        Seed of the training. None draws a fresh one; the global state of numpy is neither read
        nor set. With `pred_probs` nothing is random.

    Returns
    -------
    ndarray or Series of shape (n,), dtype of `y`
        Noisy labels. A Series keeps its index and name.

    Raises
    ------
    ValueError
        If `noise_rate` is outside [0, 1], both `estimator` and `pred_probs` are given, the
        estimator lacks a method, `pred_probs` has another shape or is no table of
        probabilities, `n_epochs` is below 1, `X` is sparse, not numeric, of another length
        than `y` or holds NaN or infinity, or `y` is not one-dimensional, has missing labels or
        fewer than two classes.

    References
    ----------
    P. Chen et al., "Beyond Class-Conditional Assumption: A Primary Attempt to Combat
    Instance-Dependent Label Noise", AAAI 2021.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nllearn.datasets import make_classification_noise
    >>> X, y = load_iris(return_X_y=True)
    >>> y_noisy = make_classification_noise(X, y, noise_rate=0.1, random_state=0)
    >>> int((y_noisy != y).sum())
    15

    Setosa is far from the other two species, so its labels stay.

    >>> int((y_noisy != y)[y == 0].sum())
    0
    """
    noise_rate = check_noise_rate(noise_rate)
    labels = read_labels(y)
    codes, n_classes = labels.codes, labels.n_classes
    if pred_probs is not None:
        if estimator is not None:
            raise ValueError(
                "estimator and pred_probs are both given; only one can say which classes are "
                "confused. Leave one of them out."
            )
        mean_probs = _check_pred_probs(pred_probs, len(codes), n_classes)
    else:
        features = read_features(X, len(codes))
        mean_probs = _average_probabilities(
            features, codes, n_classes, estimator, n_epochs, check_rng(random_state)
        )

    rows = np.arange(len(codes))
    wrong_probs = mean_probs.copy()
    wrong_probs[rows, codes] = -np.inf
    strongest = wrong_probs.argmax(axis=1)
    order = np.argsort(-wrong_probs[rows, strongest], kind="stable")
    flipped = order[: n_of(noise_rate, len(codes))]
    noisy = codes.copy()
    noisy[flipped] = strongest[flipped]
    return labels.decode(noisy)


def _draw_flip_rates(noise_rate: float, n: int, rng: np.random.RandomState) -> np.ndarray:
    """Flip probability of each row, q_n of the part-dependent definition."""
    if noise_rate in (0.0, 1.0):
        # The truncated normal would flip 8 % of the rows when none was asked for.
        return np.full(n, noise_rate)
    scale = 0.1
    low, high = -noise_rate / scale, (1 - noise_rate) / scale
    return truncnorm.rvs(low, high, loc=noise_rate, scale=scale, size=n, random_state=rng)


def _part_dependent_probabilities(
    features: np.ndarray,
    codes: np.ndarray,
    flip_rates: np.ndarray,
    weights_of: Callable[[int], np.ndarray],
    *,
    standardize: bool,
) -> np.ndarray:
    """Distribution of the given label of each row.

    Parameters
    ----------
    features : ndarray of shape (n, d)
        Flattened features.
    codes : ndarray of shape (n,), intp
        Class of each row, 0..C-1, each class with at least one row.
    flip_rates : ndarray of shape (n,)
        q_n, in [0, 1].
    weights_of : callable
        Gives W of shape (d, C) for a class; called once per class, in order.
    standardize : bool
        Shift and scale the features to mean 0, variance 1 first.

    Returns
    -------
    ndarray of shape (n, C), float64
        Rows sum to 1.
    """
    n, d = features.shape
    n_classes = int(codes.max()) + 1
    scaler = _fit_scaler(features) if standardize else None
    probabilities = np.empty((n, n_classes))
    for code in range(n_classes):
        weights = weights_of(code)
        for rows in row_chunks(np.flatnonzero(codes == code), d):
            block = features[rows].astype(np.float64)
            if scaler is not None:
                block = scaler.transform(block)
            scores = block @ weights
            scores[:, code] = -np.inf
            probabilities[rows] = flip_rates[rows, None] * softmax(scores, axis=1)
            probabilities[rows, code] = 1 - flip_rates[rows]
    return probabilities


def _fit_scaler(features: np.ndarray) -> StandardScaler:
    scaler = StandardScaler()
    for rows in row_chunks(np.arange(len(features)), features.shape[1]):
        scaler.partial_fit(features[rows].astype(np.float64))
    return scaler


def _average_probabilities(
    features: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    estimator: Any,
    n_epochs: int,
    rng: np.random.RandomState,
) -> np.ndarray:
    """Class probabilities of the training rows, averaged over the epochs of one training."""
    if n_epochs < 1:
        raise ValueError(f"n_epochs={n_epochs!r}; it must be at least 1.")
    if estimator is None:
        # Small batches for small sets: 30 epochs must be enough steps for 100 rows too.
        batch_size = min(len(codes), max(4, min(200, len(codes) // 20)))
        model = MLPClassifier((100,), batch_size=batch_size, learning_rate_init=2e-3)
        scaler = _fit_scaler(features)
        table = np.empty(features.shape, dtype=np.float32)
        for rows in row_chunks(np.arange(len(codes)), features.shape[1]):
            table[rows] = scaler.transform(features[rows].astype(np.float64))
        features = table
    else:
        missing = [m for m in ("partial_fit", "predict_proba") if not hasattr(estimator, m)]
        if missing:
            raise ValueError(
                f"estimator={estimator!r} has no {' and no '.join(missing)}; both partial_fit "
                "and predict_proba are needed. Train it yourself and give its averaged "
                "probabilities as pred_probs."
            )
        model = clone(estimator)
    if "random_state" in model.get_params() and model.get_params()["random_state"] is None:
        model.set_params(random_state=rng.randint(2**31 - 1))

    total = np.zeros((len(codes), n_classes))
    for _ in range(n_epochs):
        model.partial_fit(features, codes, classes=np.arange(n_classes))
        total += model.predict_proba(features)
    return total / n_epochs


def _check_pred_probs(pred_probs: ArrayLike, n: int, n_classes: int) -> np.ndarray:
    probs = as_float64("pred_probs", pred_probs)
    if probs.shape != (n, n_classes):
        raise ValueError(
            f"pred_probs has shape {probs.shape}; y has {n} rows and {n_classes} classes, so it "
            f"must be ({n}, {n_classes}), columns in the order of the sorted labels."
        )
    if not np.isfinite(probs).all() or (probs < 0).any():
        raise ValueError(
            f"pred_probs has entries from {probs.min()} to {probs.max()}; all must be finite "
            "probabilities, not negative. Apply softmax to logits first."
        )
    with np.errstate(over="ignore"):
        sums = probs.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax())
    # Loose enough for float16 tables.
    if abs(sums[worst] - 1) > 1e-2:
        raise ValueError(
            f"row {worst} of pred_probs sums to {sums[worst]:.6g}; every row must sum to 1. "
            "Divide each row by its sum, or apply softmax to logits."
        )
    return probs
