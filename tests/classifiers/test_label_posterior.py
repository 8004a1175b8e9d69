"""The label posterior of a table and of features, against cases known by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nllearn import MixNNClassifier
from nllearn.classifiers._label_posterior import (
    InputRows,
    find_active_neighbors,
    posterior_from_features,
)
from nllearn.datasets import make_classification_noise, make_symmetric_noise
from nllearn.neighbors import ExactNeighbors
from nllearn.training import SampleState

N_CLASSES = 4


def make_blobs(n, spread, seed=0):
    """Rows around the corners of a simplex in eight dimensions, and their classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % N_CLASSES
    return np.eye(8)[y] * 2 + spread * rng.normal(size=(n, 8)), y


def state_of(given, weight=None, trusted=None):
    n = len(given)
    weight = torch.ones(n) if weight is None else torch.from_numpy(weight).float()
    trusted = torch.zeros(n, dtype=torch.bool) if trusted is None else torch.from_numpy(trusted)
    return SampleState.start(torch.from_numpy(given), N_CLASSES, weight, weight, trusted)


def posterior_of(features, state, rows, **settings):
    active = torch.nonzero(state.row_weight > 0).squeeze(1)
    search, generator = ExactNeighbors(), torch.Generator().manual_seed(0)
    features = torch.as_tensor(features, dtype=torch.float32)
    return posterior_from_features(features, state, active, search, rows, generator, **settings)


def input_rows(X, state):
    return InputRows(X, state.row_weight.numpy())


def learnt_features(y, given, learnt=0.8, seed=1):
    """Features of a network that knows the classes and has begun to learn wrong labels."""
    rng = np.random.default_rng(seed)
    return np.eye(6)[y] + learnt * np.eye(6)[given] + 0.25 * rng.normal(size=(len(y), 6))


def test_features_that_repeat_wrong_labels_do_not_confirm_them():
    X, y = make_blobs(600, 0.4)
    given = make_symmetric_noise(y, noise_rate=0.3, random_state=0)
    state = state_of(given)
    features = learnt_features(y, given)
    alone = posterior_of(features, state, None)
    both = posterior_of(features, state, input_rows(X, state))
    right = [(o.distributions.argmax(1).numpy() == y).mean() for o in (alone, both)]
    assert right[0] < 0.85 and right[1] > 0.95


def test_hard_rows_with_right_labels_keep_them():
    # The classes overlap: nearly a third of the rows lies nearer to another class.
    X, y = make_blobs(800, 1.5)
    state = state_of(y)
    posterior = posterior_of(learnt_features(y, y), state, input_rows(X, state))
    assert not posterior.noise.at_boundary and posterior.n_undecided > 0
    assert (posterior.distributions.argmax(1).numpy() == y).mean() > 0.97


@pytest.mark.parametrize("noise_rate", [0.0, 0.35])
def test_trusted_rows_tell_noise_at_the_boundary_from_hard_rows(noise_rate):
    X, y = make_blobs(1200, 0.6)
    given = make_classification_noise(X, y, noise_rate=noise_rate, random_state=0)
    trusted = np.random.default_rng(0).random(1200) < 0.1
    given[trusted] = y[trusted]
    clf = MixNNClassifier(max_epochs=30, random_state=0).fit(X, given, trusted=trusted)
    right = (clf.corrected_labels_ == y).mean()
    assert right > 0.85 if noise_rate else right > 0.98


def test_noise_that_spares_classes_is_not_made_worse():
    # Of classes 1 and 3 nearly half are given the class before. The spared classes show no noise
    # where the predictors are most confident, so the others are taken for hard.
    X, y = make_blobs(600, 0.4)
    flipped = (y % 2 == 1) & (np.random.default_rng(0).random(600) < 0.45)
    given = np.where(flipped, y - 1, y)
    state = state_of(given)
    found = posterior_of(learnt_features(y, given, learnt=0.4), state, input_rows(X, state))
    assert not found.noise.at_boundary
    right = found.distributions.argmax(1).numpy() == y
    assert right.mean() >= (given == y).mean()


