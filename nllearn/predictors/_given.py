"""Predictions of a model that was fitted elsewhere."""

from __future__ import annotations

from typing import Any

import torch

from nllearn.predictors._base import BaseLabelPredictor, _as_tensor

__all__ = ["GivenPredictions"]


class GivenPredictions(BaseLabelPredictor):
    """Out-of-sample probabilities that the user has, of any model.

    Parameters
    ----------
    probs : array-like of shape (n_samples, n_classes)
        From cross-validation, for example; rows sum to one.

    Attributes
    ----------
    n_classes_ : int
        Number of classes.

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.predictors import GivenPredictions
    >>> predictor = GivenPredictions([[0.9, 0.1], [0.3, 0.7]])
    >>> predictor.predict_out_of_sample(np.eye(2), np.eye(2)).argmax(1).tolist()
    [0, 1]
    """

    def __init__(self, probs: Any):
        self.probs = probs

    def _predict(
        self, X: torch.Tensor, labels: torch.Tensor, sample_weight: torch.Tensor
    ) -> torch.Tensor:
        return _as_tensor(self.probs).to(X.device)
