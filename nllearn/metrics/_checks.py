"""Labels as codes, and shares of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from nllearn._labels import label_arrays

__all__ = ["joint_codes", "share_of"]


def share_of(mask: np.ndarray, weight: np.ndarray) -> float:
    """Weighted share of True; nan if the weights sum to zero."""
    total = weight.sum()
    return float(weight[mask].sum() / total) if total > 0 else float("nan")


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
    if {array.dtype.kind for array in arrays} == {"i", "u"}:
        # Together numpy makes them float, in which large numbers are equal.
        arrays = [array.astype(object) for array in arrays]
    try:
        _, codes = np.unique(np.concatenate(arrays), return_inverse=True)
    except TypeError as error:
        raise ValueError(
            f"labels cannot be sorted ({error}); give text, numbers or bools of one type, for "
            "example y.astype(str)."
        ) from error
    return np.split(codes, len(arrays))
