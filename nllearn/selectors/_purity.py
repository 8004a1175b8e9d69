"""As many easy rows of each class as keep it pure."""

from __future__ import annotations

import numpy as np

from nllearn.selectors._base import BaseSelector, running_in_class

__all__ = ["PuritySelector"]


class PuritySelector(BaseSelector):
    r"""Keep in every given class as many rows as its estimated purity allows.

    The quota of eq. 1 takes the same number of rows from every class. Where more
    than half of a class is wrong, it must take wrong ones, and a class smaller than
    its quota is trusted whole. Here class j keeps its m cleanest rows with

    .. math:: M_j = \max \{ m : \tfrac{1}{m} \sum_{i \le m} w_{(i)} \ge \text{purity} \}

    where :math:`w_{(1)} \ge w_{(2)} \ge \dots` are its clean probabilities, and at
    least one row.

    Parameters
    ----------
    purity : float, default=0.9
        Estimated share of right labels among the easy rows of every class, in
        (0, 1].

    Attributes
    ----------
    mixture_ : dict or None
        See :class:`~nllearn.selectors.BaseSelector`.

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.selectors import PuritySelector
    >>> losses = np.array([0.1, 2.0, 0.2, 0.1, 1.9, 2.1])
    >>> labels = np.array([0, 0, 0, 1, 1, 1])
    >>> PuritySelector(0.9).select(losses, labels).easy.astype(int).tolist()
    [1, 0, 1, 1, 0, 0]
    """

    def __init__(self, purity: float = 0.9):
        self.purity = purity

    def _choose(
        self,
        clean_proba: np.ndarray,
        losses: np.ndarray,
        labels: np.ndarray,
        weights: np.ndarray,
    ) -> np.ndarray:
        if not 0.0 < self.purity <= 1.0:
            raise ValueError(f"purity={self.purity!r} must be in (0, 1]")
        order = np.lexsort((losses, -clean_proba, labels))
        label, weight = labels[order], weights[order]
        seen = running_in_class(weight, label)
        mean, first = np.empty(len(labels)), np.empty(len(labels), dtype=bool)
        mean[order] = running_in_class(weight * clean_proba[order], label) / seen
        first[order] = np.r_[True, label[1:] != label[:-1]]
        # The mean of a falling sequence falls, so the mask is a prefix of each class. The
        # small slack keeps rounding from dropping rows that are all exactly at one.
        return (mean >= self.purity - 1e-6) | first