def test_the_posterior_of_a_table_is_estimated_once():
    X, y = make_blobs(400, 0.7)
    given = make_symmetric_noise(y, noise_rate=0.3, random_state=0)
    state = state_of(given)
    rows = input_rows(X, state)
    first = posterior_of(learnt_features(y, given), state, rows)
    # What the network learns from it does not confirm it.
    state.targets = first.distributions
    assert posterior_of(learnt_features(y, given, learnt=2.0), state, rows) is first
    # A fit that is resumed estimates the same again.
    again = posterior_of(learnt_features(y, given, learnt=2.0), state, input_rows(X, state))
    assert torch.equal(again.distributions, first.distributions)


def test_boundary_noise_of_a_table_is_as_the_user_says():
    X, y = make_blobs(800, 0.9)
    state = state_of(y)
    found = [
        posterior_of(learnt_features(y, y), state, input_rows(X, state), boundary_noise=value)
        for value in (True, False)
    ]
    assert [posterior.noise.at_boundary for posterior in found] == [True, False]


def test_the_matrix_is_that_of_the_noise():
    X, y = make_blobs(2000, 0.4)
    flip = np.eye(N_CLASSES) * 0.7 + np.roll(np.eye(N_CLASSES), 1, axis=1) * 0.3
    rng = np.random.default_rng(0)
    given = np.array([rng.choice(N_CLASSES, p=flip[c]) for c in y])
    state = state_of(given)
    posterior = posterior_of(learnt_features(y, given, 0.1), state, input_rows(X, state))
    np.testing.assert_allclose(posterior.transition, flip, atol=0.06)
    np.testing.assert_allclose(posterior.transition.sum(1), 1.0)


@pytest.mark.parametrize("n, X", [(160, None), (240, "constant")])
def test_few_rows_and_constant_rows_use_features_alone(n, X):
    made, y = make_blobs(n, 0.5)
    X = np.full((n, 3), 7.0) if X == "constant" else made
    state, features = state_of(y), learnt_features(y, y)
    one = posterior_of(features, state, InputRows(X, np.ones(n)))
    other = posterior_of(features, state, None)
    assert torch.equal(one.distributions, other.distributions)


def test_absent_rows_get_a_posterior_and_do_not_vote():
    X, y = make_blobs(300, 0.3)
    given = y.copy()
    given[::3] = (y[::3] + 1) % N_CLASSES
    weight = np.ones(300)
    weight[::3] = 0
    state = state_of(given, weight)
    posterior = posterior_of(np.eye(8)[y], state, input_rows(X, state))
    votes = posterior.log_votes.exp().numpy()
    # With the votes of absent rows the next class would have a third.
    assert (votes.argmax(1) == y).all() and votes[np.arange(300), (y + 1) % 4].max() < 0.05
    assert not (np.isin(posterior.neighbor_indices[:, 0].numpy(), np.arange(0, 300, 3))).any()


def test_neighbours_of_absent_rows_against_a_slow_search():
    rng = np.random.default_rng(0)
    unit = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(30, 4))).float(), dim=1)
    active = torch.tensor([i for i in range(30) if i % 4])
    graph = find_active_neighbors(unit, ExactNeighbors(), active, 5)
    for i in range(30):
        others = [j for j in active.tolist() if j != i]
        nearest = sorted(others, key=lambda j: -float(unit[i] @ unit[j]))[:5]
        assert graph.indices[i].tolist() == nearest


def test_trusted_rows_keep_their_label_and_measure_the_predictors():
    X, y = make_blobs(300, 0.8)
    given = make_symmetric_noise(y, noise_rate=0.4, random_state=0)
    trusted = np.arange(300) < 40
    features = learnt_features(y, given)
    state = state_of(given, trusted=trusted)
    found = posterior_of(features, state, input_rows(X, state)).distributions
    assert (found[torch.arange(40), given[:40]] == 1).all()
    without = state_of(given)
    other = posterior_of(features, without, input_rows(X, without)).distributions
    assert not torch.allclose(found[40:], other[40:], atol=1e-3)
