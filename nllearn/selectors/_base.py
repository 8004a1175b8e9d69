"""What every selector shares: the mixture, and the ranking inside a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from nllearn.functional.easiness import small_loss_posterior

__all__ = ["BaseSelector", "Selection", "rank_in_class"]


@dataclass(frozen=True)
class Selection:
    """What a selector returns.

    Parameters
    ----------
    easy : bool ndarray of shape (n,)
        Rows whose label is taken as it is.
    clean_proba : float32 ndarray of shape (n,)
        Small-loss posterior of the label, in [0, 1].
    """

    easy: np.ndarray
    clean_proba: np.ndarray


def rank_in_class(
    clean_proba: np.ndarray, losses: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rank every row within its given class, cleanest first.

    Ties of the posterior, which saturates at one, are broken by the smaller loss,
    then by row order.

    Parameters
    ----------
    clean_proba, losses : ndarray of shape (n,)
    labels : int64 ndarray of shape (n,)

    Returns
    -------
    rank : int64 ndarray of shape (n,)
        0 for the cleanest row of each class.
    order : int64 ndarray of shape (n,)
        Rows sorted by (label, rank).
    """
    order = np.lexsort((losses, -clean_proba, labels))
    counts = np.bincount(labels)
    starts = np.cumsum(counts) - counts
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels)) - starts[labels[order]]
    return rank, order


class BaseSelector(BaseEstimator):
    """Fits the mixture to the losses; a subclass decides which rows are easy.

    A subclass writes ``_choose(clean_proba, losses, labels) -> bool mask``.

    Attributes
    ----------
    mixture_ : dict or None
        Means, variances and weights of the last mixture on the scaled axis; None
        when the losses could not be split.
    """

    def select(self, losses: Any, labels: Any) -> Selection:
        """Choose the easy rows.

        Parameters
        ----------
        losses : ndarray of shape (n,)
            Loss of every row against its label.
        labels : int64 ndarray of shape (n,)
            Codes from 0.

        Returns
        -------
        selection : Selection

        Raises
        ------
        ValueError
            If the two differ in length or a loss is not finite.
        """
        losses = np.asarray(losses, dtype=np.float64)
        labels = np.asarray(labels, dtype=np.int64)
        if losses.shape != labels.shape or losses.ndim != 1:
            raise ValueError(
                f"losses has shape {losses.shape} and labels {labels.shape}; both must be (n,)"
            )
        if not np.isfinite(losses).all():
            raise ValueError(f"{(~np.isfinite(losses)).sum()} losses are not finite")
        clean_proba, self.mixture_ = small_loss_posterior(losses)
        return Selection(self._choose(clean_proba, losses, labels), clean_proba)

    def _choose(
        self, clean_proba: np.ndarray, losses: np.ndarray, labels: np.ndarray
    ) -> np.ndarray:
        raise TypeError(f"{type(self).__name__} does not define _choose")
