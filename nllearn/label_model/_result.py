"""What comes out of the label model: the posterior of every row's true label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from nllearn.label_model._noise_model import NoiseModel
from nllearn.predictors import Forest, KernelRidge

__all__ = ["AnnotatorEstimates", "LabelPosterior"]


@dataclass(frozen=True)
class AnnotatorEstimates:
    """What is known of several annotators.

    Parameters
    ----------
    transitions : float64 ndarray of shape (n_annotators, n_classes, n_classes)
    quality : float64 ndarray of shape (n_annotators,)
        Probability that a label of the annotator is right.
    agreement, dependence : float64 ndarray of shape (n_annotators, n_annotators)
    consensus : int64 ndarray of shape (n,)
        Label that the annotators of a row give together, without features; the most probable
        one where a row has no label.
    """

    transitions: np.ndarray
    quality: np.ndarray
    agreement: np.ndarray
    dependence: np.ndarray
    consensus: np.ndarray


@dataclass(frozen=True)
class LabelPosterior:
    """Posterior of every row's true label, and the estimates behind it.

    Parameters
    ----------
    distributions : float32 Tensor of shape (n, n_classes)
        Probability of each true label, given the row and its given label.
    transition : float64 ndarray of shape (n_classes, n_classes)
        ``T[k, j] = P(given j | true k)``; of several annotators the common one.
    scores : float32 Tensor of shape (n, n_classes)
        Of regressions, forest and other predictors together, out of sample; the neighbours'
        shares where nothing else predicts.
    log_votes : float32 Tensor of shape (n, n_classes)
        Log shares of all neighbours' given labels; zeros where they do not vote.
    neighbor_indices : int Tensor of shape (n, k)
        Neighbours of every row, nearest first.
    noise : NoiseModel
    has_signal : bool
        Whether the predictions tell anything about the labels.
    boundary_quality : float32 Tensor of shape (n,) or None
        Quality of the given labels if noise lies at the class boundary, where that was left
        open; None where it is settled.
    n_undecided : int
        Rows whose most probable label depends on that.
    regressions : tuple of KernelRidge
        For new rows; empty where other predictors took their place.
    forest : Forest or None
        For new rows.
    factors : tuple of float
        Of the regressions' mean and of the forest, where they alone predict.
    annotators : AnnotatorEstimates or None
        Where several annotators labelled the rows.
    """

    distributions: torch.Tensor
    transition: np.ndarray
    scores: torch.Tensor
    log_votes: torch.Tensor
    neighbor_indices: torch.Tensor
    noise: NoiseModel
    has_signal: bool = True
    boundary_quality: torch.Tensor | None = None
    n_undecided: int = 0
    regressions: tuple[KernelRidge, ...] = ()
    forest: Forest | None = None
    factors: tuple[float, ...] = (1.0,)
    annotators: AnnotatorEstimates | None = None

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
