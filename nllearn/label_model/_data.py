"""Input of the label model: the given labels, their weights, and the known rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

__all__ = ["AnnotatorLabels", "NoisyLabels"]


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

    def take(self, idx: torch.Tensor) -> NoisyLabels:
        """Those of some rows."""
        return NoisyLabels(self.codes[idx], self.n_classes, self.weights[idx], self.trusted[idx])


@dataclass(frozen=True)
class AnnotatorLabels:
    """Labels of several annotators, weights of the rows, and which labels are known to be right.

    Parameters
    ----------
    codes : int64 ndarray of shape (n, n_annotators)
        -1 where there is no label.
    n_classes : int
    weights : float64 ndarray of shape (n,)
    trusted : bool ndarray of shape (n,)
        Rows whose labels are known to be right; they have labels, which agree.
    """

    codes: np.ndarray
    n_classes: int
    weights: np.ndarray
    trusted: np.ndarray

    @property
    def labelled(self) -> np.ndarray:
        """Rows with a label, bool of shape (n,)."""
        return np.asarray((self.codes >= 0).any(1))

    @property
    def known(self) -> np.ndarray:
        """Labels of the trusted rows, int64 of shape (n_trusted,)."""
        return self.codes[self.trusted].max(1, initial=-1)
