"""No command writes over a file that it reads, or writes twice, whatever the user allows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nllearn import cli


def run(*words):
    return cli.main([str(word) for word in words])


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    frame["k"] = np.where(frame["a"] > 0, "x", "y")
    frame.to_csv(folder / "t.csv", index=False)
    np.save(folder / "v.npy", frame[["a", "b"]].to_numpy(np.float32))
    words = ["--label", "k", "-o", folder / "o.csv", "--save", folder / "m", "--quiet"]
    assert run("clean", folder / "t.csv", *words) == 0
    return folder


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("clean t.csv --label k -o n.csv --report t.csv", "--report: t.csv is the file of the ta"),
        ("clean t.csv --label k -o n.csv --save ./t.csv", "--save: ./t.csv is the file of the tab"),
        ("clean t.csv --label k -o n.csv --report n.csv", "--report: n.csv is the file of --out"),
        ("clean t.csv --label k -o n.csv --report p --save p", "--save: p is the file of --report"),
        ("clean t.csv --label k --embeddings v.npy -o n.csv --save v.npy", "of --embeddings"),
        ("clean t.csv --label k -o n.csv --report gone/p.html", "gone does not exist; create it"),
        ("report m --table t.csv -o m", "--output: m is the file of the model"),
        ("report m --table t.csv -o t.csv", "--output: t.csv is the file of the table"),
        ("audit o.csv --label k --sample 5 -o o.csv", "--out: o.csv is the file of o.csv"),
        ("audit m --table t.csv --sample 5 -o t.csv", "--out: t.csv is the file of --table"),
        ("apply o.csv --table t.csv --label k -o o.csv", "is the file of the decisions"),
        ("noise t.csv --label k --rate 0.2 -o t.csv", "t.csv is the table itself"),
    ],
)
def test_files_that_are_read_or_written_twice(cleaned, monkeypatch, capsys, words, told):
    monkeypatch.chdir(cleaned)
    before = {path: path.read_bytes() for path in cleaned.iterdir()}
    assert run(*words.split(), "--force") == 2
    assert told in capsys.readouterr().err
    assert {path: path.read_bytes() for path in cleaned.iterdir()} == before
