"""Stacked regression of predictions, beside a slow version."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from sklearn.linear_model import LinearRegression

from nllearn.functional import blocks
from nllearn.functional.stacking import stack_predictions, stacking_gain, stacking_weights


def drawn(n=300, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_classes, n)
    good = np.eye(n_classes)[codes] * 0.8 + rng.uniform(size=(n, n_classes))
    fair = np.eye(n_classes)[codes] * 0.3 + rng.uniform(size=(n, n_classes))
    poor = rng.uniform(size=(n, n_classes))
    weights = rng.uniform(0.2, 2.0, n)
    weights[:40] = 0.0
    return codes, [good, fair, poor, 1.5 - good], weights


def best_of_all_subsets(members, codes, weights):
    """Least squares on every subset; the best without a negative weight is the solution."""
    share = weights / weights.sum()
    centred = [(each - share @ each).ravel() for each in members]
    target = np.eye(members[0].shape[1])[codes]
    target = (target - share @ target).ravel()
    row_weight = np.repeat(share, members[0].shape[1])
    best, least = np.zeros(len(members)), row_weight @ target**2
    for size in range(1, len(members) + 1):
        for some in itertools.combinations(range(len(members)), size):
            X = np.stack([centred[m] for m in some], 1)
            fit = LinearRegression(fit_intercept=False).fit(X, target, row_weight)
            error = row_weight @ (target - fit.predict(X)) ** 2
            if (fit.coef_ >= 0).all() and error < least:
                best, least = np.zeros(len(members)), error
                best[list(some)] = fit.coef_
    return best


def test_weights_are_those_of_the_best_subset(monkeypatch):
    codes, members, weights = drawn()
    # Blocks of a few rows.
    monkeypatch.setattr(blocks, "_BLOCK", 37)
    found = stacking_weights(
        [torch.tensor(each, dtype=torch.float32) for each in members],
        torch.tensor(codes),
        torch.tensor(weights, dtype=torch.float32),
    )
    expected = best_of_all_subsets(members, codes, weights)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert found[0] > 2 * found[1] and found[3] == 0


def test_the_sum_has_mean_top_value_one_and_equal_predictions_stay():
    codes, members, weights = drawn()
    given = torch.tensor(codes), torch.tensor(weights, dtype=torch.float32)
    good, poor = (torch.tensor(members[m], dtype=torch.float32) for m in (0, 2))
    mixed, factors = stack_predictions([good, poor], *given)
    torch.testing.assert_close(mixed, factors[0] * good + factors[1] * poor)
    assert abs(float((given[1] * mixed.amax(1)).sum() / given[1].sum()) - 1) < 1e-5
    twice, _ = stack_predictions([good, good.clone()], *given)
    torch.testing.assert_close(twice, stack_predictions([good], *given)[0])


def test_where_none_tells_anything_the_first_stays():
    codes, members, weights = drawn()
    given = torch.tensor(codes), torch.tensor(weights, dtype=torch.float32)
    against = torch.tensor(members[3], dtype=torch.float32)
    flat = torch.full_like(against, 0.25)
    torch.testing.assert_close(
        stack_predictions([against, flat], *given)[0], stack_predictions([against], *given)[0]
    )


def test_gain_against_loops(monkeypatch):
    codes, members, weights = drawn()
    monkeypatch.setattr(blocks, "_BLOCK", 37)
    given = torch.tensor(codes), torch.tensor(weights, dtype=torch.float32)
    tensors = [torch.tensor(each, dtype=torch.float32) for each in members]

    def squared_errors(some):
        factors = best_of_all_subsets(some, codes, weights)
        mixed = sum(factor * each for factor, each in zip(factors, some, strict=True))
        share = weights / weights.sum()
        target = np.eye(3)[codes]
        gap = (target - share @ target) - (mixed - share @ mixed)
        return (gap**2).sum(1)

    for some in ([1, 0], [0, 2], [2, 1, 0]):
        chosen = [members[m] for m in some]
        gains = weights * (squared_errors(chosen[:1]) - squared_errors(chosen))
        found = stacking_gain([tensors[m] for m in some], *given)
        assert abs(found - gains.sum() / max(np.sqrt((gains**2).sum()), 1e-9)) < 0.02 * max(
            abs(found), 1
        )
    assert stacking_gain([tensors[1], tensors[0]], *given) > 5
    assert stacking_gain([tensors[0], tensors[2]], *given) < 2.5
