"""Noise that prefers some wrong labels, or spares some classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from nllearn.cleaning import LabelCleaner
from nllearn.datasets import make_pairflip_noise
from nllearn.functional.kernel_ridge import KernelMap
from nllearn.functional.prototypes import class_prototypes, identity_prototypes, prototype_fit
from nllearn.label_model import (
    ExpectedAccuracy,
    NoiseEstimate,
    NoiseModel,
    NoisyLabels,
    PrototypeChoice,
    log_prototype_fit,
    refine_with_prototypes,
)
from nllearn.metrics import quality_calibration_error
from nllearn.predictors import KernelRidge, NeighborGraph

SEEDS = range(3)


def spare_even(y, seed):
    """Two in five rows of the odd classes are given the class before."""
    flipped = (y % 2 == 1) & (np.random.default_rng(seed).random(len(y)) < 0.4)
    return np.where(flipped, y - 1, y)


def lose_to_first(y, seed):
    """Two in five rows are given class 0."""
    return np.where(np.random.default_rng(seed).random(len(y)) < 0.4, 0, y)


def flip_pairs(y, seed):
    return make_pairflip_noise(y, noise_rate=0.4, random_state=seed)


def cleaned(load, noise):
    """Share of right labels and calibration error, means over the seeds; the cleaners."""
    X, y = load(return_X_y=True)
    right, errors, cleaners = [], [], []
    for seed in SEEDS:
        noisy = noise(y, seed)
        cleaner = LabelCleaner(random_state=seed).fit(X, noisy)
        right.append((cleaner.corrected_labels_ == y).mean())
        errors.append(quality_calibration_error(y, noisy, cleaner.label_quality_))
        cleaners.append(cleaner)
    return np.mean(right), np.mean(errors), cleaners


# In brackets what the largest score alone gave.
@pytest.mark.parametrize(
    ("noise", "least"),
    [(flip_pairs, 0.97), (spare_even, 0.97), (lose_to_first, 0.96)],
    ids=["pair flips (.88)", "some classes spared (.94)", "one class takes all (.81)"],
)
def test_classes_are_told_by_all_the_labels_around_a_row(noise, least):
    right, error, cleaners = cleaned(load_digits, noise)
    assert right > least
    assert error < 0.03
    for cleaner in cleaners:
        assert cleaner.resolved_params_["class_prototypes"]
        assert not cleaner.resolved_params_["boundary_noise"]


def test_small_data_as_well():
    right, error, _ = cleaned(load_wine, flip_pairs)  # .80 by the largest score
    assert right > 0.9 and error < 0.08


def test_one_of_two_classes_spared():
    right, _, cleaners = cleaned(load_breast_cancer, spare_even)  # .91, taken for the boundary
    assert right > 0.94
    assert not any(c.resolved_params_["boundary_noise"] for c in cleaners)


def test_new_rows_are_scored_in_the_same_way():
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order], y[order]
    noisy = flip_pairs(y, 0)
    cleaner = LabelCleaner(random_state=0).fit(X[:1400], noisy[:1400])
    new = cleaner.label_proba(X[1400:])
    # By the largest score alone .88 of the fitted rows.
    assert (new.argmax(1) == y[1400:]).mean() > 0.96
    quality = cleaner.score_labels(X[1400:], noisy[1400:])
    assert quality_calibration_error(y[1400:], noisy[1400:], quality) < 0.06


def test_symmetric_noise_and_none_need_no_prototypes():
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    noisy = np.where(rng.random(len(y)) < 0.3, rng.integers(0, 10, len(y)), y)
    for labels in (y, noisy):
        cleaner = LabelCleaner(random_state=0).fit(X, labels)
        assert not cleaner.resolved_params_["class_prototypes"]


@pytest.fixture
def flips():
    """Scores and votes that predict the given labels of 400 rows of four classes, and T."""
    matrix = torch.tensor(0.6 * np.eye(4) + 0.4 * np.roll(np.eye(4), 1, 1), dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    true = torch.arange(400) % 4
    shares = matrix[true] + 0.15 * torch.randn(2, 400, 4, generator=generator)
    votes = shares[1].clamp_min(1e-3)
    given = torch.multinomial(matrix[true], 1, generator=generator).squeeze(1)
    codes = NoisyLabels(given, 4, torch.ones(400), torch.zeros(400, dtype=torch.bool))
    return matrix, true, shares[0] * 1.5, (votes / votes.sum(1, keepdim=True)).log(), codes


def estimate_of(scores, transition):
    model = NoiseModel(5.0, transition, torch.zeros(8), torch.zeros(7), 0.0, identity_prototypes(4))
    blank = torch.zeros(2, len(scores))
    return NoiseEstimate(model, scores, blank.long(), blank, blank[0] > 0, scores)


def refined(transition, scores, log_votes, labels, fit):
    """Refine with a graph in which every row has the rows of its class as neighbours."""
    n = len(scores)
    indices = (torch.arange(n).unsqueeze(1) + 4 * torch.arange(1, 21)) % n
    choice = PrototypeChoice(scores, log_votes, labels.weights)
    before = choice.agreed
    found = refine_with_prototypes(
        estimate_of(scores, transition),
        choice,
        scores,
        log_votes,
        NeighborGraph(torch.ones(n, 20), indices),
        labels,
        ExpectedAccuracy(before, before),
        [fit],
        torch.Generator().manual_seed(0),
    )
    return (*found, choice.agreed - before)


def test_a_regression_predicts_as_the_scores_do(flips):
    matrix, true, scores, log_votes, labels = flips
    # A regression whose feature of a row is the row's scores.
    kmap = KernelMap(torch.eye(4), 1.0, torch.eye(4))
    fit = KernelRidge(kmap, torch.eye(4), torch.tensor([0.1, 0.0, -0.1, 0.0]), 1.5, 0.1)
    noise, compared, (new,), gained = refined(matrix, scores, log_votes, labels, fit)
    assert float((scores.argmax(1) == true).float().mean()) < 0.85
    assert float((compared.argmax(1) == true).float().mean()) > 0.9
    assert float(compared.amax(1).mean()) == pytest.approx(1.0, abs=1e-4)
    assert gained > 0 and noise.model.boundary == 0
    prototypes = noise.model.prototypes
    assert not torch.equal(prototypes, identity_prototypes(4))
    torch.testing.assert_close(
        log_prototype_fit(log_votes, prototypes),
        prototype_fit(log_votes.exp(), prototypes).clamp_min(1e-3).log(),
    )
    raw = (torch.rand(9, 4) @ fit.coefficients + fit.offset) * fit.factor
    features = raw / fit.factor - fit.offset
    turned = (features @ new.coefficients + new.offset) * new.factor
    size = scores.sum(1).mean()
    expected = prototype_fit(raw / size, prototypes)
    factor = 1.0 / prototype_fit(scores / size, prototypes).amax(1).mean()
    torch.testing.assert_close(turned, expected * factor, atol=1e-4, rtol=1e-4)


def test_what_changes_next_to_nothing_is_left(flips):
    _, _, scores, log_votes, labels = flips
    symmetric = torch.full((4, 4), 0.1) + 0.6 * torch.eye(4)
    fit = KernelRidge(
        KernelMap(torch.eye(4), 1.0, torch.eye(4)), torch.eye(4), torch.zeros(4), 1.0, 0.1
    )
    noise, compared, (new,), _ = refined(symmetric, scores, log_votes, labels, fit)
    assert compared is scores and new is fit
    assert log_prototype_fit(log_votes, noise.model.prototypes) is log_votes


def test_a_few_large_classes_are_not_preferred(flips):
    _, _, scores, log_votes, labels = flips
    # A matrix in which classes 0 and 1 lose half of their labels and the others none: with its
    # length class 0 and 1 would take all rows, on which both predictors agree.
    uneven = torch.eye(4)
    uneven[0], uneven[1] = torch.tensor([0.3, 0.3, 0.2, 0.2]), torch.tensor([0.2, 0.3, 0.3, 0.2])
    prototypes = PrototypeChoice(scores, log_votes, labels.weights).choose(uneven)
    torch.testing.assert_close(prototypes, class_prototypes(uneven, 0.0))
    heavy = prototype_fit(log_votes.exp(), class_prototypes(uneven, 1.0)).argmax(1)
    assert float((heavy < 2).float().mean()) > 0.6
