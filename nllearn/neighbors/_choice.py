"""Which search finds the neighbours of many rows: the exact one, or nearest-neighbour descent."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.utils import check_random_state

from nllearn.functional.neighbor_votes import neighbor_shares
from nllearn.neighbors._base import BaseNeighbors
from nllearn.neighbors._descent import DescentNeighbors
from nllearn.neighbors._exact import ExactNeighbors
from nllearn.neighbors._search import find_neighbors

__all__ = ["choose_search", "is_exact_faster", "vote_agreement"]

# Multiplications of an exact search that descent does not undercut. On one core about 40 seconds,
# of which descent takes 20 to compile; on a GPU those of 500,000 rows of 128 columns.
_CPU, _GPU = 2e12, 1.6e13
# Rows on which the two are compared, and the share that must get the same vote: the label accuracy
# of the votes then changes by less than the rest.
_N_COMPARED, _LEAST_SAME = 10_000, 0.98


def choose_search(
    rows: torch.Tensor, labels: torch.Tensor, n_neighbors: int, random_state: object = None
) -> str:
    """Name of the search to take, from the rows and their labels alone.

    Exact search where it is fast enough. Elsewhere descent, if its neighbours vote as the exact
    ones do: clustered rows allow that, weak features do not.

    Parameters
    ----------
    rows : float32 Tensor of shape (n, d)
        Unit rows.
    labels : int64 Tensor of shape (n,)
        Class codes, some of them wrong.
    n_neighbors : int
        Neighbours that vote.
    random_state : int, RandomState or None, default=None
        Draws the rows that are compared, and seeds the descent.

    Returns
    -------
    name : {"exact", "descent"}
    """
    n_rows, n_columns = rows.shape
    if is_exact_faster(n_rows, n_columns, rows.device):
        return "exact"
    same = vote_agreement(rows, labels, n_neighbors, random_state)
    return "descent" if same >= _LEAST_SAME else "exact"


def is_exact_faster(n_rows: int, n_columns: int, device: torch.device) -> bool:
    """Whether exact search is no slower than nearest-neighbour descent with its compilation.

    Parameters
    ----------
    n_rows, n_columns : int
        Of what is searched. An exact search makes ``n_rows ** 2 * n_columns / 2``
        multiplications.
    device : torch.device
        Where it is.

    Returns
    -------
    is_faster : bool
    """
    most = _GPU if device.type == "cuda" else _CPU
    return float(n_rows) ** 2 * n_columns / 2 <= most


def vote_agreement(
    rows: torch.Tensor, labels: torch.Tensor, n_neighbors: int, random_state: object = None
) -> float:
    """Share of rows for whose class exact and approximate neighbours cast the same vote.

    Parameters
    ----------
    rows : float32 Tensor of shape (n, d)
        Unit rows; at most 10,000 drawn ones are searched among themselves.
    labels : int64 Tensor of shape (n,)
        Class codes.
    n_neighbors : int
        Voters of every row.
    random_state : int, RandomState or None, default=None
        Draws the rows and seeds the approximate search.

    Returns
    -------
    share : float in [0, 1]
    """
    rng = check_random_state(random_state)
    drawn = np.sort(rng.permutation(len(rows))[:_N_COMPARED])
    idx = torch.from_numpy(drawn).to(rows.device)
    some, codes = rows[idx], labels[idx]
    ones = torch.ones(len(some), device=some.device)
    n_classes = int(codes.max()) + 1

    def votes(search: BaseNeighbors) -> torch.Tensor:
        found = find_neighbors(search, some, n_neighbors)
        return neighbor_shares(*found, codes, n_classes, ones).argmax(1)

    seed = int(rng.randint(np.iinfo(np.int32).max))
    same = votes(ExactNeighbors()) == votes(DescentNeighbors(random_state=seed))
    return float(same.float().mean())
