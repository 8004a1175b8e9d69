"""The neighbours' votes as the label model uses them."""

from __future__ import annotations

import torch

from nllearn.functional.neighbor_votes import log_shares
from nllearn.predictors import NeighborGraph, NeighborVotes, out_of_sample_predictions

__all__ = ["log_neighbor_votes"]


def log_neighbor_votes(
    X_unit: torch.Tensor, graph: NeighborGraph, y_soft: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Log vote shares of the neighbours, 0 where there are none.

    Parameters
    ----------
    X_unit : float32 Tensor of shape (n, d)
    graph : NeighborGraph
        Of these rows.
    y_soft : float32 Tensor of shape (n, n_classes)
    weights : float32 Tensor of shape (n,)

    Returns
    -------
    log_votes : float32 Tensor of shape (n, n_classes)
    """
    if graph.indices.shape[1] == 0:
        return torch.zeros_like(y_soft)
    votes = NeighborVotes(graph=graph)
    return log_shares(out_of_sample_predictions(votes, X_unit, y_soft, weights))
