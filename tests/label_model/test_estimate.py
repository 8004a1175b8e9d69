"""The whole label model on rows whose classes are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, make_classification

from nllearn import LabelCleaner
from nllearn.datasets import make_symmetric_noise
from nllearn.label_model import estimate_label_posterior
from nllearn.predictors import LeaveOneOutRidge


def estimated(unit, graph, labels, **settings):
    generator = torch.Generator().manual_seed(0)
    return estimate_label_posterior(unit, graph, labels, generator, n_landmarks=200, **settings)


def share_right(posterior, y):
    return float((posterior.distributions.argmax(1).numpy() == y).mean())


@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_symmetric_noise_is_found_and_its_rate_recovered(rate, blobs, noisy_labels):
    unit, graph, y = blobs(900, 4, 0.15)
    given = make_symmetric_noise(y, noise_rate=rate, random_state=0)
    posterior = estimated(unit, graph, noisy_labels(given, 4))
    assert share_right(posterior, y) > 0.97
    quality = posterior.distributions.numpy()[np.arange(900), given]
    assert abs(1 - quality.mean() - (given != y).mean()) < 0.03
    np.testing.assert_allclose(posterior.transition.sum(1), 1.0)
    assert posterior.has_signal and not posterior.noise.at_boundary


def test_noise_of_every_second_class_is_corrected():
    X, y = load_digits(return_X_y=True)
    noisy = make_symmetric_noise(y, noise_rate=0.4, random_state=0)
    given = np.where(y % 2 == 1, noisy, y)
    cleaner = LabelCleaner(random_state=0).fit(X, given)
    assert (given == y).mean() < 0.82
    assert (cleaner.corrected_labels_ == y).mean() > 0.95


def test_right_labels_of_overlapping_classes_are_kept(blobs, noisy_labels):
    unit, graph, y = blobs(900, 4, 0.5)
    posterior = estimated(unit, graph, noisy_labels(y, 4))
    # A predictor is wrong on more than a tenth of these rows.
    assert (posterior.scores.argmax(1).numpy() == y).mean() < 0.9
    assert share_right(posterior, y) > 0.97
    # What the other assumption would change is counted, and its quality is told.
    assert posterior.n_undecided > 20
    own = posterior.boundary_quality.numpy()
    assert own.shape == (900,) and ((own >= 0) & (own <= 1)).all()


def test_undecided_rows_keep_their_label_and_come_before_others(blobs, noisy_labels):
    unit, graph, y = blobs(900, 4, 0.5)
    posterior = estimated(unit, graph, noisy_labels(y, 4))
    quality = posterior.distributions.numpy()[np.arange(900), y]
    undecided = (posterior.boundary_quality.numpy() < 0.5) & (quality > 0.5)
    others = posterior.boundary_quality.numpy() > 0.99
    assert undecided.sum() > 20 and others.sum() > 100
    # Which assumption holds is not known, so the quality is near 1 and below that of others.
    assert quality[undecided].max() < 0.98 < np.median(quality[others])


def test_without_signal_nothing_is_changed(blobs, noisy_labels):
    unit, graph, _ = blobs(600, 4, 0.3)
    labels = noisy_labels(np.random.default_rng(0).integers(0, 4, 600), 4)
    for boundary_noise in ("auto", True):
        posterior = estimated(unit, graph, labels, boundary_noise=boundary_noise)
        assert not posterior.has_signal and posterior.n_undecided == 0
        assert share_right(posterior, labels.codes.numpy()) == 1.0
        # The noise rate may be anything from 0 to .75, that of labels by chance.
        assert np.diag(posterior.transition).mean() == pytest.approx(0.625, abs=0.01)


def hard_and_noisy(blobs, seed=0):
    """Two overlapping pairs: which classes rows have, and labels that a weak classifier gave."""
    unit, graph, drawn = blobs(1200, 3, 0.45, seed)
    nearest = unit.argmax(1).numpy()
    return unit, graph, drawn, nearest


def test_trusted_rows_decide_between_hard_rows_and_noise_at_the_boundary(blobs, noisy_labels):
    unit, graph, drawn, nearest = hard_and_noisy(blobs)
    differ = np.flatnonzero(drawn != nearest)
    assert len(differ) > 100
    # The same labels twice. Either they are right where the nearest class is another one, and
    # the rows are hard; or the nearest class is right, and these labels are noise.
    trusted = np.zeros(1200, bool)
    trusted[differ[::3]] = True
    hard = estimated(unit, graph, noisy_labels(drawn, 3, trusted=trusted))
    checked = np.where(trusted, nearest, drawn)
    noise = estimated(unit, graph, noisy_labels(checked, 3, trusted=trusted))
    assert not hard.noise.at_boundary and noise.noise.at_boundary
    assert hard.n_undecided == noise.n_undecided == 0
    assert hard.boundary_quality is None and noise.boundary_quality is None
    left = ~trusted
    kept = (hard.distributions.argmax(1).numpy() == drawn)[left].mean()
    corrected = (noise.distributions.argmax(1).numpy() == nearest)[left]
    assert kept > 0.97
    assert corrected.mean() > (drawn == nearest)[left].mean() + 0.03


def test_trusted_rows_of_weight_zero_decide_nothing(blobs, noisy_labels):
    unit, graph, drawn, nearest = hard_and_noisy(blobs)
    trusted = np.zeros(1200, bool)
    trusted[np.flatnonzero(drawn != nearest)[::3]] = True
    checked = np.where(trusted, nearest, drawn)
    weights = np.where(trusted, 0.0, 1.0)
    posterior = estimated(unit, graph, noisy_labels(checked, 3, weights, trusted))
    assert not posterior.noise.at_boundary and posterior.boundary_quality is not None
    own = posterior.distributions.numpy()[np.arange(1200), checked]
    assert (own[trusted] == 1).all()


def test_a_few_trusted_rows_do_not_make_hard_rows_wrong():
    X, y = make_classification(900, 20, n_informative=6, n_classes=3, class_sep=0.8, random_state=0)
    for draw in range(3):
        trusted = np.zeros(900, bool)
        trusted[np.random.default_rng(draw).choice(900, 18, replace=False)] = True
        cleaner = LabelCleaner(random_state=0).fit(X, y, trusted=trusted)
        assert (cleaner.corrected_labels_ == y).mean() > 0.98


def test_boundary_noise_is_assumed_where_the_user_says_so(blobs, noisy_labels):
    unit, graph, drawn, nearest = hard_and_noisy(blobs)
    labels = noisy_labels(drawn, 3)
    assumed = estimated(unit, graph, labels, boundary_noise=True)
    denied = estimated(unit, graph, labels, boundary_noise=False)
    assert assumed.noise.at_boundary and not denied.noise.at_boundary
    assert share_right(assumed, nearest) > share_right(denied, nearest) + 0.03
    assert denied.boundary_quality is None and denied.n_undecided == 0
    left_open = estimated(unit, graph, labels)
    # Left open, hard rows are assumed, and the other answer has one part in twenty.
    other = left_open.boundary_quality.numpy()
    own, mixed = (
        found.distributions.numpy()[np.arange(1200), drawn] for found in (denied, left_open)
    )
    np.testing.assert_allclose(mixed, 0.95 * own + 0.05 * other, atol=1e-6)


def test_rows_of_weight_zero_change_nothing_for_the_others(blobs, noisy_labels):
    unit, graph, y = blobs(600, 3, 0.3)
    given = make_symmetric_noise(y, noise_rate=0.3, random_state=0)
    weights = np.where(np.arange(600) % 4 == 0, 0.0, 1.0)
    changed = np.where(weights == 0, (given + 1) % 3, given)
    one, other = (
        estimated(unit, graph, noisy_labels(codes, 3, weights)) for codes in (given, changed)
    )
    rows = weights > 0
    torch.testing.assert_close(one.distributions[rows], other.distributions[rows])
    np.testing.assert_allclose(one.transition, other.transition, atol=1e-6)


def test_progress_is_told_four_times(blobs, noisy_labels):
    unit, graph, y = blobs(200, 3, 0.3)
    steps = []
    estimated(unit, graph, noisy_labels(y, 3), advance=lambda: steps.append(1))
    assert len(steps) == 4


def test_the_posterior_from_a_linear_regression(blobs, noisy_labels):
    unit, graph, y = blobs(900, 4, 0.15)
    given = make_symmetric_noise(y, noise_rate=0.3, random_state=0)
    trusted = np.arange(900) < 20
    labels = noisy_labels(given, 4, trusted=trusted)
    one, other = (
        estimated(
            unit,
            graph,
            labels,
            predictors=[LeaveOneOutRidge(in_blocks)],
            use_regressions=False,
            learnt_features=True,
        )
        for in_blocks in (False, True)
    )
    assert share_right(one, np.where(trusted, given, y)) > 0.97
    assert (one.distributions[torch.arange(20), labels.codes[:20]] == 1).all()
    assert one.regressions == ()
    torch.testing.assert_close(one.distributions, other.distributions, atol=1e-4, rtol=1e-4)
