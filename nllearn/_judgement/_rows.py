"""From the user's table to unit rows on the device, with the scale that the labels favour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse

from nllearn.functional.geometry import cosine_topk, unit_rows
from nllearn.functional.witnesses import neighbor_log_votes

__all__ = ["RowScale", "choose_scale", "dense_rows", "row_blocks"]

_BLOCK = 8192
_FARTHEST = 1e15
# Rows that vote on the scale, and what a less plain scale must gain, in nats per row.
_N_TRIED, _N_VOTES, _GAIN = 4000, 20, 0.02
# Columns are in mixed units where the widest varies so many times as much as the median one.
_MIXED_UNITS = 30.0


@dataclass(frozen=True)
class RowScale:
    """Shift, scale and length that turn a row of X into a unit row.

    ``unit((x - mean) / scale)``; with `lift` above 0 a constant column is added first, so
    that rows keep their length as an angle. In one or two columns direction alone says
    little.
    """

    mean: np.ndarray
    scale: np.ndarray
    lift: float

    def apply(self, X: Any, device: torch.device) -> torch.Tensor:
        """Unit rows, float32 of shape (n, d), or (n, d + 1) with `lift`."""
        width = X.shape[1] + (self.lift > 0)
        out = torch.empty(X.shape[0], width, device=device)
        for rows in row_blocks(X.shape[0]):
            block = (dense_rows(X, rows) - self.mean) / self.scale
            # Farther away the squares of float32 overflow; fitted rows are never so far.
            scaled = torch.from_numpy(block.clip(-_FARTHEST, _FARTHEST).astype(np.float32))
            if self.lift > 0:
                scaled = torch.cat([scaled, torch.full((len(scaled), 1), self.lift)], 1)
            out[rows] = unit_rows(scaled.to(device))
        return out


def row_blocks(n: int, size: int | None = None) -> Iterator[slice]:
    """Slices of at most `size` rows, 8,192 when None, that cover n rows."""
    size = size or _BLOCK
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def dense_rows(X: Any, rows: Any) -> np.ndarray:
    """Some rows as a dense float64 array: a block of a memmap or of a sparse matrix."""
    block = X[rows]
    return np.asarray(block.toarray() if sparse.issparse(block) else block, dtype=np.float64)


def choose_scale(
    X: Any,
    given: np.ndarray,
    n_classes: int,
    weight: np.ndarray,
    generator: torch.Generator,
) -> RowScale | None:
    """Take the scale under which neighbours agree best on the given labels.

    Embeddings are best left as they are, columns of mixed units are not, and the given
    labels know which is the case, wrong ones included: a wrong label is badly predicted
    under every scale. At most 4,000 rows are asked. Of a hundred rows with wrong labels
    the answer is half chance, so what the spread of the columns suggests comes first, and
    the other has to gain. None where no column varies over the rows of weight above zero,
    or by less than 1e-150.

    Raises
    ------
    ValueError
        If a column is too large to be standardised.
    """
    mean, spread = _moments(X, weight)
    if not (spread > 0).any():
        return None
    uniform = np.full_like(spread, spread.max())
    single = np.where(spread > 1e-7 * spread.max(), spread, np.inf)
    active = np.flatnonzero(weight > 0)
    drawn = torch.randperm(len(active), generator=generator)[:_N_TRIED].numpy()
    rows = active[np.sort(drawn)]
    codes = torch.from_numpy(given[rows])
    sample = dense_rows(X, rows)
    length = float(np.sqrt(np.isfinite(single).sum()))
    scales = [
        RowScale(mean, uniform, 0.0),
        RowScale(mean, single, 0.0),
        RowScale(mean, single, length),
    ]
    if spread.max() > _MIXED_UNITS * np.median(spread[spread > 0]):
        scales = [*scales[1:], scales[0]]
    best, best_value = None, -np.inf
    for scale in scales:
        if X.shape[1] == 1 and scale.lift == 0.0:
            continue  # the direction of a single number is its sign
        unit = scale.apply(sample, torch.device("cpu"))
        cosine, near = cosine_topk(unit, unit, _N_VOTES, exclude=torch.arange(len(unit)))
        if near.shape[1] == 0:
            return scale
        log_votes = neighbor_log_votes(cosine, near, codes, n_classes, torch.ones(len(unit)))
        value = float(log_votes.gather(1, codes.unsqueeze(1)).mean())
        if best is None or value > best_value + _GAIN:
            best, best_value = scale, value
    assert best is not None
    return best


def _moments(X: Any, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and standard deviation of the columns, in two passes over blocks."""
    d, total = X.shape[1], weight.sum()
    mean, square = np.zeros(d), np.zeros(d)
    for rows in row_blocks(X.shape[0]):
        mean += weight[rows] @ dense_rows(X, rows)
    mean /= total
    with np.errstate(over="ignore"):
        for rows in row_blocks(X.shape[0]):
            square += weight[rows] @ np.square(dense_rows(X, rows) - mean)
    spread = np.sqrt(square / total)
    if not np.isfinite(spread).all():
        column = int(np.flatnonzero(~np.isfinite(spread))[0])
        raise ValueError(
            f"column {column} of X has values too large to be standardised; rescale it"
        )
    # What is left of a constant column after the subtraction is rounding.
    spread[spread <= 1e-12 * np.abs(mean)] = 0.0
    return mean, spread
