"""The choice between exact and approximate search: by the work, then by what the votes say."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

from nllearn.neighbors import choose_search, is_exact_faster, vote_agreement


def unit(X):
    X = torch.from_numpy(np.asarray(X, dtype=np.float32))
    X = X - X.mean(0)
    return X / X.norm(dim=1, keepdim=True)


def clustered(n=3000):
    X, y = make_blobs(n, 32, centers=10, cluster_std=2.0, random_state=0)
    return unit(X), torch.from_numpy(y)


def shapeless(n=3000):
    """Rows in all directions alike: descent misses many neighbours, and each vote is close."""
    rng = np.random.default_rng(0)
    return unit(rng.normal(size=(n, 256))), torch.from_numpy(rng.integers(0, 10, n))


@pytest.mark.parametrize(
    ("device", "n_columns", "most"),
    [("cpu", 400, 100_000), ("cpu", 100, 200_000), ("cuda", 128, 500_000)],
)
def test_exact_search_up_to_so_much_work(device, n_columns, most):
    assert is_exact_faster(most, n_columns, torch.device(device))
    assert not is_exact_faster(most + 1, n_columns, torch.device(device))


def test_in_clusters_both_searches_vote_alike_and_in_shapeless_rows_not():
    assert vote_agreement(*clustered(), 30, random_state=0) > 0.99
    assert vote_agreement(*shapeless(), 30, random_state=0) < 0.95


def test_the_agreement_depends_on_the_seed_alone():
    rows, labels = shapeless(1500)
    once = vote_agreement(rows, labels, 20, random_state=3)
    assert vote_agreement(rows, labels, 20, random_state=3) == once


def test_much_work_is_left_to_the_search_that_votes_alike():
    angle = np.random.default_rng(0).integers(0, 8, 1_600_000) + 0.1 * np.arange(1_600_000) / 1.6e6
    circle = torch.from_numpy(np.stack([np.cos(angle), np.sin(angle)], axis=1)).float()
    labels = torch.from_numpy(angle.astype(np.int64))
    assert choose_search(circle, labels, 30, random_state=0) == "descent"


def test_much_work_stays_with_exact_search_where_the_other_votes_differ():
    rows, labels = shapeless(130_000)
    assert choose_search(rows, labels, 30, random_state=0) == "exact"


def test_little_work_is_left_to_exact_search():
    assert choose_search(*clustered(), 30, random_state=0) == "exact"
