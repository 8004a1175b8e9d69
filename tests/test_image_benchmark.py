"""The image benchmark in pieces: it ends in good order and goes on from a small file."""

from __future__ import annotations

import csv
import importlib
import itertools
import json
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.utils import Bunch

import nllearn
from nllearn.networks import ResNetBackbone

FOLDER = str(Path(__file__).resolve().parents[1] / "benchmarks")
#: What a run in progress may weigh for a ResNet-18 on 50,000 images.
MOST_BYTES = 16e6


@pytest.fixture
def images(monkeypatch):
    """The script on 60 made images of three classes."""
    monkeypatch.syspath_prepend(FOLDER)
    module = importlib.import_module("images")

    def load(folder, subset):
        y = np.arange(60 if subset == "train" else 12) % 3
        noise = np.random.default_rng(len(y)).integers(0, 40, (len(y), 8, 8, 3))
        return Bunch(data=(noise + 80 * y[:, None, None, None]).astype(np.uint8), target=y)

    cases = importlib.import_module("_image_cases")
    monkeypatch.setitem(cases.LOADERS, "cifar10", (load, "train", "test"))
    return module


@pytest.mark.parametrize("method", ["plain network", "Anchor Hallucination, half of warm-up"])
def test_a_run_goes_on_elsewhere_from_its_small_file(images, monkeypatch, tmp_path, method):
    # Twenty seconds pass between two looks at the clock.
    clock = itertools.count(0.0, 20.0)
    monkeypatch.setattr(images.time, "monotonic", lambda: next(clock))
    call = ["--data", str(tmp_path), "--row", "symmetric 40 %", "--method", method]
    call += ["--rows", "60", "--epochs", "6", "--seeds", "0", "--test-every", "1"]
    call += ["--minutes", "3", "--commit", "abc", "--out", str(tmp_path / "out"), "--checkpoints"]
    with pytest.raises(SystemExit, match="out of time"):
        images.main([*call, str(tmp_path / "scratch")])
    assert len(list((tmp_path / "out" / "state").iterdir())) == 1
    for _ in range(6):
        # Another machine has the folder of the results alone.
        shutil.rmtree(tmp_path / "scratch")
        with suppress(SystemExit):
            images.main([*call, str(tmp_path / "scratch")])
            break
    (row,) = map(json.loads, (tmp_path / "out" / "images_small.jsonl").read_text().splitlines())
    assert [point["epoch"] for point in row["curve"]] == [1, 2, 3, 4, 5, 6]
    assert row["machine"]["commit"] == "abc"
    assert row["machine"]["device"]
    assert row["test"] == row["curve"][-1]["test_average"]
    assert not list((tmp_path / "out" / "state").iterdir())


def test_the_small_file_of_a_large_network(images):
    small = importlib.import_module("_small_state")
    module = ResNetBackbone(18).build((3, 32, 32), 10)
    weights = module.state_dict()
    optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
    sum(p.sum() for p in module.parameters()).backward()
    optimizer.step()
    targets = torch.softmax(torch.randn(50_000, 10), 1)
    state = {
        "net": {
            "module": weights,
            "optimizer": optimizer.state_dict(),
            "teacher": {"module": weights, "n_steps": 7},
        },
        "sample_state": {"targets": targets},
        "history": json.dumps([{"epoch": 1}, {"epoch": 2}]),
    }
    data = small.pack(state)
    assert len(data) < MOST_BYTES
    back, epochs = small.unpack(data)
    assert epochs == 2
    assert back["net"]["teacher"]["n_steps"] == 7
    for name, value in weights.items():
        for found in (back["net"]["module"][name], back["net"]["teacher"]["module"][name]):
            torch.testing.assert_close(found, value, rtol=1 / 64, atol=1e-30)
    torch.testing.assert_close(back["sample_state"]["targets"], targets, rtol=1 / 64, atol=0)
    optimizer.load_state_dict(back["net"]["optimizer"])


def test_data_that_came_in_parts(images, tmp_path):
    for part in "ab":
        (tmp_path / part).mkdir()
        (tmp_path / part / f"{part}.npz").write_text(part)
    whole = images._gathered([str(tmp_path / "a"), str(tmp_path / "b")], tmp_path / "scratch")
    assert sorted(path.name for path in whole.iterdir()) == ["a.npz", "b.npz"]
    assert (whole / "b.npz").read_text() == "b"


def test_every_published_row_trains_as_it_says(images):
    reproduce = importlib.import_module("reproduce")
    methods = importlib.import_module("_image_methods")
    with open(Path(FOLDER) / "published.csv", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["row"] and r["data"].startswith("CIFAR")]
    assert {r["table"] for r in rows} == {"1, 2", "3", "5", ""}
    settings = images.SCALES["paper"]["settings"]
    words = ("MixNNClassifier", "AnchorHallucinationClassifier", "presets")
    names = {word: getattr(nllearn, word) for word in words}
    for row in rows:
        assert reproduce.command(row["row"], row["run"])
        built = methods.build(reproduce.LETTER[row["run"]], 300, settings)
        written = eval(row["configuration"], names)
        for one in (built, written):
            # The plain network has warm-up alone, however much.
            one.set_params(warmup_epochs=min(300, one.warmup_epochs), backbone=None)
        assert repr(built) == repr(written)
    assert (settings["max_epochs"], settings["batch_size"]) == (300, 128)
    assert settings["backbone"].depth == 34
