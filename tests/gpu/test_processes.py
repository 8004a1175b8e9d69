"""Which GPU a process takes."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
import torch.distributed as dist

from nllearn.training import process_group


@pytest.fixture
def three_gpus(pretend, monkeypatch):
    """Three GPUs and process 2 of three; the devices that were made current."""
    current = []
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pretend(3):
        monkeypatch.setattr(dist, "is_initialized", lambda: True)
        monkeypatch.setattr(dist, "get_rank", lambda: 2)
        monkeypatch.setattr(dist, "get_world_size", lambda: 3)
        monkeypatch.setattr(
            torch.cuda, "device", lambda device: (current.append(device), nullcontext())[1]
        )
        yield current


@pytest.mark.parametrize(
    ("local_rank", "chosen", "expected"), [("1", 0, 1), (None, 1, 1), (None, 0, 2)]
)
def test_every_process_has_its_own(three_gpus, monkeypatch, local_rank, chosen, expected):
    if local_rank is not None:
        monkeypatch.setenv("LOCAL_RANK", local_rank)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: chosen)
    with process_group(torch.device("cuda")) as group:
        assert group.place(torch.device("cuda")) == torch.device("cuda", expected)
    assert three_gpus == [torch.device("cuda", expected)]


def test_a_number_that_is_given_counts(three_gpus):
    with process_group(torch.device("cuda:1")) as group:
        assert group.place(torch.device("cuda:1")) == torch.device("cuda:1")
    assert three_gpus == [torch.device("cuda:1")]


def test_more_processes_than_gpus_are_refused(three_gpus, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"process 2 .* no GPU: there are 2.*set LOCAL_RANK"):
        with process_group(torch.device("cuda")):
            pass
