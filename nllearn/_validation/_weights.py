"""Checks of the weights of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import _check_sample_weight

from nllearn._validation._rows import check_numbers

__all__ = ["at_mean_one", "check_row_weight", "check_weights", "read_sample_weight"]


def read_sample_weight(sample_weight: Any, X: Any) -> np.ndarray:
    """Float64 copy of the weights of the rows, none negative and not all zero; ones for None."""
    weight = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True, copy=True
    )
    if not weight.any():
        # Newer versions of scikit-learn have said so by now.
        raise ValueError(
            "sample_weight is zero in every row; it needs at least one non-zero number"
        )
    return weight


def at_mean_one(weight: np.ndarray) -> np.ndarray:
    """Weights at mean one over the rows above zero, of which there is one at least."""
    # First by the largest, so that no sum overflows.
    weight = weight / weight.max()
    return weight / weight[weight > 0].mean()


def check_weights(
    sample_weight: Any, class_weight: Any, X: Any, classes: np.ndarray, codes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Check the weights of the rows, and those of the loss.

    Parameters
    ----------
    sample_weight : array-like of shape (n,) or None
        A weight that float32 rounds to zero beside the largest counts as zero.
    class_weight : dict, "balanced" or None
    X : array of shape (n, ...)
    classes : ndarray of shape (n_classes,)
    codes : int64 ndarray of shape (n,)
        Labels as positions in `classes`.

    Returns
    -------
    row_weight : float32 ndarray of shape (n,)
        Sample weight with mean one over the rows of weight above zero.
    loss_weight : float32 ndarray of shape (n,)
        Times the class weight, with mean one over the rows of weight above zero.

    Raises
    ------
    ValueError
        For a negative weight, or when fewer than two rows have a weight above zero.
    """
    weight = at_mean_one(read_sample_weight(sample_weight, X))
    weight = weight.astype(np.float32).astype(np.float64)
    if np.count_nonzero(weight) < 2:
        raise ValueError(
            "sample_weight is above zero for 1 row only, or the others vanish beside it; at least "
            "2 rows must take part in training"
        )
    loss_weight = weight.copy()
    if class_weight is not None:
        loss_weight *= compute_class_weight(class_weight, classes=classes, y=classes[codes])[codes]
    mean = loss_weight[weight > 0].mean()
    if not mean > 0 or loss_weight.min() < 0:
        raise ValueError(
            f"class_weight={class_weight!r} has a negative weight or leaves no row with a "
            "positive weight"
        )
    row_weight = weight / weight[weight > 0].mean()
    return row_weight.astype(np.float32), (loss_weight / mean).astype(np.float32)


def check_row_weight(sample_weight: Any, n: int) -> np.ndarray:
    """Check the importance of rows; ones for None."""
    if sample_weight is None:
        return np.ones(n)
    weight = check_numbers("sample_weight", sample_weight, n)
    if weight.min() < 0 or weight.sum() == 0:
        raise ValueError(
            f"sample_weight runs from {weight.min():g} to {weight.max():g}; weights must not be "
            "negative and not all be zero."
        )
    return weight
