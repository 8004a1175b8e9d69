r"""How often a predictor errs, and how much of its disagreement with the labels is noise.

Rows are sorted by margin, the distance between the two largest scores. Where the margin is
small the predictor errs often, where it is large hardly ever. Label noise that does not depend
on the margin sets a floor: even the most confident predictions differ from that share of the
given labels. With w(m) the predictor's own error at margin m, r the noise rate and C classes,
prediction and given label differ with probability

.. math:: d(m) = w(m) + r \left(1 - \frac{w(m)\,C}{C - 1}\right)

Which label was given instead tells errors from noise as well. The true class of a row that is
predicted wrongly is most often one of large score; noise reaches classes that no error would.
All of it is estimated by likelihood from the rows alone, without a clean label.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logsumexp

from nllearn.functional.grid_posterior import NormalPrior, UniformSharePrior, narrow_posterior
from nllearn.functional.margin_cells import Cells, count_cells, margin_bins

__all__ = ["NoiseFloor", "fit_noise_floor"]

# What is assumed of the most confident tenth of the rows where features are strong: the means of
# the exponential priors of its error, and of its error over the mean error. The second is 0 to .35
# without noise on the data of the harm page, .07 on average. Of weak features, which one data set
# in five has, nothing is assumed. Without either, a predictor that always errs and noise that is
# always there look alike.
_CONFIDENT_SHARE, _CONFIDENT_ERROR, _CONFIDENT_PART = 0.1, 0.03, 0.15
_WEAK_FEATURES = 0.2
# Nowhere does the predictor err less than this part of its mean rate: classes that overlap have
# pairs of rows that no feature tells apart.
_LAPSE = 0.2
# Of a and log b, wide enough for errors from 1 to 99 % of the rows.
_CURVE_PRIORS = NormalPrior(1.0, 1.5), NormalPrior(1.3, 0.7)
# Of the noise rate over that of labels by chance, on a grid from one in a thousand to nearly all.
_RATE_PRIOR = UniformSharePrior(-7.0, 5.0)
# Shares of the noise that goes where errors go, as probable as each other.
_SIMILAR = (0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95, 1.0)
# Bins of the margin, and of the given label's share in the errors.
_N_BINS, _SHARE_BINS = 30, 6
# Bins of the margin where the rows of one class are counted.
_CLASS_BINS = 12
# Points of the first grid in each direction, of those that are narrowed, and how often.
_FIRST_GRID, _GRID, _N_ZOOMS = (13, 9, 21), 7, 4
# Points in each direction over which the prior of the curve is summed.
_N_PRIOR = 25
# Points over which the rate of a class is integrated.
_N_RATES = 33
_LEAST = 1e-9


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
    error_share: np.ndarray | None = None,
    *,
    learnt_features: bool = False,
) -> NoiseFloor:
    r"""Estimate the predictor's error by margin, and the noise rate.

    .. math:: w(m) = \frac{C - 1}{C} \left(\epsilon + (1 - \epsilon)\,
              \sigma(a - b\, m / \tilde m)\right)

    with :math:`\tilde m` the median margin of the rows that count and :math:`\epsilon` a fifth of
    the mean of the sigmoid. Where errors are made, class j is the true one with probability
    :math:`s_j`. Noise is shared out evenly, but for a part :math:`\rho` of it that goes where
    errors go. Then another label than the predicted class is given with probability

    .. math:: P(j) = (1 - w)\, r \left(\frac{1 - \rho}{C - 1} + \rho s_j\right)
              + w \left((1 - r) s_j
              + r\, \frac{(1 - \rho)(1 - s_j) + (C - 2) \rho s_j}{C - 1}\right)

    whose sum over j is d(m). Posterior means of w and r are taken over a grid of a, log b and
    the logit of r C / (C - 1), for nine values of :math:`\rho`; the grid is narrowed to where the
    posterior is. The priors of a and log b are normal and wide, and that of r C / (C - 1) is
    uniform. Features are strong, or with probability .2 weak. Where they are strong, the error of
    the most confident tenth has an exponential prior of mean .03, and over the mean error one of
    mean .15; of weak ones nothing is assumed. So errors that are as frequent among confident rows
    as elsewhere are told from noise by the rest of the data, not by assumption. On trusted rows,
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
    error_share : ndarray of shape (n,), optional
        :math:`s_{i, \tilde y_i}`, of the given labels, in [0, 1]; only that of rows that differ
        is read. Without it errors are shared out evenly too, and which label was given says
        nothing.
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
    differs = np.asarray(differs, bool)
    known = np.zeros(len(margin), bool) if trusted is None else np.asarray(trusted, bool)
    share = np.full(len(margin), 1.0 / (n_classes - 1)) if error_share is None else error_share
    bins, x_bins = margin_bins(margin, weights, _N_BINS)
    mass = np.bincount(bins, weights, len(x_bins))
    curve = _ErrorCurve(
        x_bins / max(float(np.median(margin[weights > 0])), _LEAST),
        mass / mass.sum(),
        n_classes,
        _CONFIDENT_SHARE * mass.sum() if learnt_features else None,
    )

    def cells(groups: np.ndarray, bins: np.ndarray) -> Cells:
        return count_cells(groups, bins, share, _SHARE_BINS, differs, known, weights)

    together = np.zeros(len(margin), np.int64)
    similar = (0.0,) if error_share is None or n_classes < 3 else _SIMILAR
    fine = cells(together, bins)
    models = [_common_rate(curve, fine, part) for part in similar]
    evidence = np.array([model.log_evidence for model in models])
    mass = np.exp(evidence - logsumexp(evidence))
    error = mass @ np.stack([model.error for model in models])
    rate = float(mass @ [model.rate for model in models])
    if predicted is not None:
        part, coarse = similar[int(evidence.argmax())], curve.coarse_bins()[bins]
        common = _common_rate(curve, cells(together, coarse), part, True)
        own = _rate_per_class(curve, cells(predicted, coarse), part)
        trust = float(expit(own.log_evidence - common.log_evidence))
        error = trust * own.error + (1.0 - trust) * error
        rate = trust * own.rate + (1.0 - trust) * rate
    return NoiseFloor(x_bins, np.clip(error, 1e-5, curve.chance), rate)


