"""Nearest rows of every row, exactly, from each matrix product once.

The cosine of rows i and j serves both: it is compared with what row i and what row j have found
so far. Most products are below both thresholds, so few are ever sorted.
"""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import torch

from nllearn.functional.blocks import row_blocks
from nllearn.functional.similarity import cosine_topk

__all__ = ["nearest_rows"]

# Rows and columns of a tile of products: 4 MB, which the cache of a processor holds.
_TILE = 1024
# Where more of a tile passes, thresholds are taken from the maxima of so many scores each.
_DENSE, _GROUP = 0.25, 8
# Keys that a query holds, in units of the wanted ones, before the best are selected.
_CAPACITY = 3
# The lower half of a packed integer; less than any that is found.
_LOW, _NOTHING = 0xFFFFFFFF, np.iinfo(np.int64).min


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
    starts = range(0, n, tile)
    # The diagonal first: then every row has a threshold before it meets the others.
    diagonal = [(start, start) for start in starts]
    for first, second in chain(diagonal, combinations(starts, 2)):
        queries, keys = rows[first : first + tile], rows[second : second + tile]
        products = buffer[: len(queries) * len(keys)].view(len(queries), len(keys))
        torch.mm(queries, keys.T, out=products)
        if second == first:
            products.fill_diagonal_(-torch.inf)
        nearest.add(first, second, products)
        if second > first:
            nearest.add(second, first, products.T)
    return nearest.sorted()


class _Nearest:
    """The k best keys that every query has seen, and up to 2 k more that wait for a comparison.

    Score and number of a key are one integer, in the order of the scores; of keys that are alike
    the lower number is the greater integer.
    """

    def __init__(self, n: int, k: int):
        self._k = k
        self._found = np.full((n, _CAPACITY * k), _NOTHING)
        self._size = np.zeros(n, dtype=np.int64)
        # Not above the least of the k best: what is not above it is no neighbour.
        self._least = np.full(n, -np.inf, dtype=np.float32)
        self._above = np.empty(0, dtype=bool)

    def add(self, first_query: int, first_key: int, scores: torch.Tensor) -> None:
        """Take in the scores of some queries, in rows, with some keys, in columns."""
        n_queries = len(scores)
        some = slice(first_query, first_query + n_queries)
        # Compared in their order in memory.
        turned = not scores.is_contiguous()
        stored = (scores.T if turned else scores).numpy()
        least = self._least[some]
        above = self._compare(stored, least, turned)
        if np.count_nonzero(above) > _DENSE * above.size:
            np.maximum(least, _least_of_best(scores, self._k), out=least)
            above = self._compare(stored, least, turned)
        found = np.flatnonzero(above)
        values = stored.ravel()[found]
        query = found // stored.shape[1]
        key = found - query * stored.shape[1]
        if turned:
            query, key = key, query
            order = np.argsort(query.astype(np.min_scalar_type(n_queries)), kind="stable")
            query, key, values = query[order], key[order], values[order]

        capacity = self._found.shape[1]
        new = np.bincount(query, minlength=n_queries)
        full = np.flatnonzero(self._size[some] + new > capacity)
        if len(full):
            self._select(full + first_query)
            kept = values > least[query]
            query, key, values = query[kept], key[kept], values[kept]
            new = np.bincount(query, minlength=n_queries)
            full = full[self._size[some][full] + new[full] > capacity]
        if len(full):
            self._add_best(full, first_query, first_key, scores)
            new[full] = 0
            kept = new[query] > 0
            query, key, values = query[kept], key[kept], values[kept]
        start = np.cumsum(new) - new
        place = np.arange(len(query)) + (self._size[some] - start)[query]
        self._found[some][query, place] = _packed(values, key + first_key)
        self._size[some] += new

    def _compare(self, stored: np.ndarray, least: np.ndarray, turned: bool) -> np.ndarray:
        """Which scores are above the least of their query; overwritten by the next call."""
        if self._above.shape != stored.shape:
            self._above = np.empty(stored.shape, dtype=bool)
        return np.greater(stored, least if turned else least[:, None], out=self._above)

    def _add_best(
        self, some: np.ndarray, first_query: int, first_key: int, scores: torch.Tensor
    ) -> None:
        """Take in the k best keys of some queries of a tile."""
        k, queries = self._k, some + first_query
        keys = np.arange(first_key, first_key + scores.shape[1])
        packed = _packed(scores[some].contiguous().numpy(), keys)
        best = np.partition(packed, packed.shape[1] - k, axis=1)[:, -k:]
        self._found[queries[:, None], self._size[queries, None] + np.arange(k)] = best
        self._size[queries] += k
        self._select(queries)

    def _select(self, queries: np.ndarray) -> None:
        """Drop all but the k best of some queries, of those that have more."""
        k = self._k
        queries = queries[self._size[queries] > k]
        found = self._found[queries]
        best = np.partition(found, found.shape[1] - k, axis=1)[:, -k:]
        self._found[queries, :k] = best
        self._found[queries, k:] = _NOTHING
        self._size[queries] = k
        self._least[queries] = _scores(best.min(axis=1))

    def sorted(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Similarities and numbers of the k best of every query, in order."""
        n, k = len(self._size), self._k
        similarities = torch.empty(n, k, dtype=torch.float32)
        indices = torch.empty(n, k, dtype=torch.int64)
        for rows in row_blocks(n, _TILE):
            best = np.sort(self._found[rows], axis=1)[:, : -k - 1 : -1]
            similarities[rows] = torch.from_numpy(_scores(best))
            indices[rows] = torch.from_numpy(~best & _LOW)
        return similarities, indices


def _packed(scores: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Integers in the order of the scores, of equal ones the lower key last."""
    bits = scores.view(np.int32)
    # A negative float has the greater bits the further it is below zero.
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return (ordered.astype(np.int64) << 32) | (~keys & _LOW)


def _scores(packed: np.ndarray) -> np.ndarray:
    """Scores of packed integers."""
    ordered = (packed >> 32).astype(np.int32)
    return (ordered ^ ((ordered >> 31) & 0x7FFFFFFF)).view(np.float32)


def _least_of_best(scores: torch.Tensor, k: int) -> np.ndarray:
    """For every query a number that at least k keys are above, and few more.

    Just below the k-th of the maxima of groups of keys: so many groups have a key above it.
    """
    n_queries, n_keys = scores.shape
    width = max(1, min(_GROUP, n_keys // (2 * k)))
    n_groups = n_keys // width
    if n_groups < k:
        return np.full(n_queries, -np.inf, dtype=np.float32)
    grouped = scores[:, : n_groups * width].unflatten(1, (width, n_groups))
    least = np.partition(grouped.amax(1).numpy(), n_groups - k, axis=1)[:, n_groups - k]
    return np.nextafter(least, np.float32(-np.inf))
