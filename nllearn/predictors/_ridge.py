"""Plain ridge regression, each row's own label left out."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn import functional as F

from nllearn.functional.blocks import row_blocks
from nllearn.functional.kernel_ridge import (
    RIDGES,
    leave_one_out,
    leave_one_out_scores,
    ridge_system,
)
from nllearn.predictors._base import BaseLabelPredictor

__all__ = ["LeaveOneOutRidge"]

# Rows at a time, where a second copy of all of them would not fit in memory.
_BLOCK = 65_536


class LeaveOneOutRidge(BaseLabelPredictor):
    """Ridge regression on the labels, every row predicted by a fit without it.

    Parameters
    ----------
    in_blocks : bool, default=False
        Hold no second copy of the rows; the same up to rounding.

    Attributes
    ----------
    n_classes_ : int
        Number of classes.

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.predictors import LeaveOneOutRidge
    >>> X = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.1, 0.99]])
    >>> y = np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
    >>> LeaveOneOutRidge().predict_out_of_sample(X, y).shape
    torch.Size([4, 2])
    """

    def __init__(self, in_blocks: bool = False):
        self.in_blocks = in_blocks

    def _predict(
        self, X: torch.Tensor, labels: torch.Tensor, sample_weight: torch.Tensor
    ) -> torch.Tensor:
        if self.in_blocks:
            return _scores_in_blocks(X, labels, sample_weight, self.n_classes_)
        soft = labels
        if labels.ndim == 1:
            soft = F.one_hot(labels, self.n_classes_).float()
        return leave_one_out_scores(X, soft, sample_weight)


def _scores_in_blocks(
    X: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, n_classes: int
) -> torch.Tensor:
    """As :func:`leave_one_out_scores`, without a second copy of the rows."""
    n_fitted = int((weights > 0).sum())
    weights = weights * (n_fitted / weights.sum().clamp_min(1e-12))

    def soft(rows: slice) -> torch.Tensor:
        some = labels[rows]
        return F.one_hot(some, n_classes).float() if some.ndim == 1 else some

    def pairs() -> Iterator[tuple[slice, torch.Tensor]]:
        return ((rows, X[rows]) for rows in row_blocks(len(X), _BLOCK))

    system = ridge_system(pairs, weights, labels)
    mean, axes = system.target_mean, system.principal_axes()

    shrinkages = torch.stack([system.shrinkage(ridge) for ridge in RIDGES])
    errors = torch.zeros(len(RIDGES), dtype=torch.float64)
    for rows, x in pairs():
        coordinates, weight = axes.coordinates(x), weights[rows]
        centred = soft(rows) - mean
        leverages = weight * (shrinkages @ coordinates.square().T)
        for i, shrinkage in enumerate(shrinkages):
            fitted = coordinates @ (shrinkage.unsqueeze(1) * axes.moments)
            left_out = leave_one_out(fitted, leverages[i], labels[rows], axes)
            errors[i] += (weight * (left_out - centred).square_().sum(1)).sum()
    axes = system.axes_at(RIDGES[int(errors.argmin())])

    scores = torch.empty(len(X), n_classes, dtype=torch.float32)
    own = mean * n_fitted
    top = 0.0
    for rows, x in pairs():
        share = weights[rows].unsqueeze(1)
        others = own - share * soft(rows)
        others /= (n_fitted - share).clamp_min(1e-6)
        coordinates = axes.coordinates(x)
        leverage = weights[rows] * coordinates.square().sum(1)
        left_out = leave_one_out(coordinates @ axes.moments, leverage, labels[rows], axes)
        scores[rows] = left_out + (others - 1.0 / n_classes)
        top += float((weights[rows] * scores[rows].max(1).values).sum())
    return scores / max(top / n_fitted, 1e-6)
