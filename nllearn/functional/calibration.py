"""From scores to probabilities whose mean top value is the expected accuracy.

Two predictors that learn in different ways agree about as often as they are right: on rows
that the features do not separate they differ, whatever the given labels are. So the share of
rows on which they agree serves as their expected accuracy, without a clean label.
"""

from __future__ import annotations

import torch

from nllearn.functional.ranking import sort_within_groups

__all__ = [
    "agreement",
    "combine_predictions",
    "fit_inverse_temperature",
    "quantile_bins",
    "quantile_bins_within",
]


def agreement(one: torch.Tensor, two: torch.Tensor, weights: torch.Tensor) -> float:
    """Weighted share of rows on which two predictors name the same class.

    Parameters
    ----------
    one, two : Tensor of shape (n, n_classes), or int64 of shape (n,)
        Scores, or classes.
    weights : Tensor of shape (n,)

    Returns
    -------
    share : float in [0, 1]
    """
    first = one.argmax(1) if one.ndim == 2 else one
    second = two.argmax(1) if two.ndim == 2 else two
    return float((weights * (first == second)).sum() / weights.sum().clamp_min(1e-12))


def combine_predictions(
    scores: torch.Tensor, log_votes: torch.Tensor, *, score_weight: float, vote_weight: float
) -> torch.Tensor:
    """Log-probability of the true label given the row, from regression and votes.

    Parameters
    ----------
    scores : Tensor of shape (n, n_classes)
        Of a regression.
    log_votes : Tensor of shape (n, n_classes)
        Of the neighbours.
    score_weight, vote_weight : float
        Fixed: chosen by the likelihood of the given labels, they would explain
        smooth noise away.

    Returns
    -------
    log_proba : Tensor of shape (n, n_classes)
        Normalised.
    """
    return (score_weight * scores + vote_weight * log_votes).log_softmax(1)


def fit_inverse_temperature(scores: torch.Tensor, target: float, weights: torch.Tensor) -> float:
    """Inverse temperature at which the mean top probability equals a target.

    Parameters
    ----------
    scores : Tensor of shape (n, n_classes)
        Higher is more probable, up to the factor.
    target : float
        Mean of ``softmax(inverse_temperature * scores).max(1)``; what cannot be reached
        gives the end of the range.
    weights : Tensor of shape (n,)

    Returns
    -------
    inverse_temperature : float in [0.05, 60]
    """
    low, high = 0.05, 60.0
    share = weights / weights.sum().clamp_min(1e-12)
    for _ in range(18):  # to a part in 10,000 of the logarithm's range
        middle = (low * high) ** 0.5
        top = (middle * scores).softmax(1).amax(1)
        if float((share * top).sum()) < target:
            low = middle
        else:
            high = middle
    return (low * high) ** 0.5


def quantile_bins(values: torch.Tensor, n_bins: int) -> torch.Tensor:
    """Number of the quantile bin of every value, low values first.

    Parameters
    ----------
    values : Tensor of shape (n,)
    n_bins : int

    Returns
    -------
    bins : int64 Tensor of shape (n,)
        In [0, n_bins); sizes differ by at most one.
    """
    one = torch.zeros(len(values), dtype=torch.int64, device=values.device)
    return quantile_bins_within(values, one, n_bins)


def quantile_bins_within(values: torch.Tensor, groups: torch.Tensor, n_bins: int) -> torch.Tensor:
    """Number of the quantile bin of every value among those of its group, low values first.

    Parameters
    ----------
    values : Tensor of shape (n,)
    groups : int64 Tensor of shape (n,)
        Not negative.
    n_bins : int

    Returns
    -------
    bins : int64 Tensor of shape (n,)
        In [0, n_bins).
    """
    order, rank = sort_within_groups(values, groups)
    sizes = torch.bincount(groups, minlength=1)
    bins = torch.empty(len(values), dtype=torch.int64, device=values.device)
    bins[order] = rank * n_bins // sizes[groups[order]]
    return bins
