"""Nearest rows of every row, exactly, from each matrix product once.

The cosine of rows i and j serves both: it is compared with what row i and what row j have found
so far. Most products are below both thresholds, so few are ever sorted.
"""

from __future__ import annotations

import numpy as np
import torch

from nllearn.functional.similarity import cosine_topk

__all__ = ["nearest_rows"]

# Rows and columns of a tile of products: 4 MB, which the cache of a processor holds.
_TILE = 1024
# A tile of which more passes the thresholds is sorted whole.
_DENSE = 0.25


def nearest_rows(
    rows: torch.Tensor, k: int, *, tile: int = _TILE
) -> tuple[torch.Tensor, torch.Tensor]:
    """Most similar other rows of every row.

    As :func:`~nllearn.functional.similarity.cosine_topk` of the rows among themselves, each
    without itself, in half of the multiplications. Where that gains nothing, on a GPU or for few
    rows, it calls that function.

    Parameters
    ----------
    rows : Tensor of shape (n, d)
        Unit rows.
    k : int
        Neighbours per row; capped at ``n - 1``.
    tile : int, default=1024
        Rows whose products are made at a time, and as many columns. Changes nothing but the
        time, and which of rows that are alike are named.

    Returns
    -------
    similarities : float32 Tensor of shape (n, k)
        Descending.
    indices : int64 Tensor of shape (n, k)
        Of neighbours that are alike the one with the lower number comes first.
    """
    n = len(rows)
    k = max(0, min(k, n - 1))
    searched_whole = n <= 2 * tile or k >= tile or k == 0
    if rows.device.type != "cpu" or searched_whole or not bool(torch.isfinite(rows.sum())):
        return cosine_topk(rows, rows, k, exclude=torch.arange(n, device=rows.device))
    rows = rows.detach().float()
    nearest = _Nearest(n, k)
    # Held from tile to tile: new memory would cost a tenth of the product.
    buffer = torch.empty(tile * tile)
    for first in range(0, n, tile):
        queries = rows[first : first + tile]
        for second in range(first, n, tile):
            keys = rows[second : second + tile]
            products = buffer[: len(queries) * len(keys)].view(len(queries), len(keys))
            torch.mm(queries, keys.T, out=products)
            if second == first:
                products.fill_diagonal_(-torch.inf)
            nearest.add(first, second, products)
            if second > first:
                nearest.add(second, first, products.T)
    return nearest.sorted()


class _Nearest:
    """The k best keys that every query has seen, and up to k more that wait for a comparison."""

    def __init__(self, n: int, k: int):
        self._k = k
        self._values = np.full((n, 2 * k), -np.inf, dtype=np.float32)
        self._keys = np.zeros((n, 2 * k), dtype=np.int32)
        self._size = np.zeros(n, dtype=np.int64)
        # Least of the k best: what is not above it is no neighbour.
        self._least = np.full(n, -np.inf, dtype=np.float32)
        self._above = np.empty(0, dtype=bool)

    def add(self, first_query: int, first_key: int, scores: torch.Tensor) -> None:
        """Take in the scores of some queries, in rows, with some keys, in columns."""
        n_queries, n_keys = scores.shape
        some = slice(first_query, first_query + n_queries)
        # Compared in their order in memory.
        turned = not scores.is_contiguous()
        stored = (scores.T if turned else scores).numpy()
        least = self._least[some]
        if self._above.shape != stored.shape:
            self._above = np.empty(stored.shape, dtype=bool)
        above = np.greater(stored, least if turned else least[:, None], out=self._above)
        if np.count_nonzero(above) > _DENSE * above.size and n_keys > self._k:
            self._add_best(slice(None), first_query, first_key, scores)
            return
        found = np.flatnonzero(above)
        values = stored.ravel()[found]
        query = found // stored.shape[1]
        key = found - query * stored.shape[1]
        if turned:
            query, key = key, query
            order = np.argsort(query.astype(np.min_scalar_type(n_queries)), kind="stable")
            query, key, values = query[order], key[order], values[order]

        new = np.bincount(query, minlength=n_queries)
        full = np.flatnonzero(self._size[some] + new > 2 * self._k)
        if len(full):
            self._select(full + first_query)
            kept = values > self._least[some][query]
            query, key, values = query[kept], key[kept], values[kept]
            new = np.bincount(query, minlength=n_queries)
            full = full[new[full] > self._k]
            if len(full):
                self._add_best(full, first_query, first_key, scores)
                kept = new[query] <= self._k
                query, key, values = query[kept], key[kept], values[kept]
                new[full] = 0
        start = np.cumsum(new) - new
        place = np.arange(len(query)) + (self._size[some] - start)[query]
        self._values[some][query, place] = values
        self._keys[some][query, place] = key + first_key
        self._size[some] += new

    def _add_best(
        self, some: slice | np.ndarray, first_query: int, first_key: int, scores: torch.Tensor
    ) -> None:
        """Take in the k best keys of some queries of a tile."""
        k, queries = self._k, np.arange(first_query, first_query + len(scores))[some]
        self._select(queries[self._size[queries] > k])
        values = scores[some].contiguous().numpy()
        best = np.argpartition(values, values.shape[1] - k, axis=1)[:, -k:]
        place = self._size[queries, None] + np.arange(k)
        self._values[queries[:, None], place] = np.take_along_axis(values, best, axis=1)
        self._keys[queries[:, None], place] = best + first_key
        self._size[queries] += k
        self._select(queries)

    def _select(self, queries: np.ndarray) -> None:
        """Drop all but the k best of some queries."""
        k = self._k
        values, keys = self._values[queries], self._keys[queries]
        best = np.argpartition(values, k, axis=1)[:, -k:]
        values = np.take_along_axis(values, best, axis=1)
        self._values[queries, :k] = values
        self._values[queries, k:] = -np.inf
        self._keys[queries, :k] = np.take_along_axis(keys, best, axis=1)
        self._size[queries] = k
        self._least[queries] = values.min(axis=1)

    def sorted(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Similarities and numbers of the k best of every query, in order."""
        n, k = len(self._size), self._k
        similarities = torch.empty(n, k, dtype=torch.float32)
        indices = torch.empty(n, k, dtype=torch.int64)
        for start in range(0, n, _TILE):
            queries = np.arange(start, min(start + _TILE, n))
            self._select(queries)
            values, keys = self._values[queries, :k], self._keys[queries, :k]
            by_number = np.argsort(keys, axis=1)
            values = np.take_along_axis(values, by_number, axis=1)
            order = np.argsort(-values, axis=1, kind="stable")
            keys = np.take_along_axis(keys, np.take_along_axis(by_number, order, axis=1), axis=1)
            similarities[queries] = torch.from_numpy(np.take_along_axis(values, order, axis=1))
            indices[queries] = torch.from_numpy(keys.astype(np.int64))
        return similarities, indices
