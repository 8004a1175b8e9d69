"""Find the rows of a fold again, by their content and their label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from nllearn._frames import to_pandas
from nllearn._labels import label_arrays
from nllearn.model_selection._checks import codes_of

__all__ = ["RowTable", "row_keys"]

# Numbers hashed at a time; bounds the memory.
_BLOCK = 4_000_000
# Any constant: keys made in one process are looked up in another.
_SEED = 20_260_101


class RowTable:
    """Values of rows, found again by the content of the row and its given label.

    A search passes a scorer rows without their numbers, so rows are identified by a 64-bit hash
    of their content. Rows of equal content and label share the mean of their values.

    Parameters
    ----------
    X : array-like of shape (n, ...)
    y : array-like of shape (n,)
    values : ndarray of shape (n,) or (n, k)
    """

    def __init__(self, X: Any, y: Any, values: np.ndarray):
        (labels,) = label_arrays(y=y)
        self.classes = np.unique(labels)
        keys = self._keys(X, labels)
        self._sorted, first, inverse, counts = np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True
        )
        values = np.asarray(values, dtype=np.float32)
        self._values = values[first].copy()
        if (counts > 1).any():
            self._values[:] = 0
            np.add.at(self._values, inverse, values)
            self._values /= counts.reshape(-1, *[1] * (values.ndim - 1))

    def look_up(self, X: Any, y: Any) -> np.ndarray:
        """Values of these rows.

        Raises
        ------
        ValueError
            If a row with that label was not in the table.
        """
        (labels,) = label_arrays(y=y)
        keys = self._keys(X, labels)
        place = np.searchsorted(self._sorted, keys).clip(max=len(self._sorted) - 1)
        unknown = self._sorted[place] != keys
        if unknown.any():
            raise ValueError(
                f"{unknown.sum()} of {len(keys)} rows, the first in position "
                f"{unknown.argmax()}, are not among the rows and labels that the scorer was made "
                "from. Make the scorer from the very X and y that the search gets: the same "
                "container, dtype, columns and labels. For other rows, and for searches that "
                "change the columns, use ForwardScorer"
            )
        return self._values[place]

    def _keys(self, X: Any, labels: np.ndarray) -> np.ndarray:
        keys = row_keys(X)
        if len(keys) != len(labels):
            raise ValueError(f"X has {len(keys)} rows and y has {len(labels)}; they must be equal")
        codes = codes_of(labels, self.classes, name="y")
        return keys ^ pd.util.hash_array(np.arange(len(self.classes)))[codes]


def row_keys(X: Any) -> np.ndarray:
    """Hash every row of X by its content.

    Parameters
    ----------
    X : array of shape (n, ...), DataFrame, sparse matrix or sequence
        Texts and paths count as rows too.

    Returns
    -------
    keys : uint64 ndarray of shape (n,)
        The same in every process. Two given different rows share one with a probability of
        about 1e-19.
    """
    X = to_pandas(X)
    if isinstance(X, pd.DataFrame):
        return pd.util.hash_pandas_object(X, index=False).to_numpy()
    if sparse.issparse(X):
        return _keys_of_sparse(X)
    rows = np.asarray(X)
    if rows.ndim == 0:
        raise ValueError(f"X is a {type(X).__name__}; expected an array or sequence of rows")
    if rows.dtype.kind in "biufc":
        if not hasattr(X, "dtype"):
            # A fold of a list can be whole numbers where the list is not.
            rows = rows.astype(np.float64)
        return _keys_of_numbers(rows)
    # Text: numpy's width depends on the longest one, which a fold may not hold.
    cells = rows.astype(object).reshape(len(rows), -1)
    return pd.util.hash_pandas_object(pd.DataFrame(cells), index=False).to_numpy()


def _keys_of_numbers(rows: np.ndarray) -> np.ndarray:
    """Two multilinear hashes of the 32-bit words of each row; their upper halves."""
    n = len(rows)
    octets = np.ascontiguousarray(rows).reshape(n, -1).view(np.uint8)
    short = -octets.shape[1] % 4
    if short:
        octets = np.pad(octets, ((0, 0), (0, short)))
    words = octets.view(np.uint32)
    factors = np.random.default_rng(_SEED).integers(
        0, 2**64, size=(words.shape[1], 2), dtype=np.uint64
    )
    keys = np.empty(n, dtype=np.uint64)
    step = max(1, _BLOCK // max(words.shape[1], 1))
    for start in range(0, n, step):
        block = slice(start, start + step)
        # Overflow is meant: the sums are modulo 2 ** 64.
        high, low = (words[block].astype(np.uint64) @ factors).T >> np.uint64(32)
        keys[block] = (high << np.uint64(32)) | low
    return keys


def _keys_of_sparse(X: Any) -> np.ndarray:
    """Sum of the hashes of a row's entries, each of its column and value."""
    # A copy: sorting the entries would reach those of the caller.
    entries = sparse.csr_matrix(X, copy=True)
    entries.sum_duplicates()
    values = pd.util.hash_array(entries.data)
    columns = pd.util.hash_array(entries.indices.astype(np.int64))
    # Hashed together, so that values that change places change the sum.
    pairs = pd.util.hash_array(values + np.uint64(3) * columns)
    keys = np.zeros(entries.shape[0], dtype=np.uint64)
    np.add.at(keys, np.repeat(np.arange(entries.shape[0]), np.diff(entries.indptr)), pairs)
    return keys
