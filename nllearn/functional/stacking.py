"""Several out-of-sample predictions in one, by stacked regression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import nnls

from nllearn.functional.blocks import row_blocks

__all__ = ["stack_predictions", "stacking_weights"]

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


def stack_predictions(
    predictions: Sequence[torch.Tensor], codes: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
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
    return stacked.div_(max(top, 1e-6))
