r"""How often a predictor errs, and how much of its disagreement with the labels is noise.

Rows are sorted by margin, the distance between the two largest scores. Where the margin is
small the predictor errs often, where it is large hardly ever. Label noise that does not depend
on the margin sets a floor: even the most confident predictions differ from that share of the
given labels. With w(m) the predictor's own error at margin m, r the noise rate, C classes and
wrong labels spread evenly, prediction and given label differ with probability

.. math:: d(m) = w(m) + r \left(1 - \frac{w(m)\,C}{C - 1}\right)

Both are estimated by likelihood from the rows alone, without a clean label. Either all classes
share one rate, or every predicted class has its own; the evidence of the two models weights them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logsumexp

__all__ = ["NoiseFloor", "fit_noise_floor"]

# Where the predictor is most confident it still errs at least this share of its mean error: classes
# that overlap have pairs of rows that no feature tells apart.
_LAPSE = 0.2
# What is assumed of the most confident tenth of the rows: the mean error of an exponential prior.
# Without it a predictor that always errs and noise that is always there look alike. It weighs as
# much as 1 / 0.03 rows there on which the prediction was seen to be right.
_CONFIDENT_ERROR, _CONFIDENT_SHARE = 0.03, 0.1
# Normal priors of a, log b and logit r, wide enough for errors from 1 to 99 % of the rows.
_CENTRE = np.array([1.0, 1.3, -1.0])
_SPREAD = np.array([1.5, 0.7, 2.0])
# Bins of the margin, and those in which the rows of one class are counted.
_N_BINS, _CLASS_BINS = 200, 12
# Points of the grid in each direction and how often it is narrowed: one rate, a rate per class.
_COMMON_GRID, _CLASS_GRID = (13, 4), (9, 3)
# Points over which the rate of a class is integrated.
_N_RATES = 33


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
        Share of wrong labels, as it is at every margin, over all classes.
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
    predicted: np.ndarray | None = None,
    *,
    learnt_features: bool = False,
) -> NoiseFloor:
    r"""Estimate the predictor's error by margin, and the noise rate.

    .. math:: w(m) = \frac{C - 1}{C} \left(\epsilon + (1 - \epsilon)\,
              \sigma(a - b\, m / \tilde m)\right)

    with :math:`\tilde m` the median margin of the rows that count and :math:`\epsilon` a fifth of
    the mean of the sigmoid. Posterior means of w and r are taken over a grid of a, log b and
    logit r under weak priors; the grid is narrowed to where the posterior is. On trusted rows,
    whose label is the true one, prediction and label differ with probability w alone.

    Noise may be larger in some classes than in others. Rows of such a class have smaller margins
    too, which one rate for all would take for errors. So a second model has a rate for every
    predicted class, each integrated out under the same prior, and the two are averaged by their
    evidence, the probability of the data under each.

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
    predicted : int ndarray of shape (n,), optional
        Class of the largest score. Without it all classes share one rate.
    learnt_features : bool, default=False
        Whether the scores come from features that a network learnt from these labels. Such
        features separate what they can, and margins shrink where a wrong label was learnt, so
        that noise does depend on them. Then the most confident tenth of the predictions is taken
        to be right: every row of it counts as one on which that was seen, and
        :math:`\epsilon = 0`.

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
    known = np.zeros(len(margin), bool) if trusted is None else np.asarray(trusted, bool)
    bins, x_bins = _quantile_bins(margin, weights)
    mass = np.bincount(bins, weights, len(x_bins))
    lapse, n_seen = _LAPSE, 1.0 / _CONFIDENT_ERROR
    if learnt_features:
        lapse, n_seen = 0.0, _CONFIDENT_SHARE * mass.sum()
    curve = _ErrorCurve(
        x_bins / max(float(np.median(margin[weights > 0])), 1e-9),
        mass / mass.sum(),
        (n_classes - 1) / n_classes,
        lapse,
        n_seen,
    )

    def count(cells: np.ndarray) -> list[np.ndarray]:
        return [
            np.bincount(cells, weights * mask * value)
            for mask in (~known, known)
            for value in (differs, 1.0 - differs)
        ]

    common = _common_rate(curve, count(bins))
    if predicted is None:
        error, rate = common.error, common.rate
    else:
        coarse = curve.coarse_bins(_CLASS_BINS)
        cells, cell = np.unique(predicted * _CLASS_BINS + coarse[bins], return_inverse=True)
        own = _rate_per_class(curve, count(cell), cells // _CLASS_BINS, cells % _CLASS_BINS)
        share = float(expit(own.log_evidence - common.log_evidence))
        error = share * own.error + (1.0 - share) * common.error
        rate = share * own.rate + (1.0 - share) * common.rate
    return NoiseFloor(x_bins, np.clip(error, 1e-5, curve.chance), rate)


@dataclass(frozen=True)
class _ErrorCurve:
    """The curves w(m) over a grid of a and log b, and what is assumed of them.

    `x` are the margins of the bins in units of the median, `share` the weight of each bin.
    `n_seen` rows of the most confident tenth are taken to be predicted right.
    """

    x: np.ndarray
    share: np.ndarray
    chance: float
    lapse: float
    n_seen: float

    def errors(self, a: np.ndarray, log_b: np.ndarray) -> np.ndarray:
        """Errors for all pairs of a and log b, of shape (len(a) * len(log_b), n_bins)."""
        slope = np.tile(np.exp(log_b), len(a))
        sigmoid = expit(np.repeat(a, len(log_b))[:, None] - slope[:, None] * self.x)
        lapse = self.lapse * (sigmoid @ self.share)[:, None]
        return self.chance * (lapse + (1.0 - lapse) * sigmoid)

    def log_prior(self, errors: np.ndarray) -> np.ndarray:
        """Of the mean error of the most confident tenth, an exponential density."""
        confident = np.cumsum(self.share[::-1])[::-1] <= _CONFIDENT_SHARE + 1e-9
        confident[-1] = True
        at_top = errors[:, confident] @ (self.share[confident] / self.share[confident].sum())
        return -at_top * self.n_seen

    def coarse_bins(self, n_bins: int) -> np.ndarray:
        """Number of one of fewer bins of about equal weight, for each bin."""
        middle = np.cumsum(self.share) - 0.5 * self.share
        return np.minimum((middle * n_bins).astype(np.int64), n_bins - 1)

    def coarse_means(self, n_bins: int) -> np.ndarray:
        """Matrix of shape (len(x), n_bins) that takes values of the bins to means of fewer."""
        coarse = self.coarse_bins(n_bins)
        means = np.zeros((len(coarse), n_bins))
        means[np.arange(len(coarse)), coarse] = self.share
        return means / means.sum(0).clip(1e-12)


@dataclass(frozen=True)
class _Estimate:
    """Posterior means under one model, and the log of its evidence."""

    error: np.ndarray
    rate: float
    log_evidence: float


def _common_rate(curve: _ErrorCurve, counts: list[np.ndarray]) -> _Estimate:
    """All classes share one rate."""

    def evaluate(axes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        w, r = curve.errors(*axes[:2]), expit(axes[2])
        value = _log_likelihood(w, r, curve.chance, counts, np.zeros(1, np.int64))[:, 0]
        return value + curve.log_prior(w)[:, None], w, r

    posterior, w, r, log_evidence = _narrow(evaluate, 3, *_COMMON_GRID)
    return _Estimate(posterior.sum(1) @ w, float(posterior.sum(0) @ r), log_evidence)


def _rate_per_class(
    curve: _ErrorCurve, counts: list[np.ndarray], groups: np.ndarray, bins: np.ndarray
) -> _Estimate:
    """Every class has its own rate, integrated out. Counts are of cells, sorted by class.

    `groups` are the classes of the cells, `bins` their coarse bins of the margin.
    """
    reach = 3 * _SPREAD[2]
    logits = np.linspace(_CENTRE[2] - reach, _CENTRE[2] + reach, _N_RATES)
    r, log_prior = expit(logits), _log_normal(logits, 2)
    log_prior -= logsumexp(log_prior)
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    size = np.add.reduceat(sum(counts), starts)
    means = curve.coarse_means(_CLASS_BINS)

    def evaluate(axes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        w = curve.errors(*axes)
        cells = (w @ means)[:, bins]
        by_rate = _log_likelihood(cells, r, curve.chance, counts, starts) + log_prior
        by_class = logsumexp(by_rate, axis=2)
        rates = np.exp(by_rate - by_class[:, :, None]) @ r @ (size / size.sum())
        return by_class.sum(1, keepdims=True) + curve.log_prior(w)[:, None], w, rates

    posterior, w, rates, log_evidence = _narrow(evaluate, 2, *_CLASS_GRID)
    return _Estimate(posterior[:, 0] @ w, float(posterior[:, 0] @ rates), log_evidence)


_Evaluate = Callable[[list[np.ndarray]], tuple[np.ndarray, np.ndarray, np.ndarray]]


def _narrow(
    evaluate: _Evaluate, n_axes: int, n_points: int, n_zooms: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Posterior over a grid that is narrowed to where it is, and the log of its sum.

    `evaluate` gives the log likelihood, of shape (a times log b, rest), and two arrays that are
    handed on as they were on the last grid.
    """
    low, high = (_CENTRE + sign * 3 * _SPREAD for sign in (-1, 1))
    edges = low.copy(), high.copy()
    for _ in range(n_zooms):
        axes = [np.linspace(low[i], high[i], n_points) for i in range(n_axes)]
        value, w, r = evaluate(axes)
        shape = [n_points] * n_axes
        grid = value.reshape(shape)
        for i, points in enumerate(axes):
            along = [n_points if k == i else 1 for k in range(n_axes)]
            grid = grid + _log_normal(points, i).reshape(along)
        total = logsumexp(grid)
        posterior = np.exp(grid - total)
        log_evidence = float(total + sum(np.log(points[1] - points[0]) for points in axes))
        for i, points in enumerate(axes):
            marginal = posterior.sum(tuple(k for k in range(n_axes) if k != i))
            mean = marginal @ points
            deviation = np.sqrt(marginal @ (points - mean) ** 2)
            reach = 3 * deviation + (points[1] - points[0])
            low[i], high[i] = max(mean - reach, edges[0][i]), min(mean + reach, edges[1][i])
    return posterior.reshape(value.shape), w, r, log_evidence


def _log_normal(points: np.ndarray, axis: int) -> np.ndarray:
    """Log density of the prior of a, log b or logit r."""
    z = (points - _CENTRE[axis]) / _SPREAD[axis]
    return -0.5 * z**2 - np.log(_SPREAD[axis] * np.sqrt(2 * np.pi))


def _log_likelihood(
    w: np.ndarray, r: np.ndarray, chance: float, counts: list[np.ndarray], starts: np.ndarray
) -> np.ndarray:
    """Of the rows that differ and agree, for every curve, group of cells and rate.

    `w` has shape (curves, cells); a group begins at each of `starts`. The result has shape
    (curves, groups, rates).
    """
    differ, agree, known_differ, known_agree = counts
    own = np.clip(w, 1e-9, 1.0 - 1e-9)
    known = np.log(own) * known_differ + np.log1p(-own) * known_agree
    out = np.empty((len(w), len(starts), len(r)))
    for k, rate in enumerate(r):
        p = np.clip(w + rate * (1.0 - w / chance), 1e-9, 1.0 - 1e-9)
        rows = np.log(p) * differ + np.log1p(-p) * agree + known
        out[:, :, k] = np.add.reduceat(rows, starts, axis=1)
    return out


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
