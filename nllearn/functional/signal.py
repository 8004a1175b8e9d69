"""Whether features and predictions say anything about the labels, of all rows or class by class."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import gamma, norm, rankdata
from torch.nn import functional as F

from nllearn.functional.blocks import drawn_rows, row_blocks

__all__ = ["dependence_strength", "recognized_classes", "signal_strength"]

# Standard errors by which a class must be predicted better than by chance. All classes together
# are tested more strictly.
_STANDARD_ERRORS = 1.0
# Numbers that are looked at; more change nothing that can be measured.
_N_NUMBERS = 1_000_000


def signal_strength(scores: torch.Tensor, codes: torch.Tensor, weights: torch.Tensor) -> float:
    r"""By how many standard errors predictions favour the given labels over other rows' labels.

    .. math:: z = \frac{\sum_i w_i g_i}{\sqrt{2 \sum_i w_i^2 g_i^2}}, \qquad
              g_i = R_{i, y_i} - \sum_k \pi_k R_{ik}

    with :math:`R_{ik}` the rank of row i among the scores of class k and :math:`\pi` the shares
    of the given labels. Ranks show a rare class as well as a frequent one. The labels of rows i
    and j predict each other alike, so every pair of rows counts twice, and the variance is twice
    that of independent rows. Predictions made out of sample from features without signal give
    about 0 with standard error 1. A factor of the scores changes nothing.

    Parameters
    ----------
    scores : float32 Tensor of shape (n, n_classes)
        Out of sample.
    codes : int64 Tensor of shape (n,)
    weights : Tensor of shape (n,)
        Not negative. Rows of weight 0 are left out. Of more than a million scores as many are
        used, those of rows that are drawn, always the same ones.

    Returns
    -------
    z : float
    """
    active = _active_rows(weights, scores.shape[1])
    w = weights[active].cpu().double().numpy()
    labels = F.one_hot(codes[active], scores.shape[1]).cpu().numpy()
    share = w @ labels / max(w.sum(), 1e-12)
    # Ties share their mean rank, so that the order of the rows changes nothing.
    ranks = rankdata(scores[active].cpu().numpy(), axis=0)
    gain = w * (ranks[labels > 0] - ranks @ share)
    return float(gain.sum() / np.sqrt(max(2.0 * (gain @ gain), 1e-30)))


def dependence_strength(X: torch.Tensor, codes: torch.Tensor, weights: torch.Tensor) -> float:
    r"""How surely given labels depend on the features linearly, in standard errors.

    .. math:: T = \lVert X^T Z \rVert^2, \qquad Z_{ik} = w_i ([y_i = k] - \pi_k)

    with centred columns of X and :math:`\pi` the shares of the given labels: the
    Hilbert-Schmidt independence criterion with linear kernels (Gretton et al., 2008). Its mean
    and variance over all orders of the labels are known (Kazi-Aoual et al., 1995). The
    probability that T is as large by chance is taken from the gamma distribution of this mean
    and variance. Where many columns say a little each, this finds what no prediction of a single
    row shows.

    Parameters
    ----------
    X : float32 Tensor of shape (n, d)
        Features that were made without these labels.
    codes : int64 Tensor of shape (n,)
    weights : Tensor of shape (n,)
        Not negative. Rows of weight 0 are left out. Of more than a million numbers in X, or in
        the labels as indicators, as many are used, those of rows that are drawn, always the same
        ones.

    Returns
    -------
    z : float
        The point that a standard normal variable exceeds with the same probability; 0 for fewer
        than four rows, one class or constant features.

    Examples
    --------
    Twenty columns of which each says a little of the label:

    >>> import torch
    >>> from nllearn.functional.signal import dependence_strength
    >>> generator = torch.Generator().manual_seed(0)
    >>> codes = torch.arange(600) % 2
    >>> X = torch.randn(600, 20, generator=generator) + 0.15 * codes.unsqueeze(1)
    >>> dependence_strength(X, codes, torch.ones(600)) > 3
    True
    >>> dependence_strength(X, codes[torch.randperm(600, generator=generator)], torch.ones(600)) < 2
    True
    """
    n_classes = int(codes.max()) + 1
    active = _active_rows(weights, max(X.shape[1], n_classes))
    n = len(active)
    if n < 4:
        return 0.0
    X, codes, weights = X[active].double(), codes[active], weights[active].double()
    labels = F.one_hot(codes, n_classes).double()
    Z = weights[:, None] * (labels - weights @ labels / weights.sum())
    X = X - X.mean(0)
    mean, variance = _moments(_traces(X), _traces(Z), n)
    # Also where rounding is all there is.
    if not variance > 1e-12 * mean**2 > 0.0:
        return 0.0
    found = float((X.T @ Z).square().sum())
    log_above = gamma.logsf(found, mean**2 / variance, scale=variance / mean)
    return float(norm.isf(np.exp(max(log_above, -700.0))))


def _active_rows(weights: torch.Tensor, width: int) -> torch.Tensor:
    """Rows that count; some of them, drawn, where there are too many numbers in a width."""
    active = torch.nonzero(weights > 0).squeeze(1)
    return active[drawn_rows(len(active), max(_N_NUMBERS // width, 1)).to(active.device)]


def _traces(A: torch.Tensor) -> tuple[float, float, float]:
    """Of K = A A^T: its trace, the trace of K K, the sum of the squares of its diagonal."""
    diagonal = A.square().sum(1)
    product = A.T @ A if A.shape[1] < len(A) else A @ A.T
    return float(diagonal.sum()), float(product.square().sum()), float(diagonal.square().sum())


def _moments(
    k: tuple[float, float, float], m: tuple[float, float, float], n: int
) -> tuple[float, float]:
    """Mean and variance of the trace of K M over all orders of the n rows of one of them."""

    def parts(trace: float, square: float, diagonal: float) -> tuple[float, float]:
        off = (n - 1) * square - trace**2
        return off, n * (n + 1) * diagonal - (n - 1) * (trace**2 + 2 * square)

    (off_k, on_k), (off_m, on_m) = parts(*k), parts(*m)
    variance = 2 * off_k * off_m / ((n - 1) ** 2 * (n + 1) * (n - 2))
    variance += on_k * on_m / ((n + 1) * n * (n - 1) * (n - 2) * (n - 3))
    return k[0] * m[0] / (n - 1), variance


def recognized_classes(
    scores: torch.Tensor, predicted: torch.Tensor, codes: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Classes that are predicted, and found better than by chance.

    Among the rows of largest evidence for a class its given label must be more frequent than in
    all rows, by one standard error; either among the rows predicted as the class, or among
    those whose score exceeds the share of the class by the largest factor.

    Parameters
    ----------
    scores : float32 Tensor of shape (n, n_classes)
        Out of sample, on the scale of probabilities up to a factor.
    predicted, codes : int64 Tensor of shape (n,)
        Predicted classes and given labels.
    weights : Tensor of shape (n,)

    Returns
    -------
    recognized : bool Tensor of shape (n_classes,)
    """
    n_classes = scores.shape[1]
    weights = weights.double()

    def mass(groups: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        none = torch.zeros(n_classes, dtype=torch.float64, device=codes.device)
        return none.index_add_(0, groups, values)

    share = mass(codes, weights) / weights.sum()
    relative = torch.empty_like(codes)
    for rows in row_blocks(len(scores)):
        relative[rows] = (scores[rows] / share.clamp_min(1e-9)).argmax(1)
    found = torch.zeros(n_classes, dtype=torch.bool, device=codes.device)
    for named in (predicted, relative):
        size = mass(named, weights)
        hits = mass(named, weights * (named == codes))
        error = (size * share * (1.0 - share)).clamp_min(1e-9).sqrt()
        found |= (hits - share * size) / error > _STANDARD_ERRORS
    return found & (mass(predicted, weights) > 0)
