"""Every predictor's scores, out of sample: neighbours, regressions, and the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nllearn.functional.calibration import agreement
from nllearn.functional.signal import signal_strength
from nllearn.functional.stacking import stack_predictions
from nllearn.label_model._votes import log_neighbor_votes
from nllearn.predictors import (
    LeaveOneOutKernelRidge,
    NeighborGraph,
    out_of_sample_predictions,
)

__all__ = ["Predictions", "predict_labels"]

# Standard errors above chance: of a hundred data sets without signal one passes.
_LEAST_SIGNAL = 2.33


@dataclass(frozen=True)
class Predictions:
    """What the predictors say of every row without its own labels.

    Parameters
    ----------
    scores : float32 Tensor of shape (n, n_classes)
        Regressions and others stacked, at mean top score 1.
    log_votes : float32 Tensor of shape (n, n_classes)
        Of the neighbours; zeros where they do not vote.
    others : tuple of float32 Tensor of shape (n, n_classes)
        Predictions of the user's own predictors.
    ridges : tuple of LeaveOneOutKernelRidge
        Fitted; empty where they are not used.
    agreed : float
        Share of rows on which regression and neighbours agree.
    has_signal : bool
        Whether any of them tells anything about the labels.
    """

    scores: torch.Tensor
    log_votes: torch.Tensor
    others: tuple[torch.Tensor, ...]
    ridges: tuple[LeaveOneOutKernelRidge, ...]
    agreed: float
    has_signal: bool


def predict_labels(
    X_unit: torch.Tensor,
    graph: NeighborGraph,
    y_soft: torch.Tensor,
    weights: torch.Tensor,
    generator: torch.Generator,
    *,
    n_landmarks: int = 1000,
    predictors: Sequence[Any] = (),
    use_neighbors: bool = True,
    use_regressions: bool = True,
    advance: Callable[[], None] = lambda: None,
) -> Predictions:
    """Predict every label from the other rows.

    Parameters
    ----------
    X_unit : float32 Tensor of shape (n, d)
    graph : NeighborGraph
    y_soft : float32 Tensor of shape (n, n_classes)
        Labels as distributions.
    weights : float32 Tensor of shape (n,)
    generator : torch.Generator
    n_landmarks, predictors, use_neighbors, use_regressions, advance
        As for :func:`estimate_label_posterior`.

    Returns
    -------
    predictions : Predictions
    """
    codes = y_soft.argmax(1)
    log_votes = torch.zeros_like(y_soft)
    if use_neighbors:
        log_votes = log_neighbor_votes(X_unit, graph, y_soft, weights)
    advance()
    ridges = tuple(
        LeaveOneOutKernelRidge(n_landmarks, smooth, log_votes if use_neighbors else None, generator)
        for smooth in (None, graph)
        if use_regressions
    )
    others = [out_of_sample_predictions(other, X_unit, y_soft, weights) for other in predictors]
    if ridges:
        scores = out_of_sample_predictions(ridges[0], X_unit, y_soft, weights)
        agreed = agreement(scores, log_votes, weights)
        advance()
        scores.add_(out_of_sample_predictions(ridges[1], X_unit, y_soft, weights)).div_(2)
    else:
        scores = stack_predictions(others or [log_votes.exp()], codes, weights)
        agreed = agreement(scores, log_votes, weights)
        advance()
    advance()
    signals = [signal_strength(each, codes, weights) for each in (scores, log_votes.exp(), *others)]
    if ridges and others:
        scores = stack_predictions([scores, *others], codes, weights)
    has_signal = max(signals) > _LEAST_SIGNAL
    return Predictions(scores, log_votes, (*others,), ridges, agreed, has_signal)
