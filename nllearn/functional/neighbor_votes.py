"""Votes of the nearest neighbours on the label of every row."""

from __future__ import annotations

import torch

__all__ = ["log_shares", "neighbor_shares", "shares_of"]

# How fast a neighbour's vote fades with its cosine, and what is added to a share before its
# logarithm is taken.
_FADE, _FLOOR = 5.0, 1e-3


def neighbor_shares(
    similarities: torch.Tensor,
    neighbors: torch.Tensor,
    labels: torch.Tensor,
    n_classes: int,
    weights: torch.Tensor,
) -> torch.Tensor:
    r"""Share of each class in the votes of the neighbours, nearer ones first.

    Neighbour j votes with weight :math:`w_j e^{5 (c_{ij} - c_{i1})}`, c the cosine
    and 1 the nearest; half a vote is spread over all classes.

    Parameters
    ----------
    similarities : Tensor of shape (n, k)
        Cosines, descending.
    neighbors : int64 Tensor of shape (n, k)
        Numbers of m rows; the row itself is not among its neighbours.
    labels : int64 Tensor of shape (m,) or float32 Tensor of shape (m, n_classes)
        Labels of the m rows, or distributions over them.
    n_classes : int
    weights : Tensor of shape (m,)

    Returns
    -------
    shares : float32 Tensor of shape (n, n_classes)
        Rows sum to one.
    """
    votes = torch.full(
        (len(neighbors), n_classes), 0.5 / n_classes, dtype=torch.float32, device=labels.device
    )
    strength = torch.exp(_FADE * (similarities - similarities[:, :1])) * weights[neighbors]
    if labels.ndim == 1:
        votes.scatter_add_(1, labels[neighbors], strength.float())
    else:
        for column, share in zip(neighbors.T, strength.float().T, strict=True):
            votes.addcmul_(labels[column], share.unsqueeze(1))
    return votes / votes.sum(1, keepdim=True)


def log_shares(shares: torch.Tensor) -> torch.Tensor:
    """Logarithm of shares of votes, with 0.001 added to each: of few votes none is certain.

    Parameters
    ----------
    shares : Tensor of shape (n, n_classes)

    Returns
    -------
    log_shares : Tensor of shape (n, n_classes)
    """
    return (shares + _FLOOR).log()


def shares_of(log_votes: torch.Tensor) -> torch.Tensor:
    """Shares of votes from their logarithm, the inverse of :func:`log_shares`.

    Parameters
    ----------
    log_votes : Tensor of shape (n, n_classes)

    Returns
    -------
    shares : Tensor of shape (n, n_classes)
    """
    return log_votes.exp() - _FLOOR
