"""The graph of neighbours: searched, or given by the user."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.base import clone

from nllearn._judgement import Graph, n_witnesses
from nllearn.neighbors import DescentNeighbors, ExactNeighbors
from nllearn.neighbors._search import find_neighbors, sort_by_cosine

__all__ = ["find_graph"]

# Exact search costs more above; neighbours per row below and above.
_CROSSOVER = {"cpu": 60_000, "cuda": 500_000}
_N_EXACT, _N_APPROXIMATE = 50, 30


def find_graph(
    unit: torch.Tensor,
    search: Any,
    n_neighbors: int | None,
    n_classes: int,
    known: Any,
    seed: int,
) -> tuple[Graph, Any]:
    """Neighbours of every row, by search or from the user, and what found them.

    The search comes back unfitted: a fitted one would hold the rows and its index.
    """
    n = len(unit)
    if known is not None:
        found = torch.from_numpy(known).to(unit.device)
        cosines, found = sort_by_cosine(unit, found[:, : n_neighbors or found.shape[1]])
        return Graph(cosines, found.int()), "neighbor_graph"
    if search is None or search == "auto":
        search = "exact" if n <= _CROSSOVER.get(unit.device.type, 60_000) else "descent"
    most = _N_APPROXIMATE if search == "descent" else _N_EXACT
    k = n_neighbors or n_witnesses(n, n_classes, most)
    if search == "descent":
        search = DescentNeighbors(k, n_jobs=torch.get_num_threads(), random_state=seed)
    elif search == "exact":
        search = ExactNeighbors(k)
    else:
        search = clone(search, safe=False)
    cosines, found = find_neighbors(search, unit, k)
    return Graph(cosines, found.int()), clone(search, safe=False)
