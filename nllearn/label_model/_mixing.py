"""Further predictors mixed into the scores, by how often each agrees with the votes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nllearn.functional.blocks import row_blocks
from nllearn.functional.calibration import agreement

__all__ = ["mix_by_agreement"]


def mix_by_agreement(
    scores: torch.Tensor,
    others: Sequence[torch.Tensor],
    log_votes: torch.Tensor,
    weights: torch.Tensor,
) -> None:
    """Mix further predictions into the scores, by the odds that each agrees with the votes.

    Parameters
    ----------
    scores : float32 Tensor of shape (n, n_classes)
        Changed in place.
    others : sequence of float32 Tensor of shape (n, n_classes)
        Out of sample.
    log_votes : Tensor of shape (n, n_classes)
    weights : Tensor of shape (n,)
    """

    def odds(predictions: torch.Tensor) -> float:
        agreed = min(agreement(predictions, log_votes, weights), 0.99)
        return agreed / (1.0 - agreed)

    for other in others:
        mine, theirs = odds(scores), odds(other)
        share = theirs / max(mine + theirs, 1e-12)
        mean_top = float((weights * other.amax(1)).sum() / weights.sum())
        for rows in row_blocks(len(scores)):
            scores[rows] = torch.lerp(scores[rows], other[rows] / mean_top, share)
