"""What every selector shares: the mixture, and the ranking inside a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from nllearn.functional.loss_mixture import small_loss_posterior

__all__ = ["BaseSelector", "Selection", "running_in_class", "weight_before"]


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


def weight_before(
    clean_proba: np.ndarray, losses: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weight of the cleaner rows of the same given class, for every row.

    With weights of one it is the row's rank in its class, from 0.

    Ties of the posterior, which saturates at one, are broken by the smaller loss,
    then by row order.

    Parameters
    ----------
    clean_proba, losses : ndarray of shape (n,)
    labels : int64 ndarray of shape (n,)
    weights : float64 ndarray of shape (n,)
        Above zero.

    Returns
    -------
    before : float64 ndarray of shape (n,)
        0 for the cleanest row of each class.
    order : int64 ndarray of shape (n,)
        Rows sorted by label, the cleanest of each first.
    """
    order = np.lexsort((losses, -clean_proba, labels))
    before = np.empty(len(labels), dtype=np.float64)
    before[order] = running_in_class(weights[order], labels[order]) - weights[order]
    return before, order


def running_in_class(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Running sum that starts anew with every label.

    Parameters
    ----------
    values : float64 ndarray of shape (n,)
    labels : int64 ndarray of shape (n,)
        Sorted.

    Returns
    -------
    running : float64 ndarray of shape (n,)
        Each row's own value counts.
    """
    running = np.cumsum(values)
    counts = np.bincount(labels)
    starts = (np.cumsum(counts) - counts)[labels]
    return running - np.where(starts > 0, running[starts - 1], 0.0)


class BaseSelector(BaseEstimator):
    """Fits the mixture to the losses; a subclass decides which rows are easy.

    A subclass writes ``_choose(clean_proba, losses, labels, weights) -> bool mask``.

    Attributes
    ----------
    mixture_ : dict or None
        Means, variances and weights of the last mixture on the scaled axis; None
        when the losses could not be split.
    """

    def select(self, losses: Any, labels: Any, sample_weight: Any = None) -> Selection:
        """Choose the easy rows.

        Parameters
        ----------
        losses : ndarray of shape (n,)
            Loss of every row against its label.
        labels : int64 ndarray of shape (n,)
            Codes from 0.
        sample_weight : ndarray of shape (n,), optional
            Above zero; counts in quotas. A selector of your own may leave this
            argument out.

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
        weights = np.ones(len(losses)) if sample_weight is None else np.asarray(sample_weight)
        clean_proba, self.mixture_ = small_loss_posterior(losses)
        easy = self._choose(clean_proba, losses, labels, weights.astype(np.float64))
        return Selection(easy, clean_proba)

    def _choose(
        self,
        clean_proba: np.ndarray,
        losses: np.ndarray,
        labels: np.ndarray,
        weights: np.ndarray,
    ) -> np.ndarray:
        raise TypeError(f"{type(self).__name__} does not define _choose")
