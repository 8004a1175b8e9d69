"""What the witnesses say without the given label, and who decided each row."""

from __future__ import annotations

import numpy as np
import torch

from nllearn._judgement import VOTE_WEIGHT, NoiseModel, row_blocks

__all__ = ["as_cells", "gather_evidence", "name_neighbors", "predict_alone", "witness_proba"]

# Neighbours named in the table of issues.
_N_NAMED = 5


def witness_proba(scores: torch.Tensor, log_votes: torch.Tensor, noise: NoiseModel) -> torch.Tensor:
    """Probability of every label from the witnesses alone, float32 of shape (n, n_classes)."""
    return (noise.sharpness * (scores + VOTE_WEIGHT * log_votes)).softmax(1)


def predict_alone(
    scores: torch.Tensor, log_votes: torch.Tensor, noise: NoiseModel
) -> tuple[np.ndarray, np.ndarray]:
    """Most probable class of every row without its given label, and its probability."""
    n = len(scores)
    predicted, proba = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.float32)
    for rows in row_blocks(n):
        top = witness_proba(scores[rows], log_votes[rows], noise).max(1)
        predicted[rows], proba[rows] = top.indices.cpu().numpy(), top.values.cpu().numpy()
    return predicted, proba


def gather_evidence(
    scores: torch.Tensor,
    log_votes: torch.Tensor,
    easy_votes: torch.Tensor,
    easy: torch.Tensor,
    given: np.ndarray,
    corrected: np.ndarray,
    trusted: np.ndarray,
) -> dict[str, np.ndarray]:
    """Columns of the table of issues that tell why.

    Parameters
    ----------
    scores, log_votes, easy_votes : float32 Tensor of shape (n, n_classes)
        Of the regressions, of all neighbours, and of the easy ones.
    easy : bool Tensor of shape (n,)
    given, corrected : int64 ndarray of shape (n,)
    trusted : bool ndarray of shape (n,)

    Returns
    -------
    evidence : dict of str to ndarray of shape (n,)
    """
    best = torch.as_tensor(corrected, device=scores.device).unsqueeze(1)
    own = torch.as_tensor(given, device=scores.device).unsqueeze(1)

    def share(votes: torch.Tensor, of: torch.Tensor) -> np.ndarray:
        return votes.gather(1, of).squeeze(1).exp().cpu().numpy()

    def says_so(witness: torch.Tensor) -> np.ndarray:
        return (witness.argmax(1, keepdim=True) == best).squeeze(1).cpu().numpy()

    by_regression, by_neighbors = says_so(scores), says_so(log_votes)
    decided = np.select(
        [trusted, by_regression & by_neighbors, by_regression, by_neighbors, corrected == given],
        ["trusted", "all", "regression", "neighbors", "given label"],
        default="noise model",
    )
    return {
        "decided_by": decided,
        "neighbor_share_given": share(log_votes, own),
        "neighbor_share_corrected": share(log_votes, best),
        "easy_share_given": share(easy_votes, own),
        "easy_share_corrected": share(easy_votes, best),
        "is_easy": easy.cpu().numpy(),
    }


def name_neighbors(rows: torch.Tensor) -> np.ndarray:
    """Numbers of the nearest rows, int32 of shape (n, at most 5), not a view of all."""
    return rows[:, :_N_NAMED].contiguous().cpu().numpy().copy()


def as_cells(rows: np.ndarray) -> np.ndarray:
    """One list of row numbers per cell."""
    cells = np.empty(len(rows), dtype=object)
    cells[:] = rows.tolist() if rows.shape[1] != 1 else [[row] for row in rows[:, 0].tolist()]
    return cells
