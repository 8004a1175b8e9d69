"""What goes into the label model, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from nllearn.predictors import KernelRidge

if TYPE_CHECKING:
    from nllearn.label_model._calibration import ExpectedAccuracy
    from nllearn.label_model._noise import NoiseEstimate

__all__ = ["LabelPosterior", "NoisyLabels"]


@dataclass(frozen=True)
class NoisyLabels:
    """Given labels, and what is known of their rows.

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


@dataclass(frozen=True)
class LabelPosterior:
    """Posterior of every row's true label, and what it was made from.

    Parameters
    ----------
    distributions : float32 Tensor of shape (n, n_classes)
        Probability of each true label, given the row and its given label.
    transition : float64 ndarray of shape (n_classes, n_classes)
        ``T[k, j] = P(given j | true k)``.
    scores : float32 Tensor of shape (n, n_classes)
        Of the regressions.
    log_votes : float32 Tensor of shape (n, n_classes)
        Log shares of all neighbours' given labels.
    neighbor_indices : int Tensor of shape (n, k)
        Neighbours of every row, nearest first.
    noise : NoiseEstimate or None
        None at a fixed temperature, where the transition matrix is all that is estimated.
    accuracy : ExpectedAccuracy or None
        That of the predictors; None at a fixed temperature.
    regressions : tuple of KernelRidge
        For new rows; empty at a fixed temperature.
    """

    distributions: torch.Tensor
    transition: np.ndarray
    scores: torch.Tensor
    log_votes: torch.Tensor
    neighbor_indices: torch.Tensor
    noise: NoiseEstimate | None = None
    accuracy: ExpectedAccuracy | None = None
    regressions: tuple[KernelRidge, ...] = ()

    def corrected(self, given: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Posterior as an array, quality of the given labels, and the most probable labels.

        Parameters
        ----------
        given : int64 ndarray of shape (n,)

        Returns
        -------
        distributions : float32 ndarray of shape (n, n_classes)
        quality : float32 ndarray of shape (n,)
            Probability of the given label.
        corrected : int64 ndarray of shape (n,)
            Most probable label; ties go to the given one.
        """
        distributions = self.distributions.cpu().numpy()
        quality = distributions[np.arange(len(given)), given]
        corrected = np.where(quality >= distributions.max(1), given, distributions.argmax(1))
        return distributions, quality, corrected
