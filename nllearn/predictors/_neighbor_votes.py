"""Votes of the nearest neighbours as out-of-sample predictions."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nllearn.functional.blocks import row_blocks
from nllearn.functional.nearest_rows import nearest_rows
from nllearn.functional.neighbor_votes import neighbor_shares
from nllearn.predictors._base import BaseLabelPredictor

__all__ = ["NeighborGraph", "NeighborVotes", "graph_shares", "n_voting_neighbors"]

# Neighbours that vote where classes are large, and the fewest.
_MOST_NEIGHBORS, _FEWEST_NEIGHBORS = 50, 5


@dataclass(frozen=True)
class NeighborGraph:
    """Neighbours of every row, nearest first.

    Parameters
    ----------
    similarities : float32 Tensor of shape (n, k)
        Cosines, descending.
    indices : int Tensor of shape (n, k)
        Numbers of the rows.
    """

    similarities: torch.Tensor
    indices: torch.Tensor


class NeighborVotes(BaseLabelPredictor):
    """Share of each label among the nearest neighbours, nearer ones first.

    Parameters
    ----------
    n_neighbors : int, default=50
        Neighbours of every row, where no graph is given.
    graph : NeighborGraph, optional
        Neighbours that are known; None searches them exactly.

    Attributes
    ----------
    n_classes_ : int
        Number of classes.

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.predictors import NeighborVotes
    >>> X = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.1, 0.99]])
    >>> y = np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
    >>> NeighborVotes(1).predict_out_of_sample(X, y).argmax(1).tolist()
    [0, 0, 1, 1]
    """

    def __init__(self, n_neighbors: int = _MOST_NEIGHBORS, graph: NeighborGraph | None = None):
        self.n_neighbors = n_neighbors
        self.graph = graph

    def _predict(
        self, X: torch.Tensor, labels: torch.Tensor, sample_weight: torch.Tensor
    ) -> torch.Tensor:
        graph = self.graph
        if graph is None:
            graph = NeighborGraph(*nearest_rows(X, self.n_neighbors))
        return graph_shares(graph, labels, self.n_classes_, sample_weight)


def graph_shares(
    graph: NeighborGraph, labels: torch.Tensor, n_classes: int, weights: torch.Tensor
) -> torch.Tensor:
    """Vote shares of the neighbours in a graph, in blocks.

    Parameters
    ----------
    graph : NeighborGraph
        Of n rows.
    labels : int64 Tensor of shape (m,), or float32 Tensor of shape (m, n_classes)
        Of the rows that the graph names; codes are looked up block by block.
    n_classes : int
        Columns of the shares.
    weights : float32 Tensor of shape (m,)
        Of the votes of the rows that the graph names, not negative.

    Returns
    -------
    shares : float32 Tensor of shape (n, n_classes)
        Equal where a row has no neighbour.
    """
    out = torch.empty(len(graph.indices), n_classes, dtype=torch.float32, device=labels.device)
    if graph.indices.shape[1] == 0:
        return out.fill_(1.0 / n_classes)
    for rows in row_blocks(len(out)):
        indices = graph.indices[rows]
        # Labels of the neighbours as a block of their own: votes are taken by position.
        flat = indices.reshape(-1).long()
        block = torch.arange(len(flat), device=labels.device).view_as(indices)
        out[rows] = neighbor_shares(
            graph.similarities[rows], block, labels[flat], n_classes, weights[flat]
        )
    return out


def n_voting_neighbors(n_rows: int, n_classes: int, most: int = _MOST_NEIGHBORS) -> int:
    """How many neighbours vote: where classes are small two thirds of a class, not under 5.

    Parameters
    ----------
    n_rows, n_classes : int
        Rows that vote, and their classes.
    most : int, default=50
        Where classes are large.

    Returns
    -------
    n_neighbors : int
    """
    return min(max(_FEWEST_NEIGHBORS, 2 * n_rows // (3 * n_classes)), most)
