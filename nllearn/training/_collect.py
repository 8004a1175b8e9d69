"""One pass in row order without gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from nllearn.functional.easiness import per_sample_loss
from nllearn.training._distributed import Team
from nllearn.training._sources import Source, _rows_per_pass

__all__ = ["FeatureBank", "collect", "predict_logits"]


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
    module: nn.Module, source: Source, *, amp: bool = False, rows: slice | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and features of every row, in evaluation mode and without augmentation.

    Parameters
    ----------
    module : nn.Module
        On the source's device; its mode is given back.
    source : Source
        Gives the rows.
    amp : bool, default=False
        Run in bfloat16 where torch deems it safe.
    rows : slice, optional
        From which row to which, all when None; m of them.

    Returns
    -------
    logits : float32 Tensor of shape (m, n_classes)
    features : float32 Tensor of shape (m, d)
    """
    was_training = module.training
    module.eval()
    all_logits, all_features = [], []
    with torch.autocast(source.device.type, dtype=torch.bfloat16, enabled=amp):
        for x in source.passes() if rows is None else _some_passes(source, rows):
            logits, features = module(x)
            all_logits.append(logits.float())
            all_features.append(features.float())
    module.train(was_training)
    return torch.cat(all_logits), torch.cat(all_features)


def _some_passes(source: Source, rows: slice) -> Iterator[torch.Tensor]:
    """The given rows in order, in pieces of the size that `passes` takes."""
    numbers = torch.arange(rows.start, rows.stop)
    return source.batches(list(numbers.split(_rows_per_pass(source.take(numbers[:1]).numel()))))


def collect(
    module: nn.Module,
    source: Source,
    labels: torch.Tensor,
    *,
    amp: bool = False,
    team: Team | None = None,
) -> FeatureBank:
    """Collect logits, features and losses of the training rows in one pass.

    Parameters
    ----------
    module : nn.Module
    source : Source
    labels : int64 Tensor of shape (n,)
    amp : bool, default=False
        Run in bfloat16 where torch deems it safe.
    team : Team, optional
        Processes that each do a part of the rows, and all get the whole.

    Returns
    -------
    bank : FeatureBank
    """
    if team is None:
        logits, features = predict_logits(module, source, amp=amp)
    else:
        logits, features = team.by_rows(
            len(source), lambda rows: predict_logits(module, source, amp=amp, rows=rows)
        )
    return FeatureBank(logits, features, per_sample_loss(logits, labels))
