"""One pass over all rows: in memory, or with the features in a temporary file."""

from __future__ import annotations

import errno
import gc
import io
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nllearn.networks import MLP
from nllearn.training import TensorSource, collect, free_bytes, predict_logits

FREE_BYTES = "nllearn.training._inference.free_bytes"
FREE_MEMORY = "nllearn.training._free_memory"
CPU = torch.device("cpu")
N, D = 103, 5


@pytest.fixture
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MLP(D, 3, hidden_units=8)


@pytest.fixture
def source(monkeypatch):
    # Several pieces, the last one shorter.
    monkeypatch.setattr("nllearn.training._sources._MOST_ROWS_PER_PASS", 10)
    return TensorSource(torch.randn(N, D, generator=torch.Generator().manual_seed(1)))


@pytest.fixture
def labels():
    return torch.arange(N) % 3


@pytest.fixture
def no_memory(monkeypatch, tmp_path):
    """No memory is free, and temporary files go to a folder of the test."""
    monkeypatch.setattr(FREE_BYTES, lambda device: 0.0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def mapped_files():
    """Lines of the process's map that belong to a temporary file of ours or of Linux."""
    gc.collect()
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs Linux")
    return [line for line in maps.read_text().splitlines() if line.endswith("(deleted)")]


def test_every_row_is_scored_once_and_in_order(network, source, labels):
    network.train()
    bank = collect(network, source, labels)
    assert network.training
    network.eval()
    with torch.no_grad():
        for row in (0, 9, 10, 57, N - 1):
            logits, features = network(source.x[row : row + 1])
            torch.testing.assert_close(bank.logits[row], logits[0])
            torch.testing.assert_close(bank.features[row], features[0])
            loss = nn.functional.cross_entropy(logits, labels[row : row + 1])
            torch.testing.assert_close(bank.losses[row], loss)
    assert not bank.on_disk and bank.features.dtype == bank.logits.dtype == torch.float32


def test_some_rows_are_those_of_the_whole(network, source):
    logits, features = predict_logits(network, source)
    some = predict_logits(network, source, rows=slice(7, 40))
    torch.testing.assert_close(some, (logits[7:40], features[7:40]))


def test_half_precision_of_the_network_is_kept_in_float32(network, source):
    logits, features = predict_logits(network, source, amp=True)
    assert logits.dtype == features.dtype == torch.float32


def test_features_without_room_are_in_a_file_without_a_name(network, source, labels, no_memory):
    expected = predict_logits(network, source)
    before = len(mapped_files())
    bank = collect(network, source, labels)
    assert bank.on_disk and bank.features.shape == expected[1].shape
    assert list(no_memory.iterdir()) == []
    assert len(mapped_files()) == before + 1
    assert torch.equal(bank.features, expected[1].half())
    assert torch.equal(bank.logits, expected[0])
    kept = bank.features[3:5]
    del bank
    assert len(mapped_files()) == before + 1  # still read
    assert torch.equal(kept, expected[1][3:5].half())
    del kept
    assert len(mapped_files()) == before


def test_the_limit_follows_the_free_memory(network, source, labels, monkeypatch):
    needed = 8 * 4 * N * 8
    for free, on_disk in ((needed - 1, True), (needed, False)):
        monkeypatch.setattr(FREE_BYTES, lambda device, free=free: free)
        assert collect(network, source, labels).on_disk == on_disk


def test_prediction_never_uses_the_disk(network, source, no_memory):
    assert predict_logits(network, source)[1].dtype == torch.float32


class Huge(nn.Module):
    """Features that float16 cannot hold; fails at a row of its choice."""

    def __init__(self, fails_at=None):
        super().__init__()
        self.fails_at, self.n_seen = fails_at, 0

    def forward(self, x):
        self.n_seen += len(x)
        if self.fails_at is not None and self.n_seen > self.fails_at:
            raise ArithmeticError
        return x, x * 1e9


def test_features_beyond_float16_stay_finite(source, labels, no_memory):
    bank = collect(Huge(), source, labels)
    assert bank.on_disk and bank.features.isfinite().all()
    assert torch.equal(bank.features.sign(), source.x.sign().half())


@pytest.mark.filterwarnings("error")
def test_an_error_in_the_middle_leaves_no_file(source, labels, no_memory):
    before = len(mapped_files())
    module = Huge(fails_at=50).train()
    with pytest.raises(ArithmeticError):
        collect(module, source, labels)
    assert module.training
    assert list(no_memory.iterdir()) == [] and len(mapped_files()) == before


class Full(io.RawIOBase):
    """A file on a disk with room for a few bytes, as the system tells it to writers."""

    def __init__(self, room):
        self.room = room

    def write(self, content):
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = min(self.room, len(content))
        self.room -= written
        return written


@pytest.mark.parametrize("room", [0, 50])
def test_a_full_disk_is_told_with_what_to_do(room, network, source, labels, no_memory, monkeypatch):
    full = Full(room)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda buffering: full)
    with pytest.raises(OSError, match="TMPDIR") as caught:
        collect(network, source, labels)
    assert caught.value.errno == errno.ENOSPC
    assert full.closed


def test_free_memory_is_the_least_of_machine_and_container(monkeypatch, tmp_path):
    machine, limit, used = (tmp_path / name for name in ("meminfo", "max", "current"))
    monkeypatch.setattr(f"{FREE_MEMORY}._MACHINE", machine)
    monkeypatch.setattr(f"{FREE_MEMORY}._CONTAINERS", ((limit, used, "inactive_file"),))
    assert free_bytes(CPU) == float("inf")
    machine.write_text("MemTotal:  900 kB\nMemAvailable:  500 kB\nHugePages_Total: 0\n")
    assert free_bytes(CPU) == 500 * 1024
    limit.write_text("max\n")
    used.write_text("300000\n")
    assert free_bytes(CPU) == 500 * 1024
    limit.write_text("400000\n")
    assert free_bytes(CPU) == 100_000
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 70000\n")
    assert free_bytes(CPU) == 170_000
    used.write_text("500000\n")
    assert free_bytes(CPU) == 0


def test_free_memory_of_this_machine_is_plausible():
    free = free_bytes(CPU)
    assert free > 0
    if Path("/proc/meminfo").exists():
        assert np.isfinite(free)
