"""The posterior of every label, in one straight function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from nllearn.functional.neighbor_votes import log_shares
from nllearn.functional.transition import expected_transition
from nllearn.label_model._boundary_noise import BoundaryRates, fit_boundary_noise
from nllearn.label_model._calibration import (
    ExpectedAccuracy,
    accuracy_with_input,
    mix_by_agreement,
)
from nllearn.label_model._data import NoisyLabels
from nllearn.label_model._fixed_temperature import posterior_at_fixed_temperature
from nllearn.label_model._noise import fit_class_conditional
from nllearn.label_model._posterior import LabelPosterior
from nllearn.label_model._prototypes import PrototypeChoice, refine_with_prototypes
from nllearn.predictors import (
    LeaveOneOutKernelRidge,
    LeaveOneOutRidge,
    NeighborGraph,
    NeighborVotes,
    out_of_sample_predictions,
)

__all__ = ["PosteriorSettings", "estimate_label_posterior"]

# Rows on which agreement is measured; more change nothing.
_N_AGREEMENT = 100_000
# Fits of the regressions on labels that are probably right.
_N_REFITS = 2


@dataclass(frozen=True)
class PosteriorSettings:
    """How the posterior is estimated.

    Parameters
    ----------
    calibrated : bool
        True: kernel regressions, at the temperature at which the mean top probability is the
        expected accuracy. False: a plain regression at a fixed temperature, for features
        that a network learned from the labels, without other rows; in such features
        all predictors agree, which is no evidence of their accuracy.
    n_landmarks : int
        Of each kernel regression.
    in_blocks : bool
        Whether the plain regression reads its rows in blocks.
    """

    calibrated: bool = True
    n_landmarks: int = 1000
    in_blocks: bool = False


def estimate_label_posterior(
    X_unit: torch.Tensor,
    graph: NeighborGraph,
    labels: NoisyLabels,
    generator: torch.Generator,
    settings: PosteriorSettings = PosteriorSettings(),
    *,
    predictors: Sequence[Any] = (),
    X_input: torch.Tensor | None = None,
    accuracy: ExpectedAccuracy | None = None,
    advance: Callable[[], None] = lambda: None,
) -> LabelPosterior:
    """Predict every label from the other rows, estimate the noise, and apply Bayes' rule.

    Parameters
    ----------
    X_unit : float32 Tensor of shape (n, d)
        Rows of length one.
    graph : NeighborGraph
    labels : NoisyLabels
    generator : torch.Generator
    settings : PosteriorSettings
    predictors : sequence of object
        Out-of-sample predictors beside neighbours and regressions, each with
        ``predict_out_of_sample``; used where `settings` are calibrated.
    X_input : float32 Tensor of shape (n, p), optional
        The user's rows at length one, where `X_unit` has features that were learned from the
        labels.
    accuracy : ExpectedAccuracy, optional
        That of the predictors where it is known; None estimates it.
    advance : callable
        Called when the neighbours have voted, after each regression, and at the end; for a
        progress bar.

    Returns
    -------
    posterior : LabelPosterior
    """
    y_soft, weights = labels.one_hot, labels.weights
    log_votes = _log_votes(X_unit, graph, y_soft, weights)
    advance()
    if not settings.calibrated:
        regression = LeaveOneOutRidge(settings.in_blocks)
        scores = out_of_sample_predictions(regression, X_unit, y_soft, weights)
        distributions, transition = posterior_at_fixed_temperature(scores, log_votes, labels)
        return LabelPosterior(distributions, transition, scores, log_votes, graph.indices)

    # The rows themselves first: the regression on them and the votes have the labels alone in
    # common, so how often they agree tells how often they are right.
    ridges = [
        LeaveOneOutKernelRidge(settings.n_landmarks, smooth, log_votes, generator)
        for smooth in (None, graph)
    ]
    active = torch.nonzero(weights > 0).squeeze(1)
    some = active[:: -(-len(active) // _N_AGREEMENT)]
    scores = out_of_sample_predictions(ridges[0], X_unit, y_soft, weights)
    choice = PrototypeChoice(scores[some], log_votes[some], weights[some])
    advance()
    scores.add_(out_of_sample_predictions(ridges[1], X_unit, y_soft, weights)).div_(2)
    advance()
    others = [out_of_sample_predictions(other, X_unit, y_soft, weights) for other in predictors]
    del y_soft
    mix_by_agreement(scores, others, log_votes, weights)

    if accuracy is None:
        accuracy = ExpectedAccuracy(choice.agreed, choice.agreed)
        if X_input is not None:
            accuracy = accuracy_with_input(
                choice.agreed, X_input, log_votes, labels, settings.n_landmarks, generator
            )
    noise = fit_class_conditional(scores, log_votes, graph, labels, accuracy, generator)
    if noise.model.boundary > 0:
        boundary = BoundaryRates(labels, generator)
        rates, edges = boundary.fit(scores)
        for _ in range(_N_REFITS):
            clean_weight = boundary.clean_weight(scores, rates, edges)
            scores = ridges[0].predict_again(clean_weight)
            scores.add_(ridges[1].predict_again(clean_weight)).div_(2)
            mix_by_agreement(scores, others, log_votes, weights)
            rates, edges = boundary.fit(scores)
        noise = fit_boundary_noise(noise, rates, edges, log_votes, labels)
        regressions = tuple(ridge.kernel_ridge_ for ridge in ridges)
    else:
        noise, scores, regressions = refine_with_prototypes(
            noise,
            choice,
            scores,
            log_votes,
            graph,
            labels,
            accuracy,
            [ridge.kernel_ridge_ for ridge in ridges],
            generator,
        )
    distributions = noise.posterior(scores, labels)
    transition = expected_transition(
        distributions.cpu().numpy(), labels.codes.cpu().numpy(), weights.double().cpu().numpy()
    )
    advance()
    return LabelPosterior(
        distributions,
        transition,
        scores,
        log_votes,
        graph.indices,
        noise,
        replace(accuracy, is_boundary=noise.model.boundary > 0),
        regressions,
    )


def _log_votes(
    X_unit: torch.Tensor, graph: NeighborGraph, y_soft: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Log vote shares of the neighbours, 0 where there are none."""
    if graph.indices.shape[1] == 0:
        return torch.zeros_like(y_soft)
    votes = NeighborVotes(graph=graph)
    return log_shares(out_of_sample_predictions(votes, X_unit, y_soft, weights))
