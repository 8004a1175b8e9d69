"""Learning rates over the epochs of a fit, as factors of the first one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sklearn.base import BaseEstimator

__all__ = ["CosineAnnealing", "StepDecay", "WarmRestarts"]


@dataclass
class CosineAnnealing(BaseEstimator):
    r"""Half a cosine from 1 to 0 over the fit: the default.

    .. math:: f(e) = \tfrac12 (1 + \cos(\pi e / E))

    with e the epoch from 0 and E the number of epochs.

    Examples
    --------
    >>> from nllearn.training import CosineAnnealing
    >>> [round(CosineAnnealing()(epoch, 4), 3) for epoch in range(4)]
    [1.0, 0.854, 0.5, 0.146]
    """

    def __call__(self, epoch: int, max_epochs: int) -> float:
        """Return the factor of an epoch."""
        return 0.5 * (1.0 + math.cos(math.pi * epoch / max_epochs))


@dataclass
class StepDecay(BaseEstimator):
    """Multiply by `factor` once at a share of the fit, as DivideMix does at one half.

    Parameters
    ----------
    at : float, default=0.5
        Share of the epochs, in [0, 1].
    factor : float, default=0.1

    Examples
    --------
    >>> from nllearn.training import StepDecay
    >>> [StepDecay()(epoch, 4) for epoch in range(4)]
    [1.0, 1.0, 0.1, 0.1]
    """

    at: float = 0.5
    factor: float = 0.1

    def __call__(self, epoch: int, max_epochs: int) -> float:
        """Return the factor of an epoch."""
        return self.factor if epoch >= self.at * max_epochs else 1.0


@dataclass
class WarmRestarts(BaseEstimator):
    r"""Cosine cycles that start again at 1, as the released code of MixNN has them.

    .. math:: f(e) = l + \tfrac12 (1 - l) (1 + \cos(\pi (e \bmod p) / p))

    with p the `period` and l the `lowest` factor.

    Parameters
    ----------
    period : int, default=10
        Epochs of a cycle.
    lowest : float, default=0.05
        Factor that a cycle falls towards, in [0, 1].

    Examples
    --------
    >>> from nllearn.training import WarmRestarts
    >>> [round(WarmRestarts(2)(epoch, 4), 3) for epoch in range(4)]
    [1.0, 0.525, 1.0, 0.525]
    """

    period: int = 10
    lowest: float = 0.05

    def __call__(self, epoch: int, max_epochs: int) -> float:
        """Return the factor of an epoch."""
        wave = 0.5 * (1.0 + math.cos(math.pi * (epoch % self.period) / self.period))
        return self.lowest + (1.0 - self.lowest) * wave
