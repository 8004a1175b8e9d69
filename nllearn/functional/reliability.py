"""How far witnesses can be believed, measured without a clean label.

Two witnesses that learn in different ways agree about as often as they are right: on rows
that the features cannot tell apart they differ, whatever the given labels say.
"""

from __future__ import annotations

import torch

__all__ = [
    "agreement",
    "boundary_rates",
    "equal_bins",
    "equal_bins_within",
    "estimate_rates",
    "fuse_at_boundary",
    "noise_sits_at_boundary",
    "prior_strength",
    "sharpness_for",
]

_MAX_ROUNDS, _TOL = 60, 1e-4
_PRIOR_ROWS = 10.0
# The given label is never wholly believed nor wholly disbelieved before it is seen.
_LEAST, _MOST = 1e-4, 0.95

# Noise at the boundary below this mean rate is taken for rows that are hard.
LEAST_BOUNDARY_RATE = 0.006
# Its rate on the surest quarter, as a share of the mean: of all rows; and inside the classes,
# of two and of more. Of many classes noise at the boundary takes the hard ones nearly whole
# (0.1 to 0.9 on nine data sets). Noise that spares classes shows 1.3 to 3: in a class that it
# reaches it is alike everywhere, and is seen best on the surest rows.
_MOST_AT_TOP = 0.3
_MOST_WITHIN_TWO, _MOST_WITHIN = 0.35, 1.2


def agreement(one: torch.Tensor, two: torch.Tensor, weights: torch.Tensor) -> float:
    """Weighted share of rows on which two witnesses name the same class.

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


def sharpness_for(scores: torch.Tensor, target: float, weights: torch.Tensor) -> float:
    """Factor at which the mean top probability equals a target.

    Parameters
    ----------
    scores : Tensor of shape (n, n_classes)
        Higher is more probable, up to the factor.
    target : float
        Mean of ``softmax(factor * scores).max(1)`` asked for; what cannot be reached
        gives the end of the range.
    weights : Tensor of shape (n,)

    Returns
    -------
    factor : float in [0.05, 60]
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


def equal_bins(values: torch.Tensor, n_bins: int) -> torch.Tensor:
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
    return equal_bins_within(values, one, n_bins)


def equal_bins_within(values: torch.Tensor, groups: torch.Tensor, n_bins: int) -> torch.Tensor:
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
    order = values.argsort(stable=True)
    order = order[groups[order].argsort(stable=True)]
    sizes = torch.bincount(groups, minlength=1)
    starts = sizes.cumsum(0) - sizes
    bins = torch.empty(len(values), dtype=torch.int64, device=values.device)
    rank = torch.arange(len(values), device=values.device) - starts[groups[order]]
    bins[order] = rank * n_bins // sizes[groups[order]]
    return bins


