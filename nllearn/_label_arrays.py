"""Arrays of labels that belong together, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["label_arrays"]


def label_arrays(**named: Any) -> list[np.ndarray]:
    """Check arrays of labels that are compared by position.

    Parameters
    ----------
    **named : array-like of shape (n,)
        Labels of any dtype, by the name that an error calls them.

    Returns
    -------
    arrays : list of ndarray of shape (n,)
        In the order of the arguments.

    Raises
    ------
    ValueError
        For labels that are not one-dimensional, missing, or text beside others; for arrays of
        unequal length, and for no labels at all.

    Examples
    --------
    >>> from nllearn._label_arrays import label_arrays
    >>> label_arrays(y=["a", "b"], y_noisy=["a"])
    Traceback (most recent call last):
    ValueError: numbers of labels are {'y': 2, 'y_noisy': 1}; they must be equal and not 0.
    """
    arrays = {name: _label_array(name, labels) for name, labels in named.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"numbers of labels are {lengths}; they must be equal and not 0.")
    return list(arrays.values())


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
        plain = np.asarray(array.tolist())
        array = plain if plain.ndim == 1 else array
    return array
