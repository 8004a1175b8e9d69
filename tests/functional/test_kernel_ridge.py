"""Kernel ridge in blocks against plain dense formulas and real refits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nllearn.functional.kernel_features import KernelMap, kernel_features, kernel_map
from nllearn.functional.kernel_ridge import (
    leave_one_out,
    leave_one_out_scores,
    ridge_system,
)
from nllearn.functional.similarity import unit_rows


def made(n=40, d=4, n_classes=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    unit = unit_rows(torch.randn(n, d, generator=g))
    labels = torch.cat([torch.arange(n_classes), torch.randint(n_classes, (n,), generator=g)])[:n]
    return unit, labels, torch.rand(n, generator=g) + 0.2


def in_blocks(features, size):
    def blocks():
        for start in range(0, len(features), size):
            rows = slice(start, min(start + size, len(features)))
            yield rows, features[rows]

    return blocks


def test_all_rows_as_landmarks_give_the_kernel_itself():
    unit, _, _ = made(n=15)
    kmap = kernel_map(unit, 100, torch.Generator().manual_seed(0))
    features = kernel_features(unit, kmap)
    distance = torch.cdist(unit, unit).square()
    torch.testing.assert_close(
        features @ features.T, torch.exp(-kmap.gamma * distance), rtol=2e-3, atol=2e-3
    )


def test_the_width_is_the_median_distance():
    unit, _, _ = made(n=12)
    kmap = kernel_map(unit, 12, torch.Generator().manual_seed(0))
    distances = [
        float((unit[i] - unit[j]).square().sum()) for i in range(12) for j in range(12) if i != j
    ]
    # torch takes the lower of the two middle values; every distance occurs twice.
    assert 1 / kmap.gamma == pytest.approx(np.sort(distances)[len(distances) // 2 - 1], rel=1e-4)


def test_duplicates_leave_a_finite_map():
    unit = unit_rows(torch.ones(30, 4))
    unit[0, 0] = -unit[0, 0]
    kmap = kernel_map(unit, 30, torch.Generator().manual_seed(0))
    assert torch.isfinite(kernel_features(unit, kmap)).all()
    assert kmap.projection.shape[1] <= 2


def slow_left_out(features, targets, weights, ridge):
    """Solve the ridge problem anew without each row, with the centring of all rows."""
    x, t, w = (a.double().numpy() for a in (features, targets, weights))
    x = x - (w[:, None] * x).sum(0) / w.sum()
    t = t - (w[:, None] * t).sum(0) / w.sum()
    out = np.empty_like(t)
    for i in range(len(x)):
        keep = w.copy()
        keep[i] = 0
        gram = (x.T * keep) @ x + (ridge * w.sum() / x.shape[1] + 1e-6) * np.eye(x.shape[1])
        out[i] = x[i] @ np.linalg.solve(gram, (x.T * keep) @ t)
    return out


def left_out(system, features, targets, weights, ridge):
    axes = system.axes_at(ridge)
    z = axes.coordinates(features)
    return leave_one_out(z @ axes.moments, weights * z.square().sum(1), targets, axes)


def left_out_along_principal_axes(system, features, targets, weights, ridge):
    axes, shrinkage = system.principal_axes(), system.shrinkage(ridge)
    z = axes.coordinates(features)
    fitted = z @ (shrinkage.unsqueeze(1) * axes.moments)
    return leave_one_out(fitted, weights * (z.square() @ shrinkage), targets, axes)


@pytest.mark.parametrize("size", [7, 40])
@pytest.mark.parametrize("absent", [0, 5])
def test_leave_one_out_equals_refits(size, absent):
    unit, labels, weights = made()
    weights[:absent] = 0
    targets = torch.nn.functional.one_hot(labels, 3).float()
    blocks = in_blocks(unit, size)
    system = ridge_system(blocks, weights, labels)
    expected = slow_left_out(unit, targets, weights, 0.3)
    for got in (
        left_out(system, unit, labels, weights, 0.3),
        left_out_along_principal_axes(system, unit, labels, weights, 0.3),
    ):
        np.testing.assert_allclose(got.numpy(), expected, rtol=2e-3, atol=2e-4)


def test_codes_and_one_hot_rows_are_the_same_targets():
    unit, labels, weights = made()
    targets = torch.nn.functional.one_hot(labels, 3).float()
    blocks = in_blocks(unit, 11)
    before = targets.clone()
    system = ridge_system(blocks, weights, targets)
    of_codes = ridge_system(blocks, weights, labels)
    torch.testing.assert_close(of_codes.products, system.products)
    torch.testing.assert_close(of_codes.target_mean, system.target_mean)
    one = left_out(system, unit, targets, weights, 0.1)
    torch.testing.assert_close(one, left_out(of_codes, unit, labels, weights, 0.1))
    assert torch.equal(targets, before)


def test_features_that_repeat_each_other_are_fitted_all_the_same():
    # The Gram matrix has rank 4 of 12, and the smallest ridge is below its rounding.
    unit, labels, weights = made()
    features = 1000 * torch.cat([unit, unit, unit], dim=1)
    system = ridge_system(in_blocks(features, 40), weights, labels)
    got = left_out(system, features, labels, weights, 1e-6)
    targets = torch.nn.functional.one_hot(labels, 3).float()
    expected = slow_left_out(features, targets, weights, 1e-6)
    # The rounding of the Gram matrix is all that fits differ by; it is larger than the ridge.
    np.testing.assert_allclose(got.numpy(), expected, atol=0.1)
    assert bool(system.axes_at(1e-6).vectors.tril(-1).any()), "no Cholesky decomposition"


@pytest.mark.parametrize("is_upper", [True, False])
@pytest.mark.parametrize("n_landmarks", [1, 8, 9])
def test_features_of_a_triangular_projection(is_upper, n_landmarks):
    g = torch.Generator().manual_seed(0)
    rows, landmarks = made(n=2100)[0], made(n=n_landmarks, seed=1)[0]
    projection = torch.randn(n_landmarks, n_landmarks, generator=g)
    if is_upper:
        projection = projection.triu()
    features = kernel_features(rows, KernelMap(landmarks, 0.7, projection))
    kernel = np.exp(-0.7 * ((rows[:, None] - landmarks[None]) ** 2).sum(2).double().numpy())
    np.testing.assert_allclose(features, kernel @ projection.double().numpy(), atol=1e-4)


@pytest.mark.parametrize("freedom", [3.0, 9.0])
def test_a_ridge_leaves_so_many_degrees_of_freedom(freedom):
    unit, labels, weights = made()
    kmap = kernel_map(unit, 20, torch.Generator().manual_seed(0))
    features = kernel_features(unit, kmap)
    system = ridge_system(in_blocks(features, 17), weights, labels)
    ridge = system.ridge_for(freedom)
    # The trace of the hat matrix of the weighted, centred regression, written out.
    x, w = features.double().numpy(), weights.double().numpy()
    x = np.sqrt(w)[:, None] * (x - np.average(x, axis=0, weights=w))
    added = ridge * w.sum() / x.shape[1]
    hat = x @ np.linalg.solve(x.T @ x + added * np.eye(x.shape[1]), x.T)
    assert np.trace(hat) == pytest.approx(freedom, rel=1e-2)
    assert system.ridge_for(1e9) < 1e-5 < 1e5 < system.ridge_for(1e-9)


RIDGES = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0]


def made_rows(n=40, d=5, n_classes=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.nn.functional.normalize(torch.randn(n, d, generator=g))
    given_labels = torch.randint(n_classes, (n,), generator=g)
    return x, given_labels, torch.nn.functional.one_hot(given_labels, n_classes).float()


def refitted_scores(x, targets, weights):
    """Refit the centred ridge without each row in turn; keep the best ridge."""
    x, t, w = (a.double().numpy() for a in (x, targets, weights))
    fitted = w > 0
    w = w * fitted.sum() / w.sum()
    n, d = fitted.sum(), x.shape[1]
    prior = np.stack(
        [np.average(np.delete(t, i, 0), 0, np.delete(w, i)) - 1 / t.shape[1] for i in range(len(x))]
    )
    x = x - (w[:, None] * x).sum(0) / n
    t = t - (w[:, None] * t).sum(0) / n
    best, best_error = None, np.inf
    for ridge in RIDGES:
        out = np.empty_like(t)
        for i in range(len(x)):
            keep = w.copy()
            keep[i] = 0
            gram = (x.T * keep) @ x + (ridge * n / d + 1e-6) * np.eye(d)
            out[i] = x[i] @ np.linalg.solve(gram, (x.T * keep) @ t)
        error = (w[:, None] * (out - t) ** 2).sum()
        if error < best_error:
            best, best_error = out, error
    best = best + prior
    return best / ((w * best.max(1)).sum() / n)


@pytest.mark.parametrize("weighted", [False, True])
def test_scores_equal_refits_without_each_row(weighted):
    x, _, targets = made_rows()
    weights = torch.ones(40)
    if weighted:
        weights = torch.rand(40, generator=torch.Generator().manual_seed(1)) * 3
        weights[:4] = 0
    got = leave_one_out_scores(x, targets, weights).numpy()
    np.testing.assert_allclose(got, refitted_scores(x, targets, weights), rtol=2e-3, atol=2e-4)


def test_the_own_label_does_not_reach_the_score():
    # Changing one row's label leaves its own score at a fixed ridge as it was, up to the
    # centring and the common scale: the order of the classes stays.
    x, labels, targets = made_rows(n=200, seed=3)
    before = leave_one_out_scores(x, targets, torch.ones(200))[7]
    flipped = targets.clone()
    flipped[7] = torch.nn.functional.one_hot((labels[7] + 1) % 3, 3)
    after = leave_one_out_scores(x, flipped, torch.ones(200))[7]
    assert (before - after).abs().max() < 0.05 * before.abs().max() + 0.05


def test_a_rare_class_is_not_overrated():
    # One class of nine rows to one: a row that says nothing belongs to the large one.
    g = torch.Generator().manual_seed(0)
    x = torch.nn.functional.normalize(torch.randn(400, 5, generator=g))
    labels = (torch.arange(400) % 10 == 0).long()
    scores = leave_one_out_scores(x, torch.nn.functional.one_hot(labels).float(), torch.ones(400))
    assert (scores.argmax(1) == 0).float().mean() > 0.99


def test_a_common_factor_of_the_weights_changes_nothing():
    x, _, targets = made_rows()
    one = leave_one_out_scores(x, targets, torch.ones(40))
    seven = leave_one_out_scores(x, targets, torch.full((40,), 7.0))
    torch.testing.assert_close(one, seven, rtol=1e-4, atol=1e-5)


def test_the_width_of_the_kernel_where_most_landmarks_are_duplicates():
    rows = torch.eye(3)[torch.tensor([0] * 18 + [1, 2])]
    kmap = kernel_map(rows, 20, torch.Generator().manual_seed(0))
    # Of 380 ordered pairs 74 differ, by a squared distance of 2.
    assert kmap.gamma == pytest.approx(380 / (74 * 2))
    assert kernel_map(rows[:18], 18, torch.Generator().manual_seed(0)).gamma == 1.0
