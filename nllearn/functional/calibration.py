"""From scores to probabilities whose mean top value is the expected accuracy.

Two predictors that learn in different ways agree about as often as they are right: on rows
that the features do not separate they differ, whatever the given labels are. So the share of
rows on which they agree serves as their expected accuracy, without a clean label.
"""

from __future__ import annotations

import torch

__all__ = [
    "agreement",
    "class_probabilities",
    "fit_inverse_temperature",
    "quantile_bins",
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
    # A row of classes in memory is summed far faster than a column.
    below = (scores - scores.amax(1, keepdim=True)).T.contiguous()
    for _ in range(18):  # to a part in 10,000 of the logarithm's range
        middle = (low * high) ** 0.5
        top = (middle * below).exp_().sum(0).reciprocal_()
        if float((share * top).sum()) < target:
            low = middle
        else:
            high = middle
    return (low * high) ** 0.5


def class_probabilities(
    evidence: torch.Tensor, error: torch.Tensor, inverse_temperature: float
) -> torch.Tensor:
    """Probabilities whose largest is one less a known error, row by row.

    The error is shared out among the other classes as the softmax of their evidence. Where that
    would give one of them more than the class of the largest evidence, both get the same.

    Parameters
    ----------
    evidence : float32 Tensor of shape (n, n_classes)
    error : float32 Tensor of shape (n,)
        Probability that the class of the largest evidence is not the true one.
    inverse_temperature : float
        Factor of the evidence in the softmax.

    Returns
    -------
    proba : float32 Tensor of shape (n, n_classes)
        Rows sum to one; none is below 1e-6, up to rounding.
    """
    top = evidence.argmax(1, keepdim=True)
    proba = (inverse_temperature * evidence).softmax(1).scatter(1, top, 0.0)
    proba /= proba.sum(1, keepdim=True).clamp_min(1e-12)
    error = torch.minimum(error.unsqueeze(1), 1.0 / (1.0 + proba.amax(1, keepdim=True)))
    proba = (proba * error).clamp_min(1e-6).scatter(1, top, 1.0 - error)
    return proba / proba.sum(1, keepdim=True)


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
    rank = torch.empty(len(values), dtype=torch.int64, device=values.device)
    rank[values.argsort(stable=True)] = torch.arange(len(values), device=values.device)
    return rank * n_bins // max(len(values), 1)
