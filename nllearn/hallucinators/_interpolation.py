"""Anchors without parameters to learn."""

from __future__ import annotations

import torch

from nllearn.functional.similarity import unit_rows
from nllearn.hallucinators._base import BaseHallucinator

__all__ = ["InterpolationHallucinator"]


class InterpolationHallucinator(BaseHallucinator):
    r"""Anchors on the line between two easy rows of different classes.

    .. math:: s_a = \lambda_p \hat s_u + (1 - \lambda_p) \hat s_v

    with unit rows :math:`\hat s`: what the similarity terms of eq. 2 ask for,
    without a network.

    Parameters
    ----------
    lambda_p : float, default=0.75
        Share of the row whose label the anchor takes, in [0.5, 1].
    n_anchors : int, default=1
        Anchors per easy row.

    Examples
    --------
    >>> import torch
    >>> from nllearn.hallucinators import InterpolationHallucinator
    >>> rows, labels = torch.eye(2), torch.tensor([0, 1])
    >>> made = InterpolationHallucinator(0.75, 1).hallucinate(
    ...     rows, labels, generator=torch.Generator().manual_seed(0))
    >>> made.features.tolist(), made.labels.tolist()
    ([[0.75, 0.25], [0.25, 0.75]], [0, 1])
    """

    def __init__(self, lambda_p: float = 0.75, n_anchors: int = 1):
        self.lambda_p = lambda_p
        self.n_anchors = n_anchors

    def _combine(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return torch.lerp(unit_rows(second), unit_rows(first), self.lambda_p)
