"""Noise at the class boundary: rates by margin, extrapolated, in place of a transition matrix."""

from __future__ import annotations

from dataclasses import replace

import torch

from nllearn.functional.boundary_noise import extrapolate_flip_rates
from nllearn.label_model._data import NoisyLabels
from nllearn.label_model._noise import NoiseEstimate, draw_sample, margin_bins, score_margin

__all__ = ["BoundaryRates", "fit_boundary_noise"]

# Bins that the rates are extrapolated over, and rows in each.
_LEAST_BINS, _MOST_BINS, _BIN_ROWS = 4, 16, 40


class BoundaryRates:
    """Share of wrong labels by margin, extrapolated from the rows of large margin.

    Parameters
    ----------
    labels : NoisyLabels
    generator : torch.Generator
        Draws the rows that the rates are estimated on.
    """

    def __init__(self, labels: NoisyLabels, generator: torch.Generator):
        self._labels = labels
        self._sample = draw_sample(labels.weights, generator)
        self._n_bins = min(_MOST_BINS, max(_LEAST_BINS, len(self._sample) // _BIN_ROWS))

    def fit(self, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Rates of every bin, and the bins' upper edges but the last."""
        sample, labels = self._sample, self._labels
        bins, edges = margin_bins(scores[sample], self._n_bins)
        differs = scores[sample].argmax(1) != labels.codes[sample]
        return (
            extrapolate_flip_rates(differs, bins, self._n_bins, labels.weights[sample]),
            edges,
        )

    def clean_weight(
        self, scores: torch.Tensor, rates: torch.Tensor, edges: torch.Tensor
    ) -> torch.Tensor:
        """Probability that each given label is right, float32 of shape (n,)."""
        clean_weight = 1.0 - rates[torch.bucketize(score_margin(scores), edges)]
        return torch.where(self._labels.trusted, 1.0, clean_weight)


def fit_boundary_noise(
    first: NoiseEstimate,
    rates: torch.Tensor,
    edges: torch.Tensor,
    log_votes: torch.Tensor,
    labels: NoisyLabels,
) -> NoiseEstimate:
    """Noise estimate with rates at the boundary, by which a wrong label disfavours its class.

    Parameters
    ----------
    first : NoiseEstimate
        Of ``fit_class_conditional``.
    rates, edges : float32 Tensor
        Of :class:`BoundaryRates`.
    log_votes : float32 Tensor of shape (n, n_classes)
    labels : NoisyLabels

    Returns
    -------
    noise : NoiseEstimate
    """
    codes, weights = labels.codes, labels.weights
    return replace(
        first,
        model=replace(first.model, rates=rates, edges=edges),
        votes=log_votes,
        vote_labels=torch.stack([codes, codes]),
        vote_weights=torch.stack([weights, weights]),
    )
