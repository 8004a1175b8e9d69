"""Neighbours of rows among themselves, against plain loops and the search of both sides."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nllearn.functional.nearest_rows import nearest_rows
from nllearn.functional.similarity import cosine_topk


def random_rows(n, d, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True)).float()


def slow_neighbors(rows, k):
    """Similarities of the k nearest other rows, in plain loops."""
    found = []
    for i, row in enumerate(rows.tolist()):
        others = [
            sum(a * b for a, b in zip(row, other, strict=True))
            for j, other in enumerate(rows.tolist())
            if j != i
        ]
        found.append(sorted(others, reverse=True)[:k])
    return np.array(found).reshape(len(rows), k)


def assert_are_nearest(result, rows, k):
    similarities, indices = result
    n = len(rows)
    assert similarities.dtype == torch.float32 and indices.dtype == torch.int64
    assert similarities.shape == indices.shape == (n, k)
    np.testing.assert_allclose(similarities, slow_neighbors(rows, k), atol=1e-5)
    own = torch.einsum("nd,nkd->nk", rows, rows[indices])
    np.testing.assert_allclose(similarities, own, atol=1e-5)
    assert all(len(set(row)) == k for row in indices.tolist())
    assert not (indices == torch.arange(n).unsqueeze(1)).any()


@given(
    n=st.integers(1, 40),
    d=st.integers(1, 4),
    k=st.integers(0, 12),
    tile=st.integers(1, 20),
    seed=st.integers(0, 2**16),
)
def test_rows_found_are_the_nearest(n, d, k, tile, seed):
    rows = random_rows(n, d, seed)
    assert_are_nearest(nearest_rows(rows, k, tile=tile), rows, min(k, n - 1))


@given(n=st.integers(20, 60), k=st.integers(1, 6), seed=st.integers(0, 2**16))
def test_copies_of_a_row_are_its_neighbors(n, k, seed):
    rows = random_rows(4, 3, seed)[np.random.default_rng(seed).integers(0, 4, n)]
    assert_are_nearest(nearest_rows(rows, k, tile=7), rows, k)


@pytest.mark.parametrize("order", ["random", "sorted", "reversed"])
def test_the_order_of_the_rows_does_not_matter(order):
    """Sorted by their direction, every tile holds nearer rows than all tiles before."""
    rows = random_rows(3000, 2, 1)
    angle = torch.atan2(rows[:, 1], rows[:, 0])
    if order != "random":
        rows = rows[angle.argsort(descending=order == "reversed")]
    similarities, indices = nearest_rows(rows, 20)
    own = torch.arange(len(rows))
    expected, _ = cosine_topk(rows, rows, 20, exclude=own)
    np.testing.assert_allclose(similarities, expected, atol=1e-6)
    np.testing.assert_allclose((rows.unsqueeze(1) * rows[indices]).sum(2), expected, atol=1e-6)
    assert not (indices == own.unsqueeze(1)).any()


def test_of_neighbors_that_are_alike_the_lower_number_comes_first():
    rows = random_rows(30, 4)[torch.arange(120) % 30]
    similarities, indices = nearest_rows(rows, 6, tile=16)
    alike = similarities.diff(dim=1) == 0
    assert alike.sum() > 120
    assert bool((indices.diff(dim=1)[alike] > 0).all())


def test_neighbors_equal_those_of_a_search_of_both_sides():
    rows = random_rows(2500, 48)
    found = nearest_rows(rows, 30)
    expected = cosine_topk(rows, rows, 30, exclude=torch.arange(len(rows)))
    np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
    assert (found[1] == expected[1]).float().mean() > 0.9999


def test_half_precision_rows_are_searched_in_single():
    rows = random_rows(50, 3).half()
    assert torch.equal(nearest_rows(rows, 2, tile=10)[0], nearest_rows(rows.float(), 2, tile=10)[0])


@pytest.mark.parametrize("tile", [8, 1024])
def test_a_row_that_is_no_number_spoils_no_other(tile):
    rows = random_rows(60, 3)
    expected = nearest_rows(rows[1:], 5, tile=tile)
    rows[0] = torch.nan
    similarities, indices = nearest_rows(rows, 6, tile=tile)
    assert bool((indices[1:] == 0).any(1).all())  # torch puts what is no number first
    np.testing.assert_allclose(similarities[1:, 1:], expected[0], atol=1e-6)


def test_rows_are_not_changed():
    rows = random_rows(2100, 4)
    before = rows.clone()
    nearest_rows(rows, 3)
    assert torch.equal(rows, before)
