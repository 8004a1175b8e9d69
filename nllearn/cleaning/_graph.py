"""The graph of neighbours: searched, or given by the user."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import clone

from nllearn._judgement import Graph, n_witnesses, row_blocks
from nllearn.cleaning._inputs import check_neighbor_graph
from nllearn.neighbors import BaseNeighbors, DescentNeighbors, ExactNeighbors

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
        return _with_cosines(unit, found[:, : n_neighbors or found.shape[1]]), "neighbor_graph"
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
    k = min(k, n - 1)
    if isinstance(search, BaseNeighbors):
        distances, found = search.fit(unit).kneighbors(n_neighbors=k)
        # The cosine of unit rows at this distance, in place.
        cosines = distances.square_().mul_(-0.5).add_(1.0)
        return Graph(cosines, found.int()), clone(search)
    indices = search.fit(unit.cpu().numpy()).kneighbors(n_neighbors=k, return_distance=False)
    checked = check_neighbor_graph(np.asarray(indices), n)
    return (
        _with_cosines(unit, torch.as_tensor(checked).to(unit.device)),
        clone(search, safe=False),
    )


def _with_cosines(unit: torch.Tensor, found: torch.Tensor) -> Graph:
    """Cosines of known neighbours, whose own distances may be of any metric."""
    cosines = torch.empty(found.shape, device=unit.device)
    order = torch.empty_like(found)
    for rows in row_blocks(len(unit)):
        block = torch.einsum("nd,nkd->nk", unit[rows], unit[found[rows]])
        cosines[rows], order[rows] = block.sort(1, descending=True)
    return Graph(cosines, found.gather(1, order).int())
