"""The nearest rows that the page shows: searched among features, or named in the table."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch

from nllearn.functional.similarity import centred_unit_rows, cosine_topk

__all__ = ["named_rows", "nearest_rows", "similarity_of"]

_N_NEIGHBORS = 5
_BLOCK = 8192


def nearest_rows(
    features: np.ndarray, rows: np.ndarray, n_neighbors: int = _N_NEIGHBORS
) -> tuple[np.ndarray, np.ndarray]:
    """Most similar other rows of some rows, exactly, by the cosine around the mean.

    Parameters
    ----------
    features : ndarray of shape (n, d)
        Of any float dtype.
    rows : int64 ndarray of shape (m,)
    n_neighbors : int, default=5
        Capped at n - 1.

    Returns
    -------
    near : int64 ndarray of shape (m, k)
        The most similar first; never the row itself.
    similarity : float32 ndarray of shape (m, k)
        In [-1, 1].
    """
    unit, _ = centred_unit_rows(torch.from_numpy(np.ascontiguousarray(features)))
    own = torch.from_numpy(np.asarray(rows, dtype=np.int64))
    similarity, near = cosine_topk(unit[own], unit, n_neighbors, exclude=own)
    return near.numpy(), similarity.numpy()


def named_rows(cells: Any, rows: np.ndarray, n_neighbors: int = _N_NEIGHBORS) -> np.ndarray:
    """Read the column `neighbor_rows` of a table of issues.

    Parameters
    ----------
    cells : sequence of n lists of int
        Positions in the table, the nearest first, as many in every cell. A cell may be the
        text of such a list, which a table has after a way through CSV.
    rows : int64 ndarray of shape (m,)
        Rows that are read.
    n_neighbors : int, default=5
        Most neighbours that are taken.

    Returns
    -------
    near : int64 ndarray of shape (m, k)

    Raises
    ------
    ValueError
        If a cell holds something else; the message names the row.
    """
    n = len(cells)
    found: list[np.ndarray] = []
    for row in rows.tolist():
        cell = cells[row]
        try:
            values = json.loads(cell) if isinstance(cell, str) else cell
            near = np.asarray(values)
        except (TypeError, ValueError):
            near = np.empty(0)
        fits = near.ndim == 1 and len(near) > 0 and near.dtype.kind in "iu"
        if not fits or near.min() < 0 or near.max() >= n:
            raise ValueError(
                f"neighbor_rows of row {row} is {cell!r}; expected a list of row numbers in "
                f"[0, {n}), or drop the column"
            )
        if found and len(near[:n_neighbors]) != len(found[0]):
            raise ValueError(
                f"neighbor_rows of row {row} names {len(near)} rows and that of row {rows[0]} "
                f"{len(found[0])}; name as many in every cell"
            )
        found.append(near[:n_neighbors].astype(np.int64))
    return np.stack(found) if found else np.empty((0, 0), dtype=np.int64)


def similarity_of(features: np.ndarray, rows: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Cosine between rows and others, as the features stand, without centring.

    Parameters
    ----------
    features : ndarray of shape (n, d)
        Of any float dtype.
    rows : int64 ndarray of shape (m,)
    near : int64 ndarray of shape (m, k)

    Returns
    -------
    similarity : float32 ndarray of shape (m, k)
        In [-1, 1]; 0 for a row of length 0.
    """

    def unit(index: np.ndarray) -> np.ndarray:
        chosen = np.asarray(features[index], dtype=np.float32)
        return chosen / np.maximum(np.linalg.norm(chosen, axis=-1, keepdims=True), 1e-12)

    out = np.empty(near.shape, dtype=np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        out[block] = np.einsum("md,mkd->mk", unit(rows[block]), unit(near[block]))
    return out
