"""Neighbours of rows among themselves, from any search object."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nllearn.neighbors._base import BaseNeighbors

__all__ = ["find_neighbors", "sort_by_cosine"]

# Rows whose neighbours are gathered at a time.
_BLOCK = 1024


def find_neighbors(
    search: Any, rows: torch.Tensor, n_neighbors: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Neighbours of every row among the rows, never itself, from any search object.

    Parameters
    ----------
    search : object
        With scikit-learn's ``fit`` and ``kneighbors``.
    rows : float32 Tensor of shape (n, d)
        Unit rows.
    n_neighbors : int

    Returns
    -------
    cosines : float32 Tensor of shape (n, k)
        Descending; k is at most ``n - 1``.
    indices : int64 Tensor of shape (n, k)

    Raises
    ------
    ValueError
        If a foreign object returns another shape, a row number that does not
        exist, or a row as its own neighbour.
    """
    k = min(n_neighbors, len(rows) - 1)
    if isinstance(search, BaseNeighbors):
        distances, found = search.fit(rows).kneighbors(n_neighbors=k)
        if not distances.shape == found.shape == (len(rows), k):
            raise ValueError(
                f"neighbors={search!r} found distances of shape {tuple(distances.shape)} and "
                f"indices of shape {tuple(found.shape)}; expected ({len(rows)}, {k})"
            )
        # The cosine of unit rows at this distance; the search may keep the distances.
        return distances.square().mul_(-0.5).add_(1.0), found
    search.fit(rows.cpu().numpy())
    returned = search.kneighbors(n_neighbors=k)
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise ValueError(
            f"neighbors={search!r} returned a {type(returned).__name__}; kneighbors must return "
            "the pair (distances, indices), as scikit-learn's NearestNeighbors does"
        )
    indices = np.asarray(returned[1])
    own = np.arange(len(rows))[:, None]
    if indices.dtype.kind not in "iu":
        raise ValueError(
            f"neighbors={search!r} returned indices of dtype {indices.dtype}; expected whole "
            "numbers as the second of the pair (distances, indices)"
        )
    if indices.shape != (len(rows), k):
        raise ValueError(
            f"neighbors={search!r} returned indices of shape {indices.shape}; expected "
            f"({len(rows)}, {k})"
        )
    if indices.size and not (indices.min() >= 0 and indices.max() < len(rows)):
        raise ValueError(
            f"neighbors={search!r} returned indices in [{indices.min()}, {indices.max()}]; "
            f"expected [0, {len(rows)})"
        )
    if (indices == own).any():
        raise ValueError(
            f"neighbors={search!r} returned rows as their own neighbours; kneighbors(X=None) "
            "must leave the row itself out, as scikit-learn's NearestNeighbors does"
        )
    # Its distances may be of any metric: take the cosines ourselves.
    return sort_by_cosine(rows, torch.from_numpy(indices.astype(np.int64)).to(rows.device))


def sort_by_cosine(rows: torch.Tensor, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Put known neighbours in the order of their cosines, in blocks.

    Parameters
    ----------
    rows : float32 Tensor of shape (n, d)
        Unit rows.
    indices : int64 Tensor of shape (n, k)

    Returns
    -------
    cosines : float32 Tensor of shape (n, k)
        Descending.
    indices : int64 Tensor of shape (n, k)
    """
    cosines = rows.new_empty(indices.shape)
    order = torch.empty_like(indices)
    for start in range(0, len(rows), _BLOCK):
        some = slice(start, start + _BLOCK)
        block = torch.einsum("nd,nkd->nk", rows[some], rows[indices[some]])
        cosines[some], order[some] = block.sort(1, descending=True)
    return cosines, indices.gather(1, order)
