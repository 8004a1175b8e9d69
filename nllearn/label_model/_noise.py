"""The noise of the given labels: how often the predictors err above the floor, and Bayes' rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from nllearn.functional.blocks import row_blocks
from nllearn.functional.boundary_noise import extrapolate_flip_rates, posterior_at_boundary
from nllearn.functional.calibration import (
    class_probabilities,
    fit_inverse_temperature,
    quantile_bins,
)
from nllearn.functional.error_shares import error_shares, fit_error_temperature
from nllearn.functional.noise_floor import fit_noise_floor
from nllearn.functional.prototypes import class_prototypes, identity_prototypes, prototype_fit
from nllearn.functional.relabelling import posterior_given_label
from nllearn.functional.signal import recognized_classes
from nllearn.functional.transition import estimate_transition, prior_strength, scale_noise
from nllearn.label_model._data import NoisyLabels

__all__ = ["NoiseModel", "clean_weight_at_boundary", "fit_boundary_noise", "fit_noise"]

# Weight of the neighbours' log votes beside the regressions' scores, and the least share of votes
# whose logarithm is taken.
_VOTE_WEIGHT, _LEAST_SHARE = 0.12, 1e-3
# Rows that the noise is estimated on; more change nothing that can be measured.
_N_SAMPLE = 100_000
# Bins that rates at the boundary are extrapolated over, and rows in each.
_LEAST_BINS, _MOST_BINS, _BIN_ROWS = 4, 16, 40


@dataclass(frozen=True)
class NoiseModel:
    """How given labels come from true ones, and how far predictions are right.

    Parameters
    ----------
    prototypes : float32 Tensor of shape (n_classes, n_classes)
        Rows of a transition matrix that scores and votes are compared with.
    score_sum, score_top : float
        Mean sum of a row's scores, and mean largest fit of their prototypes: units.
    inverse_temperature : float
        Spreads what is not the most probable class over the others.
    margins, errors : float64 ndarray of shape (b,)
        Probability of an error by the margin of the evidence; `errors` are None where `rates`
        are given.
    transition : float32 Tensor of shape (n_classes, n_classes)
        ``T[k, j] = P(given j | true k)``.
    rates : float64 ndarray of shape (b,) or None
        Noise at the class boundary: share of wrong labels by the margin of the scores, in
        place of the transition matrix, which is the identity then.
    """

    prototypes: torch.Tensor
    score_sum: float
    score_top: float
    inverse_temperature: float
    margins: np.ndarray
    errors: np.ndarray | None
    transition: torch.Tensor
    rates: np.ndarray | None = None

    @property
    def at_boundary(self) -> bool:
        """Whether noise at the class boundary is assumed."""
        return self.rates is not None

    def evidence(self, scores: torch.Tensor, log_votes: torch.Tensor) -> torch.Tensor:
        """Scores and votes of every class together; the largest is predicted.

        Parameters
        ----------
        scores, log_votes : float32 Tensor of shape (n, n_classes)

        Returns
        -------
        evidence : float32 Tensor of shape (n, n_classes)
        """
        if torch.equal(
            self.prototypes, identity_prototypes(self.prototypes.shape[1], scores.device)
        ):
            return scores + _VOTE_WEIGHT * log_votes
        fit = prototype_fit(scores / self.score_sum, self.prototypes) / self.score_top
        shares = prototype_fit(log_votes.exp() - _LEAST_SHARE, self.prototypes)
        return fit + _VOTE_WEIGHT * (shares.clamp_min(0.0) + _LEAST_SHARE).log()

    def predict_proba(self, scores: torch.Tensor, log_votes: torch.Tensor) -> torch.Tensor:
        """Probability of every label without a given one, float32 of shape (n, n_classes)."""
        evidence = self.evidence(scores, log_votes)
        if self.errors is None:
            return (self.inverse_temperature * evidence).softmax(1)
        error = _interpolate(score_margin(evidence), self.margins, self.errors)
        return class_probabilities(evidence, error, self.inverse_temperature)

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
            proba = self.predict_proba(scores[rows], log_votes[rows])
            if self.rates is None:
                log_proba = proba.clamp_min(1e-12).log()
                out[rows] = posterior_given_label(log_proba, given[rows], self.transition)
            else:
                rate = _interpolate(score_margin(scores[rows]), self.margins, self.rates)
                out[rows] = posterior_at_boundary(proba, given[rows], rate)
        return out


def score_margin(scores: torch.Tensor) -> torch.Tensor:
    """Difference of the two largest scores of every row; 0 of a single class."""
    top = scores.topk(min(2, scores.shape[1]), dim=1).values
    return top[:, 0] - top[:, -1]


def fit_noise(
    scores: torch.Tensor,
    log_votes: torch.Tensor,
    labels: NoisyLabels,
    has_signal: bool,
    generator: torch.Generator,
    learnt_features: bool = False,
) -> NoiseModel:
    """Estimate the predictors' error above the noise floor, and the transition matrix.

    Twice: from the predictions as they are, and from how well they fit the rows of the first
    transition matrix. Where noise prefers some wrong labels, the most probable given label is
    often not the true one, but all probabilities together fit the row of the true class.

    Parameters
    ----------
    scores : float32 Tensor of shape (n, n_classes)
        Of the regressions, out of sample, at mean top score 1.
    log_votes : float32 Tensor of shape (n, n_classes)
        Log shares of the neighbours' labels.
    labels : NoisyLabels
    has_signal : bool
        Whether the predictions tell anything about the labels. If not, or of a class that they
        do not recognize, no label is taken for wrong.
    generator : torch.Generator
        Draws 100,000 rows where there are more.
    learnt_features : bool, default=False
        Whether a network learnt the features from these labels.

    Returns
    -------
    noise : NoiseModel
    """
    sample = _draw_sample(labels.weights, generator)
    some_scores, some_votes, some = scores[sample], log_votes[sample], labels.take(sample)
    mean_sum = _weighted_mean(some_scores.sum(1), some.weights)
    model = NoiseModel(
        identity_prototypes(labels.n_classes, scores.device),
        mean_sum,
        1.0,
        1.0,
        np.zeros(1),
        np.zeros(1),
        torch.eye(labels.n_classes, dtype=torch.float32, device=scores.device),
    )
    if not has_signal:
        # Every class is as probable as the others, the predicted one by a hair more.
        chance = (labels.n_classes - 1) / labels.n_classes
        return replace(model, inverse_temperature=0.0, errors=np.full(1, 0.999 * chance))
    model = _fit_floor(model, some_scores, some_votes, some, learnt_features)
    prototypes = class_prototypes(model.transition)
    top = prototype_fit(some_scores / mean_sum, prototypes).amax(1)
    model = replace(
        model, prototypes=prototypes, score_top=max(_weighted_mean(top, some.weights), 1e-6)
    )
    model = _fit_floor(model, some_scores, some_votes, some, learnt_features)

    predicted = model.evidence(some_scores, some_votes).argmax(1)
    known = recognized_classes(some_scores, predicted, some.codes, some.weights)
    transition = torch.where(known.unsqueeze(0), model.transition, 0.0)
    transition.diagonal().copy_(model.transition.diagonal())
    return replace(model, transition=transition / transition.sum(1, keepdim=True))


def _fit_floor(
    model: NoiseModel,
    scores: torch.Tensor,
    log_votes: torch.Tensor,
    labels: NoisyLabels,
    learnt_features: bool,
) -> NoiseModel:
    """Errors by margin and the transition matrix, for the prototypes of the model."""
    evidence = model.evidence(scores, log_votes)
    margin = score_margin(evidence).cpu().numpy().astype(np.float64)
    weights = labels.weights.cpu().numpy().astype(np.float64)
    predicted = evidence.argmax(1)
    differing = predicted != labels.codes
    differs, share = differing.cpu().numpy(), np.zeros(len(margin))
    some = evidence[differing], predicted[differing], labels.codes[differing]
    share[differs] = error_shares(*some, fit_error_temperature(*some)).cpu().numpy()
    trusted = labels.trusted.cpu().numpy()
    floor = fit_noise_floor(
        margin,
        differs,
        labels.n_classes,
        weights,
        trusted,
        predicted.cpu().numpy(),
        share,
        learnt_features=learnt_features,
    )
    error = floor.error_at(margin)
    expected = 1.0 - float(np.average(error, weights=weights))
    temperature = fit_inverse_temperature(evidence, expected, labels.weights)
    proba = class_probabilities(
        evidence, torch.as_tensor(error, dtype=torch.float32, device=scores.device), temperature
    )
    # Rows whose prediction is little better than chance tell little of the noise.
    chance = (labels.n_classes - 1) / labels.n_classes
    reliable = np.clip(1.0 - error / chance, 0.01, 1.0) ** 2
    transition = _fit_transition(proba, labels, weights * reliable, weights, floor.rate)
    return replace(
        model,
        inverse_temperature=temperature,
        margins=floor.margins,
        errors=floor.errors,
        transition=transition,
    )


def _fit_transition(
    proba: torch.Tensor,
    labels: NoisyLabels,
    reliable_weights: np.ndarray,
    weights: np.ndarray,
    rate: float,
) -> torch.Tensor:
    """Transition matrix of a known noise rate.

    Its proportions come from the counts, drawn to symmetric noise as far as these advise. Their
    own rate is too low where given labels go with the scores among the rows of a class.
    """
    p, codes = proba.cpu().numpy(), labels.codes.cpu().numpy()
    known: dict[str, Any] = {
        "sample_weight": reliable_weights,
        "trusted": labels.trusted.cpu().numpy(),
    }
    first = torch.as_tensor(estimate_transition(p, codes, **known), dtype=torch.float32)
    log_proba = proba.clamp_min(1e-12).log()
    posterior = posterior_given_label(log_proba, labels.codes, first.to(proba.device)).cpu()
    posterior *= torch.as_tensor(reliable_weights, dtype=torch.float32).unsqueeze(1)
    counts = torch.zeros_like(first).index_add_(0, labels.codes.cpu(), posterior).T
    transition = estimate_transition(p, codes, **known, prior_rows=prior_strength(counts))
    scaled = scale_noise(transition, weights @ p, rate)
    return torch.as_tensor(scaled, dtype=torch.float32, device=proba.device)


def fit_boundary_noise(
    scores: torch.Tensor,
    log_votes: torch.Tensor,
    labels: NoisyLabels,
    agreed: float,
    generator: torch.Generator,
) -> NoiseModel:
    """Noise at the class boundary: labels differ by noise, predictors err by estimation alone.

    Parameters
    ----------
    scores, log_votes : float32 Tensor of shape (n, n_classes)
    labels : NoisyLabels
    agreed : float
        Share of rows on which regression and neighbours agree: two predictors that learn in
        different ways agree about as often as they are right.
    generator : torch.Generator
        Draws 100,000 rows where there are more.

    Returns
    -------
    noise : NoiseModel
    """
    sample = _draw_sample(labels.weights, generator)
    some = labels.take(sample)
    evidence = scores[sample] + _VOTE_WEIGHT * log_votes[sample]
    margins, rates = _extrapolated_rates(scores[sample], some)
    return NoiseModel(
        identity_prototypes(labels.n_classes, scores.device),
        1.0,
        1.0,
        fit_inverse_temperature(evidence, agreed, some.weights),
        margins,
        None,
        torch.eye(labels.n_classes, dtype=torch.float32, device=scores.device),
        rates,
    )


def clean_weight_at_boundary(scores: torch.Tensor, labels: NoisyLabels) -> torch.Tensor:
    """Probability that each given label is right, by the margin of the scores.

    Parameters
    ----------
    scores : float32 Tensor of shape (n, n_classes)
        Of the regressions: neighbours follow noise at the boundary more.
    labels : NoisyLabels

    Returns
    -------
    clean_weight : float32 Tensor of shape (n,)
        1 for trusted rows.
    """
    active = labels.weights > 0
    wrong = _interpolate(
        score_margin(scores), *_extrapolated_rates(scores[active], labels.take(active))
    )
    return torch.where(labels.trusted, 1.0, 1.0 - wrong)


def _extrapolated_rates(scores: torch.Tensor, labels: NoisyLabels) -> tuple[np.ndarray, np.ndarray]:
    """Share of wrong labels by margin, and the margins, both float64 of shape (b,)."""
    margin = score_margin(scores)
    n_bins = min(_MOST_BINS, max(_LEAST_BINS, len(margin) // _BIN_ROWS))
    bins = quantile_bins(margin, n_bins)
    differs = scores.argmax(1) != labels.codes
    rates = extrapolate_flip_rates(differs, bins, n_bins, labels.weights)
    size = torch.bincount(bins, minlength=n_bins)
    means = margin.new_zeros(n_bins).index_add_(0, bins, margin) / size
    kept = size > 0
    return means[kept].double().cpu().numpy(), rates[kept].double().cpu().numpy()


def _draw_sample(weights: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Numbers of at most 100,000 rows that take part, ascending."""
    active = torch.nonzero(weights > 0).squeeze(1)
    if len(active) <= _N_SAMPLE:
        return active
    order = torch.randperm(len(active), generator=generator)[:_N_SAMPLE].to(weights.device)
    return active[order.sort().values]


def _weighted_mean(values: torch.Tensor, weights: torch.Tensor) -> float:
    """Not under 1e-6."""
    return max(float((weights * values).sum() / weights.sum().clamp_min(1e-12)), 1e-6)


def _interpolate(margin: torch.Tensor, known: np.ndarray, values: np.ndarray) -> torch.Tensor:
    """Values at any margin, between the known ones in straight lines."""
    found = np.interp(margin.float().cpu().numpy(), known, values)
    return torch.as_tensor(found, dtype=torch.float32, device=margin.device)
