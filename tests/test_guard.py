"""The counts of the guard, against sums by hand."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture
def guard(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
    return importlib.import_module("guard")


def test_operations_are_counted(guard):
    rows, matrix = torch.ones(4, 5, requires_grad=True), torch.ones(5, 6)
    counter = guard.Counter()
    with counter.numpy_sorts(), counter:
        (rows @ matrix).sum().backward()
        torch.mm(rows.detach(), matrix, out=torch.empty(4, 6))
        torch.ones(7).sort()
        np.argpartition(np.ones((3, 4)), 2, axis=1)
        torch.linalg.eigvalsh(torch.eye(3))
        torch.linalg.eigh(torch.eye(3))
    # The gradient of the rows alone is a product too.
    assert counter.counts["products"] == 3 * 4 * 5 * 6
    assert counter.counts["sorted"] == 7 + 12
    assert counter.counts["decompositions"] == 2 * 9 * 27
    assert np.argpartition(np.array([2, 1]), 0).tolist() == [1, 0]


def test_the_peak_is_what_is_held_at_a_time(guard):
    counter = guard.Counter()
    with counter:
        for _ in range(5):
            held = torch.empty(1000)  # the one before is freed after this is there
            held.view(10, 100).add_(1.0)
        del held
        torch.empty(500)
    assert counter.peak == 2 * 4000


@pytest.mark.parametrize(
    ("value", "n_more", "n_less"), [(100, 0, 0), (104, 0, 0), (106, 1, 0), (90, 0, 1)]
)
def test_more_than_before_is_told_and_less_too(guard, value, n_more, n_less):
    more, less = guard.compare({"fit": {"products": value}}, {"fit": {"products": 100.0}})
    assert (len(more), len(less)) == (n_more, n_less)


def test_a_fit_or_count_that_is_new_is_told(guard):
    assert guard.compare({"fit": {"products": 1.0}}, {})[0] == ["fit: has no counts"]
    assert len(guard.compare({"fit": {"products": 1.0}}, {"fit": {}})[0]) == 1
    assert guard.compare({}, {"fit": {}})[0] == ["fit: is no longer counted"]
