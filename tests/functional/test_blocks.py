"""Rows in blocks give what all rows at once give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from nllearn.functional import blocks
from nllearn.functional.blocks import (
    column_moments,
    dense_rows,
    row_blocks,
    standardized_rows,
)


@given(n=st.integers(0, 50), size=st.integers(1, 60))
def test_blocks_cover_every_row_once(n, size):
    found = list(row_blocks(n, size))
    assert [i for rows in found for i in range(n)[rows]] == list(range(n))
    assert all(0 < rows.stop - rows.start <= size for rows in found)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_moments_and_rows_of_dense_and_sparse_tables(kind, monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK", 7)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)) * (rng.random((40, 3)) < 0.5)
    weight = rng.random(40)
    mean, deviation = column_moments(kind(X), weight)
    expected = np.average(X, axis=0, weights=weight)
    np.testing.assert_allclose(mean, expected)
    np.testing.assert_allclose(
        deviation, np.sqrt(np.average((X - expected) ** 2, axis=0, weights=weight))
    )
    np.testing.assert_array_equal(dense_rows(kind(X), slice(5, 9)), X[5:9])
    scaled = standardized_rows(kind(X), slice(5, 9), mean, deviation, 0.5)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, ((X[5:9] - mean) / deviation).clip(-0.5, 0.5), rtol=1e-6)
