"""From the user's table to unit rows on the device, with the scale that predicts labels best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nllearn.functional.blocks import (
    ROUNDING,
    column_moments,
    dense_rows,
    row_blocks,
    standardized_rows,
)
from nllearn.functional.nearest_rows import nearest_rows
from nllearn.functional.neighbor_votes import log_shares, neighbor_shares
from nllearn.functional.similarity import unit_rows

__all__ = ["RowScaling", "choose_scaling"]

_FARTHEST = 1e15
# Rows that vote on the scale, and what a less plain scale must gain, in nats per row.
_N_TRIED, _N_VOTES, _GAIN = 4000, 20, 0.02
# Columns are in mixed units where the widest varies so many times as much as the median one.
_MIXED_UNITS = 30.0


@dataclass(frozen=True)
class RowScaling:
    """Shift, scale and length that turn a row of X into a unit row.

    ``unit((x - mean) / scale)``; with `bias_column` above 0 a constant column is added first, so
    that rows keep their length as an angle. In one or two columns direction alone tells
    little.
    """

    mean: np.ndarray
    scale: np.ndarray
    bias_column: float

    def apply(self, X: Any, device: torch.device) -> torch.Tensor:
        """Unit rows, float32 of shape (n, d), or (n, d + 1) with `bias_column`."""
        width = X.shape[1] + (self.bias_column > 0)
        out = torch.empty(X.shape[0], width, dtype=torch.float32, device=device)
        for rows in row_blocks(X.shape[0]):
            # Farther away the squares of float32 overflow; fitted rows are never so far.
            scaled = torch.from_numpy(standardized_rows(X, rows, self.mean, self.scale, _FARTHEST))
            if self.bias_column > 0:
                scaled = torch.cat([scaled, scaled.new_full((len(scaled), 1), self.bias_column)], 1)
            out[rows] = unit_rows(scaled.to(device))
        return out


def choose_scaling(
    X: Any,
    given: np.ndarray,
    n_classes: int,
    weight: np.ndarray,
    generator: torch.Generator,
) -> RowScaling | None:
    """Take the scale under which the neighbours predict the given labels best.

    Embeddings need no scaling, columns of mixed units do. The given labels
    show which is the case, wrong ones included: a wrong label is badly predicted under every
    scale. At most 4,000 rows are used. With a hundred rows of noisy labels the choice is
    unreliable, so the scale that the spread of the columns suggests is preferred, and another
    scale has to be clearly better. None where no column varies over the rows of weight above
    zero, or by less than 1e-150.

    Raises
    ------
    ValueError
        If a column is too large to be standardised.
    """
    mean, spread = _spread(X, weight)
    if not (spread > 0).any():
        return None
    uniform = np.full_like(spread, spread.max())
    single = np.where(spread > ROUNDING * spread.max(), spread, np.inf)
    active = np.flatnonzero(weight > 0)
    order = torch.randperm(len(active), generator=generator)[:_N_TRIED].numpy()
    rows = active[np.sort(order)]
    codes = torch.from_numpy(given[rows])
    sample = dense_rows(X, rows)
    length = float(np.sqrt(np.isfinite(single).sum()))
    scales = [
        RowScaling(mean, uniform, 0.0),
        RowScaling(mean, single, 0.0),
        RowScaling(mean, single, length),
    ]
    if spread.max() > _MIXED_UNITS * np.median(spread[spread > 0]):
        scales = [*scales[1:], scales[0]]
    best, best_value = None, -np.inf
    for scale in scales:
        if X.shape[1] == 1 and scale.bias_column == 0.0:
            continue  # the direction of a single number is its sign
        unit = scale.apply(sample, torch.device("cpu"))
        similarity, indices = nearest_rows(unit, _N_VOTES)
        if indices.shape[1] == 0:
            return scale
        ones = torch.ones(len(unit), dtype=torch.float32)
        log_votes = log_shares(neighbor_shares(similarity, indices, codes, n_classes, ones))
        value = float(log_votes.gather(1, codes.unsqueeze(1)).mean())
        if best is None or value > best_value + _GAIN:
            best, best_value = scale, value
    assert best is not None
    return best


def _spread(X: Any, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the columns; deviation 0 for constant ones."""
    mean, spread = column_moments(X, weight)
    if not np.isfinite(spread).all():
        column = int(np.flatnonzero(~np.isfinite(spread))[0])
        raise ValueError(
            f"column {column} of X has values too large to be standardised; rescale it"
        )
    # What is left of a constant column after the subtraction is rounding.
    spread[spread <= 1e-12 * np.abs(mean)] = 0.0
    return mean, spread
