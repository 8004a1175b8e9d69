"""Input of the label model: the given labels, their weights, and the known rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

__all__ = ["NoisyLabels"]


@dataclass(frozen=True)
class NoisyLabels:
    """Given labels, their weights, and which are known to be right.

    Parameters
    ----------
    codes : int64 Tensor of shape (n,)
    n_classes : int
    weights : float32 Tensor of shape (n,)
        Mean one over the rows that take part. A row of weight 0 gets a posterior and is used
        for no other row.
    trusted : bool Tensor of shape (n,)
        Rows whose label is known to be right.
    """

    codes: torch.Tensor
    n_classes: int
    weights: torch.Tensor
    trusted: torch.Tensor

    @property
    def one_hot(self) -> torch.Tensor:
        """The labels as distributions, float32 of shape (n, n_classes)."""
        return F.one_hot(self.codes, self.n_classes).float()

    def per_class(self, values: torch.Tensor) -> torch.Tensor:
        """Sum of float32 values, one per row, over the rows given each class."""
        none = torch.zeros(self.n_classes, dtype=torch.float32, device=self.codes.device)
        return none.index_add_(0, self.codes, values)

    def take(self, idx: torch.Tensor) -> NoisyLabels:
        """Those of some rows."""
        return NoisyLabels(self.codes[idx], self.n_classes, self.weights[idx], self.trusted[idx])
