"""Neighbours that vote: how many, and the same votes from a graph and from a search."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from nllearn.predictors import NeighborGraph, NeighborVotes, n_voting_neighbors


@pytest.mark.parametrize(
    ("n_rows", "n_classes", "most", "expected"),
    [(1000, 10, 50, 50), (150, 10, 50, 10), (60, 10, 50, 5), (1000, 10, 30, 30)],
)
def test_how_many_vote(n_rows, n_classes, most, expected):
    assert n_voting_neighbors(n_rows, n_classes, most) == expected


def test_a_known_graph_gives_the_votes_of_a_search():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    X = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
    y_soft = np.eye(3)[rng.integers(0, 3, 60)]
    distances, indices = NearestNeighbors(n_neighbors=6).fit(X).kneighbors()
    graph = NeighborGraph(torch.from_numpy(1 - distances**2 / 2).float(), torch.from_numpy(indices))
    known = NeighborVotes(graph=graph).predict_out_of_sample(X, y_soft)
    torch.testing.assert_close(
        NeighborVotes(6).predict_out_of_sample(X, y_soft), known, atol=1e-5, rtol=1e-4
    )
    torch.testing.assert_close(known.sum(1), torch.ones(60))


def test_without_neighbours_all_labels_are_alike():
    graph = NeighborGraph(torch.zeros(4, 0), torch.zeros(4, 0, dtype=torch.int64))
    shares = NeighborVotes(graph=graph).predict_out_of_sample(np.eye(4), np.eye(4)[:, :2])
    assert (shares == 0.5).all()
