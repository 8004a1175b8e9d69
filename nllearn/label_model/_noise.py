"""The noise of the given labels: estimated from scores, votes and labels, and its posterior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from nllearn.functional.blocks import row_blocks
from nllearn.functional.boundary_noise import (
    estimate_flip_rates,
    is_boundary_noise,
    posterior_at_boundary,
)
from nllearn.functional.calibration import (
    fit_inverse_temperature,
    quantile_bins,
    quantile_bins_within,
)
from nllearn.functional.neighbor_votes import log_shares
from nllearn.functional.prototypes import identity_prototypes
from nllearn.functional.ranking import sort_within_groups
from nllearn.functional.relabelling import posterior_given_label
from nllearn.functional.transition import estimate_transition, prior_strength
from nllearn.label_model._calibration import ExpectedAccuracy, accuracy_with_trusted
from nllearn.label_model._data import NoisyLabels
from nllearn.predictors import NeighborGraph
from nllearn.predictors._neighbor_votes import graph_shares

__all__ = [
    "NoiseEstimate",
    "NoiseModel",
    "draw_sample",
    "easiest_per_class",
    "fit_class_conditional",
    "log_neighbor_shares",
    "margin_bins",
    "score_margin",
]

# Weight of the neighbours' log votes beside the regressions' scores.
_VOTE_WEIGHT = 0.12
# Rows that temperature and noise are estimated on; more change nothing that can be measured.
_N_SAMPLE = 100_000
_N_BINS = 8
_EASY_SHARE = 0.8


@dataclass(frozen=True)
class NoiseModel:
    """How given labels come from true ones.

    Parameters
    ----------
    inverse_temperature : float
        Turns scores and votes into probabilities.
    transition : float32 Tensor of shape (n_classes, n_classes)
        Class-conditional noise.
    rates : float32 Tensor of shape (n_bins,)
        Noise at the boundary: share of wrong labels in bins of the margin.
    edges : float32 Tensor of shape (n_bins - 1,)
        Upper edges of these bins but the last.
    boundary : float
        1 where noise at the boundary holds, 0 where the transition matrix does.
    prototypes : float32 Tensor of shape (n_classes + 1, n_classes)
        Rows of the transition matrix that scores and votes were compared with.
    """

    inverse_temperature: float
    transition: torch.Tensor
    rates: torch.Tensor
    edges: torch.Tensor
    boundary: float
    prototypes: torch.Tensor

    def evidence(self, scores: torch.Tensor, log_votes: torch.Tensor) -> torch.Tensor:
        """Log-probability of the true label given the row alone, up to a constant per row."""
        return self.inverse_temperature * (scores + _VOTE_WEIGHT * log_votes)

    def predict_proba(self, scores: torch.Tensor, log_votes: torch.Tensor) -> torch.Tensor:
        """Probability of every label without a given one, float32 of shape (n, n_classes)."""
        return self.evidence(scores, log_votes).softmax(1)

    def posterior(
        self, scores: torch.Tensor, log_votes: torch.Tensor, given: torch.Tensor
    ) -> torch.Tensor:
        """Posterior of the true label, float32 of shape (n, n_classes), in blocks.

        Parameters
        ----------
        scores, log_votes : float32 Tensor of shape (n, n_classes)
        given : int64 Tensor of shape (n,)
        """
        out = torch.empty_like(scores)
        for rows in row_blocks(len(scores)):
            evidence = self.evidence(scores[rows], log_votes[rows])
            if self.boundary > 0:
                rate = self.rates[torch.bucketize(score_margin(scores[rows]), self.edges)]
                out[rows] = posterior_at_boundary(evidence.softmax(1), given[rows], rate)
            else:
                out[rows] = posterior_given_label(evidence, given[rows], self.transition)
        return out


@dataclass(frozen=True)
class NoiseEstimate:
    """The noise model and the votes that it was fitted with.

    Parameters
    ----------
    model : NoiseModel
    votes : float32 Tensor of shape (n, n_classes)
        Mean of two rounds of log votes.
    vote_labels : int64 Tensor of shape (2, n)
        Labels that voted in each round, for new rows.
    vote_weights : float32 Tensor of shape (2, n)
        Their weights.
    easy : bool Tensor of shape (n,)
        The most confident rows of every class.
    easy_votes : float32 Tensor of shape (n, n_classes)
        Log votes of these alone, with their most probable labels.
    """

    model: NoiseModel
    votes: torch.Tensor
    vote_labels: torch.Tensor
    vote_weights: torch.Tensor
    easy: torch.Tensor
    easy_votes: torch.Tensor

    def posterior(self, scores: torch.Tensor, labels: NoisyLabels) -> torch.Tensor:
        """Posterior of the fitted rows; that of trusted rows is their given label."""
        distributions = self.model.posterior(scores, self.votes, labels.codes)
        known = labels.codes[labels.trusted]
        distributions[labels.trusted] = F.one_hot(known, labels.n_classes).float()
        return distributions


def log_neighbor_shares(
    graph: NeighborGraph, labels: torch.Tensor, n_classes: int, weights: torch.Tensor
) -> torch.Tensor:
    """Log vote shares of the neighbours, float32 of shape (n, n_classes); 0 without neighbours."""
    if graph.indices.shape[1] == 0:
        return weights.new_zeros((len(graph.indices), n_classes))
    return log_shares(graph_shares(graph, labels, n_classes, weights))


def fit_class_conditional(
    scores: torch.Tensor,
    log_votes: torch.Tensor,
    graph: NeighborGraph,
    labels: NoisyLabels,
    accuracy: ExpectedAccuracy,
    generator: torch.Generator,
) -> NoiseEstimate:
    """Estimate the noise twice, the second time with votes of the most confident rows.

    The inverse temperature is the one at which the mean top probability equals the expected
    accuracy of the predictors.

    Parameters
    ----------
    scores, log_votes : float32 Tensor of shape (n, n_classes)
    graph : NeighborGraph
    labels : NoisyLabels
    accuracy : ExpectedAccuracy
    generator : torch.Generator

    Returns
    -------
    noise : NoiseEstimate
        Its `boundary` says whether noise at the boundary is to be fitted.
    """
    codes, weights, trusted = labels.codes, labels.weights, labels.trusted
    sample = draw_sample(weights, generator)
    sampled = labels.take(sample)

    evidence = scores[sample] + _VOTE_WEIGHT * log_votes[sample]
    target = accuracy.expected
    if sampled.trusted.any():
        target = accuracy_with_trusted(evidence.argmax(1), target, sampled)
    temperature = fit_inverse_temperature(evidence, target, sampled.weights)
    transition = _fit_transition(temperature * evidence, sampled)

    most_probable, confidence = torch.empty_like(codes), torch.empty_like(weights)
    for rows in row_blocks(len(scores)):
        block = temperature * (scores[rows] + _VOTE_WEIGHT * log_votes[rows])
        top = posterior_given_label(block, codes[rows], transition).max(1)
        confidence[rows], most_probable[rows] = top.values, top.indices
    most_probable = torch.where(trusted, codes, most_probable)
    confidence = torch.where(trusted, 1.0, confidence)
    easy = easiest_per_class(most_probable, confidence, labels.n_classes)
    easy_votes = log_neighbor_shares(graph, most_probable, labels.n_classes, weights * easy)

    # Easy rows alone are best where noise prefers a class, all rows where they are few.
    votes = 0.5 * (log_votes + easy_votes)
    temperature = fit_inverse_temperature(
        scores[sample] + _VOTE_WEIGHT * votes[sample], target, sampled.weights
    )
    evidence = scores[sample] + _VOTE_WEIGHT * easy_votes[sample]
    transition = _fit_transition(temperature * evidence, sampled)
    rates, edges, is_boundary = _find_boundary_noise(
        scores[sample], evidence, temperature, target, accuracy, sampled, weights
    )
    model = NoiseModel(
        temperature,
        transition,
        rates,
        edges,
        float(is_boundary),
        identity_prototypes(labels.n_classes, scores.device),
    )
    return NoiseEstimate(
        model,
        votes,
        torch.stack([codes, most_probable]),
        torch.stack([weights, weights * easy]),
        easy,
        easy_votes,
    )


def _find_boundary_noise(
    scores: torch.Tensor,
    evidence: torch.Tensor,
    temperature: float,
    target: float,
    accuracy: ExpectedAccuracy,
    sampled: NoisyLabels,
    weights: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, bool]:
    """Share of wrong labels by margin, the bins' edges, and whether noise lies at the boundary."""
    # Trusted rows show the accuracy of predictors that have learned the noise, which would hide
    # noise at the boundary: it is looked for at the temperature of the agreement alone.
    alone = temperature
    if target != accuracy.conservative:
        alone = fit_inverse_temperature(evidence, accuracy.conservative, sampled.weights)
    bins, edges = margin_bins(scores, _N_BINS)
    proba = (alone * evidence).softmax(1)
    rates = estimate_flip_rates(proba, sampled.codes, bins, _N_BINS, sampled.weights)
    if accuracy.is_boundary is not None:
        return rates, edges, accuracy.is_boundary
    n_active = int((weights > 0).sum())
    is_boundary = is_boundary_noise(rates, n_active, accuracy.min_boundary_rate)
    if is_boundary:
        # So it looks over all rows together. Inside the classes as well?
        bins = quantile_bins_within(score_margin(scores), scores.argmax(1), _N_BINS)
        within = estimate_flip_rates(proba, sampled.codes, bins, _N_BINS, sampled.weights)
        is_boundary = is_boundary_noise(
            rates, n_active, accuracy.min_boundary_rate, within, sampled.n_classes
        )
    return rates, edges, is_boundary


