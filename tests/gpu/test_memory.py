"""Memory of a GPU: what is free, what does not fit, and what to do about it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.networks import MLPBackbone
from nllearn.training import TensorSource, collect, explain_memory, free_bytes

FREE = "nllearn.training._inference.free_bytes"


def test_what_torch_keeps_for_later_is_free(gpu, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 70)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 30)
    assert free_bytes(torch.device("cuda")) == 140


@pytest.mark.parametrize("free_on_cpu", [1e12, 0.0])
def test_features_that_do_not_fit_go_to_the_machine_and_then_to_a_file(
    gpu, monkeypatch, free_on_cpu
):
    module = MLPBackbone(16).build((5,), 3).to("cuda")
    rows = torch.randn(40, 5, device="cuda")
    labels = torch.arange(40, device="cuda") % 3
    whole = collect(module, TensorSource(rows), labels)
    monkeypatch.setattr(FREE, lambda device: 0.0 if device.type == "cuda" else free_on_cpu)
    moved = collect(module, TensorSource(rows), labels)
    assert whole.features.is_cuda and whole.losses.is_cuda
    assert {x.device.type for x in (moved.features, moved.logits, moved.losses)} == {"cpu"}
    assert moved.on_disk == (free_on_cpu == 0)
    close = 1e-2 if moved.on_disk else 0.0
    torch.testing.assert_close(moved.features.float(), whole.features.cpu(), atol=close, rtol=close)
    torch.testing.assert_close(moved.losses, whole.losses.cpu(), atol=0, rtol=0)


@pytest.mark.parametrize("cls", [AnchorHallucinationClassifier, MixNNClassifier])
def test_a_fit_whose_features_do_not_fit(gpu, monkeypatch, cls):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 5))
    y = (X[:, 0] + 0.3 * rng.normal(size=120) > 0).astype(int)
    weight = np.ones(120)
    weight[:5] = 0
    params = {"max_epochs": 4, "warmup_epochs": 1, "backbone": MLPBackbone(16), "random_state": 0}

    def fit():
        return cls(neighbors="exact", **params).fit(X, y, sample_weight=weight)

    whole = fit()
    monkeypatch.setattr(FREE, lambda device: 0.0 if device.type == "cuda" else 1e12)
    moved = fit()
    np.testing.assert_allclose(moved.predict_proba(X), whole.predict_proba(X), atol=1e-3)
    np.testing.assert_allclose(moved.label_quality_, whole.label_quality_, atol=1e-3)


@pytest.mark.parametrize(
    "message",
    [
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "CUDA error: out of memory",
    ],
)
def test_errors_of_allocation_say_what_to_lower(message):
    with pytest.raises(MemoryError, match="cuda ran out of memory: lower batch_size"):
        with explain_memory(torch.device("cuda"), False):
            raise RuntimeError(message)
