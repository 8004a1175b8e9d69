"""Noise at the class boundary: wrong labels where two classes are hard to tell apart."""

from __future__ import annotations

import torch

__all__ = [
    "MIN_BOUNDARY_RATE",
    "estimate_flip_rates",
    "extrapolate_flip_rates",
    "is_boundary_noise",
    "posterior_at_boundary",
]

_MAX_ROUNDS, _TOL = 60, 1e-4
_PRIOR_ROWS = 10.0
# Bounds of the probability of a wrong label before the label is seen.
_LEAST, _MOST = 1e-4, 0.95

# Noise at the boundary below this mean rate is taken for rows that are hard.
MIN_BOUNDARY_RATE = 0.006
# Its rate on the most confident quarter, as a share of the mean: of all rows; and inside the
# classes, of two and of more. Of many classes noise at the boundary takes the hard ones nearly
# whole (0.1 to 0.9 on nine data sets). Noise that spares classes shows 1.3 to 3: in a class that
# it reaches it is alike everywhere, and is seen best on the most confident rows.
_MOST_AT_TOP = 0.3
_MOST_WITHIN_TWO, _MOST_WITHIN = 0.35, 1.2


def estimate_flip_rates(
    proba: torch.Tensor,
    given: torch.Tensor,
    bins: torch.Tensor,
    n_bins: int,
    weights: torch.Tensor,
) -> torch.Tensor:
    r"""Share of wrong labels per bin by expectation maximisation.

    The probability of the given label j of row i in bin b, when the true one is k, is
    :math:`1 - e_b` for j = k and :math:`e_b / (C - 1)` otherwise.

    Parameters
    ----------
    proba : Tensor of shape (n, n_classes)
        Probability of the true label given the row alone.
    given : int64 Tensor of shape (n,)
    bins : int64 Tensor of shape (n,)
    n_bins : int
    weights : Tensor of shape (n,)

    Returns
    -------
    rates : float32 Tensor of shape (n_bins,)
        In [0, 0.95].
    """
    mass = proba.new_zeros(n_bins).index_add_(0, bins, weights)
    rates = proba.new_full((n_bins,), 0.3)
    own = proba.gather(1, given.unsqueeze(1)).squeeze(1)
    other = (1.0 - own) / max(proba.shape[1] - 1, 1)
    for _ in range(_MAX_ROUNDS):
        rate = rates[bins]
        wrong = rate * other
        wrong = wrong / (wrong + (1.0 - rate) * own).clamp_min(1e-30)
        overall = (weights * wrong).sum() / weights.sum()
        updated = proba.new_zeros(n_bins).index_add_(0, bins, weights * wrong)
        updated = ((updated + _PRIOR_ROWS * overall) / (mass + _PRIOR_ROWS)).clamp(_LEAST, _MOST)
        change = float((updated - rates).abs().max())
        rates = updated
        if change < _TOL:
            break
    return rates


def extrapolate_flip_rates(
    differs: torch.Tensor, bins: torch.Tensor, n_bins: int, weights: torch.Tensor
) -> torch.Tensor:
    r"""Share of wrong labels per bin of noise that grows towards the class boundary.

    Where the predictors are confident, they differ from the given label as often as it is
    wrong. Where they are not they have learned the noise, and differ too seldom. So the
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


def is_boundary_noise(
    rates: torch.Tensor,
    n_rows: int,
    min_rate: float = MIN_BOUNDARY_RATE,
    rates_within: torch.Tensor | None = None,
    n_classes: int = 2,
) -> bool:
    """Whether noise lies where the predictors are not confident, and hardly elsewhere.

    Class-conditional and human noise reach the most confident rows; noise that a classifier
    makes does not. Below `min_rate` of the rows, or with very few rows, it
    cannot be distinguished from rows that are hard and rightly labelled.

    Noise that leaves out some classes looks similar: their rows are the most confident and right.
    Inside a class it reaches the most confident rows as well; noise at the boundary does not.

    Parameters
    ----------
    rates : Tensor of shape (n_bins,)
        Of :func:`estimate_flip_rates`, the most confident rows last.
    n_rows : int
    min_rate : float, default=0.006
    rates_within : Tensor of shape (n_bins,), optional
        The same with the bins of
        :func:`~nllearn.functional.calibration.quantile_bins_within`, the groups being the
        predicted classes.
    n_classes : int, default=2
        For `rates_within`.

    Returns
    -------
    is_boundary : bool
    """
    mean, top = _mean_and_top(rates)
    if not (mean > min_rate + 5.0 / n_rows and top < _MOST_AT_TOP * mean):
        return False
    if rates_within is None:
        return True
    mean, top = _mean_and_top(rates_within)
    return top < (_MOST_WITHIN if n_classes > 2 else _MOST_WITHIN_TWO) * mean


def _mean_and_top(rates: torch.Tensor) -> tuple[float, float]:
    """Mean of all rates, and of the most confident quarter of the rows."""
    return float(rates.mean()), float(rates[-max(1, len(rates) // 4) :].mean())


def _flip_probability(proba: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """Probability of the given label under each true class, knowing that it is wrong."""
    column = given.unsqueeze(1)
    likeness = proba.clamp_min(1e-4)
    others = (likeness.sum(1, keepdim=True) - likeness).clamp_min(1e-4)
    return (likeness.gather(1, column) / others).scatter(1, column, 0.0)
