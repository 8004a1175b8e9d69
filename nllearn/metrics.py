"""Scores that compare with the true labels.

This is the only module of the package that is given clean labels. Nothing in training or label
cleaning imports it. In every function rows are matched by position (the index of a Series is
not read), labels may be of any dtype, and a score whose denominator is empty is nan.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    roc_auc_score,
)

from nllearn._validation import as_float64

__all__ = [
    "correction_report",
    "detection_auroc",
    "detection_average_precision",
    "label_accuracy",
    "quality_calibration_error",
    "realized_noise",
    "selection_precision",
    "selection_recall",
]


def realized_noise(
    y: ArrayLike, y_noisy: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> tuple[float, np.ndarray]:
    """Share of wrong labels, and the transition matrix, that noisy labels really have.

    Parameters
    ----------
    y : array-like of shape (n,), any label dtype
        True labels.
    y_noisy : array-like of shape (n,), dtype of `y`
        Noisy labels.
    sample_weight : array-like of shape (n,) or None, default=None
        Non-negative weights. None: every row counts 1.

    Returns
    -------
    rate : float in [0, 1]
        Weighted share of rows where the two differ.
    transition_matrix : ndarray of shape (n_classes, n_classes), float64
        ``T[i, j]`` is the share of rows with noisy label j among those with true label i. Rows
        and columns follow the sorted distinct labels of `y` and `y_noisy` together. Rows sum to
        1. A class without a (weighted) true row gets 1 on the diagonal.

    Raises
    ------
    ValueError
        If the arrays differ in length, are not one-dimensional, are empty, have missing labels
        or mix text with numbers, or the weights are negative, not finite or all zero.

    Examples
    --------
    >>> from nllearn.metrics import realized_noise
    >>> rate, T = realized_noise(["a", "a", "b", "b"], ["a", "b", "b", "b"])
    >>> rate
    0.25
    >>> T.tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    true, noisy = _check_labels(y=y, y_noisy=y_noisy)
    weight = _check_weight(sample_weight, len(true))
    n_classes = int(max(true.max(), noisy.max())) + 1
    # Not confusion_matrix: it warns about a single class, which is no mistake here.
    cells = true * n_classes + noisy
    counts = np.bincount(cells, weights=weight, minlength=n_classes**2)
    counts = counts.reshape(n_classes, n_classes)
    totals = counts.sum(axis=1, keepdims=True)
    T = np.divide(counts, totals, out=np.eye(n_classes), where=totals > 0)
    return _share(true != noisy, weight), T


