"""Out-of-sample opinions on every row's label, from features and given labels alone.

A network that has seen a row's label may repeat it. The witnesses here leave the row's
own label out, so what they say of it is not an echo.
"""

from __future__ import annotations

import torch

__all__ = ["combine_witnesses", "leave_one_out_scores", "neighbor_log_votes"]

_RIDGES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0)
# How fast a neighbour's vote fades with its cosine, and the floor under a vote share.
_FADE, _FLOOR = 5.0, 1e-3


def leave_one_out_scores(
    features: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    r"""Ridge regression on the targets, each row predicted by a fit without it.

    In closed form, with :math:`h_i` the leverage of row i,

    .. math:: f_i^{(-i)} = \frac{f_i - h_i t_i}{1 - h_i}

    The ridge is the one of ten with the smallest weighted leave-one-out squared
    error; one eigendecomposition of the d x d Gram matrix serves all of them.

    Parameters
    ----------
    features : Tensor of shape (n, d)
        Rows of about unit length.
    targets : Tensor of shape (n, n_classes)
        One-hot given labels.
    weights : Tensor of shape (n,)
        Not negative; a row of weight 0 is predicted, not fitted.

    Returns
    -------
    scores : float32 Tensor of shape (n, n_classes)
        Divided by the mean top score, which makes one sharpness serve many data
        sets.
    """
    n_fitted = int((weights > 0).sum())
    weights = weights * (n_fitted / weights.sum().clamp_min(1e-12))
    share = weights.unsqueeze(1)
    x = features - (share * features).sum(0) / n_fitted
    t = targets - (share * targets).sum(0) / n_fitted
    root = share.sqrt()
    scaled = root * x
    gram = (scaled.T @ scaled).double()
    values, vectors = torch.linalg.eigh(gram)
    values = values.clamp_min(0.0).float()
    axes = x @ vectors.float()
    moments = axes.T @ (share * t)
    squared = axes.square()
    best_error, best = torch.inf, None
    for ridge in _RIDGES:
        inverse = 1.0 / (values + ridge * n_fitted / x.shape[1] + 1e-6)
        leverage = (weights * (squared @ inverse)).clamp(0.0, 0.999).unsqueeze(1)
        fitted = axes @ (inverse.unsqueeze(1) * moments)
        left_out = (fitted - leverage * t) / (1.0 - leverage)
        error = float((share * (left_out - t).square()).sum())
        if best is None or error < best_error:
            best_error, best = error, left_out
    assert best is not None
    # The mean was taken out of the targets. Of it what tells classes apart comes back, without
    # the row itself.
    own = share * targets
    others = (own.sum(0) - own) / (n_fitted - share).clamp_min(1e-6)
    best = best + (others - 1.0 / targets.shape[1])
    top = (weights * best.max(1).values).sum() / n_fitted
    return best / top.clamp_min(1e-6)


def neighbor_log_votes(
    similarities: torch.Tensor,
    neighbors: torch.Tensor,
    given: torch.Tensor,
    n_classes: int,
    weights: torch.Tensor,
) -> torch.Tensor:
    r"""Logarithm of the share of each class among the neighbours, nearer ones first.

    Neighbour j votes with weight :math:`w_j e^{5 (c_{ij} - c_{i1})}`, c the cosine
    and 1 the nearest; half a vote is spread over all classes.

    Parameters
    ----------
    similarities : Tensor of shape (n, k)
        Cosines, descending.
    neighbors : int64 Tensor of shape (n, k)
        The row itself is not among them.
    given : int64 Tensor of shape (n,)
    n_classes : int
    weights : Tensor of shape (n,)

    Returns
    -------
    log_share : float32 Tensor of shape (n, n_classes)
    """
    votes = torch.full((len(neighbors), n_classes), 0.5 / n_classes, device=given.device)
    strength = torch.exp(_FADE * (similarities - similarities[:, :1])) * weights[neighbors]
    votes.scatter_add_(1, given[neighbors], strength.float())
    return (votes / votes.sum(1, keepdim=True) + _FLOOR).log()


def combine_witnesses(
    scores: torch.Tensor, log_votes: torch.Tensor, *, score_weight: float, vote_weight: float
) -> torch.Tensor:
    """Log-probability of the true label given the row, from both witnesses.

    Parameters
    ----------
    scores : Tensor of shape (n, n_classes)
        Of :func:`leave_one_out_scores`.
    log_votes : Tensor of shape (n, n_classes)
        Of :func:`neighbor_log_votes`.
    score_weight, vote_weight : float
        Fixed: chosen by the likelihood of the given labels, they would explain
        smooth noise away.

    Returns
    -------
    log_proba : Tensor of shape (n, n_classes)
        Normalised.
    """
    return (score_weight * scores + vote_weight * log_votes).log_softmax(1)
