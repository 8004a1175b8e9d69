"""Checks of labels, weights and scores; labels as codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nllearn._labels import label_arrays
from nllearn._validation import as_float64

__all__ = ["check_numbers", "check_weight", "joint_codes", "share_of"]


def share_of(mask: np.ndarray, weight: np.ndarray) -> float:
    """Weighted share of True; nan if the weights sum to zero."""
    total = weight.sum()
    return float(weight[mask].sum() / total) if total > 0 else float("nan")


def check_weight(sample_weight: ArrayLike | None, n: int) -> np.ndarray:
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


def check_numbers(name: str, values: ArrayLike, n: int) -> np.ndarray:
    """Check one finite number per row."""
    array = as_float64(name, values)
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}; it must be ({n},), one per label.")
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} has NaN or infinite values, the first in row "
            f"{np.isfinite(array).argmin()}; all must be finite. Drop these rows."
        )
    return array


def joint_codes(**named: Any) -> list[np.ndarray]:
    """Codes of several label arrays over their joint sorted classes.

    Codes make every later comparison safe: numpy finds str and int unequal without a word, and
    scikit-learn's scores refuse some dtypes.
    """
    arrays = label_arrays(**named)
    if len({array.dtype.kind in "US" for array in arrays}) > 1:
        dtypes = {name: str(array.dtype) for name, array in zip(named, arrays, strict=True)}
        raise ValueError(
            f"label dtypes are {dtypes}; text and numbers are never equal. "
            "Convert one side, for example with y.astype(str)."
        )
    try:
        _, codes = np.unique(np.concatenate(arrays), return_inverse=True)
    except TypeError as error:
        raise ValueError(
            f"labels cannot be sorted ({error}); give text, numbers or bools of one type, for "
            "example y.astype(str)."
        ) from error
    return np.split(codes, len(arrays))