@dataclass(frozen=True)
class _ErrorCurve:
    """The curves w(m) over a grid of a and log b, and what is assumed of them.

    `x` are the margins of the bins in units of the median, `share` the weight of each bin.
    `n_seen` rows of the most confident tenth are taken to be predicted right; None if not.
    """

    x: np.ndarray
    share: np.ndarray
    n_classes: int
    n_seen: float | None

    @property
    def chance(self) -> float:
        """Error of a random guess."""
        return (self.n_classes - 1) / self.n_classes

    def errors(self, a: np.ndarray, log_b: np.ndarray) -> np.ndarray:
        """Errors for all pairs of a and log b, of shape (len(a) * len(log_b), n_bins)."""
        slope = np.tile(np.exp(log_b), len(a))
        sigmoid = expit(np.repeat(a, len(log_b))[:, None] - slope[:, None] * self.x)
        least = 0.0 if self.n_seen is not None else _LAPSE
        lapse = least * (sigmoid @ self.share)[:, None]
        return self.chance * (lapse + (1.0 - lapse) * sigmoid)

    def log_prior(self, errors: np.ndarray) -> np.ndarray:
        """Of the curve, by the error of the most confident tenth."""
        if self.n_seen is not None:
            return -self._error_at_top(errors) * self.n_seen
        strong = self._log_strong(errors) - self._log_mean_strong
        return np.logaddexp(np.log1p(-_WEAK_FEATURES) + strong, np.log(_WEAK_FEATURES))

    def _error_at_top(self, errors: np.ndarray) -> np.ndarray:
        """Of the most confident tenth."""
        confident = np.cumsum(self.share[::-1])[::-1] <= _CONFIDENT_SHARE + _LEAST
        confident[-1] = True
        return errors[:, confident] @ (self.share[confident] / self.share[confident].sum())

    def _log_strong(self, errors: np.ndarray) -> np.ndarray:
        """Log density of the confident rows' error where features are strong, not normalised."""
        at_top = self._error_at_top(errors)
        return -at_top / _CONFIDENT_ERROR - at_top / (_CONFIDENT_PART * (errors @ self.share))

    @functools.cached_property
    def _log_mean_strong(self) -> float:
        """Log of the mean of that density under the priors of a and log b."""
        axes = [np.linspace(*prior.range(), _N_PRIOR) for prior in _CURVE_PRIORS]
        a, b = (
            prior.log_density(points) for prior, points in zip(_CURVE_PRIORS, axes, strict=True)
        )
        log_weight = (a[:, None] + b).ravel()
        found = logsumexp(self._log_strong(self.errors(*axes)) + log_weight)
        return float(found - logsumexp(log_weight))

    def coarse_bins(self) -> np.ndarray:
        """Number of one of fewer bins of about equal weight, for each bin."""
        middle = np.cumsum(self.share) - 0.5 * self.share
        return np.minimum((middle * _CLASS_BINS + _LEAST).astype(np.int64), _CLASS_BINS - 1)

    def coarse_means(self) -> np.ndarray:
        """Matrix of shape (len(x), n_coarse) that takes values of the bins to means of fewer."""
        coarse = self.coarse_bins()
        means = np.zeros((len(coarse), _CLASS_BINS))
        means[np.arange(len(coarse)), coarse] = self.share
        return means / means.sum(0).clip(1e-12)


