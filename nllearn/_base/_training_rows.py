"""Labels, predictions and evidence of the training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["TrainingRows"]


@dataclass(frozen=True)
class TrainingRows:
    """Labels, predictions and evidence of the n training rows, in their order.

    Attributes
    ----------
    given, corrected, predicted : int64 ndarray of shape (n,)
        Labels as positions in ``classes_``. The predicted one takes no account of the
        given one.
    predicted_proba : float32 ndarray of shape (n,)
        Probability of the predicted label.
    evidence : dict of str to ndarray of shape (n,)
        Further columns of the table of issues.
    index : Index or None
        That of X, where it had one.
    predicted_by : str
        What the prediction comes from, for the review page.
    network_proba : float32 ndarray of shape (n, n_classes) or None
        Of the network alone; None where none was trained.
    """

    given: np.ndarray
    corrected: np.ndarray
    predicted: np.ndarray
    predicted_proba: np.ndarray
    evidence: dict[str, np.ndarray]
    index: Any
    predicted_by: str
    network_proba: np.ndarray | None = None

    @property
    def losses(self) -> np.ndarray | None:
        """Loss of the network against the given labels, float64 of shape (n,), or None."""
        if self.network_proba is None:
            return None
        own = self.network_proba[np.arange(len(self.given)), self.given].astype(float)
        return -np.log(np.maximum(own, 1e-12))
