"""A model of the user's as one more witness."""

from __future__ import annotations

import numpy as np
import torch

from nllearn._judgement import row_blocks
from nllearn.functional.reliability import agreement

__all__ = ["add_model"]


def add_model(
    scores: torch.Tensor, probs: np.ndarray, log_votes: torch.Tensor, weights: torch.Tensor
) -> None:
    """Mix a model's probabilities into the scores, by the odds that each agrees with the votes.

    Parameters
    ----------
    scores : float32 Tensor of shape (n, n_classes)
        Changed in place.
    probs : ndarray of shape (n, n_classes)
        Out of sample.
    log_votes : Tensor of shape (n, n_classes)
    weights : Tensor of shape (n,)
    """
    # A copy: torch complains of arrays that it may not write to, as those of a DataFrame.
    model = torch.from_numpy(np.array(probs, dtype=np.float32)).to(scores.device)

    def odds(witness: torch.Tensor) -> float:
        agreed = min(agreement(witness, log_votes, weights), 0.99)
        return agreed / (1.0 - agreed)

    mine, theirs = odds(scores), odds(model)
    share = theirs / max(mine + theirs, 1e-12)
    mean_top = float((weights * model.amax(1)).sum() / weights.sum())
    for rows in row_blocks(len(scores)):
        scores[rows] = torch.lerp(scores[rows], model[rows] / mean_top, share)
