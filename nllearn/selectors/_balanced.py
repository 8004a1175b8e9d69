"""The same number of easy rows for every class: Anchor Hallucination eq. 1."""

from __future__ import annotations

import numpy as np

from nllearn.selectors._base import BaseSelector, weight_before

__all__ = ["ClassBalancedSelector"]


class ClassBalancedSelector(BaseSelector):
    r"""Keep the cleanest rows of every given class, up to one quota for all.

    .. math:: M_j = \min(\lceil N P / C \rceil, N_j)

    with N rows, C classes present and :math:`N_j` rows of given class j; rows count as
    their weights.

    Parameters
    ----------
    easy_fraction : float, default=0.6
        P, in (0, 1].

    Attributes
    ----------
    mixture_ : dict or None
        See :class:`~nllearn.selectors.BaseSelector`.

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.selectors import ClassBalancedSelector
    >>> losses = np.array([0.1, 2.0, 0.2, 0.1, 1.9, 3.0])
    >>> labels = np.array([0, 0, 0, 1, 1, 1])
    >>> ClassBalancedSelector(0.5).select(losses, labels).easy.astype(int).tolist()
    [1, 0, 1, 1, 1, 0]
    """

    def __init__(self, easy_fraction: float = 0.6):
        self.easy_fraction = easy_fraction

    def _choose(
        self,
        clean_proba: np.ndarray,
        losses: np.ndarray,
        labels: np.ndarray,
        weights: np.ndarray,
    ) -> np.ndarray:
        if not 0.0 < self.easy_fraction <= 1.0:
            raise ValueError(f"easy_fraction={self.easy_fraction!r} must be in (0, 1]")
        before, _ = weight_before(clean_proba, losses, labels, weights)
        n_present = len(np.unique(labels))
        # A row counts as its weight: the quota is a weight too, and the rounding up of eq. 1
        # is that of a row of mean weight.
        mean = weights.mean()
        quota = np.ceil(len(labels) * self.easy_fraction / max(1, n_present) - 1e-9) * mean
        return before < quota - 1e-9 * mean