@dataclass(frozen=True)
class _Estimate:
    """Posterior means under one model, and the log of its evidence."""

    error: np.ndarray
    rate: float
    log_evidence: float


def _common_rate(
    curve: _ErrorCurve, cells: Cells, similar: float, coarse: bool = False
) -> _Estimate:
    """All classes share one rate. The cells are of all bins, or of the coarse ones."""
    means = curve.coarse_means() if coarse else None

    def evaluate(axes: list[np.ndarray]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        w, r = curve.errors(*axes[:2]), curve.chance * expit(axes[2])
        w_cells = (w if means is None else w @ means)[:, cells.bins]
        value = _log_likelihood(w_cells, r, similar, curve.n_classes, cells)[:, 0]
        return value + curve.log_prior(w)[:, None], (w, r)

    priors = *_CURVE_PRIORS, _RATE_PRIOR
    mass, (w, r), log_evidence = narrow_posterior(evaluate, priors, _FIRST_GRID, _GRID, _N_ZOOMS)
    return _Estimate(mass.sum(1) @ w, float(mass.sum(0) @ r), log_evidence)


def _rate_per_class(curve: _ErrorCurve, cells: Cells, similar: float) -> _Estimate:
    """Every class has its own rate, integrated out. The cells are of the coarse bins."""
    logits = np.linspace(*_RATE_PRIOR.range(), _N_RATES)
    r, log_prior = curve.chance * expit(logits), _RATE_PRIOR.log_density(logits)
    log_prior -= logsumexp(log_prior)
    size = np.add.reduceat(cells.counts + cells.known, cells.starts)
    means = curve.coarse_means()

    def evaluate(axes: list[np.ndarray]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        w = curve.errors(*axes)
        w_cells = (w @ means)[:, cells.bins]
        by_rate = _log_likelihood(w_cells, r, similar, curve.n_classes, cells) + log_prior
        by_class = logsumexp(by_rate, axis=2)
        rates = np.exp(by_rate - by_class[:, :, None]) @ r @ (size / size.sum())
        return by_class.sum(1) + curve.log_prior(w), (w, rates)

    first = _FIRST_GRID[:2]
    mass, (w, rates), log_evidence = narrow_posterior(
        evaluate, _CURVE_PRIORS, first, _GRID, _N_ZOOMS
    )
    return _Estimate(mass @ w, float(mass @ rates), log_evidence)


def _log_likelihood(
    w: np.ndarray, r: np.ndarray, similar: float, n_classes: int, cells: Cells
) -> np.ndarray:
    """Of all rows, for every curve, group of cells and rate: shape (curves, groups, rates).

    `w` has shape (curves, cells). What is the same for all of them is left out.
    """
    others, differs = n_classes - 1, cells.differs
    # In float32: the logarithms are most of the time, and their sums are of one group only.
    w, s, counts = (a.astype(np.float32) for a in (w, cells.share, cells.counts))
    # P(j) is linear in r: what there is without noise, and what noise adds.
    even = (1.0 - similar) / others + similar * s
    spread = ((1.0 - similar) * (1.0 - s) + (others - 1) * similar * s) / others
    without = np.where(differs, w * s, 1.0 - w)
    added = np.where(differs, (1.0 - w) * even + w * (spread - s), w / others - (1.0 - w))
    known = np.zeros((len(w), len(cells.starts)))
    if cells.known.any():
        own = np.clip(np.where(differs, w, 1.0 - w), _LEAST, None)
        known = np.add.reduceat(np.log(own) * cells.known, cells.starts, axis=1)
    out = np.empty((len(w), len(cells.starts), len(r)))
    for k, rate in enumerate(r.astype(np.float32)):
        rows = rate * added
        rows += without
        np.log(np.maximum(rows, 1e-15, out=rows), out=rows)
        rows *= counts
        out[:, :, k] = np.add.reduceat(rows, cells.starts, axis=1) + known
    return out
