"""Rows whose clean probability passes a threshold: DivideMix's rule."""

from __future__ import annotations

import numpy as np

from nllearn.selectors._base import BaseSelector, weight_before

__all__ = ["ThresholdSelector"]


class ThresholdSelector(BaseSelector):
    """Keep rows whose clean probability is above a threshold.

    Every class present keeps its cleanest row, so that none is emptied.

    Parameters
    ----------
    threshold : float, default=0.5
        In [0, 1).

    Attributes
    ----------
    mixture_ : dict or None
        See :class:`~nllearn.selectors.BaseSelector`.

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.selectors import ThresholdSelector
    >>> losses = np.array([0.1, 2.0, 0.2, 0.1, 1.9, 2.1])
    >>> labels = np.array([0, 0, 0, 1, 1, 1])
    >>> ThresholdSelector().select(losses, labels).easy.astype(int).tolist()
    [1, 0, 1, 1, 0, 0]
    """

    def __init__(self, threshold: float = 0.5):
        self.threshold = threshold

    def _choose(
        self,
        clean_proba: np.ndarray,
        losses: np.ndarray,
        labels: np.ndarray,
        weights: np.ndarray,
    ) -> np.ndarray:
        if not 0.0 <= self.threshold < 1.0:
            raise ValueError(f"threshold={self.threshold!r} must be in [0, 1)")
        before, _ = weight_before(clean_proba, losses, labels, weights)
        return (clean_proba > self.threshold) | (before <= 1e-9 * weights.mean())
