"""From the loss of every row to the probability that its label is clean."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch.nn import functional as F

__all__ = ["per_sample_loss", "scale_losses", "small_loss_posterior"]

# DivideMix's settings of the mixture; a floor on the variance keeps a component
# from collapsing onto a few equal losses.
_MAX_ITER, _TOL, _REG_COVAR = 10, 1e-2, 5e-4
_SMALLEST_SPREAD = 1e-6


def per_sample_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of every row against its label.

    Parameters
    ----------
    logits : Tensor of shape (n, n_classes)
    labels : int64 Tensor of shape (n,)

    Returns
    -------
    losses : float32 Tensor of shape (n,)
        ``-log softmax(logits)[label]``, never negative.
    """
    return F.cross_entropy(logits.float(), labels, reduction="none")


def scale_losses(losses: np.ndarray, *, tail: float = 0.005) -> np.ndarray:
    """Scale losses to [0, 1], robust to single outliers.

    DivideMix scales by minimum and maximum, so one outlier squeezes all other
    losses together. Here the ends are the `tail` and ``1 - tail`` quantiles and
    what lies beyond them is clipped.

    Parameters
    ----------
    losses : ndarray of shape (n,)
        Finite.
    tail : float, default=0.005
        Share of rows clipped at each end, in [0, 0.5).

    Returns
    -------
    scaled : float64 ndarray of shape (n,)
        In [0, 1]; all zeros when the losses are equal.
    """
    losses = np.asarray(losses, dtype=np.float64)
    low, high = np.quantile(losses, [tail, 1.0 - tail])
    if high - low <= _SMALLEST_SPREAD:
        low, high = losses.min(), losses.max()
    if high - low <= _SMALLEST_SPREAD:
        return np.zeros_like(losses)
    return np.clip((losses - low) / (high - low), 0.0, 1.0)


def small_loss_posterior(
    losses: np.ndarray,
) -> tuple[np.ndarray, dict[str, np.ndarray] | None]:
    """Posterior of the small-loss component of a two-component mixture.

    A one-dimensional Gaussian mixture is fitted to the scaled losses, started at
    their lower and upper quartile, so no random numbers are drawn. The posterior
    of the component with the smaller mean is then made monotone: with unequal
    variances the raw posterior can fall again for the very smallest losses.

    Parameters
    ----------
    losses : ndarray of shape (n,)
        Finite losses.

    Returns
    -------
    clean_proba : float32 ndarray of shape (n,)
        In [0, 1], never rising with the loss. All ones when the losses cannot be
        split (equal losses, fewer than two rows).
    mixture : dict or None
        ``means``, ``variances``, ``weights`` on the scaled axis; None when the
        losses cannot be split.

    References
    ----------
    Li, Socher, Hoi, "DivideMix", ICLR 2020, section 3.1.
    """
    losses = np.asarray(losses, dtype=np.float64)
    if len(losses) == 0:
        return np.ones(0, dtype=np.float32), None
    scaled = scale_losses(losses)
    if len(scaled) < 2 or np.ptp(scaled) <= _SMALLEST_SPREAD:
        return np.ones(len(losses), dtype=np.float32), None

    start = np.quantile(scaled, [0.25, 0.75]).reshape(2, 1)
    if start[1, 0] - start[0, 0] <= _SMALLEST_SPREAD:
        start = np.array([[scaled.min()], [scaled.max()]])
    mixture = GaussianMixture(
        2,
        max_iter=_MAX_ITER,
        tol=_TOL,
        reg_covar=_REG_COVAR,
        weights_init=[0.5, 0.5],
        means_init=start,
        precisions_init=np.full((2, 1, 1), 1.0 / max(float(np.var(scaled)), _REG_COVAR)),
        random_state=0,
    )
    with warnings.catch_warnings():
        # Ten iterations are the published setting; not converging is expected.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(scaled.reshape(-1, 1))
    means = mixture.means_.ravel()
    small = int(np.argmin(means))
    fitted = {
        "means": means.copy(),
        "variances": mixture.covariances_.ravel().copy(),
        "weights": mixture.weights_.copy(),
    }
    if means[1 - small] - means[small] <= _SMALLEST_SPREAD:
        return np.ones(len(losses), dtype=np.float32), None
    # Below the small component's mean nothing is less clean than at the mean.
    posterior = mixture.predict_proba(np.maximum(scaled, means[small]).reshape(-1, 1))[:, small]
    order = np.argsort(scaled, kind="stable")
    posterior[order] = np.minimum.accumulate(posterior[order])
    return posterior.astype(np.float32), fitted
