"""The posterior of every label, in one straight function."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from nllearn.functional.transition import expected_transition
from nllearn.label_model._boundary_noise import clean_weight_at_boundary, fit_boundary_noise
from nllearn.label_model._data import NoisyLabels
from nllearn.label_model._noise import fit_noise
from nllearn.label_model._noise_model import NoiseModel
from nllearn.label_model._predictions import predict_again, predict_labels
from nllearn.label_model._result import LabelPosterior
from nllearn.predictors import NeighborGraph, OutOfBagForest

__all__ = ["estimate_label_posterior"]

# Least probability of a trusted row's label: no model is surer of a single row than one in a
# hundred, or a few rows that no feature explains would decide alone.
_LEAST_PROBA = 0.01
# Odds at which the trusted rows settle that noise lies at the class boundary. A few rows that
# happen to be easy must not decide: where the assumption is wrong a third of the labels is lost.
_LEAST_ODDS = 20.0
# Prior of noise at the class boundary where nothing tells whether there is any. Small, so that
# right labels of hard rows keep a quality near 1; above zero, so that these rows come before
# others.
_BOUNDARY_PRIOR = 0.05
# Fits of the regressions on labels that are probably right, where noise lies at the boundary.
_N_REFITS = 2


def estimate_label_posterior(
    X_unit: torch.Tensor,
    graph: NeighborGraph,
    labels: NoisyLabels,
    generator: torch.Generator,
    *,
    n_landmarks: int = 1000,
    predictors: Sequence[Any] = (),
    forest: OutOfBagForest | None = None,
    use_neighbors: bool = True,
    use_regressions: bool = True,
    learnt_features: bool = False,
    boundary_noise: bool | str = "auto",
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
    n_landmarks : int
        Of each kernel regression.
    predictors : sequence of object
        Out-of-sample predictors beside neighbours and regressions, each with
        ``predict_out_of_sample``.
    forest : OutOfBagForest, optional
        On the columns of the rows.
    use_neighbors, use_regressions : bool, default=True
        Whether the neighbours vote, and whether the regressions predict. Without
        regressions forest and `predictors` take their place, and without these the neighbours'
        shares.
    learnt_features : bool
        Whether a network learnt the features from these labels.
    boundary_noise : bool or "auto"
        Whether wrong labels are taken to lie at the class boundary, where hard rows that are
        rightly labelled look the same. "auto" decides by the trusted rows. Without them it takes
        these rows for hard ones, and gives the other answer a probability of .05.
    advance : callable
        Called when the neighbours have voted, after each regression, and at the end; for a
        progress bar.

    Returns
    -------
    posterior : LabelPosterior
    """
    weights = labels.weights
    found = predict_labels(
        X_unit,
        graph,
        labels.one_hot,
        weights,
        generator,
        n_landmarks=n_landmarks,
        predictors=predictors,
        forest=forest,
        use_neighbors=use_neighbors,
        use_regressions=use_regressions,
        learnt_features=learnt_features,
        advance=advance,
    )
    scores, log_votes = found.scores, found.log_votes
    has_signal, agreed = found.has_signal, found.agreed
    boundary_quality, n_undecided = None, 0
    at_boundary = boundary_noise is True and has_signal
    if not at_boundary:
        noise = fit_noise(scores, log_votes, labels, has_signal, generator, learnt_features)
        distributions = noise.posterior(scores, log_votes, labels.codes)
    if boundary_noise == "auto" and has_signal:
        plain = found.without_forest
        other_noise = fit_boundary_noise(plain, log_votes, labels, agreed, generator)
        if bool((labels.trusted & (weights > 0)).any()):
            same = noise
            if found.forest is not None:
                # From the same scores, so that the noise alone differs.
                same = fit_noise(plain, log_votes, labels, has_signal, generator, learnt_features)
            at_boundary = _trusted_prefer(other_noise, same, plain, log_votes, labels)
        else:
            other = other_noise.posterior(plain, log_votes, labels.codes)
            boundary_quality = other.gather(1, labels.codes.unsqueeze(1)).squeeze(1)
            differ = other.argmax(1) != distributions.argmax(1)
            n_undecided = int((differ & (weights > 0)).sum())
            distributions.lerp_(other, _BOUNDARY_PRIOR)
    if at_boundary:
        for _ in range(_N_REFITS if found.ridges else 0):
            clean_weight = clean_weight_at_boundary(found.without_forest, labels)
            found = predict_again(found, clean_weight, labels.codes, weights)
        scores = found.without_forest
        noise = fit_boundary_noise(scores, log_votes, labels, agreed, generator)
        distributions = noise.posterior(scores, log_votes, labels.codes)

    known = labels.codes[labels.trusted]
    distributions[labels.trusted] = F.one_hot(known, labels.n_classes).float()
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
        has_signal,
        boundary_quality,
        n_undecided,
        tuple(ridge.kernel_ridge_ for ridge in found.ridges),
        None if found.forest is None else found.forest.forest_,
        found.factors,
    )


def _trusted_prefer(
    one: NoiseModel,
    two: NoiseModel,
    scores: torch.Tensor,
    log_votes: torch.Tensor,
    labels: NoisyLabels,
) -> bool:
    """Whether the true labels of the trusted rows are far more likely under the first model."""
    rows = labels.trusted & (labels.weights > 0)
    codes, weights = labels.codes[rows].unsqueeze(1), labels.weights[rows]

    def log_likelihood(model: NoiseModel) -> float:
        proba = model.predict_proba(scores[rows], log_votes[rows])
        return float(weights @ proba.gather(1, codes).squeeze(1).clamp_min(_LEAST_PROBA).log())

    return log_likelihood(one) > log_likelihood(two) + math.log(_LEAST_ODDS)
