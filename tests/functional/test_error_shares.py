"""How errors are shared out among the classes that are not predicted."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nllearn.functional.error_shares import error_shares, fit_error_temperature


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 7), st.integers(1, 20), st.floats(0.1, 60.0), st.integers(0, 2**16))
def test_shares_by_loops(n_classes, n, temperature, seed):
    rng = np.random.default_rng(seed)
    evidence = rng.normal(size=(n, n_classes)).astype(np.float32)
    predicted, codes = rng.integers(0, n_classes, (2, n))
    share = error_shares(
        torch.from_numpy(evidence),
        torch.from_numpy(predicted),
        torch.from_numpy(codes),
        temperature,
    )
    for i in range(n):
        others = [k for k in range(n_classes) if k != predicted[i]]
        high = max(evidence[i, k] for k in others)
        weight = {k: math.exp(temperature * float(evidence[i, k] - high)) for k in others}
        expected = weight.get(codes[i], 0.0) / sum(weight.values())
        assert float(share[i]) == pytest.approx(expected, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_the_temperature_of_the_errors_is_found_among_noise(noise):
    rng = np.random.default_rng(0)
    evidence = torch.from_numpy(rng.normal(size=(20_000, 12)).astype(np.float32))
    predicted = evidence.argmax(1)
    rest = (3.0 * evidence).scatter(1, predicted.unsqueeze(1), -torch.inf).softmax(1)
    codes = torch.multinomial(rest, 1, generator=torch.Generator().manual_seed(0)).squeeze(1)
    anywhere = (predicted + torch.from_numpy(rng.integers(1, 12, 20_000))) % 12
    codes = torch.where(torch.from_numpy(rng.random(20_000) < noise), anywhere, codes)
    assert fit_error_temperature(evidence, predicted, codes) == pytest.approx(3.0, rel=0.2)


def test_two_classes_and_no_rows_say_nothing():
    codes = torch.tensor([1, 0, 1])
    assert fit_error_temperature(torch.randn(3, 2), 1 - codes, codes) == 1.0
    assert error_shares(torch.randn(3, 2), 1 - codes, codes, 1.0).tolist() == [1.0] * 3
    assert fit_error_temperature(torch.randn(0, 5), codes[:0], codes[:0]) == 1.0