def label_accuracy(
    y_true: ArrayLike, y_corrected: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Share of labels that are right.

    Parameters
    ----------
    y_true : array-like of shape (n,), any label dtype
        True labels.
    y_corrected : array-like of shape (n,), dtype of `y_true`
        Given or corrected labels.
    sample_weight : array-like of shape (n,) or None, default=None
        Non-negative weights. None: every row counts 1.

    Returns
    -------
    float in [0, 1]
        Weighted share of rows where the two are equal.

    Raises
    ------
    ValueError
        As in `realized_noise`.

    Examples
    --------
    >>> from nllearn.metrics import label_accuracy
    >>> label_accuracy(["a", "a", "b", "b"], ["a", "b", "b", "b"])
    0.75
    """
    true, corrected = _check_labels(y_true=y_true, y_corrected=y_corrected)
    weight = _check_weight(sample_weight, len(true))
    return float(accuracy_score(true, corrected, sample_weight=weight))


def correction_report(
    y_true: ArrayLike,
    y_given: ArrayLike,
    y_corrected: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> dict[str, float]:
    """What a correction did to right and to wrong labels.

    Parameters
    ----------
    y_true : array-like of shape (n,), any label dtype
        True labels.
    y_given : array-like of shape (n,), dtype of `y_true`
        Labels in the data, before correction.
    y_corrected : array-like of shape (n,), dtype of `y_true`
        Labels after correction.
    sample_weight : array-like of shape (n,) or None, default=None
        Non-negative weights. None: every row counts 1.

    Returns
    -------
    dict of str to float
        Shares in [0, 1]:

        * `accuracy_before`: given labels that are right.
        * `accuracy_after`: corrected labels that are right.
        * `changed`: rows whose corrected label differs from the given one.
        * `wrong_repaired`: wrong given labels whose corrected label is right; nan if none was
          wrong.
        * `right_harmed`: right given labels whose corrected label is wrong; nan if none was
          right.

    Raises
    ------
    ValueError
        As in `realized_noise`.

    Examples
    --------
    >>> from nllearn.metrics import correction_report
    >>> correction_report([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0])
    {'accuracy_before': 0.5, 'accuracy_after': 0.5, 'changed': 0.5,
     'wrong_repaired': 0.5, 'right_harmed': 0.5}
    """
    true, given, corrected = _check_labels(y_true=y_true, y_given=y_given, y_corrected=y_corrected)
    weight = _check_weight(sample_weight, len(true))
    was_right, is_right = given == true, corrected == true
    return {
        "accuracy_before": _share(was_right, weight),
        "accuracy_after": _share(is_right, weight),
        "changed": _share(corrected != given, weight),
        "wrong_repaired": _share(is_right, weight * ~was_right),
        "right_harmed": _share(~is_right, weight * was_right),
    }


def selection_precision(
    y_true: ArrayLike,
    y_given: ArrayLike,
    easy: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Share of the selected rows whose given label is right.

    Parameters
    ----------
    y_true : array-like of shape (n,), any label dtype
        True labels.
    y_given : array-like of shape (n,), dtype of `y_true`
        Labels in the data.
    easy : array-like of shape (n,), bool
        Selected rows.
    sample_weight : array-like of shape (n,) or None, default=None
        Non-negative weights. None: every row counts 1.

    Returns
    -------
    float in [0, 1]
        nan if no row is selected.

    Raises
    ------
    ValueError
        As in `realized_noise`, or if `easy` is no boolean mask of n rows.

    Examples
    --------
    >>> from nllearn.metrics import selection_precision
    >>> selection_precision([0, 0, 1, 1], [0, 1, 1, 1], [True, True, False, False])
    0.5
    """
    right, selected, weight = _selection(y_true, y_given, easy, sample_weight)
    return _share(right, weight * selected)


def selection_recall(
    y_true: ArrayLike,
    y_given: ArrayLike,
    easy: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Share of the rows with a right given label that are selected.

    Parameters
    ----------
    y_true : array-like of shape (n,), any label dtype
        True labels.
    y_given : array-like of shape (n,), dtype of `y_true`
        Labels in the data.
    easy : array-like of shape (n,), bool
        Selected rows.
    sample_weight : array-like of shape (n,) or None, default=None
        Non-negative weights. None: every row counts 1.

    Returns
    -------
    float in [0, 1]
        nan if no given label is right.

    Raises
    ------
    ValueError
        As in `realized_noise`, or if `easy` is no boolean mask of n rows.

    Examples
    --------
    >>> from nllearn.metrics import selection_recall
    >>> round(selection_recall([0, 0, 1, 1], [0, 0, 1, 0], [True, True, False, False]), 3)
    0.667
    """
    right, selected, weight = _selection(y_true, y_given, easy, sample_weight)
    return _share(selected, weight * right)


def detection_auroc(
    y_true: ArrayLike,
    y_given: ArrayLike,
    label_quality: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Area under the ROC curve of finding wrong labels by low label quality.

    The probability that a random wrong label has a lower quality than a random right one; ties
    count one half.

    Parameters
    ----------
    y_true : array-like of shape (n,), any label dtype
        True labels.
    y_given : array-like of shape (n,), dtype of `y_true`
        Labels in the data.
    label_quality : array-like of shape (n,), float
        High = the given label is good. Only the order matters, so any finite score will do.
    sample_weight : array-like of shape (n,) or None, default=None
        Non-negative weights. None: every row counts 1.

    Returns
    -------
    float in [0, 1]
        0.5 for a score without information. nan if no label is wrong or none is right.

    Raises
    ------
    ValueError
        As in `realized_noise`, or if `label_quality` is not n finite numbers.

    Examples
    --------
    >>> from nllearn.metrics import detection_auroc
    >>> round(detection_auroc([0, 0, 1, 1], [0, 1, 1, 1], [0.9, 0.3, 0.2, 0.8]), 3)
    0.667
    """
    wrong, quality, weight = _detection(y_true, y_given, label_quality, sample_weight)
    if not (weight[wrong].sum() > 0 and weight[~wrong].sum() > 0):
        return float("nan")
    return float(roc_auc_score(wrong, -quality, sample_weight=weight))


def detection_average_precision(
    y_true: ArrayLike,
    y_given: ArrayLike,
    label_quality: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Average precision of finding wrong labels by low label quality.

    The mean, over the wrong labels in order of rising quality, of the share of wrong labels
    among all rows up to that quality.

    Parameters
    ----------
    y_true : array-like of shape (n,), any label dtype
        True labels.
    y_given : array-like of shape (n,), dtype of `y_true`
        Labels in the data.
    label_quality : array-like of shape (n,), float
        High = the given label is good. Only the order matters, so any finite score will do.
    sample_weight : array-like of shape (n,) or None, default=None
        Non-negative weights. None: every row counts 1.

    Returns
    -------
    float in [0, 1]
        About the share of wrong labels for a score without information. nan if no label is
        wrong.

    Raises
    ------
    ValueError
        As in `realized_noise`, or if `label_quality` is not n finite numbers.

    Examples
    --------
    >>> from nllearn.metrics import detection_average_precision
    >>> detection_average_precision([0, 0, 1, 1], [0, 1, 1, 1], [0.9, 0.3, 0.2, 0.8])
    0.5
    """
    wrong, quality, weight = _detection(y_true, y_given, label_quality, sample_weight)
    if not weight[wrong].sum() > 0:
        return float("nan")
    return float(average_precision_score(wrong, -quality, sample_weight=weight))


def quality_calibration_error(
    y_true: ArrayLike,
    y_given: ArrayLike,
    label_quality: ArrayLike,
    *,
    n_bins: int = 15,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Expected calibration error of label quality, over bins of equal mass.

    Rows are sorted by quality and cut into `n_bins` bins of equal weight. With B_b the rows of
    bin b, W its weight as a share of all, and r_i = 1 if the given label of row i is right::

        ECE = sum_b W_b * | mean of label_quality in B_b - mean of r in B_b |

    Rows of equal quality are never parted, so the value does not depend on the order of rows.

    Parameters
    ----------
    y_true : array-like of shape (n,), any label dtype
        True labels.
    y_given : array-like of shape (n,), dtype of `y_true`
        Labels in the data.
    label_quality : array-like of shape (n,), float in [0, 1]
        Stated probability that the given label is right.
    n_bins : int, default=15
        Number of bins. Fewer are filled when many rows are equal.
    sample_weight : array-like of shape (n,) or None, default=None
        Non-negative weights. None: every row counts 1.

    Returns
    -------
    float in [0, 1]
        0 for perfect calibration within bins. Small samples give values above 0 by chance.

    Raises
    ------
    ValueError
        As in `realized_noise`, or if `label_quality` is not n numbers in [0, 1], or `n_bins` is
        below 1.

    References
    ----------
    C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017 (equal-width bins).
    K. Nguyen, B. O'Connor, "Posterior calibration and exploratory analysis for natural language
    processing models", EMNLP 2015 (equal-mass bins).

    Examples
    --------
    >>> from nllearn.metrics import quality_calibration_error
    >>> quality_calibration_error([0, 0, 1, 1], [0, 1, 1, 1], [0.75, 0.75, 0.75, 0.75])
    0.0
    >>> quality_calibration_error([0, 0, 1, 1], [1, 1, 1, 1], [0.0, 0.0, 0.5, 1.0], n_bins=2)
    0.125
    """
    wrong, quality, weight = _detection(y_true, y_given, label_quality, sample_weight)
    if quality.min() < 0 or quality.max() > 1:
        raise ValueError(
            f"label_quality runs from {quality.min():g} to {quality.max():g}; calibration is "
            "defined for probabilities in [0, 1]. Rescale or calibrate the score first."
        )
    if n_bins < 1:
        raise ValueError(f"n_bins={n_bins!r}; it must be at least 1.")
    _, group = np.unique(quality, return_inverse=True)
    mass = np.bincount(group, weights=weight)
    # A group of equal values goes to the bin that holds the middle of its mass.
    middle = np.cumsum(mass) - mass / 2
    bin_of_group = np.minimum(np.floor(n_bins * middle / mass.sum()).astype(int), n_bins - 1)
    gap = np.bincount(bin_of_group[group], weights=weight * (quality - ~wrong))
    return float(np.abs(gap).sum() / weight.sum())


def _share(mask: np.ndarray, weight: np.ndarray) -> float:
    """Weighted share of True; nan if the weights sum to zero."""
    total = weight.sum()
    return float(weight[mask].sum() / total) if total > 0 else float("nan")


def _selection(
    y_true: ArrayLike, y_given: ArrayLike, easy: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    true, given = _check_labels(y_true=y_true, y_given=y_given)
    selected = np.asarray(easy)
    if selected.dtype != bool or selected.shape != true.shape:
        raise ValueError(
            f"easy has dtype {selected.dtype} and shape {selected.shape}; it must be a boolean "
            f"mask of shape ({len(true)},). From row numbers: np.isin(np.arange(n), rows)."
        )
    return true == given, selected, _check_weight(sample_weight, len(true))


def _detection(
    y_true: ArrayLike,
    y_given: ArrayLike,
    label_quality: ArrayLike,
    sample_weight: ArrayLike | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    true, given = _check_labels(y_true=y_true, y_given=y_given)
    quality = _check_numbers("label_quality", label_quality, len(true))
    return true != given, quality, _check_weight(sample_weight, len(true))


def _check_weight(sample_weight: ArrayLike | None, n: int) -> np.ndarray:
    if sample_weight is None:
        return np.ones(n)
    weight = _check_numbers("sample_weight", sample_weight, n)
    if weight.min() < 0 or weight.sum() == 0:
        raise ValueError(
            f"sample_weight runs from {weight.min():g} to {weight.max():g}; weights must not be "
            "negative and not all be zero."
        )
    return weight


def _check_numbers(name: str, values: ArrayLike, n: int) -> np.ndarray:
    array = as_float64(name, values)
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}; it must be ({n},), one per label.")
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} has NaN or infinite values, the first in row "
            f"{np.isfinite(array).argmin()}; all must be finite. Drop these rows."
        )
    return array


def _check_labels(**named: Any) -> list[np.ndarray]:
    """Codes of several label arrays over their joint sorted classes.

    Codes make every later comparison safe: numpy finds str and int unequal without a word, and
    scikit-learn's scores refuse some dtypes.
    """
    arrays = {name: _label_array(name, labels) for name, labels in named.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"numbers of labels are {lengths}; they must be equal and not 0.")
    if len({array.dtype.kind in "US" for array in arrays.values()}) > 1:
        dtypes = {name: str(array.dtype) for name, array in arrays.items()}
        raise ValueError(
            f"label dtypes are {dtypes}; text and numbers are never equal. "
            "Convert one side, for example with y.astype(str)."
        )
    try:
        _, codes = np.unique(np.concatenate(list(arrays.values())), return_inverse=True)
    except TypeError as error:
        raise ValueError(
            f"labels cannot be sorted ({error}); give text, numbers or bools of one type, for "
            "example y.astype(str)."
        ) from error
    return np.split(codes, np.cumsum(list(lengths.values()))[:-1])


def _label_array(name: str, labels: Any) -> np.ndarray:
    array = np.asarray(labels)
    if array.ndim != 1:
        raise ValueError(
            f"{name} has shape {array.shape}; labels must be one-dimensional, one per row. "
            "Give one column, for example y.ravel()."
        )
    if isinstance(labels, list | tuple) and array.dtype.kind in "US":
        # numpy turns ['a', 1] and ['a', nan] into strings without a word.
        array = np.asarray(labels, dtype=object)
    missing = pd.isna(array)
    if missing.any():
        raise ValueError(
            f"{name} has {missing.sum()} missing labels (None or NaN), the first in row "
            f"{missing.argmax()}; every row needs a label. Drop these rows first."
        )
    if array.dtype == object:
        is_text = np.array([isinstance(label, str | bytes) for label in array], dtype=bool)
        if is_text.any() and not is_text.all():
            raise ValueError(
                f"{name} mixes text and other labels; labels must be of one type. "
                "Convert them first, for example with y.astype(str)."
            )
        array = np.asarray(array.tolist())
    return array
