"""How often a checkpoint is written."""

from __future__ import annotations

import time

import pytest
import torch

from nllearn.training import CheckpointFolder


class Clock:
    """Seconds that a test decides about."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.mark.parametrize(("takes", "pause"), [(0.1, 10.0), (3.0, 57.0)])
def test_saving_takes_a_twentieth_of_the_time_at_most(tmp_path, clock, monkeypatch, takes, pause):
    save = torch.save

    def slow(*args):
        clock.now += takes
        save(*args)

    monkeypatch.setattr(torch, "save", slow)
    folder = CheckpointFolder(tmp_path)
    clock.now = 10.0
    assert folder.is_due()
    folder.save(1, {"epoch": 1})
    began = clock.now
    clock.now = began + pause - 0.5
    assert not folder.is_due()
    clock.now = began + pause
    assert folder.is_due()
    assert folder.newest() == {"epoch": 1}