def estimate_rates(
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


def boundary_rates(
    differs: torch.Tensor, bins: torch.Tensor, n_bins: int, weights: torch.Tensor
) -> torch.Tensor:
    r"""Share of wrong labels per bin of noise that grows towards the class boundary.

    Where the witnesses are sure, they differ from the given label as often as it is wrong.
    Where they are unsure they have learnt the noise, and differ too seldom. So the log-odds
    of the bins in between, those with a share of difference from 0.015 to one third, are
    continued as a straight line over the number of the bin; bins below take the line where
    it is above what they show.

    Parameters
    ----------
    differs : bool Tensor of shape (n,)
        Whether the witnesses name another class than the given one.
    bins : int64 Tensor of shape (n,)
        Of :func:`equal_bins` over the margin of the witnesses, the least sure rows first.
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


def fuse_at_boundary(proba: torch.Tensor, given: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
    """Fuse with the given label when wrong labels fall on the classes a row resembles.

    Parameters
    ----------
    proba : Tensor of shape (n, n_classes)
    given : int64 Tensor of shape (n,)
    rate : Tensor of shape (n,)
        Probability that the given label of each row is wrong, before it is seen.

    Returns
    -------
    fused : Tensor of shape (n, n_classes)
        Rows sum to one.
    """
    fused = proba * _confusion(proba, given) * rate.unsqueeze(1)
    own = proba.gather(1, given.unsqueeze(1)) * (1.0 - rate.unsqueeze(1))
    fused.scatter_(1, given.unsqueeze(1), own)
    return fused / fused.sum(1, keepdim=True).clamp_min(1e-30)


def noise_sits_at_boundary(
    rates: torch.Tensor,
    n_rows: int,
    least_rate: float = LEAST_BOUNDARY_RATE,
    rates_within: torch.Tensor | None = None,
    n_classes: int = 2,
) -> bool:
    """Whether noise sits where the witnesses are unsure, and hardly elsewhere.

    Class-conditional and human noise reach the rows that every witness is sure of; noise
    that a classifier makes does not. Below `least_rate` of the rows, or a handful, it cannot
    be told from rows that are hard and rightly labelled.

    Noise that spares some classes looks alike: their rows are the surest and are right. Inside
    a class it reaches the surest rows as well; noise at the boundary does not.

    Parameters
    ----------
    rates : Tensor of shape (n_bins,)
        Of :func:`estimate_rates`, the surest rows last.
    n_rows : int
    least_rate : float, default=0.006
    rates_within : Tensor of shape (n_bins,), optional
        The same with the bins of :func:`equal_bins_within`, the groups being the classes that
        the witnesses name.
    n_classes : int, default=2
        For `rates_within`.

    Returns
    -------
    at_boundary : bool
    """
    mean, top = _mean_and_top(rates)
    if not (mean > least_rate + 5.0 / n_rows and top < _MOST_AT_TOP * mean):
        return False
    if rates_within is None:
        return True
    mean, top = _mean_and_top(rates_within)
    return top < (_MOST_WITHIN if n_classes > 2 else _MOST_WITHIN_TWO) * mean


def _mean_and_top(rates: torch.Tensor) -> tuple[float, float]:
    """Mean of all rates, and of the quarter of the surest rows."""
    return float(rates.mean()), float(rates[-max(1, len(rates) // 4) :].mean())


def prior_strength(
    counts: torch.Tensor, candidates: tuple[float, ...] = (10.0, 50.0, 250.0, 1250.0)
) -> float:
    r"""How far the rows of a transition matrix should lean on symmetric noise.

    The counts are taken as draws from Dirichlet-multinomial rows around the symmetric
    matrix b of the same overall rate; the strength is the candidate with the highest
    evidence,

    .. math:: \sum_k \ln\frac{\Gamma(\kappa)}{\Gamma(\kappa + N_k)}
              + \sum_{kj} \ln\frac{\Gamma(\kappa b_{kj} + N_{kj})}{\Gamma(\kappa b_{kj})}

    Parameters
    ----------
    counts : Tensor of shape (n_classes, n_classes)
        Expected numbers of rows per true (row) and given (column) class.
    candidates : tuple of float

    Returns
    -------
    strength : float
        Pseudo-counts per row of the matrix.
    """
    n_classes = len(counts)
    counts = counts.double()
    rate = 1.0 - float(counts.trace() / counts.sum().clamp_min(1e-12))
    rate = min(max(rate, 1e-3), 1.0 - 1e-3)
    base = torch.full_like(counts, rate / max(n_classes - 1, 1))
    base.fill_diagonal_(1.0 - rate)

    def evidence(strength: float) -> float:
        prior, total = strength * base, counts.sum(1)
        whole = torch.tensor(strength, dtype=counts.dtype, device=counts.device)
        value = (torch.lgamma(prior + counts) - torch.lgamma(prior)).sum()
        return float(value + (torch.lgamma(whole) - torch.lgamma(whole + total)).sum())

    return max(candidates, key=evidence)


def _confusion(proba: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """Probability of the given label under each true class, knowing that it is wrong."""
    column = given.unsqueeze(1)
    likeness = proba.clamp_min(1e-4)
    others = (likeness.sum(1, keepdim=True) - likeness).clamp_min(1e-4)
    return (likeness.gather(1, column) / others).scatter(1, column, 0.0)
