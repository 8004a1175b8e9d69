"""The pretend GPU keeps the rules that are known of CUDA."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from torch import nn

SAME = "same device"


def test_devices_do_not_mix(pretend):
    with pretend(2):
        here, there = torch.ones(3, 4), torch.ones(3, 4, device="cuda")
        assert there.device == torch.device("cuda:0") and there.is_cuda
        assert (there + 1).device.type == "cuda" and (there * torch.tensor(2.0)).is_cuda
        for mix in (
            lambda: there + here,
            lambda: torch.cat([there, here]),
            lambda: there @ here.T,
            lambda: there + torch.ones(3, 4, device="cuda:1"),
            lambda: nn.Linear(4, 2).to("cuda")(here),
        ):
            with pytest.raises(RuntimeError, match=SAME):
                mix()
        with pytest.raises(RuntimeError, match="indices should be"):
            here[torch.tensor([0], device="cuda")]
        with pytest.raises(TypeError, match=r"Use Tensor.cpu\(\)"):
            there.numpy()
        with pytest.raises(RuntimeError, match="device type for generator"):
            torch.rand(2, device="cuda", generator=torch.Generator())
        with pytest.raises(RuntimeError, match="invalid device ordinal"):
            torch.ones(1, device="cuda:2")
    assert not torch.cuda.is_available()


def test_waits_are_counted(gpu):
    values, mask = torch.ones(3, device="cuda"), torch.tensor([True, False, True], device="cuda")
    for wait in (
        lambda: values.sum().item(),
        lambda: values[mask],
        lambda: mask.nonzero(),
        lambda: bool(mask.any()),
        lambda: values.tolist(),
        lambda: values.cpu(),
        lambda: torch.ones(2).to("cuda"),
        lambda: torch.ones(2).to("cuda", non_blocking=True),
    ):
        gpu.clear()
        wait()
        assert sum(gpu.syncs.values()) == 1
    for free in (
        lambda: values + 1,
        lambda: values.masked_fill(mask, 0.0),
        lambda: torch.ones(2).pin_memory().to("cuda", non_blocking=True),
        lambda: torch.arange(3, device="cuda"),
    ):
        gpu.clear()
        free()
        assert not gpu.syncs


@pytest.mark.parametrize("fused", [False, True])
def test_a_network_learns(gpu, fused):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()).to("cuda")
    net.append(nn.Linear(4 * 36, 2, device="cuda"))
    x, y = torch.randn(8, 3, 8, 8, device="cuda"), torch.randint(2, (8,), device="cuda")
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, fused=fused)
    gpu.clear()
    for _ in range(20):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    assert not gpu.syncs
    assert loss.item() < 0.3
    twin = copy.deepcopy(net)
    assert torch.equal(twin[0].weight, net[0].weight) and twin[0].weight.is_cuda


def test_files_of_its_tensors_need_a_gpu(pretend):
    with pretend():
        values = torch.arange(3.0, device="cuda")
        pickled, file = pickle.dumps(values), io.BytesIO()
        torch.save({"values": values}, file)
        beside = pickle.dumps(torch.arange(3.0))
    with pytest.raises(RuntimeError, match=r"CUDA device but torch\.cuda\.is_available"):
        pickle.loads(pickled)
    file.seek(0)
    with pytest.raises(RuntimeError, match=r"CUDA device but torch\.cuda\.is_available"):
        torch.load(file, weights_only=True)
    file.seek(0)
    loaded = torch.load(file, map_location="cpu", weights_only=True)["values"]
    assert loaded.tolist() == pickle.loads(beside).tolist() == [0, 1, 2]
