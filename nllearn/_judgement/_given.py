"""The labels that are judged, and what is known of their rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["GivenLabels"]


@dataclass(frozen=True)
class GivenLabels:
    """Given labels as `codes`, int64 of shape (n,), of at least two classes.

    `weights`, float32 of shape (n,), have mean one over the rows that take part; a row of
    weight 0 is judged, and is no witness. `trusted`, bool of shape (n,), marks labels that the
    user vouches for.
    """

    codes: torch.Tensor
    n_classes: int
    weights: torch.Tensor
    trusted: torch.Tensor

    def per_class(self, values: torch.Tensor) -> torch.Tensor:
        """Sum of float32 values, one per row, over the rows given each class."""
        none = torch.zeros(self.n_classes, device=self.codes.device)
        return none.index_add_(0, self.codes, values)

    def take(self, rows: torch.Tensor) -> GivenLabels:
        """Those of some rows."""
        return GivenLabels(self.codes[rows], self.n_classes, self.weights[rows], self.trusted[rows])
