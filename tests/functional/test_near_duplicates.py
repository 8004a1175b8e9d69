"""Groups of near duplicates against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from nllearn.functional.near_duplicates import (
    groups_that_disagree,
    near_duplicate_groups,
    row_hashes,
)


def slow_groups(similarities, indices, hashes):
    """Merge groups link by link, then number them in the order of their first rows."""
    n = len(hashes)
    singles = [i for i in range(n) if sum(hashes == hashes[i]) == 1]
    limit = 0.0
    if singles and indices.shape[1]:
        limit = 0.01 * float(np.median([1.0 - similarities[i, 0] for i in singles]))
    group = list(range(n))

    def merge(i, j):
        old, new = group[j], group[i]
        for k in range(n):
            if group[k] == old:
                group[k] = new

    for i in range(n):
        for j in range(n):
            if hashes[i] == hashes[j]:
                merge(i, j)
        for cosine, j in zip(similarities[i], indices[i], strict=True):
            if limit >= 1e-6 and 1.0 - cosine < limit:
                merge(i, j)
    numbers, out = {}, []
    for i in range(n):
        if group.count(group[i]) == 1:
            out.append(-1)
        else:
            out.append(numbers.setdefault(group[i], len(numbers)))
    return out


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 14), k=st.integers(0, 3))
def test_groups_as_by_loops(seed, n, k):
    rng = np.random.default_rng(seed)
    k = min(k, n - 1)
    indices = np.array([rng.permutation(np.delete(np.arange(n), i))[:k] for i in range(n)])
    indices = indices.reshape(n, k).astype(np.int64)
    closeness = rng.choice([1e-9, 1e-4, 0.3, 0.5], size=(n, k))
    similarities = -np.sort(-(1.0 - closeness), axis=1)
    hashes = rng.integers(0, n, n)
    found = near_duplicate_groups(similarities, indices, hashes)
    assert found.tolist() == slow_groups(similarities, indices, hashes)
    labels = rng.integers(0, 2, n)
    expected = [
        g >= 0 and len({int(labels[j]) for j in range(n) if found[j] == g}) > 1 for g in found
    ]
    assert groups_that_disagree(found, labels).tolist() == expected


def test_equal_rows_have_equal_hashes_and_no_others():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, size=(20_000, 6)).astype(float)
    _, expected = np.unique(X, axis=0, return_inverse=True)
    _, found = np.unique(row_hashes(X), return_inverse=True)
    pairs = set(zip(found.tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == found.max() + 1 == expected.max() + 1
    np.testing.assert_array_equal(row_hashes(sparse.csr_array(X)), row_hashes(X))
    np.testing.assert_array_equal(row_hashes(X.astype(np.float32)), row_hashes(X))
    np.testing.assert_array_equal(row_hashes(-X * 0.0), row_hashes(X * 0.0))
    columns = X[:50][:, ::-1]
    assert not np.array_equal(row_hashes(columns), row_hashes(X[:50]))


@pytest.mark.parametrize("k", [0, 2])
def test_all_rows_equal(k):
    similarities, indices = np.ones((4, k)), np.array([[1, 2], [0, 2], [0, 1], [0, 1]])[:, :k]
    assert near_duplicate_groups(similarities, indices, np.zeros(4)).tolist() == [0] * 4
