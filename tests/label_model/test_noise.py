"""The noise model: its posterior by Bayes' rule, and the estimate of its parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nllearn.functional.prototypes import class_prototypes, identity_prototypes
from nllearn.label_model import NoiseModel, fit_boundary_noise, fit_noise

TRANSITION = torch.tensor([[0.8, 0.1, 0.1], [0.3, 0.7, 0.0], [0.1, 0.3, 0.6]])
MARGINS = np.array([0.1, 0.5, 1.5])


def model(errors=(0.5, 0.2, 0.02), rates=None, prototypes=None):
    return NoiseModel(
        prototypes=identity_prototypes(3) if prototypes is None else prototypes,
        score_sum=1.2,
        score_top=0.9,
        inverse_temperature=3.0,
        margins=MARGINS,
        errors=None if errors is None else np.array(errors),
        transition=TRANSITION,
        rates=None if rates is None else np.array(rates),
    )


def predictions(n=12, seed=0):
    rng = np.random.default_rng(seed)
    scores = torch.tensor(rng.random((n, 3)) * 1.2, dtype=torch.float32)
    votes = torch.tensor(rng.dirichlet(np.ones(3), n) + 1e-3, dtype=torch.float32)
    return scores, votes.log(), torch.tensor(rng.integers(0, 3, n))


def slow_evidence(scores, log_votes, prototypes=None):
    """Scores and a tenth of the log votes, or how well both fit the rows of the matrix."""
    s, v = scores.double().numpy(), log_votes.double().numpy()
    if prototypes is None:
        return [s[i] + 0.12 * v[i] for i in range(len(s))]
    p = prototypes.double().numpy()
    out = []
    for i in range(len(s)):
        row = []
        for k in range(3):
            fit = sum(s[i, j] / 1.2 * p[j, k] for j in range(3)) / 0.9
            share = sum((np.exp(v[i, j]) - 1e-3) * p[j, k] for j in range(3))
            row.append(fit + 0.12 * np.log(max(share, 0.0) + 1e-3))
        out.append(np.array(row))
    return out


def slow_proba(evidence, errors=(0.5, 0.2, 0.02)):
    best, second = sorted(evidence)[::-1][:2]
    top = int(np.argmax(evidence))
    raw = np.exp(3.0 * (evidence - best))
    if errors is None:
        return raw / raw.sum()
    spread = [0.0 if k == top else raw[k] for k in range(3)]
    spread = np.array(spread) / sum(spread)
    error = min(np.interp(best - second, MARGINS, errors), 1 / (1 + spread.max()))
    proba = error * spread
    proba[top] = 1 - error
    return proba


@pytest.mark.parametrize("prototypes", [None, class_prototypes(TRANSITION)], ids=["none", "some"])
def test_predictions_and_posterior_by_loops(prototypes):
    scores, log_votes, given = predictions()
    known = model(prototypes=prototypes)
    proba = known.predict_proba(scores, log_votes)
    posterior = known.posterior(scores, log_votes, given)
    for i, evidence in enumerate(slow_evidence(scores, log_votes, prototypes)):
        expected = slow_proba(evidence)
        np.testing.assert_allclose(proba[i], expected, atol=2e-5)
        joint = expected * TRANSITION[:, given[i]].numpy()
        np.testing.assert_allclose(posterior[i], joint / joint.sum(), atol=1e-4)
    assert not known.at_boundary


def test_the_posterior_at_the_boundary_uses_the_rate_of_the_margin():
    scores, log_votes, given = predictions()
    rates = (0.6, 0.3, 0.01)
    known = model(errors=None, rates=rates)
    posterior = known.posterior(scores, log_votes, given)
    for i, evidence in enumerate(slow_evidence(scores, log_votes)):
        p, j = slow_proba(evidence, None), int(given[i])
        first, second = sorted(scores[i].double().tolist())[::-1][:2]
        rate = np.interp(first - second, MARGINS, rates)
        joint = np.empty(3)
        for k in range(3):
            joint[k] = p[k] * ((1 - rate) if k == j else rate * p[j] / (1 - p[k]))
        np.testing.assert_allclose(posterior[i], joint / joint.sum(), rtol=2e-3, atol=1e-4)
    assert known.at_boundary


def drawn(matrix, n, seed=0):
    """Scores and votes, true classes, and given labels.

    The class of the largest score is wrong the more often the nearer the second comes.
    """
    rng = np.random.default_rng(seed)
    n_classes = len(matrix)
    margin = np.minimum(rng.exponential(0.4, n), 0.9)
    scores = 0.2 * rng.random((n, n_classes))
    first = np.arange(n) % n_classes
    rows = np.arange(n)
    scores[rows, first] = 0
    scores[rows, first] = scores.max(1) + margin
    error = (n_classes - 1) / n_classes / (1 + np.exp(4 * margin / np.median(margin) - 1))
    shift = np.where(rng.random(n) < error, rng.integers(1, n_classes, n), 0)
    true = (first + shift) % n_classes
    given = (matrix[true].cumsum(1) > rng.random((n, 1))).argmax(1)
    votes = scores / scores.sum(1, keepdims=True)
    scores = scores / scores.max(1).mean()
    as_float = [torch.tensor(a, dtype=torch.float32) for a in (scores, np.log(votes + 1e-3))]
    return (*as_float, true, given)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.4])
def test_the_rate_of_symmetric_noise_is_found_again(rate, noisy_labels, generator):
    matrix = (1 - rate) * np.eye(5) + rate / 4 * (1 - np.eye(5))
    scores, log_votes, true, given = drawn(matrix, 6000)
    labels = noisy_labels(given, 5)
    noise = fit_noise(scores, log_votes, labels, True, generator)
    np.testing.assert_allclose(noise.transition.diagonal(), 1 - rate, atol=0.04)
    found = noise.posterior(scores, log_votes, labels.codes)
    wrong = 1 - found[torch.arange(6000), labels.codes].mean()
    assert abs(float(wrong) - rate) < 0.03
    right = float((found.argmax(1).numpy() == true).mean())
    assert right > (given == true).mean() + 0.4 * rate - 0.01


def test_pair_flips_are_read_through_prototypes(noisy_labels, generator):
    flips = 0.6 * np.eye(5) + 0.4 * np.roll(np.eye(5), 1, 1)
    # No row lies between two classes; the estimates of the shares are rough.
    rng = np.random.default_rng(0)
    true = np.arange(4000) % 5
    given = (flips[true].cumsum(1) > rng.random((4000, 1))).argmax(1)
    scores, votes = (
        np.clip(flips[true] + 0.14 * rng.normal(size=(4000, 5)), 1e-3, None) for _ in range(2)
    )
    log_votes = np.log(votes / votes.sum(1, keepdims=True) + 1e-3)
    scores, log_votes = (torch.tensor(a, dtype=torch.float32) for a in (scores, log_votes))
    scores /= scores.amax(1).mean()
    by_largest = (scores + 0.12 * log_votes).argmax(1).numpy() == true
    noise = fit_noise(scores, log_votes, noisy_labels(given, 5), True, generator)
    by_prototypes = noise.evidence(scores, log_votes).argmax(1).numpy() == true
    assert by_largest.mean() < 0.9 and by_prototypes.mean() > 0.97
    np.testing.assert_allclose(noise.transition, flips, atol=0.06)


def test_without_signal_every_label_is_kept(noisy_labels, generator):
    scores, log_votes, _ = predictions(300)
    labels = noisy_labels(np.arange(300) % 3, 3)
    noise = fit_noise(scores, log_votes, labels, False, generator)
    # All noise rates from 0 to 2/3, that of labels by chance, are as probable as each other.
    posterior = noise.posterior(scores, log_votes, labels.codes)
    quality = posterior[torch.arange(300), labels.codes]
    torch.testing.assert_close(quality, torch.full((300,), 2 / 3), atol=1e-3, rtol=0)


def test_labels_of_a_class_that_is_not_recognized_are_kept(noisy_labels, generator):
    # Classes 0 to 2 are told apart; the labels of class 3 are given at random.
    rng = np.random.default_rng(0)
    true = np.arange(3000) % 3
    given = np.where(rng.random(3000) < 0.1, 3, true)
    seen = np.eye(4)[true] * 0.9 + 0.1 * np.eye(4)[3] + 0.05 * rng.normal(size=(3000, 4))
    scores = torch.tensor(np.clip(seen, 1e-3, None), dtype=torch.float32)
    labels = noisy_labels(given, 4)
    noise = fit_noise(scores, scores.log(), labels, True, generator)
    assert noise.transition[:3, 3].max() == 0
    posterior = noise.posterior(scores, scores.log(), labels.codes)
    assert (posterior.argmax(1).numpy()[given == 3] == 3).all()


def test_rows_of_weight_zero_do_not_count(noisy_labels, generator):
    matrix = 0.7 * np.eye(4) + 0.3 * np.roll(np.eye(4), 1, 1)
    scores, log_votes, _, given = drawn(matrix, 1500)
    weights = np.where(np.arange(1500) < 1000, 1.0, 0.0)
    shuffled = np.r_[given[:1000], np.roll(given[1000:], 7)]
    for fit in (
        lambda labels: fit_noise(scores, log_votes, labels, True, generator),
        lambda labels: fit_boundary_noise(scores, log_votes, labels, 0.9, generator),
    ):
        one, other = (fit(noisy_labels(codes, 4, weights)) for codes in (given, shuffled))
        torch.testing.assert_close(
            one.posterior(scores, log_votes, torch.tensor(given)),
            other.posterior(scores, log_votes, torch.tensor(given)),
        )
    everything = fit_noise(scores, log_votes, noisy_labels(shuffled, 4), True, generator)
    assert not torch.allclose(everything.transition, one.transition)


def test_boundary_noise_takes_small_margins_for_noise(noisy_labels, generator):
    # Two classes on a line; labels are those of a line that is crossed too early or too late.
    rng = np.random.default_rng(0)
    position = rng.uniform(-1, 1, 4000)
    true = (position > 0).astype(np.int64)
    rate = 0.5 * np.exp(-6 * np.abs(position))
    given = np.where(rng.random(4000) < rate, 1 - true, true)
    scores = torch.tensor(np.c_[0.5 - position / 2, 0.5 + position / 2], dtype=torch.float32)
    log_votes = scores.clamp_min(1e-3).log()
    noise = fit_boundary_noise(scores, log_votes, noisy_labels(given, 2), 0.98, generator)
    assert noise.at_boundary and noise.errors is None
    shown = np.interp(np.abs(position), noise.margins, noise.rates)
    assert np.abs(shown - rate).mean() < 0.05
    found = noise.posterior(scores, log_votes, torch.tensor(given)).argmax(1).numpy()
    assert (found == true).mean() > (given == true).mean() + 0.03
