"""Rows in blocks, so that nothing of the size of all rows is made but the result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy import sparse

__all__ = [
    "ROUNDING",
    "column_moments",
    "dense_rows",
    "drawn_rows",
    "row_blocks",
    "standardized_rows",
]

# A column that varies by this part of the widest one may be what rounding left of others.
ROUNDING = 1e-14
_BLOCK = 8192


def row_blocks(n: int, size: int | None = None) -> Iterator[slice]:
    """Slices of at most `size` rows that cover n rows.

    Parameters
    ----------
    n : int
    size : int, optional
        8,192 when None.

    Yields
    ------
    rows : slice
    """
    size = size or _BLOCK
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def drawn_rows(n: int, most: int, generator: torch.Generator | None = None) -> torch.Tensor:
    """Numbers of rows, drawn where there are too many.

    Drawn and not taken at even steps: where the order of the rows repeats, steps leave some
    kinds out.

    Parameters
    ----------
    n : int
    most : int
        Rows that are enough.
    generator : torch.Generator, optional
        None draws the same rows every time.

    Returns
    -------
    rows : int64 Tensor of shape (min(n, most),)
        Ascending, on the CPU.
    """
    if n <= most:
        return torch.arange(n)
    if generator is None:
        generator = torch.Generator().manual_seed(0)
    return torch.randperm(n, generator=generator)[:most].sort().values


def dense_rows(X: Any, rows: Any) -> np.ndarray:
    """Some rows as a dense array: of a memmap or of a sparse matrix.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, d)
    rows : slice or int ndarray
        Which of them; m rows.

    Returns
    -------
    block : float64 ndarray of shape (m, d)
    """
    block = X[rows]
    return np.asarray(block.toarray() if sparse.issparse(block) else block, dtype=np.float64)


def column_moments(X: Any, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and standard deviation of the columns, in two passes over blocks.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, d)
    weight : float64 ndarray of shape (n,)
        Not negative, not all zero.

    Returns
    -------
    mean, deviation : float64 ndarray of shape (d,)
        Infinite or NaN where squares overflow.
    """
    d, total = X.shape[1], weight.sum()
    mean, square = np.zeros(d), np.zeros(d)
    # Sums overflow before values do, and what is then subtracted is infinite.
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in row_blocks(X.shape[0]):
            mean += weight[rows] @ dense_rows(X, rows)
        mean /= total
        for rows in row_blocks(X.shape[0]):
            square += weight[rows] @ np.square(dense_rows(X, rows) - mean)
    return mean, np.sqrt(square / total)


def standardized_rows(
    X: Any, rows: Any, mean: np.ndarray, scale: np.ndarray, limit: float
) -> np.ndarray:
    """Some rows, less the mean and divided by the scale.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, d)
    rows : slice or int ndarray
        Which of them; m rows.
    mean, scale : float64 ndarray of shape (d,)
    limit : float
        Values farther from 0 are clipped.

    Returns
    -------
    block : float32 ndarray of shape (m, d)
    """
    block = (dense_rows(X, rows) - mean) / scale
    return block.clip(-limit, limit).astype(np.float32)
