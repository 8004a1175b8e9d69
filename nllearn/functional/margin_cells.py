"""Rows counted in cells: by margin, by group, and by how they differ from a prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Cells", "count_cells", "margin_bins"]

_LEAST_SHARE = 1e-9


@dataclass(frozen=True)
class Cells:
    """Rows counted by group, bin of the margin, and whether and to which share they differ.

    Parameters
    ----------
    starts : int64 ndarray of shape (n_groups,)
        First cell of every group, ascending.
    bins : int64 ndarray of shape (n_cells,)
        Bin of the margin.
    differs : bool ndarray of shape (n_cells,)
        Whether the given labels of the cell differ from the prediction.
    share : float64 ndarray of shape (n_cells,)
        Geometric mean of the given labels' shares in the errors; 1 of a cell without any.
    counts, known : float64 ndarray of shape (n_cells,)
        Weights of the rows: of those that are not trusted, and of the trusted ones.
    """

    starts: np.ndarray
    bins: np.ndarray
    differs: np.ndarray
    share: np.ndarray
    counts: np.ndarray
    known: np.ndarray


def count_cells(
    groups: np.ndarray,
    bins: np.ndarray,
    share: np.ndarray,
    n_share_bins: int,
    differs: np.ndarray,
    known: np.ndarray,
    weights: np.ndarray,
) -> Cells:
    """Count rows in cells.

    Shares range over magnitudes, so they are binned and averaged as logarithms.

    Parameters
    ----------
    groups, bins : int64 ndarray of shape (n,)
        Group, and bin of the margin, from 0 on.
    share : ndarray of shape (n,)
        Share of the given label in the errors, in [0, 1].
    n_share_bins : int
        Bins of the share, of about as many rows each.
    differs, known : bool ndarray of shape (n,)
        Rows that differ from the prediction, and trusted ones.
    weights : ndarray of shape (n,)

    Returns
    -------
    cells : Cells
        Only those with rows.
    """
    log_share = np.log(np.clip(share, _LEAST_SHARE, 1.0))
    counted = differs & ~known & (weights > 0)
    share_bin = np.zeros(len(bins), np.int64)
    if counted.any():
        steps = np.linspace(0.0, 1.0, n_share_bins + 1)[1:-1]
        edges = np.quantile(log_share[counted], steps)
        share_bin[counted] = 1 + np.searchsorted(edges, log_share[counted], side="right")
    share_bin[differs & ~counted] = 1
    size = n_share_bins + 1
    numbers, cell = np.unique(
        (groups * (bins.max() + 1) + bins) * size + share_bin, return_inverse=True
    )
    counts = np.bincount(cell, weights * ~known)
    total = np.bincount(cell, weights * counted * log_share)
    return Cells(
        np.flatnonzero(np.diff(numbers // size // (bins.max() + 1), prepend=-1)),
        numbers // size % (bins.max() + 1),
        numbers % size > 0,
        np.exp(total / np.maximum(counts, _LEAST_SHARE)),
        counts,
        np.bincount(cell, weights * known),
    )


def margin_bins(
    margin: np.ndarray, weights: np.ndarray, n_bins: int
) -> tuple[np.ndarray, np.ndarray]:
    """Bin rows by margin, into bins of equal weight.

    Parameters
    ----------
    margin, weights : ndarray of shape (n,)
    n_bins : int
        At most; bins of equal margins or without weight are left out.

    Returns
    -------
    bins : int64 ndarray of shape (n,)
        Bin of every row, small margins first.
    means : float64 ndarray of shape (n_bins,)
        Mean margin of every bin.
    """
    order = np.argsort(margin, kind="stable")
    total = np.cumsum(weights[order])
    sorted_bins = ((total - 0.5 * weights[order]) * n_bins / total[-1]).astype(np.int64)
    sorted_bins = np.clip(sorted_bins, 0, n_bins - 1)
    mass = np.bincount(sorted_bins, weights[order], n_bins)
    kept = np.flatnonzero(mass > 0)
    # A bin without weight has rows of weight 0 alone; they go with the next one.
    sorted_bins = np.minimum(np.searchsorted(kept, sorted_bins), len(kept) - 1)
    bins = np.empty(len(margin), np.int64)
    bins[order] = sorted_bins
    means = np.bincount(bins, weights * margin, len(kept)) / mass[kept]
    return bins, means
