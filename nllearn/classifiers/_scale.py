"""Standardised rows: every column at mean 0 and deviation 1."""

from __future__ import annotations

import numpy as np
import torch

from nllearn._validation import refuse_overflow

__all__ = ["ColumnScale"]

_ROWS_PER_CHUNK = 8192
# Rows far outside what fit saw are clipped here, in deviations, and not at infinity.
_FARTHEST = 1e4


class ColumnScale:
    """Mean and deviation of every column over the rows of weight above zero.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows to learn them from.
    seen : bool ndarray of shape (n,)
        Which of them count.
    in_chunks : bool, default=False
        Read a few rows at a time, for X that does not fit in memory; the same up to
        rounding.

    Raises
    ------
    ValueError
        If a column's values are too large to be standardised.
    """

    def __init__(self, X: np.ndarray, seen: np.ndarray, in_chunks: bool = False):
        with np.errstate(over="ignore", invalid="ignore"):
            if in_chunks:
                self.mean, scale = _mean_and_deviation(X, seen)
            else:
                rows = X if seen.all() else X[seen]
                self.mean = np.asarray(np.mean(rows, axis=0, dtype=np.float64))
                scale = np.std(rows, axis=0, dtype=np.float64)
        refuse_overflow(X, scale)
        # Rounding leaves a tiny spread on constant columns; it must not be blown up.
        constant = scale <= 1e-10 * np.maximum(1.0, np.abs(self.mean))
        self.scale = np.where(constant, 1.0, scale)

    @classmethod
    def restore(cls, mean: np.ndarray, scale: np.ndarray) -> ColumnScale:
        """A scale with known moments, float64 of shape (d,)."""
        known = cls.__new__(cls)
        known.mean, known.scale = mean, scale
        return known

    def apply(self, X: np.ndarray) -> torch.Tensor:
        """Standardise rows into a float32 copy, in chunks.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Of any numeric dtype; not changed.

        Returns
        -------
        rows : float32 Tensor of shape (n, d)
        """
        out = np.empty(X.shape, dtype=np.float32)
        for start in range(0, len(X), _ROWS_PER_CHUNK):
            rows = slice(start, start + _ROWS_PER_CHUNK)
            out[rows] = np.clip((X[rows] - self.mean) / self.scale, -_FARTHEST, _FARTHEST)
        return torch.from_numpy(out)


def _mean_and_deviation(X: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the columns over some rows, in two passes."""
    chunks = [slice(i, i + _ROWS_PER_CHUNK) for i in range(0, len(X), _ROWS_PER_CHUNK)]
    total, squares = np.zeros((2, X.shape[1]))
    for rows in chunks:
        total += X[rows][seen[rows]].sum(0, dtype=np.float64)
    mean = total / seen.sum()
    for rows in chunks:
        squares += np.square(X[rows][seen[rows]] - mean).sum(0)
    return mean, np.sqrt(squares / seen.sum())
