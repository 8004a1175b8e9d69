"""A device or a pipe as the output: it is refused and stays what it was."""

from __future__ import annotations

import os
import stat

import numpy as np
import pandas as pd
import pytest

from nllearn import cli

SHORT = ["--method", "mixnn", "--epochs", "3", "--device", "cpu", "--quiet", "--force"]


@pytest.fixture(params=["given", "behind a link"])
def pipe(request, tmp_path):
    """A pipe whose name ends as that of a table; a device needs rights to be made."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes with names here")
    path = tmp_path / "pipe.csv"
    os.mkfifo(path)
    if request.param == "given":
        yield path
    else:
        (tmp_path / "link.csv").symlink_to(path)
        yield tmp_path / "link.csv"
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert not list(tmp_path.glob(".*"))


@pytest.fixture(scope="module")
def fitted(make):
    X = np.random.default_rng(0).normal(size=(40, 3))
    return make("mixnn").fit(X, np.arange(40) % 2)


@pytest.mark.parametrize("method", ["save", "report", "export_onnx"])
def test_of_a_classifier(method, fitted, pipe):
    if method == "export_onnx":
        pytest.importorskip("onnx")
    with pytest.raises(OSError, match="never replaced"):
        getattr(fitted, method)(pipe, overwrite=True)


@pytest.mark.parametrize("option", ["-o", "--report", "--save"])
def test_of_the_command_line(option, pipe, tmp_path, capsys):
    table, out = tmp_path / "in.csv", tmp_path / "out.csv"
    rng = np.random.default_rng(0)
    pd.DataFrame({"a": rng.normal(size=20), "y": np.arange(20) % 2}).to_csv(table, index=False)
    outputs = ["-o", str(pipe)] if option == "-o" else ["-o", str(out), option, str(pipe)]
    assert cli.main(["clean", str(table), "--label", "y", *outputs, *SHORT]) == 2
    captured = capsys.readouterr()
    assert "never replaced" in captured.err and len(captured.err.splitlines()) == 1
    assert not out.exists()
