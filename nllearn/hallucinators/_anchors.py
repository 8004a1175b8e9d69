"""Anchors: synthetic features between classes, with their labels and parents."""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["Anchors"]


@dataclass(frozen=True)
class Anchors:
    """Synthetic features between classes.

    Parameters
    ----------
    features : float32 Tensor of shape (m, d)
    labels : int64 Tensor of shape (m,)
        Label of the first parent, which the anchor takes.
    parents : int64 Tensor of shape (m, 2)
        Rows of the features that were given: the one whose label it takes, then
        the one of another class.
    """

    features: torch.Tensor
    labels: torch.Tensor
    parents: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)
