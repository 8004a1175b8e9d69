"""Several out-of-sample predictions in one, by stacked regression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import nnls

from nllearn.functional.blocks import row_blocks

__all__ = ["stack_predictions", "stacking_gain", "stacking_weights"]

# Ridge of the normal equations, as a share of their mean diagonal: equal predictions have one sum.
_RIDGE = 1e-6


def stacking_weights(
    predictions: Sequence[torch.Tensor], codes: torch.Tensor, weights: torch.Tensor
) -> np.ndarray:
    r"""Weights of predictions whose sum is nearest to the given labels, none negative.

    .. math:: \min_{a \ge 0} \sum_i w_i \Big\| (e_{\tilde y_i} - \bar e)
              - \sum_m a_m (s_{mi} - \bar s_m) \Big\|^2

    This is the stacked regression of Breiman (1996) after the weighted means were subtracted. The
    predictions are made out of sample, so that wrong labels make all of them look worse alike,
    and one that tells nothing of the labels gets a weight near zero.

    Parameters
    ----------
    predictions : sequence of float32 Tensor of shape (n, n_classes)
        Out of sample.
    codes : int64 Tensor of shape (n,)
        Given labels.
    weights : float32 Tensor of shape (n,)
        Not negative, not all zero.

    Returns
    -------
    stacking : float64 ndarray of shape (m,)
        Not negative.

    References
    ----------
    L. Breiman, "Stacked Regressions", Machine Learning 24, 1996.

    Examples
    --------
    >>> import torch
    >>> from nllearn.functional.stacking import stacking_weights
    >>> codes = torch.tensor([0, 1, 0, 1])
    >>> good, constant = torch.eye(2)[codes], torch.full((4, 2), 0.5)
    >>> stacking_weights([good, constant], codes, torch.ones(4)).round(3).tolist()
    [1.0, 0.0]
    """
    m, n_classes = len(predictions), predictions[0].shape[1]
    share = (weights / weights.sum()).double()
    means = [torch.zeros(n_classes, dtype=torch.float64, device=codes.device) for _ in range(m)]
    target_mean = means[0].new_zeros(n_classes).index_add_(0, codes, share)
    for rows in row_blocks(len(codes)):
        for mean, each in zip(means, predictions, strict=True):
            mean += share[rows] @ each[rows].double()
    products = np.zeros((m + 1, m + 1))
    for rows in row_blocks(len(codes)):
        root = share[rows].sqrt().unsqueeze(1)
        centred = [
            (root * (each[rows].double() - mean)).flatten()
            for mean, each in zip(means, predictions, strict=True)
        ]
        target = -target_mean.repeat(len(root), 1)
        target.scatter_add_(1, codes[rows].unsqueeze(1), torch.ones_like(target[:, :1]))
        columns = torch.stack([*centred, (root * target).flatten()])
        products += (columns @ columns.T).cpu().numpy()
    normal, moments = products[:m, :m], products[:m, m]
    # What a constant prediction correlates with is rounding.
    moments[np.abs(moments) < _RIDGE * np.sqrt(normal.diagonal() * products[m, m])] = 0.0
    scale = max(float(np.trace(normal)) / m, 1e-300)
    normal = normal / scale + _RIDGE * np.eye(m)
    factor = np.linalg.cholesky(normal)
    return nnls(factor.T, np.linalg.solve(factor, moments / scale))[0]


def stacking_gain(
    predictions: Sequence[torch.Tensor], codes: torch.Tensor, weights: torch.Tensor
) -> float:
    r"""By how many standard errors a stacked sum is nearer to the labels than the first prediction.

    .. math:: z = \frac{\sum_i w_i d_i}{\sqrt{\sum_i w_i^2 d_i^2}}

    with :math:`d_i` the squared error of row i from the first prediction at its own stacking
    weight, less that from the sum of all.

    Parameters
    ----------
    predictions : sequence of float32 Tensor of shape (n, n_classes)
        Out of sample.
    codes : int64 Tensor of shape (n,)
        Given labels.
    weights : float32 Tensor of shape (n,)

    Returns
    -------
    z : float
    """
    share = (weights / weights.sum()).double()
    n_classes = predictions[0].shape[1]
    alone = np.zeros(len(predictions))
    alone[0] = stacking_weights(predictions[:1], codes, weights)[0]
    factors = np.stack([alone, stacking_weights(predictions, codes, weights)])
    sums = torch.zeros(2, n_classes, dtype=torch.float64, device=codes.device)
    for rows in row_blocks(len(codes)):
        sums += torch.stack([share[rows] @ each for each in _sums(predictions, factors, rows)])
    target_mean = sums.new_zeros(n_classes).index_add_(0, codes, share)
    total = square = 0.0
    for rows in row_blocks(len(codes)):
        target = torch.nn.functional.one_hot(codes[rows], n_classes) - target_mean
        one, two = (
            (target - each + mean).square_().sum(1)
            for each, mean in zip(_sums(predictions, factors, rows), sums, strict=True)
        )
        gain = share[rows] * (one - two)
        total += float(gain.sum())
        square += float(gain.square().sum())
    return total / max(square, 1e-300) ** 0.5


def _sums(
    predictions: Sequence[torch.Tensor], factors: np.ndarray, rows: slice
) -> list[torch.Tensor]:
    """Weighted sums of some rows of the predictions, one for each row of factors."""
    some = torch.stack([each[rows].double() for each in predictions])
    return list(torch.tensordot(torch.as_tensor(factors).to(some.device), some, dims=1))


def stack_predictions(
    predictions: Sequence[torch.Tensor], codes: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, tuple[float, ...]]:
    """Sum of predictions by their stacking weights, at mean top value 1.

    Parameters
    ----------
    predictions : sequence of float32 Tensor of shape (n, n_classes)
        Out of sample. A single one only changes its scale.
    codes : int64 Tensor of shape (n,)
    weights : float32 Tensor of shape (n,)

    Returns
    -------
    scores : float32 Tensor of shape (n, n_classes)
        The first prediction where none tells anything of the labels.
    factors : tuple of m float
        Of the predictions in that sum.
    """
    found = np.zeros(len(predictions))
    if len(predictions) > 1:
        found = stacking_weights(predictions, codes, weights)
    if not found.any():
        found[0] = 1.0
    stacked = predictions[0] * float(found[0])
    for share, each in zip(found[1:], predictions[1:], strict=True):
        stacked.add_(each, alpha=float(share))
    top = float((weights * stacked.amax(1)).sum() / weights.sum())
    top = max(top, 1e-6)
    return stacked.div_(top), tuple(float(share) / top for share in found)
