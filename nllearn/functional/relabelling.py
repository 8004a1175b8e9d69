"""From evidence about a row to its new target."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from nllearn.functional.ranking import sort_within_groups

__all__ = [
    "accept_votes",
    "moving_average",
    "posterior_given_label",
    "refine_targets",
    "sharpen",
    "vote_assigned_anchors",
]


def vote_assigned_anchors(
    similarity: torch.Tensor,
    nearest_hard: torch.Tensor,
    anchor_labels: torch.Tensor,
    n_hard: int,
    n_classes: int,
    n_votes: int,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Votes of the anchors whose most similar hard row is this one.

    One reading of the paper: each anchor votes on one hard row. Sparse, since a
    hard row that is no anchor's nearest gets no votes.

    Parameters
    ----------
    similarity : Tensor of shape (m,)
        Cosine of each valid anchor with its nearest hard row.
    nearest_hard : int64 Tensor of shape (m,)
        That row, in [0, n_hard).
    anchor_labels : int64 Tensor of shape (m,)
    n_hard, n_classes, n_votes : int
    weights : Tensor of shape (m,), optional
        Weight of each anchor's vote, one when None.

    Returns
    -------
    votes : float32 Tensor of shape (n_hard, n_classes)
        Rows sum to at most `n_votes` without weights.
    """
    votes = similarity.new_zeros((n_hard, n_classes))
    if len(similarity) == 0:
        return votes
    order, rank = sort_within_groups(similarity, nearest_hard, descending=True)
    rows = nearest_hard[order]
    kept = rank < n_votes
    flat = rows[kept] * n_classes + anchor_labels[order][kept]
    strength = torch.ones_like(similarity) if weights is None else weights
    votes.view(-1).scatter_add_(0, flat, strength[order][kept].to(votes.dtype))
    return votes


def accept_votes(
    votes: torch.Tensor, *, min_votes: float, min_share: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Turn votes into labels where they are many and agree.

    Parameters
    ----------
    votes : Tensor of shape (n, n_classes)
        Numbers of votes, or sums of their weights (mean one).
    min_votes : float
        Fewest votes, or smallest sum of weights, that a row needs.
    min_share : float in [0, 1]
        Smallest share of the votes for the winning class.

    Returns
    -------
    labels : int64 Tensor of shape (n,)
        The winner; the lowest class on a tie (which `min_share` above one half
        does not accept).
    share : Tensor of shape (n,)
        Its share of the votes, 0 where there are none.
    accepted : bool Tensor of shape (n,)
    """
    total = votes.sum(1)
    best, labels = votes.max(1)
    share = best / total.clamp_min(1e-12)
    return labels, share, (total >= min_votes) & (share >= min_share)


def moving_average(targets: torch.Tensor, probs: torch.Tensor, alpha: float) -> torch.Tensor:
    r"""Exponential moving average of predictions, MixNN eq. 12.

    :math:`t \leftarrow \alpha t + (1 - \alpha) p`

    Parameters
    ----------
    targets, probs : Tensor of shape (n, n_classes)
        Rows sum to one.
    alpha : float in [0, 1]
        Momentum: 1 keeps the targets, 0 takes the predictions.

    Returns
    -------
    targets : Tensor of shape (n, n_classes)
    """
    return torch.lerp(probs, targets, alpha)


def refine_targets(
    targets: torch.Tensor, probs: torch.Tensor, confidence: torch.Tensor
) -> torch.Tensor:
    """Mix labels and predictions by the confidence in the label.

    ``q = w t + (1 - w) p``, the labelled targets of MixMatch in Anchor
    Hallucination and DivideMix.

    Parameters
    ----------
    targets, probs : Tensor of shape (n, n_classes)
    confidence : Tensor of shape (n,)
        In [0, 1].

    Returns
    -------
    refined : Tensor of shape (n, n_classes)
    """
    return torch.lerp(probs, targets, confidence.unsqueeze(1))


def sharpen(probs: torch.Tensor, temperature: float) -> torch.Tensor:
    """Raise to the power ``1 / temperature`` and normalise.

    Parameters
    ----------
    probs : Tensor of shape (n, n_classes)
    temperature : float
        Above zero; below 1 sharpens, 1 changes nothing.

    Returns
    -------
    sharpened : Tensor of shape (n, n_classes)
        Rows sum to one.
    """
    if temperature == 1.0:
        return probs
    return probs.clamp_min(1e-12).log_().div_(temperature).softmax(1)


def posterior_given_label(
    log_probs: torch.Tensor, given: torch.Tensor, transition: torch.Tensor
) -> torch.Tensor:
    r"""Probability of the true label given the row **and** its given label.

    .. math:: P(k \mid x, j) \propto p(k \mid x) \, T_{kj}

    Bayes' rule, when the given label depends on the row only through the true one.

    Parameters
    ----------
    log_probs : Tensor of shape (n, n_classes)
        Logarithm of the probability of the true label given the row alone, up to
        a constant per row.
    given : int64 Tensor of shape (n,)
        Given labels j.
    transition : Tensor of shape (n_classes, n_classes)
        ``T[k, j] = P(given j | true k)``, rows sum to one.

    Returns
    -------
    posterior : Tensor of shape (n, n_classes)
        Rows sum to one.
    """
    columns = transition.clamp_min(1e-12).log().T[given]
    return F.softmax(log_probs + columns, dim=1)
