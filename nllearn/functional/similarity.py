"""Unit rows and blockwise cosine search; nothing here is ever n x n."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from nllearn.functional.blocks import row_blocks

__all__ = [
    "centred_unit_rows",
    "cosine_topk",
    "leading_directions",
    "unit_rows",
    "unit_rows_in_blocks",
]

# Elements of one block of similarities: 32 MB of float32.
_BLOCK_ELEMENTS = 1 << 23


def unit_rows(x: torch.Tensor) -> torch.Tensor:
    """Scale every row to length one; a zero row stays zero.

    Parameters
    ----------
    x : Tensor of shape (n, d)

    Returns
    -------
    unit : float32 Tensor of shape (n, d)
    """
    return F.normalize(x.float(), dim=1, eps=1e-12)


def centred_unit_rows(
    x: torch.Tensor, rows: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Subtract the mean row, then scale every row to length one.

    Features behind a ReLU are not negative, so all their cosines are high and
    hardly tell rows apart; around the mean they use the whole range.

    Parameters
    ----------
    x : Tensor of shape (n, d)
    rows : int64 Tensor of shape (m,), optional
        Rows whose mean is subtracted; all when None.

    Returns
    -------
    unit : float32 Tensor of shape (n, d)
    mean : float32 Tensor of shape (d,)
    """
    x = x.float()
    mean = x.mean(0) if rows is None else x[rows].mean(0)
    return unit_rows(x - mean), mean


def unit_rows_in_blocks(x: torch.Tensor, rows: torch.Tensor, size: int = 65_536) -> torch.Tensor:
    """As :func:`centred_unit_rows`, holding nothing of the size of the result but itself.

    Parameters
    ----------
    x : Tensor of shape (n, d)
        Its rows may lie in a file.
    rows : int64 Tensor of shape (m,)
        Rows whose mean is subtracted.
    size : int, default=65536
        Rows that are read at a time.

    Returns
    -------
    unit : float32 Tensor of shape (n, d)
    """
    total = torch.zeros(x.shape[1], dtype=torch.float64)
    for some in rows.split(size):
        total += x[some].float().sum(0)
    mean = (total / len(rows)).float()
    unit = torch.empty(x.shape, dtype=torch.float32)
    for block in row_blocks(len(x), size):
        unit[block] = F.normalize(x[block].float() - mean, dim=1)
    return unit


def leading_directions(
    x: torch.Tensor, n_directions: int, rows: torch.Tensor | None = None
) -> torch.Tensor:
    """Coordinates along the directions in which the rows spread most.

    Principal components, from the d x d covariance. With as many directions as rows a
    regression can tell every row from all others, and repeats whatever label it has.

    Parameters
    ----------
    x : Tensor of shape (n, d)
    n_directions : int
        At least d leaves `x` as it is.
    rows : int64 Tensor of shape (m,), optional
        Rows whose spread counts; all when None.

    Returns
    -------
    coordinates : float32 Tensor of shape (n, min(n_directions, d))
        Around the mean of `rows`, the widest direction first.
    """
    x = x.float()
    if n_directions >= x.shape[1]:
        return x
    known = x if rows is None else x[rows]
    mean = known.mean(0)
    centred = (known - mean).double()
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    leading = vectors[:, -n_directions:].flip(1).float()
    return (x - mean) @ leading


def cosine_topk(
    queries: torch.Tensor,
    keys: torch.Tensor,
    k: int,
    *,
    exclude: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Most similar keys of every query, exactly, in blocks.

    Parameters
    ----------
    queries : Tensor of shape (n_queries, d)
        Unit rows.
    keys : Tensor of shape (n_keys, d)
        Unit rows on the same device.
    k : int
        Neighbours per query; capped at the number of keys (less one with
        `exclude`).
    exclude : int64 Tensor of shape (n_queries,), optional
        Key that each query may not return, -1 for none: its own row in a
        self-search. By number, not by distance, so duplicates stay.

    Returns
    -------
    similarities : float32 Tensor of shape (n_queries, k)
        Descending.
    indices : int64 Tensor of shape (n_queries, k)
    """
    n_keys = len(keys)
    k = max(0, min(k, n_keys - (1 if exclude is not None else 0)))
    similarities = queries.new_empty((len(queries), k), dtype=torch.float32)
    indices = torch.empty((len(queries), k), dtype=torch.int64, device=queries.device)
    block = max(1, _BLOCK_ELEMENTS // max(1, n_keys))
    keys_t = keys.float().T
    for start in range(0, len(queries), block):
        stop = min(start + block, len(queries))
        scores = queries[start:stop].float() @ keys_t
        if exclude is not None:
            own = exclude[start:stop]
            rows = torch.nonzero(own >= 0).squeeze(1)
            scores[rows, own[rows]] = -torch.inf
        top = scores.topk(k, dim=1)
        similarities[start:stop] = top.values
        indices[start:stop] = top.indices
    return similarities, indices
