"""The fitted predictors of a cleaner, for rows that fit has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nllearn._judgement import (
    Graph,
    NoiseModel,
    Regression,
    RowScale,
    ask_neighbors,
    fit_votes,
    fuse,
    mixed_rows,
    row_blocks,
)
from nllearn.cleaning._evidence import witness_proba
from nllearn.functional.geometry import cosine_topk

__all__ = ["FittedPredictors"]


@dataclass(frozen=True)
class FittedPredictors:
    """What new rows are compared with, and the noise model of the fitted labels.

    Parameters
    ----------
    scale : RowScale
        From rows of X to rows of unit length.
    unit : float16 Tensor of shape (n, d) or None
        Training rows of unit length; None after ``compact()``.
    regression, mixed_regression : Regression
        Of the rows, and of the rows mixed with their neighbours.
    noise : NoiseModel
    vote_labels : int64 Tensor of shape (2, n)
        Labels that the training rows vote for: all of them, and the easy ones.
    vote_weights : float32 Tensor of shape (2, n)
    n_neighbors : int
    """

    scale: RowScale
    unit: torch.Tensor | None
    regression: Regression
    mixed_regression: Regression
    noise: NoiseModel
    vote_labels: torch.Tensor
    vote_weights: torch.Tensor
    n_neighbors: int

    def label_proba(self, X: Any) -> np.ndarray:
        """Probability of every label of checked new rows, float32 of shape (m, n_classes)."""
        scores, votes = self._scores_and_votes(X)
        return witness_proba(scores, votes, self.noise).cpu().numpy()

    def label_quality(self, X: Any, codes: np.ndarray) -> np.ndarray:
        """Probability that given labels of checked new rows are right, float32 of shape (m,).

        Labels are positions in the classes, int64 of shape (m,).
        """
        scores, votes = self._scores_and_votes(X)
        given = torch.from_numpy(codes).to(scores.device)
        fused = fuse(scores, votes, given, self.noise)
        return fused.gather(1, given.unsqueeze(1)).squeeze(1).cpu().numpy()

    def _scores_and_votes(self, X: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores of the regressions and log votes of the neighbours, for checked new rows."""
        assert self.unit is not None
        unit = self.scale.apply(X, self.unit.device)
        cosines, near = cosine_topk(unit, self.unit, self.n_neighbors)
        mixed = torch.cat(
            [mixed_rows(unit[rows], near[rows], self.unit) for rows in row_blocks(len(unit))]
        )
        scores = (self.regression.predict(unit) + self.mixed_regression.predict(mixed)) / 2
        graph = Graph(cosines, near)
        one, two = (
            ask_neighbors(graph, labels, len(self.noise.transition), weights)
            for labels, weights in zip(self.vote_labels, self.vote_weights, strict=True)
        )
        votes = 0.5 * (fit_votes(one, self.noise.templates) + two)
        return scores, votes
