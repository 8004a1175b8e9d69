"""Exact search against scikit-learn, the door both share, and the descent's recall."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import NearestNeighbors

from nllearn.neighbors import BaseNeighbors, DescentNeighbors, ExactNeighbors


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def random_rows(n, d=5, seed=0):
    return unit(np.random.default_rng(seed).normal(size=(n, d)))


def clustered_rows(n, d=16, n_clusters=4, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_clusters, d))
    return unit(centres[np.arange(n) % n_clusters] + 0.4 * rng.normal(size=(n, d)))


def recall(found, expected):
    return np.mean([len(set(f) & set(e)) / len(e) for f, e in zip(found, expected, strict=True)])


both = pytest.mark.parametrize("searcher", [ExactNeighbors(), DescentNeighbors(random_state=0)])
# The descent compiles for some 25 s per process: all its tests go to one.
descent = pytest.mark.xdist_group("pynndescent")


@given(n=st.integers(1, 40), m=st.integers(1, 10), d=st.integers(1, 6), seed=st.integers(0, 2**16))
def test_exact_search_equals_scikit_learn(n, m, d, seed):
    rows, queries = random_rows(n, d, seed), random_rows(m, d, seed + 1)
    k = min(4, n)
    reference = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(rows)
    expected, _ = reference.kneighbors(queries)
    distances, indices = ExactNeighbors(k).fit(rows).kneighbors(queries)
    assert distances.shape == indices.shape == (m, k)
    # The root of a small difference of float32 numbers.
    np.testing.assert_allclose(distances, expected, atol=2e-3)
    own = np.linalg.norm(queries[:, None].astype(float) - rows[indices], axis=2)
    np.testing.assert_allclose(own, distances, atol=2e-3)
    assert all(len(set(row)) == k for row in indices.tolist())


def test_exact_search_of_the_fitted_rows_equals_scikit_learn():
    rows = random_rows(80, 8)
    expected = NearestNeighbors(n_neighbors=6).fit(rows).kneighbors()
    distances, indices = ExactNeighbors(6).fit(rows).kneighbors()
    np.testing.assert_array_equal(indices, expected[1])
    np.testing.assert_allclose(distances, expected[0], atol=1e-4)
    assert (np.diff(distances, axis=1) >= 0).all()


@both
def test_no_row_is_its_own_neighbour_but_a_duplicate_can_be(searcher):
    rows = np.repeat(random_rows(6), 3, axis=0)
    distances, indices = clone(searcher).fit(rows).kneighbors(n_neighbors=2)
    np.testing.assert_allclose(distances, 0, atol=2e-3)
    for i, found in enumerate(indices.tolist()):
        assert set(found) == {j for j in range(18) if j // 3 == i // 3} - {i}


@both
def test_queries_may_find_themselves(searcher):
    rows = random_rows(20)
    distances, indices = clone(searcher).fit(rows).kneighbors(rows, 1)
    assert indices[:, 0].tolist() == list(range(20))
    np.testing.assert_allclose(distances, 0, atol=2e-3)


@both
@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_number_of_neighbours_is_capped(searcher, n):
    rows = random_rows(n)
    fitted = clone(searcher).set_params(n_neighbors=10).fit(rows)
    assert fitted.n_samples_fit_ == n
    assert fitted.kneighbors()[1].shape == (n, n - 1)
    assert fitted.kneighbors(rows)[1].shape == (n, n)
    assert fitted.kneighbors(rows, 2)[1].shape == (n, min(n, 2))


@both
def test_numpy_in_numpy_out_and_tensor_in_tensor_out(searcher):
    rows = random_rows(15)
    of_numpy = clone(searcher).fit(rows).kneighbors(n_neighbors=3)
    assert all(isinstance(part, np.ndarray) for part in of_numpy)
    assert of_numpy[0].dtype == np.float32 and of_numpy[1].dtype == np.int64
    fitted = clone(searcher).fit(torch.from_numpy(rows))
    of_torch = fitted.kneighbors(n_neighbors=3)
    assert all(isinstance(part, torch.Tensor) for part in of_torch)
    assert of_torch[0].dtype == torch.float32 and of_torch[1].dtype == torch.int64
    np.testing.assert_array_equal(of_torch[1].numpy(), of_numpy[1])
    # The query decides where there is one.
    assert isinstance(fitted.kneighbors(rows)[1], np.ndarray)
    assert isinstance(clone(searcher).fit(rows).kneighbors(torch.from_numpy(rows))[1], torch.Tensor)


@both
def test_distances_can_be_left_out(searcher):
    fitted = clone(searcher).fit(random_rows(9))
    indices = fitted.kneighbors(n_neighbors=2, return_distance=False)
    np.testing.assert_array_equal(indices, fitted.kneighbors(n_neighbors=2)[1])


@both
@pytest.mark.parametrize("change", [np.float64, np.float16, np.asfortranarray, np.ndarray.tolist])
def test_other_kinds_of_arrays_are_accepted(searcher, change):
    rows = random_rows(12)
    made = change(rows)
    found = clone(searcher).fit(made).kneighbors(made, 3)
    expected = clone(searcher).fit(rows).kneighbors(rows, 3)
    np.testing.assert_allclose(found[0], expected[0], atol=5e-2)
    assert recall(found[1], expected[1]) > 0.9


@both
def test_a_second_fit_forgets_the_first(searcher):
    fitted = clone(searcher).fit(random_rows(30)).fit(random_rows(12, seed=1))
    expected = clone(searcher).fit(random_rows(12, seed=1)).kneighbors()[1]
    np.testing.assert_array_equal(fitted.kneighbors()[1], expected)


@both
@pytest.mark.parametrize("shape", [(0, 3), (4,), (2, 3, 4)])
def test_wrong_shapes_are_named(searcher, shape):
    with pytest.raises(ValueError, match=rf"shape \({shape[0]},.*expected \(n, d\)"):
        clone(searcher).fit(np.ones(shape))


@both
def test_no_neighbour_is_no_question(searcher):
    fitted = clone(searcher).fit(random_rows(4))
    for k in (0, -2):
        with pytest.raises(ValueError, match=f"n_neighbors={k} must be at least 1"):
            fitted.kneighbors(n_neighbors=k)


@both
def test_a_search_before_fit_is_told(searcher):
    with pytest.raises(NotFittedError):
        clone(searcher).kneighbors(random_rows(3))


def test_a_search_of_ones_own_fills_two_rooms():
    class First(BaseNeighbors):
        def _fit(self, rows):
            self._rows = rows

        def _search(self, queries, k):
            n = len(self._rows if queries is None else queries)
            return torch.zeros(n, k), torch.arange(k).expand(n, k)

    fitted = First(2).fit(random_rows(5))
    assert fitted.kneighbors(random_rows(3))[1].tolist() == [[0, 1]] * 3
    # The door caps the number: a search is never asked for more than there are.
    assert fitted.kneighbors(random_rows(3), 10)[1].shape == (3, 5)
    assert fitted.kneighbors(n_neighbors=10)[1].shape == (5, 4)
    with pytest.raises(TypeError, match="BaseNeighbors does not define _fit"):
        BaseNeighbors().fit(random_rows(5))


def test_few_rows_are_searched_exactly_without_pynndescent(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynndescent", None)  # an import would fail
    rows = random_rows(900)
    fitted = DescentNeighbors(5, random_state=0).fit(rows)
    expected = ExactNeighbors(5).fit(rows)
    np.testing.assert_array_equal(fitted.kneighbors()[1], expected.kneighbors()[1])
    queries = random_rows(30, seed=1)
    np.testing.assert_array_equal(fitted.kneighbors(queries)[1], expected.kneighbors(queries)[1])


class GraphWithHoles:
    """Stands for a built index: rows out of place in it, and rows that are short."""

    def __init__(self, rows):
        found = ExactNeighbors().fit(rows).kneighbors(rows, 4)
        distances, graph = found[0].copy(), found[1].astype(np.int32)
        graph[:, [0, 2]], distances[:, [0, 2]] = graph[:, [2, 0]], distances[:, [2, 0]]
        graph[3, 1:], distances[3, 1:] = -1, 0.1
        graph[8], distances[8] = -1, np.inf
        self.neighbor_graph = graph, distances

    def query(self, queries, k):
        graph, distances = self.neighbor_graph
        order = np.argsort(distances, axis=1)[:, :k]
        return tuple(np.take_along_axis(part, order, axis=1) for part in (graph, distances))


@pytest.mark.parametrize("own_rows", [True, False])
def test_rows_that_the_graph_leaves_short_are_filled_exactly(monkeypatch, own_rows):
    rows = random_rows(25)
    monkeypatch.setattr("nllearn.neighbors._descent._SMALLEST", 0)
    fitted = DescentNeighbors(3, graph_neighbors=4, random_state=0).fit(rows)
    monkeypatch.setattr(fitted, "_build", lambda k: GraphWithHoles(rows))
    queries = None if own_rows else rows
    distances, indices = fitted.kneighbors(queries)
    expected = ExactNeighbors(3).fit(rows).kneighbors(queries)
    np.testing.assert_array_equal(indices, expected[1])
    np.testing.assert_allclose(distances, expected[0], atol=2e-3)


@descent
def test_descent_finds_nearly_all_neighbours():
    rows = clustered_rows(2000)
    distances, indices = DescentNeighbors(10, random_state=0).fit(rows).kneighbors()
    expected = ExactNeighbors(10).fit(rows).kneighbors()
    assert indices.dtype == np.int64 and distances.dtype == np.float32
    assert indices.min() >= 0 and indices.max() < 2000
    assert not (indices == np.arange(2000)[:, None]).any()
    assert recall(indices, expected[1]) > 0.9
    assert (np.diff(distances, axis=1) >= -1e-6).all()
    np.testing.assert_allclose(distances.mean(), expected[0].mean(), rtol=0.02)


@descent
@pytest.mark.slow  # queries compile more than the graph does
def test_descent_finds_nearly_all_neighbours_of_queries():
    rows, queries = clustered_rows(2000)[:1950], clustered_rows(2000)[1950:]
    distances, indices = DescentNeighbors(10, random_state=0).fit(rows).kneighbors(queries)
    expected = ExactNeighbors(10).fit(rows).kneighbors(queries)
    assert recall(indices, expected[1]) > 0.9
    np.testing.assert_allclose(distances.mean(), expected[0].mean(), rtol=0.02)


@descent
def test_descent_never_returns_a_row_itself_among_duplicates():
    rows = np.repeat(clustered_rows(300), 5, axis=0)
    distances, indices = DescentNeighbors(3, random_state=0).fit(rows).kneighbors()
    assert not (indices == np.arange(1500)[:, None]).any()
    assert all(len(set(row)) == 3 for row in indices.tolist())
    assert np.mean(indices // 5 == np.arange(1500)[:, None] // 5) > 0.9
    assert np.median(distances) < 2e-3


@descent
def test_descent_widens_its_graph_when_more_neighbours_are_asked():
    rows = torch.from_numpy(clustered_rows(1200))
    fitted = DescentNeighbors(5, graph_neighbors=12, random_state=0).fit(rows)
    assert fitted.kneighbors()[1].shape == (1200, 5)
    indices = fitted.kneighbors(n_neighbors=20)[1]
    assert isinstance(indices, torch.Tensor) and indices.shape == (1200, 20)
    exact = ExactNeighbors(20).fit(rows).kneighbors()[1]
    assert recall(indices.numpy(), exact.numpy()) > 0.9


@descent
def test_descent_depends_on_its_seed_alone(global_random_state_untouched):
    rows = clustered_rows(1000)
    one, two = (DescentNeighbors(5, random_state=3).fit(rows).kneighbors()[1] for _ in range(2))
    np.testing.assert_array_equal(one, two)
