"""Shares of labels that are wrong or right, before and after."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import accuracy_score

from nllearn._labels import joint_codes
from nllearn._validation import check_row_weight
from nllearn.metrics._shares import share_of

__all__ = ["correction_report", "label_accuracy", "realized_noise"]


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
    true, noisy = joint_codes(y=y, y_noisy=y_noisy)
    weight = check_row_weight(sample_weight, len(true))
    n_classes = int(max(true.max(), noisy.max())) + 1
    # Not confusion_matrix: it warns about a single class, which is no mistake here.
    cells = true * n_classes + noisy
    counts = np.bincount(cells, weights=weight, minlength=n_classes**2)
    counts = counts.reshape(n_classes, n_classes)
    totals = counts.sum(axis=1, keepdims=True)
    T = np.divide(counts, totals, out=np.eye(n_classes), where=totals > 0)
    return share_of(true != noisy, weight), T


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
    true, corrected = joint_codes(y_true=y_true, y_corrected=y_corrected)
    weight = check_row_weight(sample_weight, len(true))
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
    true, given, corrected = joint_codes(y_true=y_true, y_given=y_given, y_corrected=y_corrected)
    weight = check_row_weight(sample_weight, len(true))
    was_right, is_right = given == true, corrected == true
    return {
        "accuracy_before": share_of(was_right, weight),
        "accuracy_after": share_of(is_right, weight),
        "changed": share_of(corrected != given, weight),
        "wrong_repaired": share_of(is_right, weight * ~was_right),
        "right_harmed": share_of(~is_right, weight * was_right),
    }
