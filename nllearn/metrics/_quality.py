"""How well the quality of labels tells wrong ones from right ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, roc_auc_score

from nllearn._labels import joint_codes
from nllearn._validation import check_numbers, check_row_weight

__all__ = ["detection_auroc", "detection_average_precision", "quality_calibration_error"]


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


def _detection(
    y_true: ArrayLike,
    y_given: ArrayLike,
    label_quality: ArrayLike,
    sample_weight: ArrayLike | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    true, given = joint_codes(y_true=y_true, y_given=y_given)
    quality = check_numbers("label_quality", label_quality, len(true))
    return true != given, quality, check_row_weight(sample_weight, len(true))
