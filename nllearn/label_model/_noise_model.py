"""The noise of the given labels, and Bayes' rule with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from nllearn.functional.blocks import drawn_rows, row_blocks
from nllearn.functional.boundary_noise import posterior_at_boundary
from nllearn.functional.calibration import class_probabilities
from nllearn.functional.neighbor_votes import log_shares, shares_of
from nllearn.functional.prototypes import identity_prototypes, prototype_fit
from nllearn.functional.relabelling import posterior_given_label

__all__ = ["VOTE_WEIGHT", "NoiseModel", "draw_sample", "interpolate", "score_margin"]

# Weight of the neighbours' log votes beside the regressions' scores.
VOTE_WEIGHT = 0.12
# Rows that the noise is estimated on; more change nothing that can be measured.
_N_SAMPLE = 100_000


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
    margins : float64 ndarray of shape (b,)
    errors : float64 ndarray of shape (b,) or None
        Probability of an error by the margin of the evidence; None where `rates` are given.
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
            return scores + VOTE_WEIGHT * log_votes
        fit = prototype_fit(scores / self.score_sum, self.prototypes) / self.score_top
        shares = prototype_fit(shares_of(log_votes), self.prototypes)
        return fit + VOTE_WEIGHT * log_shares(shares.clamp_min(0.0))

    def predict_proba(self, scores: torch.Tensor, log_votes: torch.Tensor) -> torch.Tensor:
        """Probability of every label without a given one, float32 of shape (n, n_classes)."""
        evidence = self.evidence(scores, log_votes)
        if self.errors is None:
            return (self.inverse_temperature * evidence).softmax(1)
        error = interpolate(score_margin(evidence), self.margins, self.errors)
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
                rate = interpolate(score_margin(scores[rows]), self.margins, self.rates)
                out[rows] = posterior_at_boundary(proba, given[rows], rate)
        return out


def score_margin(scores: torch.Tensor) -> torch.Tensor:
    """Difference of the two largest scores of every row; 0 of a single class."""
    top = scores.topk(min(2, scores.shape[1]), dim=1).values
    return top[:, 0] - top[:, -1]


def draw_sample(weights: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Numbers of at most 100,000 rows that take part, ascending."""
    active = torch.nonzero(weights > 0).squeeze(1)
    return active[drawn_rows(len(active), _N_SAMPLE, generator).to(weights.device)]


def interpolate(margin: torch.Tensor, known: np.ndarray, values: np.ndarray) -> torch.Tensor:
    """Values at any margin, between the known ones in straight lines."""
    found = np.interp(margin.float().cpu().numpy(), known, values)
    return torch.as_tensor(found, dtype=torch.float32, device=margin.device)
