"""Cost grows with the number of classes, not with its square, and results stay right."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from nllearn import LabelCleaner
from nllearn.functional.kernel_ridge import ridge_system
from nllearn.functional.transition import estimate_transition


def seconds(job):
    """Least CPU time of three runs."""
    spent = []
    for _ in range(3):
        start = time.process_time()
        job()
        spent.append(time.process_time() - start)
    return min(spent)


def rows_of_classes(n, n_classes, seed=0):
    rng = np.random.default_rng(seed)
    given = np.arange(n) % n_classes
    probs = rng.dirichlet(np.ones(8), n).astype(np.float32)
    out = np.full((n, n_classes), 1e-6, dtype=np.float32)
    others = rng.integers(n_classes, size=(n, 8))
    others[:, 0] = given
    np.put_along_axis(out, others, probs, axis=1)
    return out / out.sum(1, keepdims=True), given


def test_transition_of_eight_times_as_many_classes_costs_no_square():
    few, many = (rows_of_classes(1600, c) for c in (100, 800))
    # Linear is 8 times as much; with a product of all classes by all it was above 60.
    assert seconds(lambda: estimate_transition(*many)) < 30 * seconds(
        lambda: estimate_transition(*few)
    )


@pytest.mark.parametrize("known", [False, True], ids=["none trusted", "some trusted"])
def test_transition_of_unequal_classes_equals_a_dense_step(known):
    probs, _ = rows_of_classes(300, 40)
    rng = np.random.default_rng(1)
    given = np.minimum(rng.geometric(0.1, 300) - 1, 38)  # the last class has no row
    trusted = rng.random(300) < 0.2 if known else None
    weight = rng.random(300)
    found = estimate_transition(probs, given, sample_weight=weight, trusted=trusted)
    # A fixed point of the update, written with dense one-hot rows.
    weight = weight * (300 / weight.sum())
    onehot = np.eye(40)[given]
    joint = probs * found.T[given]
    joint /= joint.sum(1, keepdims=True)
    if known:
        joint[trusted] = onehot[trusted]
    counts = (weight[:, None] * joint).T @ onehot
    rate = 1 - np.trace(counts) / counts.sum()
    prior = 10 * (np.full((40, 40), rate / 39) + np.eye(40) * (1 - rate - rate / 39))
    expected = (counts + prior) / (counts + prior).sum(1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=3e-3)
    np.testing.assert_allclose(found.sum(1), 1.0)


def test_normal_equations_of_codes_are_those_of_one_hot_rows():
    torch.manual_seed(0)
    features = torch.rand(500, 20)
    codes, weights = torch.randint(200, (500,)), torch.rand(500)
    codes[-1] = 199
    blocks = lambda: iter([(slice(0, 300), features[:300]), (slice(300, 500), features[300:])])  # noqa: E731
    one = ridge_system(blocks, weights, codes)
    two = ridge_system(blocks, weights, torch.nn.functional.one_hot(codes, 200).float())
    assert torch.allclose(one.products, two.products, atol=1e-4)
    assert torch.allclose(one.target_mean, two.target_mean)


def test_normal_equations_of_many_classes_cost_little_more():
    torch.manual_seed(0)
    features, weights = torch.rand(2000, 64), torch.ones(2000)

    def fit(n_classes):
        codes = torch.arange(2000) % n_classes
        return seconds(lambda: ridge_system(lambda: [(slice(0, 2000), features)], weights, codes))

    assert fit(1000) < 15 * fit(20)


def test_two_hundred_classes_are_cleaned():
    rng = np.random.default_rng(0)
    y = np.arange(1200) % 200
    X = rng.normal(size=(200, 24))[y] * 3 + rng.normal(size=(1200, 24))
    given = y.copy()
    wrong = rng.choice(1200, 120, replace=False)
    given[wrong] = (given[wrong] + rng.integers(1, 200, 120)) % 200
    cleaner = LabelCleaner(random_state=0).fit(X, given)
    assert (cleaner.corrected_labels_ == y).mean() > 0.95 > (given == y).mean()
