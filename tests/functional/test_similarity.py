"""Unit rows and cosine search against plain loops and numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nllearn.functional import similarity
from nllearn.functional.similarity import (
    centred_unit_rows,
    cosine_topk,
    leading_directions,
    unit_rows,
)


def rows_of_length_one(n, d, seed):
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True)).float()


def slow_topk(queries, keys, k, exclude=None):
    """Similarities of the k best keys of every query, and the set of keys that may be named."""
    found = []
    for i, query in enumerate(queries.tolist()):
        scored = [
            (sum(a * b for a, b in zip(query, key, strict=True)), j)
            for j, key in enumerate(keys.tolist())
            if exclude is None or j != int(exclude[i])
        ]
        found.append(sorted(scored, reverse=True)[:k])
    return found


def assert_is_topk(result, queries, keys, k, exclude=None):
    similarities, indices = result
    assert similarities.dtype == torch.float32 and indices.dtype == torch.int64
    expected = slow_topk(queries, keys, k, exclude)
    for i, best in enumerate(expected):
        assert similarities[i].tolist() == pytest.approx([s for s, _ in best], abs=1e-5)
        # Ties may come in either order: each index must carry its similarity.
        assert len(set(indices[i].tolist())) == len(best)
        own = [float(queries[i].double() @ keys[j].double()) for j in indices[i]]
        assert own == pytest.approx([s for s, _ in best], abs=1e-5)
        if exclude is not None:
            assert int(exclude[i]) not in indices[i].tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.int64])
def test_unit_rows_equal_their_formula(dtype):
    x = torch.randint(-5, 6, (12, 4), generator=torch.Generator().manual_seed(0)).to(dtype)
    x[3] = 0
    unit = unit_rows(x)
    assert unit.dtype == torch.float32
    for row, made in zip(x.tolist(), unit.tolist(), strict=True):
        length = math.sqrt(sum(v * v for v in row))
        assert made == pytest.approx([v / length if length else 0.0 for v in row], abs=1e-6)


@pytest.mark.parametrize("rows", [None, [0, 2, 2, 7]])
def test_centred_unit_rows_equal_their_formula(rows):
    x = torch.rand(9, 3, generator=torch.Generator().manual_seed(0)) + 5
    unit, mean = centred_unit_rows(x, None if rows is None else torch.tensor(rows))
    counted = range(9) if rows is None else rows
    for j in range(3):
        expected = sum(float(x[i, j]) for i in counted) / len(counted)
        assert float(mean[j]) == pytest.approx(expected, rel=1e-6)
    for row, made in zip(x.tolist(), unit.tolist(), strict=True):
        left = [v - m for v, m in zip(row, mean.tolist(), strict=True)]
        length = math.sqrt(sum(v * v for v in left))
        assert made == pytest.approx([v / length for v in left], abs=1e-5)


def test_centring_spreads_features_that_are_not_negative():
    x = torch.rand(50, 8, generator=torch.Generator().manual_seed(0)) + 3
    raw, (centred, _) = unit_rows(x), centred_unit_rows(x)
    assert (raw @ raw.T).min() > 0.9
    assert (centred @ centred.T).min() < -0.3


@given(
    n_queries=st.integers(0, 12),
    n_keys=st.integers(1, 15),
    d=st.integers(1, 5),
    k=st.integers(0, 20),
    seed=st.integers(0, 2**16),
)
def test_topk_equals_brute_force(n_queries, n_keys, d, k, seed):
    queries, keys = rows_of_length_one(n_queries, d, seed), rows_of_length_one(n_keys, d, seed + 1)
    result = cosine_topk(queries, keys, k)
    assert result[0].shape == result[1].shape == (n_queries, min(k, n_keys))
    assert_is_topk(result, queries, keys, min(k, n_keys))


@given(n=st.integers(1, 15), k=st.integers(1, 20), seed=st.integers(0, 2**16))
def test_topk_leaves_out_the_excluded_key_by_number(n, k, seed):
    rng = np.random.default_rng(seed)
    rows = rows_of_length_one(n, 3, seed)
    exclude = torch.from_numpy(np.where(rng.random(n) < 0.3, -1, rng.integers(0, n, n)))
    result = cosine_topk(rows, rows, k, exclude=exclude)
    assert result[1].shape == (n, min(k, n - 1))
    assert_is_topk(result, rows, rows, min(k, n - 1), exclude)


def test_duplicates_of_the_excluded_row_stay():
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.6, 0.8]])
    similarities, indices = cosine_topk(rows, rows, 1, exclude=torch.arange(4))
    assert indices[:, 0].tolist() == [2, 3, 0, 1]
    assert similarities[:, 0].tolist() == pytest.approx([1.0, 0.8, 1.0, 0.8])


@pytest.mark.parametrize("elements", [1, 7, 40, 1 << 23])
def test_blocks_do_not_change_the_result(monkeypatch, elements):
    monkeypatch.setattr(similarity, "_BLOCK_ELEMENTS", elements)
    queries, keys = rows_of_length_one(11, 4, 0), rows_of_length_one(7, 4, 1)
    assert_is_topk(cosine_topk(queries, keys, 3), queries, keys, 3)
    exclude = torch.arange(11) % 7
    assert_is_topk(cosine_topk(queries, keys, 3, exclude=exclude), queries, keys, 3, exclude)


def test_topk_is_sorted_and_equals_numpy_on_many_rows():
    queries, keys = rows_of_length_one(60, 16, 2), rows_of_length_one(500, 16, 3)
    similarities, indices = cosine_topk(queries, keys, 10)
    scores = queries.numpy() @ keys.numpy().T
    np.testing.assert_array_equal(indices.numpy(), np.argsort(-scores, axis=1)[:, :10])
    assert (similarities.diff(dim=1) <= 0).all()


def test_half_precision_rows_are_searched_in_single():
    rows = rows_of_length_one(6, 3, 0).half()
    similarities, _ = cosine_topk(rows, rows, 2)
    assert similarities.dtype == torch.float32


@pytest.mark.parametrize("n_queries", [0, 3])
def test_no_key_gives_no_neighbour(n_queries):
    similarities, indices = cosine_topk(torch.ones(n_queries, 2), torch.ones(0, 2), 4)
    assert similarities.shape == indices.shape == (n_queries, 0)


@pytest.mark.parametrize("rows", [None, [0, 2, 3, 5, 7, 8, 9]])
def test_leading_directions_are_the_principal_components(rows):
    from sklearn.decomposition import PCA

    x = np.random.default_rng(0).normal(size=(10, 6)) * [5, 0.1, 3, 1, 0.5, 2]
    chosen = slice(None) if rows is None else rows
    expected = PCA(3).fit(x[chosen]).transform(x)
    got = leading_directions(torch.tensor(x), 3, None if rows is None else torch.tensor(rows))
    # The sign of a direction is free.
    np.testing.assert_allclose(np.abs(got.numpy()), np.abs(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_directions", [6, 7])
def test_all_directions_leave_the_rows_alone(n_directions):
    x = torch.arange(24.0).reshape(4, 6)
    assert torch.equal(leading_directions(x, n_directions), x)
