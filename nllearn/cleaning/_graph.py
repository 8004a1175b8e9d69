"""The graph of neighbours: searched, or given by the user."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.base import clone

from nllearn.neighbors import DescentNeighbors, ExactNeighbors, choose_search
from nllearn.neighbors._search import find_neighbors, sort_by_cosine
from nllearn.predictors import NeighborGraph, n_voting_neighbors

__all__ = ["find_graph"]

# Neighbours per row, of exact and of approximate search.
_N_EXACT, _N_APPROXIMATE = 50, 30


def find_graph(
    X_unit: torch.Tensor,
    search: Any,
    n_neighbors: int | None,
    codes: torch.Tensor,
    n_classes: int,
    known: Any,
    seed: int,
) -> tuple[NeighborGraph, Any]:
    """Neighbours of every row, by search or from the user, and what found them.

    Labels tell whether an approximate search serves as well. The search comes back unfitted: a
    fitted one would hold the rows and its index.
    """
    n = len(X_unit)
    if known is not None:
        found = torch.from_numpy(known).to(X_unit.device)
        similarities, found = sort_by_cosine(X_unit, found[:, : n_neighbors or found.shape[1]])
        return NeighborGraph(similarities, found.int()), "neighbor_graph"
    if search is None or search == "auto":
        search = choose_search(X_unit, codes, n_neighbors or _N_APPROXIMATE, seed)
    most = _N_APPROXIMATE if search == "descent" else _N_EXACT
    k = n_neighbors or n_voting_neighbors(n, n_classes, most)
    if search == "descent":
        search = DescentNeighbors(k, n_jobs=torch.get_num_threads(), random_state=seed)
    elif search == "exact":
        search = ExactNeighbors(k)
    else:
        search = clone(search, safe=False)
    similarities, found = find_neighbors(search, X_unit, k)
    return NeighborGraph(similarities, found.int()), clone(search, safe=False)
