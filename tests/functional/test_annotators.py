"""Labels of several people: posterior, counts, shrinkage and dependence, beside loops."""

from __future__ import annotations

import numpy as np
import pytest

from nllearn.functional.annotators import (
    annotator_counts,
    annotator_posterior,
    annotator_transitions,
    fit_annotators,
    label_incidence,
    vote_shares,
)
from nllearn.functional.dependence import annotator_agreement, annotator_dependence, told_shares

C = 3


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    codes = rng.integers(-1, C, size=(40, 4))
    proba = rng.dirichlet(np.ones(C), 40)
    transitions = rng.dirichlet(np.ones(C), (4, C))
    return codes, proba, transitions, rng.uniform(0.1, 2.0, 40)


def crowd(n, quality, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, C, n)
    said = [
        np.where(rng.random(n) < right, y, (y + rng.integers(1, C, n)) % C) for right in quality
    ]
    return y, np.stack(said, 1), rng


def test_posterior_counts_and_votes_against_loops(drawn):
    codes, proba, transitions, weights = drawn
    incidence = label_incidence(codes, C)
    posterior = annotator_posterior(np.log(proba), incidence, transitions)
    shares = vote_shares(incidence, C)
    counts = np.zeros((4, C, C))
    for i, row in enumerate(codes):
        expected, votes = proba[i].copy(), np.zeros(C)
        for a, label in enumerate(row):
            if label >= 0:
                expected *= transitions[a, :, label]
                votes[label] += 1
        expected /= expected.sum()
        np.testing.assert_allclose(posterior[i], expected, rtol=1e-9)
        np.testing.assert_allclose(shares[i], votes / votes.sum() if votes.any() else 1 / C)
        for a, label in enumerate(row):
            if label >= 0:
                counts[a, :, label] += weights[i] * expected
    np.testing.assert_allclose(annotator_counts(posterior, incidence, weights), counts)


def test_agreement_and_shares_against_loops(drawn):
    codes, _, _, weights = drawn
    incidence = label_incidence(codes, C)
    agreement, n_common = annotator_agreement(incidence, weights, C)
    rng = np.random.default_rng(1)
    dependence = rng.uniform(size=(4, 4))
    dependence = np.triu(dependence, 1) + np.triu(dependence, 1).T
    told = told_shares(incidence, dependence, C).toarray()
    for a in range(4):
        for b in range(4):
            both = (codes[:, a] >= 0) & (codes[:, b] >= 0)
            same = both & (codes[:, a] == codes[:, b])
            assert np.isclose(n_common[a, b], weights[both].sum())
            assert np.isclose(agreement[a, b], weights[same].sum() / weights[both].sum())
        for i in np.flatnonzero(codes[:, a] >= 0):
            others = [b for b in range(4) if b != a and codes[i, b] >= 0]
            share = 1 / (1 + sum(dependence[a, b] for b in others))
            assert np.isclose(told[i, a * C + codes[i, a]], share)


def test_many_counts_stay_and_few_are_drawn_to_what_all_show():
    rng = np.random.default_rng(0)
    common = np.array([[0.8, 0.15, 0.05], [0.1, 0.85, 0.05], [0.02, 0.08, 0.9]])
    rows = [rng.multinomial(1000, row) for row in common]
    many = np.tile(np.array(rows, float), (6, 1, 1))
    few = np.array([[0.0, 0.0, 2.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    transitions, shown = annotator_transitions(np.concatenate([many, few[None]]))
    np.testing.assert_allclose(transitions.sum(2), 1)
    np.testing.assert_allclose(transitions[0], many[0] / 1000, atol=0.02)
    np.testing.assert_allclose(shown, common, atol=0.03)
    assert transitions[6, 0, 0] > 0.5


def test_rates_of_annotators_are_their_own_where_they_differ():
    counts = np.stack(
        [100.0 * (np.eye(C) * right + (1 - np.eye(C)) * (1 - right) / 2) for right in (0.9, 0.35)]
    )
    transitions, _ = annotator_transitions(counts)
    for a, right in enumerate((0.9, 0.35)):
        assert np.abs(transitions[a].diagonal() - right).max() < 0.05


@pytest.mark.parametrize("with_predictions", [True, False])
def test_em_finds_the_quality_of_every_annotator(with_predictions):
    quality = (0.9, 0.7, 0.5, 0.4)
    y, codes, rng = crowd(3000, quality)
    codes[rng.random(codes.shape) < 0.3] = -1
    incidence = label_incidence(codes, C)
    log_proba = np.log(0.1 + 0.7 * np.eye(C)[crowd_of_one(y, rng)]) if with_predictions else None
    found = fit_annotators(log_proba, incidence, np.ones(3000), told=incidence, n_classes=C)
    np.testing.assert_allclose(found.diagonal(axis1=1, axis2=2).mean(1), quality, atol=0.04)
    if with_predictions:
        alone = fit_annotators(log_proba, incidence, np.ones(3000), n_classes=C)
        np.testing.assert_allclose(alone.diagonal(axis1=1, axis2=2).mean(1), quality, atol=0.06)


def crowd_of_one(y, rng):
    """Predictions that are right on eight rows of ten, as the probabilities above say."""
    return np.where(rng.random(len(y)) < 0.8, y, (y + rng.integers(1, C, len(y))) % C)


def test_dependence_is_the_share_that_is_copied():
    _, codes, rng = crowd(4000, (0.5, 0.5, 0.7, 0.6))
    codes[:, 1] = np.where(rng.random(4000) < 0.6, codes[:, 0], codes[:, 1])
    T = np.stack([np.eye(C) * r + (1 - np.eye(C)) * (1 - r) / 2 for r in (0.5, 0.5, 0.7, 0.6)])
    incidence = label_incidence(codes, C)
    agreement, n_common = annotator_agreement(incidence, np.ones(4000), C)
    found = annotator_dependence(agreement, n_common, T, np.full(C, 1 / C))
    assert 0.5 < found[0, 1] <= 0.62 and found[0, 1] == found[1, 0]
    assert found[2:].max() < 0.03 and (found.diagonal() == 0).all()
    # Rates that are all estimated too high are no copying; nor do two rows prove anything.
    low = np.stack([np.eye(C) * 0.4 + (1 - np.eye(C)) * 0.3] * 2)
    pair = annotator_dependence(agreement[:2, :2], n_common[:2, :2], low, np.full(C, 1 / C))
    assert (pair == 0).all()
    few = annotator_dependence(agreement, np.full((4, 4), 2.0), T, np.full(C, 1 / C))
    assert few.max() < 0.05
