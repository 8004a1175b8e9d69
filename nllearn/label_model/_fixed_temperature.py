"""The posterior on features that a network learnt from the labels, at a fixed temperature.

In such features all predictors agree with the labels and with one another, which tells nothing
of how often they are right.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from nllearn.functional.calibration import combine_predictions
from nllearn.functional.relabelling import posterior_given_label
from nllearn.functional.transition import estimate_transition
from nllearn.label_model._data import NoisyLabels
from nllearn.label_model._result import LabelPosterior
from nllearn.label_model._votes import log_neighbor_votes
from nllearn.predictors import (
    LeaveOneOutRidge,
    NeighborGraph,
    out_of_sample_predictions,
)

__all__ = ["FLATTER", "posterior_at_fixed_temperature", "predict_at_fixed_temperature"]

# Weights of scores and votes, and how much flatter both are taken once T is known. Fixed by
# measurement over symmetric, part-dependent and human noise (docs/benchmarks).
_SCORE_WEIGHT, _VOTE_WEIGHT, FLATTER = 6.0, 1.2, 0.75


def predict_at_fixed_temperature(
    X_unit: torch.Tensor,
    graph: NeighborGraph,
    y_soft: torch.Tensor,
    weights: torch.Tensor,
    *,
    in_blocks: bool = False,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Predict every label from the other rows, by a regression and the neighbours' votes.

    Parameters
    ----------
    X_unit : float32 Tensor of shape (n, d)
    graph : NeighborGraph
    y_soft : float32 Tensor of shape (n, n_classes)
        Labels as distributions.
    weights : float32 Tensor of shape (n,)
    in_blocks : bool, default=False
        Hold no second copy of the rows.

    Returns
    -------
    scores, log_votes, log_proba : float32 Tensor of shape (n, n_classes)
        Of the regression, of the neighbours, and of both together.
    """
    log_votes = log_neighbor_votes(X_unit, graph, y_soft, weights)
    scores = out_of_sample_predictions(LeaveOneOutRidge(in_blocks), X_unit, y_soft, weights)
    log_proba = combine_predictions(
        scores, log_votes, score_weight=_SCORE_WEIGHT, vote_weight=_VOTE_WEIGHT
    )
    return scores, log_votes, log_proba


def posterior_at_fixed_temperature(
    X_unit: torch.Tensor, graph: NeighborGraph, labels: NoisyLabels, *, in_blocks: bool = False
) -> LabelPosterior:
    """Estimate the transition matrix from a regression and votes, and apply Bayes' rule.

    Parameters
    ----------
    X_unit : float32 Tensor of shape (n, d)
        Features of the network at length one.
    graph : NeighborGraph
    labels : NoisyLabels
    in_blocks : bool, default=False
        Hold no second copy of the rows.

    Returns
    -------
    posterior : LabelPosterior
        Without noise model and regressions.
    """
    given, weights = labels.codes, labels.weights
    scores, log_votes, log_proba = predict_at_fixed_temperature(
        X_unit, graph, labels.one_hot, weights, in_blocks=in_blocks
    )
    transition = estimate_transition(
        log_proba.exp().cpu().numpy(),
        given.cpu().numpy(),
        sample_weight=labels.weights.cpu().numpy(),
        trusted=labels.trusted.cpu().numpy(),
    )
    posterior = posterior_given_label(
        FLATTER * log_proba,
        given,
        torch.as_tensor(transition, dtype=torch.float32, device=given.device),
    )
    # Where no other row has the class of a row, no out-of-sample prediction can name it.
    active = weights > 0
    others = torch.bincount(given[active], minlength=labels.n_classes)[given] - active.long()
    kept = labels.trusted | (others == 0)
    posterior[kept] = F.one_hot(given[kept], labels.n_classes).float()
    return LabelPosterior(posterior, transition, scores, log_votes, graph.indices)
