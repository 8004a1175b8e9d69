"""One pass in row order without gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from nllearn.functional.easiness import per_sample_loss

__all__ = ["FeatureBank", "collect", "predict_logits"]

_ROWS_PER_PASS = 4096


@dataclass(frozen=True)
class FeatureBank:
    """What the network says of every training row, in row order.

    Parameters
    ----------
    logits : float32 Tensor of shape (n, n_classes)
    features : float32 Tensor of shape (n, d)
        Last hidden layer.
    losses : float32 Tensor of shape (n,)
        Cross-entropy against the given labels.
    """

    logits: torch.Tensor
    features: torch.Tensor
    losses: torch.Tensor


@torch.no_grad()
def predict_logits(
    module: nn.Module, x: torch.Tensor, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and features of every row, in evaluation mode and without augmentation.

    Parameters
    ----------
    module : nn.Module
        Its mode is given back.
    x : Tensor of shape (n, ...)
    device : torch.device
        Where the module is.

    Returns
    -------
    logits : float32 Tensor of shape (n, n_classes)
    features : float32 Tensor of shape (n, d)
    """
    was_training = module.training
    module.eval()
    outs = [
        module(x[start : start + _ROWS_PER_PASS].to(device))
        for start in range(0, len(x), _ROWS_PER_PASS)
    ]
    module.train(was_training)
    return (
        torch.cat([logits.float() for logits, _ in outs]),
        torch.cat([features.float() for _, features in outs]),
    )


def collect(module: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> FeatureBank:
    """Collect logits, features and losses of the training rows in one pass.

    Parameters
    ----------
    module : nn.Module
    x : Tensor of shape (n, ...)
    labels : int64 Tensor of shape (n,)

    Returns
    -------
    bank : FeatureBank
    """
    logits, features = predict_logits(module, x, labels.device)
    return FeatureBank(logits, features, per_sample_loss(logits, labels))
