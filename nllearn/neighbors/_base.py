"""What every neighbour search of ours shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

__all__ = ["BaseNeighbors"]


class BaseNeighbors(BaseEstimator):
    """Nearest neighbours on unit rows: checks are here, the search in a subclass.

    A subclass writes ``_fit(rows)`` and ``_search(queries, k)``, both on float32
    tensors; queries of None mean the fitted rows without themselves. Rows are expected
    to have length one, so euclidean and cosine order agree; distances are euclidean.
    numpy in, numpy out; tensor in, tensor out on the same device.

    Parameters
    ----------
    n_neighbors : int, default=10
        Neighbours per row where ``kneighbors`` gets no number.
    """

    n_neighbors: int

    def __init__(self, n_neighbors: int = 10):
        self.n_neighbors = n_neighbors

    def fit(self, X: Any, y: Any = None) -> BaseNeighbors:
        """Take in the rows to search.

        Parameters
        ----------
        X : ndarray or Tensor of shape (n, d)
            Unit rows.
        y : None
            Ignored.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If X is not two-dimensional or has no row.
        """
        self._torch = isinstance(X, torch.Tensor)
        if not self._torch:
            X = np.ascontiguousarray(X, dtype=np.float32)
        if X.ndim != 2 or len(X) == 0:
            raise ValueError(f"X has shape {tuple(X.shape)}; expected (n, d) with n of at least 1")
        rows = X if self._torch else torch.from_numpy(X)
        self.n_samples_fit_ = len(rows)
        self._fit(rows.float())
        return self

    def kneighbors(
        self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> Any:
        """Nearest fitted rows of every query.

        Parameters
        ----------
        X : ndarray or Tensor of shape (m, d), optional
            Queries. None searches the fitted rows; then no row is its own
            neighbour, though a duplicate of it can be.
        n_neighbors : int, optional
            Capped at the number of rows to choose from.
        return_distance : bool, default=True
            Whether the distances are returned as well.

        Returns
        -------
        distances : array of shape (m, k)
            Ascending; left out when `return_distance` is False.
        indices : int64 array of shape (m, k)
        """
        check_is_fitted(self, "n_samples_fit_")
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        if k < 1:
            raise ValueError(f"n_neighbors={k} must be at least 1")
        as_torch = self._torch if X is None else isinstance(X, torch.Tensor)
        queries = X
        if X is not None and not as_torch:
            queries = torch.from_numpy(np.ascontiguousarray(X, dtype=np.float32))
        k = min(k, self.n_samples_fit_ - (X is None))
        distances, indices = self._search(queries, k)
        if not as_torch:
            return self._pick(distances.cpu().numpy(), indices.cpu().numpy(), return_distance)
        return self._pick(distances, indices, return_distance)

    def release(self) -> None:
        """Drop the fitted rows; ``fit`` is needed before the next search."""
        for name in ("n_samples_fit_", "_rows", "_index"):
            if hasattr(self, name):
                delattr(self, name)

    @staticmethod
    def _pick(distances: Any, indices: Any, return_distance: bool) -> Any:
        return (distances, indices) if return_distance else indices

    def _fit(self, rows: torch.Tensor) -> None:
        raise TypeError(f"{type(self).__name__} does not define _fit")

    def _search(self, queries: torch.Tensor | None, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        raise TypeError(f"{type(self).__name__} does not define _search")
