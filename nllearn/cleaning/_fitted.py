"""The fitted predictors of a cleaner, for rows that fit has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nllearn.functional.blocks import dense_rows, row_blocks
from nllearn.functional.mixup import smooth_over_neighbors
from nllearn.functional.neighbor_votes import log_shares
from nllearn.functional.similarity import cosine_topk
from nllearn.label_model import NoiseModel, RowScaling
from nllearn.predictors import Forest, KernelRidge, NeighborGraph, graph_shares

__all__ = ["FittedPredictors"]


@dataclass(frozen=True)
class FittedPredictors:
    """What new rows are compared with, and the noise model of the fitted labels.

    Parameters
    ----------
    scale : RowScaling
        From rows of X to rows of unit length.
    X_unit : float16 Tensor of shape (n, d) or None
        Training rows of unit length; None after ``compact()``.
    regression, smoothed_regression : KernelRidge or None
        Of the rows, and of the rows smoothed over their neighbours; None without regressions.
    forest : Forest or None
        Of the columns.
    factors : tuple of float
        Of the mean of the regressions, and of the forest.
    noise : NoiseModel
    vote_labels : int64 Tensor of shape (n,)
        Given labels of the training rows, which vote.
    vote_weights : float32 Tensor of shape (n,)
    n_neighbors : int
    """

    scale: RowScaling
    X_unit: torch.Tensor | None
    regression: KernelRidge | None
    smoothed_regression: KernelRidge | None
    forest: Forest | None
    factors: tuple[float, ...]
    noise: NoiseModel
    vote_labels: torch.Tensor
    vote_weights: torch.Tensor
    n_neighbors: int

    def label_proba(self, X: Any) -> np.ndarray:
        """Probability of every label of checked new rows, float32 of shape (m, n_classes)."""
        scores, votes = self._predict_new(X)
        return self.noise.predict_proba(scores, votes).cpu().numpy()

    def label_quality(self, X: Any, codes: np.ndarray) -> np.ndarray:
        """Probability that given labels of checked new rows are right, float32 of shape (m,).

        Labels are positions in the classes, int64 of shape (m,).
        """
        scores, votes = self._predict_new(X)
        given = torch.from_numpy(codes).to(scores.device)
        posterior = self.noise.posterior(scores, votes, given)
        return posterior.gather(1, given.unsqueeze(1)).squeeze(1).cpu().numpy()

    def _predict_new(self, X: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores of regressions and forest, and log votes, for checked new rows."""
        assert self.X_unit is not None
        assert self.regression is not None and self.smoothed_regression is not None
        X_unit = self.scale.apply(X, self.X_unit.device)
        similarities, indices = cosine_topk(X_unit, self.X_unit, self.n_neighbors)
        smoothed = torch.cat(
            [
                smooth_over_neighbors(X_unit[rows], indices[rows], self.X_unit)
                for rows in row_blocks(len(X_unit))
            ]
        )
        scores = (self.regression.predict(X_unit) + self.smoothed_regression.predict(smoothed)) / 2
        scores *= self.factors[0]
        if self.forest is not None:
            rows = torch.from_numpy(dense_rows(X, slice(None)).astype(np.float64))
            scores.add_(self.forest.predict(rows.to(scores.device)), alpha=self.factors[1])
        graph = NeighborGraph(similarities, indices)
        if indices.shape[1] == 0:
            return scores, torch.zeros_like(scores)
        shares = graph_shares(graph, self.vote_labels, scores.shape[1], self.vote_weights)
        return scores, log_shares(shares)
