"""Approximate search by pynndescent: the only file that imports it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from nllearn._torch_state import torch_state
from nllearn.functional.similarity import cosine_topk
from nllearn.neighbors._base import BaseNeighbors

__all__ = ["DescentNeighbors"]

# Below this the exact search is faster than the descent, and pynndescent pads
# its graph with -1.
_SMALLEST = 1000


class DescentNeighbors(BaseNeighbors):
    """Approximate nearest neighbours by nearest-neighbour descent (pynndescent).

    The first use in a process compiles for about 20 seconds. Rows that the graph
    leaves short are filled by exact search. The graph depends on `n_jobs`, so that
    is fixed and not "all cores".

    Parameters
    ----------
    n_neighbors : int, default=10
        Neighbours per row where ``kneighbors`` gets no number.
    graph_neighbors : int, default=30
        Width of the graph that is built; larger is slower and more exact.
    n_jobs : int, default=1
        Threads. Another number gives another graph, equally good.
    random_state : int, RandomState or None, default=None
        Seed of the descent.

    Attributes
    ----------
    n_samples_fit_ : int
        Number of fitted rows.

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.neighbors import DescentNeighbors
    >>> rows = np.eye(3) + 0.1
    >>> DescentNeighbors(2, random_state=0).fit(rows).kneighbors()[1].shape
    (3, 2)
    """

    def __init__(
        self,
        n_neighbors: int = 10,
        graph_neighbors: int = 30,
        n_jobs: int = 1,
        random_state: Any = None,
    ):
        super().__init__(n_neighbors)
        self.graph_neighbors = graph_neighbors
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit(self, rows: torch.Tensor) -> None:
        self._rows = rows
        self._index = None
        self._seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)

    def _build(self, k: int) -> Any:
        import pynndescent

        width = max(self.graph_neighbors, k + 1)
        if self._index is None or self._index.n_neighbors < width:
            self._index = pynndescent.NNDescent(
                self._rows.cpu().numpy(),
                metric="euclidean",
                n_neighbors=width,
                random_state=self._seed,
                n_jobs=self.n_jobs,
                compressed=False,
            )
        return self._index

    def _search(self, queries: torch.Tensor | None, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows, own = self._rows, None
        if queries is None:
            own = torch.arange(len(rows), device=rows.device)
        if len(rows) < max(_SMALLEST, 2 * self.graph_neighbors):
            found = rows if queries is None else queries
            similarities, indices = cosine_topk(found.to(rows.device), rows, k, exclude=own)
            return (2.0 - 2.0 * similarities).clamp_min(0.0).sqrt(), indices
        # The first use starts numba's threads, and with a shared OpenMP library torch's with them.
        with torch_state(self.n_jobs):
            index = self._build(k)
            graph, distance = (
                index.neighbor_graph if queries is None else index.query(queries.cpu().numpy(), k=k)
            )
        if queries is None:
            graph, distance = np.asarray(graph), np.asarray(distance)
            # The row itself is usually, not always, listed first: push it behind.
            distance = np.where(graph == np.arange(len(graph))[:, None], np.inf, distance)
            distance = np.where(graph < 0, np.inf, distance)
            order = np.argsort(distance, axis=1, kind="stable")[:, :k]
            graph = np.take_along_axis(graph, order, axis=1)
            distance = np.take_along_axis(distance, order, axis=1)
        else:
            distance = np.where(graph < 0, np.inf, distance)
        indices = torch.from_numpy(graph.astype(np.int64)).to(rows.device)
        distances = torch.from_numpy(distance.astype(np.float32)).to(rows.device)
        short = torch.nonzero(torch.isinf(distances).any(1)).squeeze(1)
        if len(short):
            missing = rows[short] if queries is None else queries.to(rows.device)[short]
            similarities, exact = cosine_topk(
                missing, rows, k, exclude=None if own is None else own[short]
            )
            indices[short] = exact
            distances[short] = (2.0 - 2.0 * similarities).clamp_min(0.0).sqrt()
        return distances, indices
