"""Predictions without the given label, and the evidence for every corrected label."""

from __future__ import annotations

import numpy as np
import torch

from nllearn.functional.blocks import row_blocks
from nllearn.functional.near_duplicates import groups_that_disagree, near_duplicate_groups
from nllearn.label_model import LabelPosterior, NoiseModel
from nllearn.predictors import NeighborGraph

__all__ = ["as_cells", "duplicate_evidence", "gather_evidence", "nearest_rows", "predict_alone"]

# Neighbours named in the table of issues.
_N_NAMED = 5


def predict_alone(
    scores: torch.Tensor, log_votes: torch.Tensor, model: NoiseModel
) -> tuple[np.ndarray, np.ndarray]:
    """Most probable class of every row without its given label, and its probability."""
    n = len(scores)
    predicted, proba = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.float32)
    for rows in row_blocks(n):
        top = model.predict_proba(scores[rows], log_votes[rows]).max(1)
        predicted[rows], proba[rows] = top.indices.cpu().numpy(), top.values.cpu().numpy()
    return predicted, proba


def gather_evidence(
    posterior: LabelPosterior, given: np.ndarray, corrected: np.ndarray, trusted: np.ndarray
) -> dict[str, np.ndarray]:
    """Columns of the table of issues that tell why.

    Parameters
    ----------
    posterior : LabelPosterior
    given, corrected : int64 ndarray of shape (n,)
    trusted : bool ndarray of shape (n,)

    Returns
    -------
    evidence : dict of str to ndarray of shape (n,)
    """
    scores, log_votes = posterior.scores, posterior.log_votes
    best = torch.as_tensor(corrected, device=scores.device).unsqueeze(1)
    own = torch.as_tensor(given, device=scores.device).unsqueeze(1)

    def share(votes: torch.Tensor, of: torch.Tensor) -> np.ndarray:
        return votes.gather(1, of).squeeze(1).exp().cpu().numpy()

    def is_predicted(scores: torch.Tensor) -> np.ndarray:
        return (scores.argmax(1, keepdim=True) == best).squeeze(1).cpu().numpy()

    # All shares are one, and their logarithms zero, where the neighbours do not vote.
    votes = bool(log_votes.any())
    by_regression, by_neighbors = is_predicted(scores), is_predicted(log_votes) & votes
    decided = np.select(
        [trusted, by_regression & by_neighbors, by_regression, by_neighbors, corrected == given],
        ["trusted", "all", "regression", "neighbors", "given label"],
        default="noise model",
    )
    found = {"decided_by": decided}
    if votes:
        found["neighbor_share_given"] = share(log_votes, own)
        found["neighbor_share_corrected"] = share(log_votes, best)
    if posterior.boundary_quality is not None:
        found["boundary_quality"] = posterior.boundary_quality.cpu().numpy()
    return found


def duplicate_evidence(
    graph: NeighborGraph, hashes: np.ndarray, given: np.ndarray
) -> dict[str, np.ndarray]:
    """Columns of the table of issues about rows that are nearly the same.

    Parameters
    ----------
    graph : NeighborGraph
    hashes : uint64 ndarray of shape (n,)
        From :func:`nllearn.functional.near_duplicates.row_hashes`.
    given : int64 ndarray of shape (n,)

    Returns
    -------
    evidence : dict of str to ndarray of shape (n,)
    """
    groups = near_duplicate_groups(
        graph.similarities.cpu().numpy(), graph.indices.cpu().numpy(), hashes
    )
    return {"duplicate_group": groups, "duplicates_disagree": groups_that_disagree(groups, given)}


def nearest_rows(indices: torch.Tensor) -> np.ndarray:
    """Numbers of the nearest rows, int32 of shape (n, at most 5), not a view of all."""
    return indices[:, :_N_NAMED].contiguous().cpu().numpy().copy()


def as_cells(indices: np.ndarray) -> np.ndarray:
    """One list of row numbers per cell."""
    cells = np.empty(len(indices), dtype=object)
    cells[:] = indices.tolist()
    return cells
