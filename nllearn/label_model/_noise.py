"""How often the predictors err above the noise floor, and the transition matrix."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from nllearn.functional.calibration import class_probabilities, fit_inverse_temperature
from nllearn.functional.error_shares import error_shares, fit_error_temperature
from nllearn.functional.noise_floor import fit_noise_floor
from nllearn.functional.prototypes import class_prototypes, identity_prototypes, prototype_fit
from nllearn.functional.relabelling import posterior_given_label
from nllearn.functional.signal import recognized_classes
from nllearn.functional.transition import (
    estimate_transition,
    prior_strength,
    scale_noise,
    symmetric_transition,
)
from nllearn.label_model._data import NoisyLabels
from nllearn.label_model._noise_model import NoiseModel, draw_sample, score_margin

__all__ = ["fit_noise"]


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
        do not recognize, no label is changed. Without any, the quality of all labels is that of
        the prior, ``1 - (C - 1) / (2 C)``.
    generator : torch.Generator
        Draws 100,000 rows where there are more.
    learnt_features : bool, default=False
        Whether a network learnt the features from these labels.

    Returns
    -------
    noise : NoiseModel
    """
    sample = draw_sample(labels.weights, generator)
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
        # Every class is as probable as the others, the predicted one by a hair more. Of the noise
        # rate nothing is known: its mean where it is uniform from 0 to that of labels by chance.
        chance = (labels.n_classes - 1) / labels.n_classes
        half = symmetric_transition(labels.n_classes, 0.5 * chance)
        return replace(
            model,
            inverse_temperature=0.0,
            errors=np.full(1, 0.999 * chance),
            transition=model.transition.new_tensor(half),
        )
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


def _weighted_mean(values: torch.Tensor, weights: torch.Tensor) -> float:
    """Not under 1e-6."""
    return max(float((weights * values).sum() / weights.sum().clamp_min(1e-12)), 1e-6)
