"""Anchors: partners, the hallucinator's loss, and which anchors are valid."""

from __future__ import annotations

import torch
from torch.nn import functional as F

__all__ = ["anchor_validity", "draw_partners", "hallucination_loss"]


def draw_partners(
    labels: torch.Tensor, n_partners: int, *, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """For every row draw rows of other classes, uniformly over those rows.

    Parameters
    ----------
    labels : int64 Tensor of shape (n,)
    n_partners : int
        Partners per row, at least 1.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    first, second : int64 Tensors of shape (m,)
        Row pairs with ``labels[first] != labels[second]``, the partners of one row
        adjacent; m is ``n * n_partners``, or 0 when there is one class only.
    """
    labels = labels.cpu()
    n = len(labels)
    order = torch.argsort(labels, stable=True)
    counts = torch.bincount(labels) if n else torch.zeros(1, dtype=torch.int64)
    ends = counts.cumsum(0)
    first = torch.arange(n).repeat_interleave(n_partners)
    others = n - counts[labels[first]]
    if n == 0 or int(others.min()) == 0:
        empty = torch.empty(0, dtype=torch.int64)
        return empty, empty.clone()
    # A draw among the rows of other classes: step over the row's own class block.
    draw = (torch.rand(len(first), generator=generator, dtype=torch.float64) * others).long()
    draw = torch.minimum(draw, others - 1)
    own = labels[first]
    begin = ends[own] - counts[own]
    position = torch.where(draw < begin, draw, draw + counts[own])
    return first, order[position]


def hallucination_loss(
    anchors: torch.Tensor,
    first: torch.Tensor,
    second: torch.Tensor,
    logits: torch.Tensor,
    labels: torch.Tensor,
    lambda_p: float,
) -> torch.Tensor:
    r"""Loss of the hallucinator, Anchor Hallucination eq. 2.

    .. math::
        -\lambda_p \cos(s_a, s_u) - (1 - \lambda_p) \cos(s_a, s_v)
        + \mathrm{CE}(g(s_a), \tilde y_u)

    Parameters
    ----------
    anchors : Tensor of shape (m, d)
        :math:`s_a`, output of the hallucinator.
    first, second : Tensor of shape (m, d)
        Features :math:`s_u` (whose label the anchor takes) and :math:`s_v`.
    logits : Tensor of shape (m, n_classes)
        Frozen head on the anchors, :math:`g(s_a)`.
    labels : int64 Tensor of shape (m,)
    lambda_p : float
        In [0.5, 1]: how much nearer the anchor stays to its own side.

    Returns
    -------
    loss : scalar Tensor
    """
    near = F.cosine_similarity(anchors, first).mean()
    far = F.cosine_similarity(anchors, second).mean()
    return F.cross_entropy(logits, labels) - lambda_p * near - (1.0 - lambda_p) * far


def anchor_validity(
    similarity: torch.Tensor, *, lambda_conf: float | None, quantile: float
) -> torch.Tensor:
    """Which anchors lie close enough to a hard row to vote on it.

    Parameters
    ----------
    similarity : Tensor of shape (m,)
        Cosine of every anchor with its most similar hard row.
    lambda_conf : float or None
        The paper's threshold on the cosine. None takes the quantile.
    quantile : float in [0, 1)
        Share of the anchors that is dropped while `lambda_conf` is None. A fixed
        cosine means different things while features move; a quantile does not.

    Returns
    -------
    valid : bool Tensor of shape (m,)
    """
    if len(similarity) == 0:
        return torch.zeros(0, dtype=torch.bool, device=similarity.device)
    if lambda_conf is not None:
        return similarity > lambda_conf
    # torch.quantile refuses more than 16 million values; a sorted look-up does not.
    rank = min(len(similarity) - 1, int(quantile * len(similarity)))
    return similarity >= similarity.sort().values[rank]
