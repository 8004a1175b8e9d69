"""The command of the image benchmark for a GPU, end to end on a pretend one."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils import Bunch

from nllearn.networks import SmallBackbone

FOLDER = str(Path(__file__).resolve().parents[2] / "benchmarks")


@pytest.mark.parametrize(
    ("scale", "method"),
    [
        ("full", "plain network"),
        ("full", "MixNN"),
        ("full", "Anchor Hallucination"),
        ("paper", "Anchor Hallucination, half of warm-up"),
    ],
)
def test_the_command_runs_through(gpu, monkeypatch, tmp_path, scale, method):
    monkeypatch.syspath_prepend(FOLDER)
    images = importlib.import_module("images")
    # The networks of the scales take minutes here.
    monkeypatch.setitem(images.SCALES[scale]["settings"], "backbone", SmallBackbone(4))
    y = np.arange(64) % 2
    noise = np.random.default_rng(0).integers(0, 100, (64, 8, 8, 3))
    data = Bunch(data=(noise + 100 * y[:, None, None, None]).astype(np.uint8), target=y)
    cases = importlib.import_module("_image_cases")
    monkeypatch.setitem(cases.LOADERS, "cifar10", (lambda folder, subset: data, "", ""))
    # Two steps in every phase.
    call = ["--data", str(tmp_path), "--scale", scale, "--method", method, "--row"]
    call += ["symmetric 40 %", "--epochs", "4", "--batch-size", "32", "--seeds", "0"]
    call += ["--test-every", "2", "--test-rows", "16", "--minutes", "60", "--commit", "abc"]
    images.main([*call, "--out", str(tmp_path / "out"), "--checkpoints", str(tmp_path / "ck")])
    (row,) = map(json.loads, (tmp_path / "out" / f"images_{scale}.jsonl").read_text().splitlines())
    assert row["machine"]["device"] == "pretend GPU"
    assert [point["epoch"] for point in row["curve"]] == [2, 4]
    assert 0.0 <= row["test"] <= 1.0
    assert gpu.launches
