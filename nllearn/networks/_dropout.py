"""Dropout at the price of its random numbers."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["Dropout"]


class Dropout(nn.Dropout):
    """As :class:`torch.nn.Dropout`, with a mask that a CPU draws four times as fast.

    Torch draws the Bernoulli mask of its dropout number by number on a CPU, which takes
    longer than the matrix products of a network for tables; uniform numbers it draws in
    vectors. Mask and scale have the same distribution. Elsewhere than on a CPU, where one
    kernel does it all, this is torch's own.

    Parameters
    ----------
    p : float, default=0.5
        Share of the numbers set to zero while training, in [0, 1]. The others are
        multiplied by ``1 / (1 - p)``.

    Examples
    --------
    >>> import torch
    >>> from nllearn.networks import Dropout
    >>> sorted(set(Dropout(0.5)(torch.ones(100)).tolist()))
    [0.0, 2.0]
    """

    def __init__(self, p: float = 0.5):
        super().__init__(p)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Drop some of the numbers while training, none else.

        Parameters
        ----------
        input : float Tensor
            Of any shape.

        Returns
        -------
        output : Tensor of the same shape
        """
        if input.device.type != "cpu" or not self.training or not 0 < self.p < 1:
            return super().forward(input)
        kept = torch.rand_like(input, dtype=torch.float32).ge_(self.p).div_(1.0 - self.p)
        return input * kept.to(input.dtype)
