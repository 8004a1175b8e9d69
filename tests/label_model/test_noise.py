"""The noise model: its posterior by Bayes' rule, and the rows that vote."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nllearn.functional.prototypes import identity_prototypes
from nllearn.label_model import (
    ExpectedAccuracy,
    NoiseModel,
    NoisyLabels,
    easiest_per_class,
    fit_class_conditional,
    log_neighbor_shares,
)
from nllearn.predictors import NeighborGraph


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def model(boundary, inverse_temperature=3.0):
    """A noise model of two classes, with half of the rows of small margin wrong."""
    return NoiseModel(
        inverse_temperature,
        torch.tensor([[0.9, 0.1], [0.3, 0.7]]),
        torch.tensor([0.5, 0.1]),
        torch.tensor([0.3]),
        boundary,
        identity_prototypes(2),
    )


SCORES = torch.tensor([[1.0, 0.0], [0.2, 0.4]])
VOTES = torch.log(torch.tensor([[0.5, 0.5], [0.9, 0.1]]))


def slow_proba(row):
    e = np.exp(3.0 * (SCORES[row].numpy() + 0.12 * VOTES[row].numpy()))
    return e / e.sum()


def test_predictions_without_a_given_label():
    expected = [slow_proba(row) for row in range(2)]
    np.testing.assert_allclose(model(0.0).predict_proba(SCORES, VOTES), expected, rtol=1e-5)


def test_the_posterior_is_bayes_rule():
    found = model(0.0).posterior(SCORES, VOTES, torch.tensor([1, 0]))
    for row, given in enumerate((1, 0)):
        joint = slow_proba(row) * model(0.0).transition.numpy()[:, given]
        np.testing.assert_allclose(found[row], joint / joint.sum(), rtol=1e-5)


def test_the_posterior_at_the_boundary_uses_the_rate_of_the_margin():
    # Margins 1 and 0.2: one tenth and one half of such labels are wrong. With two classes a
    # wrong label can only be the other one.
    found = model(1.0).posterior(SCORES, VOTES, torch.tensor([1, 0]))
    for row, (given, rate) in enumerate(((1, 0.1), (0, 0.5))):
        joint = slow_proba(row) * np.where(np.arange(2) == given, 1 - rate, rate)
        np.testing.assert_allclose(found[row], joint / joint.sum(), rtol=1e-4)


def test_no_neighbour_gives_no_votes():
    graph = NeighborGraph(torch.zeros(3, 0), torch.zeros(3, 0, dtype=torch.int64))
    assert (log_neighbor_shares(graph, torch.tensor([0, 1, 0]), 2, torch.ones(3)) == 0).all()


@pytest.mark.parametrize("noise_rate", [0.1, 0.3])
def test_the_transition_matrix_is_found_again(noise_rate, generator):
    n, n_classes = 3000, 3
    true = torch.arange(n) % n_classes
    flipped = torch.rand(n, generator=generator) < noise_rate
    codes = torch.where(flipped, (true + 1) % n_classes, true)
    unit = torch.nn.functional.normalize(
        torch.eye(n_classes)[true] + 0.2 * torch.randn(n, n_classes, generator=generator), dim=1
    )
    similarities = unit[:, :] @ unit.T
    similarities.fill_diagonal_(-2)
    graph = NeighborGraph(*similarities.topk(20, dim=1))
    labels = NoisyLabels(codes, n_classes, torch.ones(n), torch.zeros(n, dtype=torch.bool))
    log_votes = log_neighbor_shares(graph, codes, n_classes, labels.weights)
    noise = fit_class_conditional(
        unit, log_votes, graph, labels, ExpectedAccuracy(0.98, 0.98, is_boundary=False), generator
    )
    expected = (1 - noise_rate) * np.eye(3) + noise_rate * np.roll(np.eye(3), 1, 1)
    np.testing.assert_allclose(noise.model.transition, expected, atol=0.04)
    posterior = noise.posterior(unit, labels)
    assert (posterior.argmax(1) == true).float().mean() > 0.97


def test_the_easiest_of_every_class(generator):
    labels = torch.tensor([0] * 10 + [1] * 3 + [2])
    confidence = torch.rand(14, generator=generator)
    easy = easiest_per_class(labels, confidence, 4)
    expected = torch.zeros(14, dtype=torch.bool)
    for code, count in ((0, 8), (1, 3), (2, 1)):
        rows = [i for i in range(14) if labels[i] == code]
        rows.sort(key=lambda i: -float(confidence[i]))
        expected[rows[:count]] = True
    assert torch.equal(easy, expected)
