"""Groups of rows that are nearly the same, and whether their labels agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from nllearn.functional.blocks import dense_rows, row_blocks

__all__ = ["groups_that_disagree", "near_duplicate_groups", "row_hashes"]

# Near duplicates are so many times closer (in 1 - cosine) than a row's nearest neighbour usually
# is: a tenth of the usual distance. Where float32 cannot tell that, equal rows alone are found.
_SHARE, _RESOLUTION = 0.01, 1e-6
# Rows that are hashed at a time.
_CACHED_ROWS = 1024


def row_hashes(X: Any) -> np.ndarray:
    r"""One number per row; equal rows have equal ones, and no others in practice.

    With the bits :math:`b_j` of column j as a whole number,

    .. math:: \sum_j a_j\, m(b_j) \bmod 2^{64}, \quad m(b) = c \oplus (c \gg 32), \; c = a_0 b

    where the odd factors :math:`a_0, a_1, \dots` are drawn once and
    :math:`\oplus` is the exclusive or.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, d)

    Returns
    -------
    hashes : uint64 ndarray of shape (n,)
        Of the rows as float64.
    """
    factor, *factors = np.random.default_rng(0).integers(2**64, size=1 + X.shape[1], dtype="u8") | 1
    hashes = np.empty(X.shape[0], dtype=np.uint64)
    for rows in row_blocks(X.shape[0], _CACHED_ROWS):
        block = dense_rows(X, rows) + 0.0  # -0.0 is 0.0
        mixed = block.view(np.uint64) * factor
        mixed ^= mixed >> 32
        hashes[rows] = mixed @ np.array(factors)
    return hashes


def near_duplicate_groups(
    similarities: np.ndarray, indices: np.ndarray, hashes: np.ndarray
) -> np.ndarray:
    r"""Number the groups of rows that are linked by being nearly the same.

    Two rows are linked when they are equal, or when one is among the other's neighbours with

    .. math:: 1 - \cos < 0.01\,m

    where m is the median of :math:`1 - \cos` between a row and its nearest neighbour, over the
    rows that equal no other one. A group is a connected component of these links.

    Parameters
    ----------
    similarities : float32 ndarray of shape (n, k)
        Cosines of the neighbours of every row.
    indices : int ndarray of shape (n, k)
        Their row numbers, nearest first.
    hashes : ndarray of shape (n,)
        Equal for equal rows.

    Returns
    -------
    groups : int64 ndarray of shape (n,)
        From 0, in the order of their first rows; -1 for a row that is alone.

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.functional.near_duplicates import near_duplicate_groups
    >>> similarities = np.array([[0.9], [0.9], [0.8], [0.7]])
    >>> near_duplicate_groups(similarities, np.array([[1], [0], [1], [2]]), np.array([5, 5, 2, 8]))
    array([ 0,  0, -1, -1])
    """
    n = len(hashes)
    _, first, value, count = np.unique(
        hashes, return_index=True, return_inverse=True, return_counts=True
    )
    starts, ends = [np.arange(n)], [first[value]]
    single = count[value] == 1
    if indices.shape[1] and single.any():
        limit = _SHARE * float(np.median(1.0 - similarities[single, 0]))
        if limit >= _RESOLUTION:
            rows, columns = np.nonzero(1.0 - similarities < limit)
            starts.append(rows)
            ends.append(indices[rows, columns])
    start, end = np.concatenate(starts), np.concatenate(ends)
    links = sparse.csr_array((np.ones(len(start), dtype=bool), (start, end)), shape=(n, n))
    _, component = connected_components(links, directed=False)
    is_group = np.bincount(component)[component] > 1
    groups = np.full(n, -1, dtype=np.int64)
    _, earliest, code = np.unique(component[is_group], return_index=True, return_inverse=True)
    groups[is_group] = np.argsort(np.argsort(earliest))[code]
    return groups


def groups_that_disagree(groups: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mark the rows of groups that have more than one label.

    Parameters
    ----------
    groups : int64 ndarray of shape (n,)
        From :func:`near_duplicate_groups`.
    labels : int64 ndarray of shape (n,)

    Returns
    -------
    disagree : bool ndarray of shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.functional.near_duplicates import groups_that_disagree
    >>> groups_that_disagree(np.array([0, 0, 1, 1, -1]), np.array([2, 3, 2, 2, 0])).tolist()
    [True, True, False, False, False]
    """
    disagree = np.zeros(len(groups), dtype=bool)
    rows = np.flatnonzero(groups >= 0)
    if len(rows):
        per_group = pd.Series(labels[rows]).groupby(groups[rows])
        disagree[rows] = per_group.transform("nunique").to_numpy() > 1
    return disagree
