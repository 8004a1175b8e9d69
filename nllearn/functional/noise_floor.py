r"""How often a predictor errs, and how much of its disagreement with the labels is noise.

Rows are sorted by margin, the distance between the two largest scores. Where the margin is
small the predictor errs often, where it is large hardly ever. Label noise that does not depend
on the margin sets a floor: even the most confident predictions differ from that share of the
given labels. With w(m) the predictor's own error at margin m, r the noise rate, C classes and
wrong labels spread evenly, prediction and given label differ with probability

.. math:: d(m) = w(m) + r \left(1 - \frac{w(m)\,C}{C - 1}\right)

Both are estimated by likelihood from the rows alone, without a clean label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

__all__ = ["NoiseFloor", "fit_noise_floor"]

# Where the predictor is most confident it still errs at least this share of its mean error: classes
# that overlap have pairs of rows that no feature tells apart.
_LAPSE = 0.2
# What is assumed of the most confident tenth of the rows: the mean error of an exponential prior.
# Without it a predictor that always errs and noise that is always there look alike.
_CONFIDENT_ERROR, _CONFIDENT_SHARE = 0.03, 0.1
# Normal priors of a, log b and logit r, wide enough for errors from 1 to 99 % of the rows.
_CENTRE = np.array([1.0, 1.3, -1.0])
_SPREAD = np.array([1.5, 0.7, 2.0])
# Bins of the margin; points of the grid in each direction, and how often it is narrowed.
_N_BINS, _GRID, _ZOOMS = 200, 13, 4


@dataclass(frozen=True)
class NoiseFloor:
    """Error of a predictor by margin, and the noise rate.

    Parameters
    ----------
    margins : float64 ndarray of shape (b,)
        Ascending.
    errors : float64 ndarray of shape (b,)
        Probability at these margins that the predicted class is not the true one.
    rate : float in [0, 1]
        Share of wrong labels, as it is at every margin.
    """

    margins: np.ndarray
    errors: np.ndarray
    rate: float

    def error_at(self, margin: np.ndarray) -> np.ndarray:
        """Error at any margin, between the known ones in straight lines.

        Parameters
        ----------
        margin : ndarray of shape (n,)

        Returns
        -------
        error : float64 ndarray of shape (n,)
        """
        return np.interp(margin, self.margins, self.errors)


def fit_noise_floor(
    margin: np.ndarray,
    differs: np.ndarray,
    n_classes: int,
    weights: np.ndarray,
    trusted: np.ndarray | None = None,
) -> NoiseFloor:
    r"""Estimate the predictor's error by margin, and the noise rate.

    .. math:: w(m) = \frac{C - 1}{C} \left(\epsilon + (1 - \epsilon)\,
              \sigma(a - b\, m / \tilde m)\right)

    with :math:`\tilde m` the median margin of the rows that count and :math:`\epsilon` a fifth of
    the mean of the sigmoid. Posterior means of w and r are taken over a grid of a, log b and
    logit r under weak priors; the grid is narrowed to where the posterior is. On trusted rows,
    whose label is the true one, prediction and label differ with probability w alone.

    Parameters
    ----------
    margin : ndarray of shape (n,)
        Largest score less the second, not negative.
    differs : bool ndarray of shape (n,)
        Whether the class of the largest score is not the given label.
    n_classes : int
        At least 2.
    weights : ndarray of shape (n,)
        Not negative, of mean one over the rows that count.
    trusted : bool ndarray of shape (n,), optional
        Rows whose given label is known to be right.

    Returns
    -------
    floor : NoiseFloor

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.functional.noise_floor import fit_noise_floor
    >>> rng = np.random.default_rng(0)
    >>> margin = rng.random(5000)
    >>> differs = rng.random(5000) < 0.2  # at every margin alike
    >>> floor = fit_noise_floor(margin, differs, 5, np.ones(5000))
    >>> bool(abs(floor.rate - 0.2) < 0.05), bool(floor.errors.mean() < 0.05)
    (True, True)
    """
    chance = (n_classes - 1) / n_classes
    known = np.zeros(len(margin), bool) if trusted is None else np.asarray(trusted, bool)
    bins, x_bins = _quantile_bins(margin, weights)
    n_bins = len(x_bins)
    mass = np.bincount(bins, weights, n_bins)
    counts = [
        np.bincount(bins, weights * mask * value, n_bins)
        for mask in (~known, known)
        for value in (differs, 1.0 - differs)
    ]
    share = mass / mass.sum()
    x = x_bins / max(float(np.median(margin[weights > 0])), 1e-9)
    confident = np.cumsum(share[::-1])[::-1] <= _CONFIDENT_SHARE + 1e-9
    confident[-1] = True

    low, high = _CENTRE - 3 * _SPREAD, _CENTRE + 3 * _SPREAD
    error, rate = np.full(n_bins, chance), 0.0
    for _ in range(_ZOOMS):
        axes = [np.linspace(low[i], high[i], _GRID) for i in range(3)]
        a, log_b = (part.ravel() for part in np.meshgrid(axes[0], axes[1], indexing="ij"))
        sigmoid = expit(a[:, None] - np.exp(log_b)[:, None] * x)
        lapse = _LAPSE * (sigmoid @ share)[:, None]
        w = chance * (lapse + (1.0 - lapse) * sigmoid)
        r = expit(axes[2])
        log_posterior = _log_likelihood(w, r, chance, counts)
        at_top = w[:, confident] @ (share[confident] / share[confident].sum())
        log_posterior -= (at_top / _CONFIDENT_ERROR)[:, None]
        for values, i in ((a[:, None], 0), (log_b[:, None], 1), (axes[2][None, :], 2)):
            log_posterior -= 0.5 * ((values - _CENTRE[i]) / _SPREAD[i]) ** 2
        posterior = np.exp(log_posterior - log_posterior.max())
        posterior /= posterior.sum()
        error, rate = posterior.sum(1) @ w, float(posterior.sum(0) @ r)
        plane = posterior.sum(1).reshape(_GRID, _GRID)
        for i, marginal in enumerate((plane.sum(1), plane.sum(0), posterior.sum(0))):
            mean = marginal @ axes[i]
            deviation = np.sqrt(marginal @ (axes[i] - mean) ** 2)
            reach = 3 * deviation + (axes[i][1] - axes[i][0])
            edge = _CENTRE[i] - 3 * _SPREAD[i], _CENTRE[i] + 3 * _SPREAD[i]
            low[i], high[i] = max(mean - reach, edge[0]), min(mean + reach, edge[1])
    return NoiseFloor(x_bins, np.clip(error, 1e-5, chance), rate)


def _quantile_bins(margin: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bin of every row by its margin, of equal weight, and the mean margin of every bin."""
    order = np.argsort(margin, kind="stable")
    total = np.cumsum(weights[order])
    sorted_bins = ((total - 0.5 * weights[order]) * _N_BINS / total[-1]).astype(np.int64)
    sorted_bins = np.clip(sorted_bins, 0, _N_BINS - 1)
    mass = np.bincount(sorted_bins, weights[order], _N_BINS)
    kept = np.flatnonzero(mass > 0)
    # A bin without weight has rows of weight 0 alone; they go with the next one.
    sorted_bins = np.minimum(np.searchsorted(kept, sorted_bins), len(kept) - 1)
    bins = np.empty(len(margin), np.int64)
    bins[order] = sorted_bins
    means = np.bincount(bins, weights * margin, len(kept)) / mass[kept]
    return bins, means


def _log_likelihood(
    w: np.ndarray, r: np.ndarray, chance: float, counts: list[np.ndarray]
) -> np.ndarray:
    """Of the numbers of rows that differ and that agree, for every pair of w and r."""
    differ, agree, known_differ, known_agree = counts
    p = w[:, None] + r[None, :, None] * (1.0 - w[:, None] / chance)
    p = np.clip(p, 1e-9, 1.0 - 1e-9)
    out = np.log(p) @ differ + np.log1p(-p) @ agree
    own = np.clip(w, 1e-9, 1.0 - 1e-9)
    return out + (np.log(own) @ known_differ + np.log1p(-own) @ known_agree)[:, None]
