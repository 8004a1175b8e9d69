"""What every hallucinator shares: the pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from sklearn.base import BaseEstimator

from nllearn.functional.hallucination import draw_partners
from nllearn.hallucinators._anchors import Anchors

__all__ = ["BaseHallucinator", "Head"]

Head = Callable[[torch.Tensor], torch.Tensor]


class BaseHallucinator(BaseEstimator):
    """Draws pairs of easy rows of different classes; a subclass makes the anchors.

    A subclass writes ``_combine(first, second)`` and, when it learns,
    ``partial_fit``. Features come centred: their mean over the training rows is
    zero.
    """

    n_anchors: int
    lambda_p: float

    def _check(self) -> None:
        if self.n_anchors < 1:
            raise ValueError(f"n_anchors={self.n_anchors!r} must be at least 1")
        if not 0.5 <= self.lambda_p <= 1.0:
            raise ValueError(f"lambda_p={self.lambda_p!r} must be in [0.5, 1]")

    def partial_fit(
        self,
        features: torch.Tensor,
        labels: torch.Tensor,
        *,
        head: Head,
        generator: torch.Generator,
    ) -> BaseHallucinator:
        """Learn for one phase; here there is nothing to learn.

        Parameters
        ----------
        features : Tensor of shape (n, d)
            Centred features of the easy rows.
        labels : int64 Tensor of shape (n,)
            Their given labels.
        head : callable
            From centred features to logits; frozen.
        generator : torch.Generator
            On the CPU.

        Returns
        -------
        self : object
        """
        self._check()
        return self

    def hallucinate(
        self, features: torch.Tensor, labels: torch.Tensor, *, generator: torch.Generator
    ) -> Anchors:
        """Make ``n_anchors`` anchors for every easy row.

        Parameters
        ----------
        features : Tensor of shape (n, d)
            Centred features of the easy rows.
        labels : int64 Tensor of shape (n,)
            Their given labels.
        generator : torch.Generator
            On the CPU; draws the partners.

        Returns
        -------
        anchors : Anchors
            ``n * n_anchors`` of them, or none when there is one class only.
        """
        self._check()
        first, second = draw_partners(labels, self.n_anchors, generator=generator)
        first, second = first.to(features.device), second.to(features.device)
        with torch.no_grad():
            made = self._combine(features[first], features[second])
        return Anchors(made, labels[first], torch.stack([first, second], dim=1))

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint; here there is none.

        Returns
        -------
        state : dict
            Tensors and numbers alone.
        """
        return {}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on where :meth:`state_dict` was taken.

        Parameters
        ----------
        state : dict
            What ``state_dict`` gave.
        device : torch.device
            Of the features that will be passed.
        """

    def _combine(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        raise TypeError(f"{type(self).__name__} does not define _combine")
