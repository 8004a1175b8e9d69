"""How clean and how complete a selection of easy rows is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from nllearn._labels import joint_codes
from nllearn._validation import check_row_weight
from nllearn.metrics._shares import share_of

__all__ = ["selection_precision", "selection_recall"]


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
    return share_of(right, weight * selected)


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
    return share_of(selected, weight * right)


def _selection(
    y_true: ArrayLike, y_given: ArrayLike, easy: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    true, given = joint_codes(y_true=y_true, y_given=y_given)
    selected = np.asarray(easy)
    if selected.dtype != bool or selected.shape != true.shape:
        raise ValueError(
            f"easy has dtype {selected.dtype} and shape {selected.shape}; it must be a boolean "
            f"mask of shape ({len(true)},). From row numbers: np.isin(np.arange(n), rows)."
        )
    return true == given, selected, check_row_weight(sample_weight, len(true))
