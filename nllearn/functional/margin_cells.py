"""Rows counted in cells: by margin, by group, and by how they differ from a prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Cells", "count_cells", "margin_bins"]

_LEAST_SHARE = 1e-9


@dataclass(frozen=True)
class Cells:
    """Rows counted by group, bin of the margin, and whether and to which share they differ.

    Cells are sorted by group; `starts` are the first ones of every group, the others have shape
    (n_cells,). `share` is the mean of the given label's share in the errors, `differs` says
    whether the cell's rows differ from the prediction, `counts` are their weights, `known` those
    of trusted rows.
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
    """Cells of the rows. Shares are averaged as logarithms: they range over magnitudes."""
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
    """Bin of every row by its margin, of equal weight, and the mean margin of every bin."""
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
