"""The posterior at a fixed temperature, in features that follow the labels."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from nllearn.functional.calibration import combine_predictions
from nllearn.functional.relabelling import posterior_given_label
from nllearn.functional.transition import estimate_transition
from nllearn.label_model._data import NoisyLabels

__all__ = ["posterior_at_fixed_temperature"]

# Weights of scores and votes, and how much flatter both are taken once T is known. Fixed by
# measurement over symmetric, part-dependent and human noise (docs/benchmarks).
_SCORE_WEIGHT, _VOTE_WEIGHT, _FLATTER = 6.0, 1.2, 0.75


def posterior_at_fixed_temperature(
    scores: torch.Tensor, log_votes: torch.Tensor, labels: NoisyLabels
) -> tuple[torch.Tensor, np.ndarray]:
    """Estimate the transition matrix from scores and votes, and apply Bayes' rule.

    Parameters
    ----------
    scores, log_votes : float32 Tensor of shape (n, n_classes)
    labels : NoisyLabels

    Returns
    -------
    distributions : float32 Tensor of shape (n, n_classes)
        That of trusted rows is their given label.
    transition : float64 ndarray of shape (n_classes, n_classes)
    """
    given = labels.codes
    log_proba = combine_predictions(
        scores, log_votes, score_weight=_SCORE_WEIGHT, vote_weight=_VOTE_WEIGHT
    )
    transition = estimate_transition(
        log_proba.exp().cpu().numpy(),
        given.cpu().numpy(),
        sample_weight=labels.weights.cpu().numpy(),
        trusted=labels.trusted.cpu().numpy(),
    )
    posterior = posterior_given_label(
        _FLATTER * log_proba,
        given,
        torch.as_tensor(transition, dtype=torch.float32, device=given.device),
    )
    posterior[labels.trusted] = F.one_hot(given[labels.trusted], labels.n_classes).float()
    return posterior, transition
