"""A full disk: whatever writes says so, keeps the file that was there and leaves no part."""

from __future__ import annotations

import builtins
import errno
import io
import os
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest

from nllearn import cli
from nllearn.exceptions import NoisyLabelWarning
from nllearn.training import CheckpointFolder

SHORT = ["--method", "mixnn", "--epochs", "3", "--device", "cpu", "--quiet"]


@pytest.fixture
def full(tmp_path):
    """A file system of 8 KB; skipped where this user may not mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        done = False
    if not done:
        pytest.skip("mounting a small file system needs the rights to do so")
    (place / "old").write_bytes(b"old")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def no_space(monkeypatch):
    """Every write of bytes fails as on a full disk, for users who may not mount one."""
    real = builtins.open

    class Full(io.BufferedWriter):
        def write(self, content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def opened(file, mode="r", *args, **kwargs):
        if "w" in mode and "b" in mode:
            return Full(io.FileIO(file, "w"))
        return real(file, mode, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", opened)
    monkeypatch.setattr(io, "open", opened)


@pytest.fixture(scope="module")
def fitted(make):
    """A classifier whose files are larger than the small file system."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 3
    return make("mixnn").fit(rng.normal(size=(400, 3)), y)


@pytest.mark.parametrize("method", ["save", "report", "export_onnx"])
def test_files_of_a_classifier(method, fitted, full):
    if method == "export_onnx":
        pytest.importorskip("onnx")
    with pytest.raises((OSError, ValueError)) as caught:
        getattr(fitted, method)(full / "old", overwrite=True)
    assert "No space left" in str(caught.value)
    assert (full / "old").read_bytes() == b"old" and os.listdir(full) == ["old"]


def test_checkpoints_warn_and_training_goes_on(make, rows, full, monkeypatch):
    monkeypatch.setattr(CheckpointFolder, "is_due", lambda self: True)
    X, y = (np.concatenate([array] * 30) for array in rows)
    whole = make("mixnn", max_epochs=5).fit(X, y)
    with pytest.warns(NoisyLabelWarning, match="No space left") as caught:
        clf = make("mixnn", max_epochs=5, checkpoint_dir=full).fit(X, y)
    assert len([w for w in caught if "checkpoint" in str(w.message)]) == 1
    np.testing.assert_array_equal(clf.label_distributions_, whole.label_distributions_)
    assert os.listdir(full) == ["old"]


def test_checkpoints_without_a_mount(make, rows, no_space, tmp_path):
    with pytest.warns(NoisyLabelWarning, match="No space left"):
        make("mixnn", checkpoint_dir=tmp_path).fit(*rows)
    assert os.listdir(tmp_path) == []


@pytest.fixture
def table(tmp_path):
    """A table whose cleaned copy is larger than the small file system."""
    rng = np.random.default_rng(0)
    lines = [f"{a:.6f},{b:.6f},{'xy'[i % 2]}" for i, (a, b) in enumerate(rng.normal(size=(900, 2)))]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,label", *lines]))
    return tmp_path / "table.csv"


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".npz"])
@pytest.mark.parametrize("command", ["clean", "noise"])
def test_tables_of_the_command_line(command, ending, table, full, capsys):
    options = SHORT if command == "clean" else ["--rate", "0.3", "--quiet"]
    output = full / f"out{ending}"
    output.write_bytes(b"old")
    words = [command, str(table), "--label", "label", "-o", str(output), "--force", *options]
    assert cli.main(words) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "cannot be written (No space left on device)" in told
    assert output.read_bytes() == b"old" and sorted(os.listdir(full)) == ["old", output.name]


@pytest.mark.parametrize("option", ["--report", "--save"])
def test_pages_and_models_of_the_command_line(option, table, full, capsys, tmp_path):
    output, beside = tmp_path / "out.csv", full / "beside"
    words = ["clean", str(table), "--label", "label", "-o", str(output), option, str(beside)]
    assert cli.main([*words, *SHORT]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "No space left" in told
    assert os.listdir(full) == ["old"]


def test_the_old_output_stays_without_a_mount(table, no_space, tmp_path, capsys):
    output = tmp_path / "out.csv"
    Path(output).write_text("old")
    words = ["clean", str(table), "--label", "label", "-o", str(output), "--force", *SHORT]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert cli.main(words) == 2
    assert "No space left" in capsys.readouterr().err
    assert output.read_text() == "old" and sorted(os.listdir(tmp_path)) == ["out.csv", "table.csv"]
