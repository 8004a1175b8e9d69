"""Noise that prefers some wrong labels, or spares some classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from nllearn._judgement import GivenLabels, NoiseModel, Outlook
from nllearn._judgement._regression import Regression
from nllearn._judgement._templates import Asked, fit_votes, judge_by_templates
from nllearn._judgement._verdict import Verdict
from nllearn.cleaning import LabelCleaner
from nllearn.datasets import make_pairflip_noise
from nllearn.functional.kernel_ridge import KernelMap
from nllearn.functional.templates import apply_templates, class_templates, no_templates
from nllearn.metrics import quality_calibration_error

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
        assert cleaner.resolved_params_["class_templates"]
        assert not cleaner.resolved_params_["boundary_noise"]


def test_small_data_as_well():
    right, error, _ = cleaned(load_wine, flip_pairs)  # .80 by the largest score
    assert right > 0.9 and error < 0.08


def test_one_of_two_classes_spared():
    right, _, cleaners = cleaned(load_breast_cancer, spare_even)  # .91, taken for the boundary
    assert right > 0.94
    assert not any(c.resolved_params_["boundary_noise"] for c in cleaners)


def test_new_rows_are_judged_in_the_same_way():
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


def test_symmetric_noise_and_none_need_no_second_judgement():
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    noisy = np.where(rng.random(len(y)) < 0.3, rng.integers(0, 10, len(y)), y)
    for labels in (y, noisy):
        cleaner = LabelCleaner(random_state=0).fit(X, labels)
        assert not cleaner.resolved_params_["class_templates"]


@pytest.fixture
def flips():
    """Scores and votes that tell the given labels of 400 rows of four classes, and T."""
    matrix = torch.tensor(0.6 * np.eye(4) + 0.4 * np.roll(np.eye(4), 1, 1), dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    true = torch.arange(400) % 4
    heard = matrix[true] + 0.15 * torch.randn(2, 400, 4, generator=generator)
    votes = heard[1].clamp_min(1e-3)
    given = torch.multinomial(matrix[true], 1, generator=generator).squeeze(1)
    codes = GivenLabels(given, 4, torch.ones(400), torch.zeros(400, dtype=torch.bool))
    return matrix, true, heard[0] * 1.5, (votes / votes.sum(1, keepdim=True)).log(), codes


def verdict_of(scores, transition):
    noise = NoiseModel(5.0, transition, torch.zeros(8), torch.zeros(7), 0.0, no_templates(4))
    blank = torch.zeros(2, len(scores))
    return Verdict(scores, noise, blank[0] > 0, blank.long(), blank, scores, scores)


def test_a_regression_is_turned_as_the_scores_are(flips):
    matrix, true, scores, log_votes, given = flips
    heard = []

    def rejudge(fitted, votes, outlook):
        heard.append((fitted, votes, outlook))
        return verdict_of(fitted, matrix)

    asked = Asked(scores, log_votes, given.weights)
    before = asked.agreed
    verdict, fitted, turn = judge_by_templates(
        verdict_of(scores, matrix),
        asked,
        scores,
        log_votes,
        given,
        Outlook(before, before),
        rejudge,
    )
    assert float((scores.argmax(1) == true).float().mean()) < 0.85
    assert float((fitted.argmax(1) == true).float().mean()) > 0.9
    assert float(fitted.amax(1).mean()) == pytest.approx(1.0, abs=1e-4)
    # The second round would change no row any more.
    assert len(heard) == 1
    _, votes, outlook = heard[0]
    assert outlook.agreed == pytest.approx(asked.agreed) and asked.agreed > before
    assert outlook.at_boundary is False
    templates = verdict.noise.templates
    torch.testing.assert_close(templates, class_templates(matrix, 0.0))
    torch.testing.assert_close(
        votes, apply_templates(log_votes.exp(), templates).clamp_min(1e-3).log()
    )
    # A regression whose feature of a row is the row's scores.
    kmap = KernelMap(torch.eye(4), 1.0, torch.eye(4))
    fit = Regression(kmap, torch.eye(4), torch.tensor([0.1, 0.0, -0.1, 0.0]), 1.5, 0.1)
    raw = (torch.rand(9, 4) @ fit.coefficients + fit.offset) * fit.factor
    features = raw / fit.factor - fit.offset
    new = turn(fit)
    turned = (features @ new.coefficients + new.offset) * new.factor
    size = scores.sum(1).mean()
    expected = apply_templates(raw / size, templates)
    factor = 1.0 / apply_templates(scores / size, templates).amax(1).mean()
    torch.testing.assert_close(turned, expected * factor, atol=1e-4, rtol=1e-4)


def test_what_changes_next_to_nothing_is_left(flips):
    matrix, _, scores, log_votes, given = flips
    symmetric = torch.full((4, 4), 0.1) + 0.6 * torch.eye(4)
    verdict, fitted, turn = judge_by_templates(
        verdict_of(scores, symmetric),
        Asked(scores, log_votes, given.weights),
        scores,
        log_votes,
        given,
        Outlook(0.9, 0.9),
        lambda *heard: pytest.fail("judged again"),
    )
    assert fitted is scores and turn(matrix) is matrix
    assert fit_votes(log_votes, verdict.noise.templates) is log_votes


def test_a_few_large_classes_are_not_preferred(flips):
    _, _, scores, log_votes, given = flips
    # A matrix in which classes 0 and 1 lose half of their labels and the others none: with its
    # length class 0 and 1 would take all rows, on which both witnesses agree.
    uneven = torch.eye(4)
    uneven[0], uneven[1] = torch.tensor([0.3, 0.3, 0.2, 0.2]), torch.tensor([0.2, 0.3, 0.3, 0.2])
    asked = Asked(scores, log_votes, given.weights)
    templates = asked.choose(uneven)
    torch.testing.assert_close(templates, class_templates(uneven, 0.0))
    heavy = apply_templates(log_votes.exp(), class_templates(uneven, 1.0)).argmax(1)
    assert float((heavy < 2).float().mean()) > 0.6
