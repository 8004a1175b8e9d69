"""Losses on soft targets against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nllearn.functional.losses import prior_penalty, ramp_up, soft_cross_entropy, squared_error

seeds = st.integers(0, 2**16)


def batch(b, n_classes, seed):
    rng = np.random.default_rng(seed)
    logits, targets = rng.normal(scale=3, size=(b, n_classes)), rng.dirichlet(np.ones(n_classes), b)
    weights = np.where(rng.random(b) < 0.3, 0.0, rng.uniform(0.1, 5, b))
    return tuple(map(torch.from_numpy, (logits, targets, weights)))


def softmax(row):
    powers = [math.exp(float(v)) for v in row]
    return [p / sum(powers) for p in powers]


@given(b=st.integers(1, 6), n_classes=st.integers(1, 4), weighted=st.booleans(), seed=seeds)
def test_soft_cross_entropy_equals_its_formula(b, n_classes, weighted, seed):
    logits, targets, weights = batch(b, n_classes, seed)
    share = weights.tolist() if weighted else [1.0] * b
    total = 0.0
    for i in range(b):
        probs = softmax(logits[i])
        total -= share[i] * sum(float(targets[i, c]) * math.log(probs[c]) for c in range(n_classes))
    expected = total / sum(share) if sum(share) else 0.0
    loss = soft_cross_entropy(logits, targets, weights if weighted else None)
    assert loss.shape == () and float(loss) == pytest.approx(expected, rel=1e-7, abs=1e-9)


@given(b=st.integers(1, 6), n_classes=st.integers(1, 4), weighted=st.booleans(), seed=seeds)
def test_squared_error_equals_its_formula(b, n_classes, weighted, seed):
    logits, targets, weights = batch(b, n_classes, seed)
    share = weights.tolist() if weighted else [1.0] * b
    total = 0.0
    for i in range(b):
        probs = softmax(logits[i])
        for c in range(n_classes):
            total += share[i] * (probs[c] - float(targets[i, c])) ** 2 / n_classes
    expected = total / sum(share) if sum(share) else 0.0
    loss = squared_error(logits, targets, weights if weighted else None)
    assert loss.shape == () and float(loss) == pytest.approx(expected, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("loss", [soft_cross_entropy, squared_error])
def test_weights_count_like_repeated_rows(loss):
    logits, targets, _ = batch(3, 3, 0)
    repeated = torch.tensor([0, 1, 1, 1])  # row 2 has weight zero
    expected = loss(logits[repeated], targets[repeated])
    weights = torch.tensor([1.0, 3.0, 0.0], dtype=torch.float64)
    assert float(loss(logits, targets, weights)) == pytest.approx(float(expected))
    assert float(loss(logits, targets, 10 * weights)) == pytest.approx(float(expected))


@pytest.mark.parametrize("loss", [soft_cross_entropy, squared_error])
def test_weights_that_are_all_zero_give_loss_and_gradient_zero(loss):
    logits, targets, _ = batch(3, 3, 0)
    logits.requires_grad_()
    value = loss(logits, targets, torch.zeros(3, dtype=torch.float64))
    value.backward()
    assert value.item() == 0 and not logits.grad.any()


def test_losses_stay_finite_for_sure_networks():
    logits = torch.tensor([[1e4, -1e4]])
    wrong = torch.tensor([[0.0, 1.0]])
    assert float(soft_cross_entropy(logits, wrong)) == pytest.approx(2e4)
    assert float(squared_error(logits, wrong)) == pytest.approx(1.0)
    assert float(squared_error(logits, wrong.flip(1))) == 0
    assert math.isfinite(prior_penalty(logits, torch.tensor([0.5, 0.5])))


@given(b=st.integers(1, 5), n_classes=st.integers(1, 4), seed=seeds)
def test_prior_penalty_equals_its_formula_and_is_not_negative(b, n_classes, seed):
    logits, targets, _ = batch(b, n_classes, seed)
    prior = targets[0]
    probs = [softmax(row) for row in logits]
    mean = [sum(p[c] for p in probs) / b for c in range(n_classes)]
    expected = sum(float(prior[c]) * math.log(float(prior[c]) / mean[c]) for c in range(n_classes))
    penalty = float(prior_penalty(logits, prior))
    assert penalty == pytest.approx(expected, rel=1e-6, abs=1e-7)
    assert penalty >= -1e-9


@given(b=st.integers(1, 5), n_classes=st.integers(2, 4), seed=seeds)
def test_prior_penalty_is_zero_if_and_only_if_the_mean_is_the_prior(b, n_classes, seed):
    logits, targets, _ = batch(b, n_classes, seed)
    mean = logits.softmax(1).mean(0)
    assert float(prior_penalty(logits, mean)) == pytest.approx(0.0, abs=1e-12)
    prior = targets[0]
    distance = float((prior - mean).abs().sum())
    # Pinsker: the divergence is at least half the squared distance.
    assert float(prior_penalty(logits, prior)) >= distance**2 / 2 - 1e-9


def test_prior_penalty_allows_a_class_that_the_prior_excludes():
    logits = torch.tensor([[20.0, 0.0, -20.0]])
    assert float(prior_penalty(logits, torch.tensor([1.0, 0.0, 0.0]))) == pytest.approx(0, abs=1e-6)


@given(st.integers(-5, 60), st.integers(0, 30), st.integers(-2, 20))
def test_ramp_goes_from_zero_to_one(epoch, start, length):
    factor = ramp_up(epoch, start, length)
    assert 0 <= factor <= ramp_up(epoch + 1, start, length) <= 1
    if length <= 0:
        assert factor == (1.0 if epoch >= start else 0.0)
    else:
        assert ramp_up(start, start, length) == 0.0
        assert ramp_up(start + length, start, length) == 1.0
        if start <= epoch <= start + length:
            assert factor == pytest.approx((epoch - start) / length)