def easiest_per_class(
    labels: torch.Tensor, confidence: torch.Tensor, n_classes: int
) -> torch.Tensor:
    """Mark the 80 percent most confident rows of every class, at least one of each."""
    order, rank = sort_within_groups(confidence, labels, descending=True)
    counts = torch.bincount(labels, minlength=n_classes)
    easy = torch.empty(len(order), dtype=torch.bool, device=labels.device)
    easy[order] = rank < (counts[labels[order]].float() * _EASY_SHARE).ceil()
    return easy


def draw_sample(weights: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Numbers of at most 100,000 rows that take part, ascending."""
    active = torch.nonzero(weights > 0).squeeze(1)
    order = torch.randperm(len(active), generator=generator)[:_N_SAMPLE].to(weights.device)
    return active[order.sort().values]


def score_margin(scores: torch.Tensor) -> torch.Tensor:
    """Difference of the two largest scores of every row."""
    top = scores.topk(2, dim=1).values
    return top[:, 0] - top[:, 1]


def _fit_transition(log_proba: torch.Tensor, labels: NoisyLabels) -> torch.Tensor:
    """Transition matrix, drawn to symmetric noise as far as its own counts advise."""
    proba = log_proba.softmax(1).cpu().numpy()
    known: dict[str, Any] = {
        "sample_weight": labels.weights.cpu().numpy().astype(np.float64),
        "trusted": labels.trusted.cpu().numpy(),
    }

    def estimate(**settings: Any) -> torch.Tensor:
        found = estimate_transition(proba, labels.codes.cpu().numpy(), **known, **settings)
        return torch.as_tensor(found, dtype=torch.float32, device=log_proba.device)

    first = estimate()
    posterior = posterior_given_label(log_proba, labels.codes, first) * labels.weights.unsqueeze(1)
    counts = torch.zeros_like(first).index_add_(0, labels.codes, posterior).T
    return estimate(prior_rows=prior_strength(counts))


def margin_bins(scores: torch.Tensor, n_bins: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Bin of every row by its margin, small ones first, and the bins' upper edges but the last."""
    margin = score_margin(scores)
    bins = quantile_bins(margin, n_bins)
    edges = [
        margin[bins == b].max() if (bins == b).any() else margin.max() for b in range(n_bins - 1)
    ]
    return bins, torch.stack(edges)
