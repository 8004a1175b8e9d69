"""Noise rate and transition matrix from probabilities and given labels."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import expit, logit

__all__ = [
    "estimate_transition",
    "expected_transition",
    "noise_rate",
    "prior_strength",
    "scale_noise",
    "symmetric_transition",
]

# Pseudo-counts of each row of T: a class without rows gets symmetric noise.
_PRIOR_ROWS = 10.0
_MAX_ROUNDS = 50
# A class with less noise has none, up to rounding.
_NO_NOISE = 1e-9
_TOL = 1e-4


def symmetric_transition(n_classes: int, rate: float) -> np.ndarray:
    """Transition matrix of symmetric noise.

    Parameters
    ----------
    n_classes : int
    rate : float in [0, 1]
        Probability that the given label differs from the true one.

    Returns
    -------
    transition : float64 ndarray of shape (n_classes, n_classes)
        ``1 - rate`` on the diagonal, the rest spread evenly. The identity for one
        class.
    """
    if n_classes < 2:
        return np.ones((n_classes, n_classes))
    transition = np.full((n_classes, n_classes), rate / (n_classes - 1))
    np.fill_diagonal(transition, 1.0 - rate)
    return transition


def estimate_transition(
    probs: np.ndarray,
    given: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    trusted: np.ndarray | None = None,
    prior_rows: float = _PRIOR_ROWS,
) -> np.ndarray:
    r"""Transition matrix by expectation maximisation, the probabilities held fixed.

    With :math:`q_i(k) \propto p_i(k) T_{k, \tilde y_i}`, repeat

    .. math:: T_{kj} = \frac{\kappa S_{kj} + \sum_{i: \tilde y_i = j} q_i(k)}
                            {\kappa + \sum_i q_i(k)}

    where S is symmetric noise at the current overall rate: a class with few rows
    is drawn to what all classes show, one with many rows hardly is.

    Parameters
    ----------
    probs : ndarray of shape (n, n_classes)
        Probability of the true label given the row alone.
    given : int64 ndarray of shape (n,)
    sample_weight : ndarray of shape (n,), optional
        Rows of weight 0 do not count.
    trusted : bool ndarray of shape (n,), optional
        Rows whose given label is the true one.
    prior_rows : float, default=10
        Pseudo-counts kappa per row of T.

    Returns
    -------
    transition : float64 ndarray of shape (n_classes, n_classes)
        Row = true class, column = given class, rows sum to one.
    """
    n, n_classes = probs.shape
    if n_classes < 2:
        return np.ones((n_classes, n_classes))
    weight = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    weight = weight * (np.count_nonzero(weight) / max(weight.sum(), 1e-12))
    groups = _rows_by_label(probs, given, weight, trusted)
    known: np.ndarray = np.zeros(n_classes)
    if trusted is not None:
        known = np.bincount(given[trusted], weights=weight[trusted], minlength=n_classes)
    # Its transpose, so that all reading and writing is along rows.
    columns = symmetric_transition(n_classes, 0.3)
    for _ in range(_MAX_ROUNDS):
        counts = np.zeros((n_classes, n_classes))
        for label, rows, row_weight in groups:
            column = columns[label]
            share = row_weight / np.maximum(rows @ column, 1e-300)
            np.multiply(column, share @ rows, out=counts[label])
        np.fill_diagonal(counts, counts.diagonal() + known)
        rate = 1.0 - np.trace(counts) / max(counts.sum(), 1e-12)
        rate = float(np.clip(rate, 1e-3, 1 - 1e-3))
        kept = counts.diagonal() + prior_rows * (1.0 - rate)
        counts += prior_rows * rate / (n_classes - 1)
        np.fill_diagonal(counts, kept)
        counts /= counts.sum(0)
        columns -= counts
        change = max(columns.max(), -columns.min())
        columns = counts
        if change < _TOL:
            break
    return np.ascontiguousarray(columns.T)


def scale_noise(transition: np.ndarray, class_share: np.ndarray, rate: float) -> np.ndarray:
    r"""Transition matrix of another noise rate: all classes' odds of noise times one factor.

    .. math:: T'_{kk} = 1 - \sigma(\operatorname{logit}(1 - T_{kk}) + s), \qquad
              \sum_k \pi_k (1 - T'_{kk}) = r

    The wrong labels of a class keep their proportions.

    Parameters
    ----------
    transition : ndarray of shape (n_classes, n_classes)
    class_share : ndarray of shape (n_classes,)
        Shares :math:`\pi` of the true classes.
    rate : float in (0, 1)
        Share r of wrong labels over all classes.

    Returns
    -------
    transition : float64 ndarray of shape (n_classes, n_classes)
        As it is where no class has noise.

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.functional.transition import scale_noise
    >>> T = np.array([[0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.0, 0.0, 1.0]])
    >>> found = scale_noise(T, np.ones(3) / 3, 0.2)
    >>> found.round(2).tolist()
    [[0.78, 0.22, 0.0], [0.19, 0.62, 0.19], [0.0, 0.0, 1.0]]
    """
    transition = np.asarray(transition, np.float64)
    noise = 1.0 - transition.diagonal()
    noisy, share = noise > _NO_NOISE, class_share / class_share.sum()
    reachable = float(share[noisy].sum())
    if not 0.0 < rate < reachable:
        return transition
    odds = logit(np.minimum(noise[noisy], 1.0 - _NO_NOISE))
    # At these ends every class has less, or more, than the wanted rate.
    wanted = logit(rate / reachable)
    shift = brentq(
        lambda s: float(share[noisy] @ expit(odds + s)) - rate,
        wanted - odds.max() - 1.0,
        wanted - odds.min() + 1.0,
    )
    scaled = transition.copy()
    scaled[noisy] *= (expit(odds + shift) / noise[noisy])[:, None]
    np.fill_diagonal(scaled, 1.0)
    off_diagonal = scaled.sum(1) - 1.0
    np.fill_diagonal(scaled, 1.0 - off_diagonal)
    return scaled


def _rows_by_label(
    probs: np.ndarray, given: np.ndarray, weight: np.ndarray, trusted: np.ndarray | None
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Rows that are not trusted, by given label: the label, their probabilities and weights."""
    rows = np.arange(len(given)) if trusted is None else np.flatnonzero(~trusted)
    rows = rows[np.argsort(given[rows], kind="stable")]
    labels, starts = np.unique(given[rows], return_index=True)
    if not len(labels):
        return []
    probs, weight = probs[rows].astype(np.float64, copy=False), weight[rows]
    pieces = zip(np.split(probs, starts[1:]), np.split(weight, starts[1:]), strict=True)
    return [(int(label), *piece) for label, piece in zip(labels, pieces, strict=True)]


def expected_transition(
    distributions: np.ndarray, given: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    r"""Expected share of each given label under each true one, by the posterior.

    .. math:: T_{kj} = \frac{\sum_{i:\,\tilde y_i = j} w_i\, p_i(k)}{\sum_i w_i\, p_i(k)}

    Parameters
    ----------
    distributions : ndarray of shape (n, n_classes)
        Over the true label of every row.
    given : int ndarray of shape (n,)
    weight : ndarray of shape (n,)

    Returns
    -------
    transition : float64 ndarray of shape (n_classes, n_classes)
        Rows sum to one; that of a class without any mass is the identity's.
    """
    n_classes = distributions.shape[1]
    counts = np.zeros((n_classes, n_classes))
    for code in range(n_classes):
        rows = given == code
        counts[:, code] = weight[rows] @ distributions[rows]
    totals = counts.sum(1, keepdims=True)
    return np.divide(counts, totals, out=np.eye(n_classes), where=totals > 0)


def noise_rate(label_quality: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Estimated share of rows whose given label is not the true one.

    Parameters
    ----------
    label_quality : ndarray of shape (n,)
        Calibrated probability that each given label is right.
    sample_weight : ndarray of shape (n,), optional

    Returns
    -------
    rate : float in [0, 1]
    """
    return float(np.clip(1.0 - np.average(label_quality, weights=sample_weight), 0.0, 1.0))


def prior_strength(
    counts: torch.Tensor, candidates: tuple[float, ...] = (10.0, 50.0, 250.0, 1250.0)
) -> float:
    r"""Pseudo-counts by which the rows of a transition matrix are drawn to symmetric noise.

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
