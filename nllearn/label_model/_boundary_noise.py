"""Noise at the class boundary, where hard rows that are rightly labelled look the same."""

from __future__ import annotations

import numpy as np
import torch

from nllearn.functional.boundary_noise import extrapolate_flip_rates
from nllearn.functional.calibration import fit_inverse_temperature, quantile_bins
from nllearn.functional.prototypes import identity_prototypes
from nllearn.label_model._data import NoisyLabels
from nllearn.label_model._noise_model import (
    VOTE_WEIGHT,
    NoiseModel,
    draw_sample,
    interpolate,
    score_margin,
)

__all__ = ["clean_weight_at_boundary", "fit_boundary_noise"]

# Bins that rates at the boundary are extrapolated over, and rows in each.
_LEAST_BINS, _MOST_BINS, _BIN_ROWS = 4, 16, 40


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
    sample = draw_sample(labels.weights, generator)
    some = labels.take(sample)
    evidence = scores[sample] + VOTE_WEIGHT * log_votes[sample]
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
    wrong = interpolate(
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
