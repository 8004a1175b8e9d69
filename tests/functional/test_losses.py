"""Losses on soft targets against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nllearn.functional.losses import ramp_up, soft_cross_entropy, squared_error

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
