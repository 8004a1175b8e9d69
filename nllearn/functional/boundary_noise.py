"""Noise at the class boundary: wrong labels where two classes are hard to tell apart."""

from __future__ import annotations

import torch

__all__ = ["extrapolate_flip_rates", "posterior_at_boundary"]


def extrapolate_flip_rates(
    differs: torch.Tensor, bins: torch.Tensor, n_bins: int, weights: torch.Tensor
) -> torch.Tensor:
    r"""Share of wrong labels per bin of noise that grows towards the class boundary.

    Where the predictors are confident, they differ from the given label as often as it is
    wrong. Where they are not they have learnt the noise, and differ too seldom. So the
    log-odds of the bins in between, those with a share of difference from 0.015 to one third,
    are extrapolated as a straight line over the number of the bin; bins below take the line
    where it is above what they show.

    Parameters
    ----------
    differs : bool Tensor of shape (n,)
        Whether the predicted class is not the given one.
    bins : int64 Tensor of shape (n,)
        Of :func:`~nllearn.functional.calibration.quantile_bins` over the margin of the scores,
        the least confident rows first.
    n_bins : int
    weights : Tensor of shape (n,)

    Returns
    -------
    rates : float32 Tensor of shape (n_bins,)
        In [0.005, 0.995].
    """
    mass = weights.new_zeros(n_bins).index_add_(0, bins, weights)
    shown = weights.new_zeros(n_bins).index_add_(0, bins, weights * differs)
    shown = (shown / mass.clamp_min(1e-12)).clamp(0.005, 0.995).double()
    odds = (shown / (1.0 - shown)).log()
    use = torch.nonzero((shown > 0.015) & (shown < 1.0 / 3.0)).squeeze(1)
    if len(use) >= 2:
        x = use.double()
        slope = ((x - x.mean()) * (odds[use] - odds[use].mean())).sum()
        slope = slope / (x - x.mean()).square().sum()
        below = torch.arange(int(use.min()), device=odds.device)
        line = odds[use].mean() + slope * (below - x.mean())
        odds[below] = torch.maximum(odds[below], line)
    return odds.sigmoid().clamp(0.005, 0.995).float()


def posterior_at_boundary(
    proba: torch.Tensor, given: torch.Tensor, rate: torch.Tensor
) -> torch.Tensor:
    """Posterior of the true label when wrong labels fall on the classes a row resembles.

    Parameters
    ----------
    proba : Tensor of shape (n, n_classes)
    given : int64 Tensor of shape (n,)
    rate : Tensor of shape (n,)
        Probability that the given label of each row is wrong, before it is seen.

    Returns
    -------
    posterior : Tensor of shape (n, n_classes)
        Rows sum to one.
    """
    joint = proba * _flip_probability(proba, given) * rate.unsqueeze(1)
    own = proba.gather(1, given.unsqueeze(1)) * (1.0 - rate.unsqueeze(1))
    joint.scatter_(1, given.unsqueeze(1), own)
    return joint / joint.sum(1, keepdim=True).clamp_min(1e-30)


def _flip_probability(proba: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """Probability of the given label under each true class, knowing that it is wrong."""
    column = given.unsqueeze(1)
    likeness = proba.clamp_min(1e-4)
    others = (likeness.sum(1, keepdim=True) - likeness).clamp_min(1e-4)
    return (likeness.gather(1, column) / others).scatter(1, column, 0.0)
