"""Losses on soft targets."""

from __future__ import annotations

import torch
from torch.nn import functional as F

__all__ = ["ramp_up", "soft_cross_entropy", "squared_error"]


def soft_cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    r"""Weighted mean cross-entropy against soft targets.

    .. math:: \frac{\sum_i w_i \sum_c -t_{ic} \log p_{ic}}{\sum_i w_i}

    Parameters
    ----------
    logits : Tensor of shape (b, n_classes)
    targets : Tensor of shape (b, n_classes)
        Rows sum to one.
    weights : Tensor of shape (b,), optional
        Not negative. A batch whose weights are all zero has loss zero.

    Returns
    -------
    loss : scalar Tensor
    """
    if weights is None:
        return F.cross_entropy(logits, targets)
    share = weights / weights.sum().clamp_min(1e-12)
    return F.cross_entropy(logits, targets * share.unsqueeze(1), reduction="sum")


def squared_error(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    r"""Weighted mean squared error of the softmax, over rows and classes.

    The unlabelled part of MixMatch, Anchor Hallucination eq. 3:
    :math:`\frac{1}{C \sum_i w_i} \sum_i w_i \|p_i - t_i\|^2`.

    Parameters
    ----------
    logits, targets : Tensor of shape (b, n_classes)
    weights : Tensor of shape (b,), optional

    Returns
    -------
    loss : scalar Tensor
    """
    errors = logits.softmax(1) - targets
    errors = torch.linalg.vecdot(errors, errors) / errors.shape[1]
    if weights is None:
        return errors.mean()
    return errors @ (weights / weights.sum().clamp_min(1e-12))


def ramp_up(epoch: int, start: int, length: int) -> float:
    """Linear ramp from 0 at epoch `start` to 1 at epoch ``start + length``.

    Parameters
    ----------
    epoch, start, length : int
        Epochs; a length of zero or less is a step.

    Returns
    -------
    factor : float in [0, 1]
    """
    if length <= 0:
        return float(epoch >= start)
    return min(1.0, max(0.0, (epoch - start) / length))
