"""The command line on damaged and crafted files: exit code 0 and a file, or 2 and one line."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import re
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nllearn import cli
from nllearn.exceptions import NoisyLabelWarning

NOISE_TYPES = ["symmetric", "pairflip", "asymmetric", "part-dependent", "classification"]
SCALE = settings.default.max_examples / 50
CASES = int(20 * SCALE)
N = 24
SHORT = ["--method", "mixnn", "--epochs", "3", "--device", "cpu"]

CELLS = (
    *("", " ", "0", "-1", "1.5", "1e308", "-1e308", "1e-320", "nan", "inf", "NA", "None", "true"),
    *("9" * 400, "9" * 5000, "0x10", "1_000", "1+2j", "é日\u202e😀", "'", '"', '""', '"a', "a\nb"),
    *("=cmd|'/C calc'!A0", "@SUM(1)", "2020-01-01", "2020-13-45", "10000-01-01", "[1, 2]", "{}"),
    *("\ufeff", "\u2028", "\x1b[31m", "a,b", "a;b", "a\tb", "\r", "cat", "label", "y", "X"),
)
RAW = (
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xff\xff\xff\x7f",
    b"PK\x03\x04",
    b"\r\n",
)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "overwrite", "remove", "repeat", "numbers"]),
        st.floats(0, 1),
        st.integers(1, 64),
        st.sampled_from(RAW),
    ),
    min_size=1,
    max_size=4,
)
CELL_EDITS = st.lists(
    st.tuples(
        st.sampled_from(
            ["cell", "column", "header", "add row", "drop row", "short row", "long row"]
        ),
        st.integers(0, 99),
        st.integers(0, 9),
        st.sampled_from(CELLS),
    ),
    min_size=1,
    max_size=6,
)


def damage(data, edits):
    """Bytes after some edits."""
    data = bytearray(data)
    for what, share, size, raw in edits:
        at = int(share * len(data))
        if what == "flip" and data:
            data[min(at, len(data) - 1)] ^= 1 << size % 8
        elif what == "cut":
            del data[at:]
        elif what == "insert":
            data[at:at] = raw
        elif what == "overwrite":
            data[at : at + len(raw)] = raw
        elif what == "remove":
            del data[at : at + size]
        elif what == "repeat":
            data[at:at] = data[at : at + size]
        else:  # a count in a header
            data[at : at + 4] = b"\xff\xff\xff\x7f"
    return bytes(data)


def damage_cells(text, edits, separator):
    """A text table after some edits of its cells; quotes are left to chance."""
    lines = [line.split(separator) for line in text.splitlines()]
    for what, i, j, cell in edits:
        i, j = i % len(lines), j % max(1, len(lines[0]))
        if what == "cell" and j < len(lines[i]):
            lines[i][j] = cell
        elif what == "column":
            for line in lines[1:]:
                if j < len(line):
                    line[j] = cell
        elif what == "header":
            lines[0][j : j + 1] = [cell]
        elif what == "add row":
            lines.append(list(lines[i]))
        elif what == "drop row" and len(lines) > 1:
            del lines[i]
        elif what == "short row":
            lines[i] = lines[i][:j]
        elif what == "long row":
            lines[i] = lines[i] + [cell]
        lines = lines or [[""]]
    return "\n".join(separator.join(line) for line in lines).encode("utf-8", "surrogatepass")


def run(argv, output):
    """Run a command in this process and check its end; returns the exit code and stderr."""
    output.unlink(missing_ok=True)
    before = set(os.listdir(output.parent))
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        # What a fit tells of its labels is printed as a line of its own.
        warnings.simplefilter("always", NoisyLabelWarning)
        code = cli.main(list(map(str, argv)))
    told = [x for x in err.getvalue().splitlines() if not x.startswith("nllearn: warning: ")]
    if code == 0:
        assert not told and output.exists() and "written" in out.getvalue()
    else:
        assert code == 2 and len(told) == 1, err.getvalue()
        assert told[0].startswith("nllearn: error: ") and len(told[0]) > 30
        assert not output.exists(), "a file was written beside an error"
    assert set(os.listdir(output.parent)) <= before | {output.name}, "a temporary file was left"
    return code, err.getvalue()


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A folder with a table in every format, a cleaned one, a model and decisions."""
    folder = tmp_path_factory.mktemp("good")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": np.arange(N),
            "a": rng.normal(size=N).round(3),
            "b": rng.normal(size=N).round(3),
            "c": ["x", "y", "z"] * (N // 3),
            "t": [f"a few words of text {i}" for i in range(N)],
            "label": ["cat", "dog"] * (N // 2),
        }
    )
    frame.to_csv(folder / "table.csv", index=False)
    frame.to_csv(folder / "table.tsv", index=False, sep="\t")
    frame.to_parquet(folder / "table.parquet")
    arrays = {"X": frame[["a", "b"]].to_numpy(), "y": frame["label"].to_numpy(dtype=str)}
    np.savez(folder / "table.npz", **arrays)
    np.savez_compressed(folder / "packed.npz", **arrays, image=rng.normal(size=(N, 3, 3)))
    np.save(folder / "vectors.npy", rng.normal(size=(N, 4)))
    entry = {"row": 1, "decision": "accept", "given_label": "dog", "label": "dog"}
    content = {"format": "nllearn-decisions", "version": 1, "decisions": [entry]}
    (folder / "decisions.json").write_text(json.dumps(content))
    (folder / "decisions.csv").write_text("row,decision,given_label,label\n1,accept,dog,dog\n")
    words = ["clean", folder / "table.csv", "--label", "label", "-o", folder / "cleaned.csv"]
    assert cli.main([*map(str, words), *SHORT, "--quiet", "--save", str(folder / "model")]) == 0
    return folder


FILES = (
    *("table.csv", "table.tsv", "table.parquet", "table.npz", "packed.npz", "vectors.npy"),
    *("model", "decisions.json", "decisions.csv"),
)


def command(name, file, good, output):
    """The words that read a file."""
    label = ["--label", "label"]
    if name == "vectors.npy":
        words = ["clean", good / "table.csv", *label, "--embeddings", file, *SHORT]
    elif name == "model":
        words = ["report", file, "--table", good / "table.csv"]
    elif name.startswith("decisions"):
        words = ["apply", file, "--table", good / "cleaned.csv", *label]
    else:
        words = ["clean", file, *([] if name.endswith("npz") else label), *SHORT]
    return [*words, "-o", output]


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=CASES)
@given(edits=EDITS)
def test_damaged_bytes(name, edits, good, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    file, output = folder / name, folder / ("out.html" if name == "model" else "out.csv")
    file.write_bytes(damage((good / name).read_bytes(), edits))
    run(command(name, file, good, output), output)


@pytest.mark.parametrize("ending", [".csv", ".tsv"])
@settings(max_examples=2 * CASES)
@given(
    edits=CELL_EDITS,
    out=st.sampled_from([".csv", ".tsv", ".parquet", ".npz"]),
    options=st.sampled_from(
        [
            [],
            ["--missing-labels", "drop"],
            ["--missing-labels", "predict"],
            ["--keep-na-words"],
            ["--text", "t"],
            ["--numeric", "c"],
            ["--categorical", "a"],
            ["--encoding", "utf-16"],
            ["--encoding", "cp1252"],
            ["--encoding", "rot13"],
        ]
    ),
)
def test_odd_cells(ending, edits, out, options, good, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "cells"
    folder.mkdir(exist_ok=True)
    file, output = folder / f"table{ending}", folder / f"out{out}"
    text = (good / file.name).read_text()
    file.write_bytes(damage_cells(text, edits, "\t" if ending == ".tsv" else ","))
    code, _ = run(["clean", file, "--label", "label", *SHORT, *options, "-o", output], output)
    if code == 0 and out in (".csv", ".tsv"):
        # Cells come out as they went in.
        separator = "\t" if out == ".tsv" else ","
        written = pd.read_csv(output, sep=separator, dtype=str, keep_default_na=False)
        quality = pd.to_numeric(written["label_quality"], errors="coerce").dropna()
        assert len(quality) and quality.between(0, 1).all()


@pytest.mark.parametrize("kind", NOISE_TYPES)
@settings(max_examples=CASES)
@given(edits=CELL_EDITS, rate=st.sampled_from(["0", "0.3", "1", "nan", "-1", "2", "x"]))
def test_noise_on_odd_cells(kind, edits, rate, good, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "noise"
    folder.mkdir(exist_ok=True)
    file, output = folder / "table.csv", folder / "out.csv"
    text = "\n".join(
        line.rsplit(",", 2)[0] + "," + line.rsplit(",", 1)[1]
        for line in (good / "table.csv").read_text().splitlines()
    )
    file.write_bytes(damage_cells(text, edits, ","))
    argv = ["noise", file, "--label", "label", "--type", kind, f"--rate={rate}", "-o", output]
    code, _ = run(argv, output)
    assert code == 2 or rate in ("0", "0.3", "1")


def archive(**entries):
    """A zip file with entries that numpy would not write."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def header(text):
    """An .npy file with a header of this text and eight bytes of data."""
    text = text.ljust(118) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(8)


Y = np.array(["a", "b"] * 12)
CRAFTED = {
    "an empty archive": (".npz", archive(), "no column 'y'"),
    "an array of no axes": (".npz", archive(y=npy(np.array(3))), "labels|one dimension|no column"),
    "a huge count": (
        ".npz",
        archive(
            X=header("{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000, 3), }"),
            y=npy(Y),
        ),
        "not a readable NPZ",
    ),
    "a negative count": (
        ".npz",
        archive(X=header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 3), }"), y=npy(Y)),
        "not a readable NPZ",
    ),
    "a header that is code": (
        ".npz",
        archive(X=header("__import__('os').system('touch harm')"), y=npy(Y)),
        "not a readable NPZ",
    ),
    "an entry that is no array": (".npz", archive(X=b"text", y=npy(Y)), "is no array"),
    "a csv that is a zip": (".csv", archive(y=npy(Y)), "text"),
    "a npz that is a csv": (".npz", b"a,label\n1,b\n", "not a readable NPZ"),
    "JSON that is no object": (".jsonl", b"[1]\n", "line 1 is a list"),
    "JSON cut off": (".jsonl", b'{"a": 1, "label": "x"}\n{"a": 2, "la', "line 2 is no JSON"),
    "deep JSON": (".jsonl", b"[" * 100_000, "line 1 is no JSON"),
    "gzip cut off": (".csv.gz", gzip.compress(b"a,label\n1,b\n")[:-3], "not a readable gzip"),
    "gzip of nothing": (".csv.gz", gzip.compress(b""), "is empty"),
    "no gzip": (".jsonl.gz", b"{}", "not a readable gzip"),
    "no workbook": (".xlsx", b"PK\3\4" * 9, "not a readable XLSX|needs openpyxl"),
    "parquet magic alone": (".parquet", b"PAR1" * 3, "not a readable Parquet"),
    "zero bytes": (".csv", b"a,label\n1,\0\n", "zero bytes"),
    "UTF-16 without a word": (".csv", "a,label\n1,b\n".encode("utf-16-le"), "utf-16-le"),
    "two encodings": (".csv", "a,label\né,b\n".encode() + b"\xe9,c\n", "not utf-8"),
    "an open quote": (".csv", b'a,label\n1,"b\n2,c\n3,d\n', "not a regular table|classes|label"),
    "a header alone": (".csv", b"a,label\n", "no rows"),
    "one name twice": (".csv", b"a,a,label\n1,2,b\n", "several columns"),
    "a byte order mark alone": (".csv", b"\xef\xbb\xbf", "no columns"),
    "blanks alone": (".csv", b"\n\n  \n", "no columns"),
    "dots for names": (".csv", b"..,label\n1,a\n2,b\n", None),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_tables(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ending, content, words = CRAFTED[name]
    file, output = tmp_path / f"table{ending}", tmp_path / "out.csv"
    file.write_bytes(content)
    label = ["--label", "y" if ending == ".npz" else "label"]
    code, told = run(["clean", file, *label, *SHORT, "-o", output], output)
    assert not (tmp_path / "harm").exists()
    if words is not None:
        assert code == 2 and re.search(words, told), told


class Harm:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch harm",)


@pytest.mark.parametrize("name", ["X", "y", "embeddings"])
def test_pickles_in_arrays_are_not_run(name, good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output, harm = tmp_path / "out.csv", npy(np.array([Harm()] * N, dtype=object))
    if name == "embeddings":
        (tmp_path / "vectors.npy").write_bytes(harm)
        words = ["clean", good / "table.csv", "--label", "label", "--embeddings", "vectors.npy"]
    else:
        content = {"X": npy(np.zeros((N, 2))), "y": npy(Y)} | {name: harm}
        (tmp_path / "table.npz").write_bytes(archive(**content))
        words = ["clean", "table.npz"]
    code, told = run([*words, *SHORT, "-o", output], output)
    assert code == 2 and "holds Python objects" in told
    assert not (tmp_path / "harm").exists()


def test_an_archive_larger_than_memory_is_refused_unread(tmp_path, monkeypatch):
    # 8 MB of zeros in some KB; the machine is said to have 1 MB.
    monkeypatch.setattr(os, "sysconf", lambda name: 1 << 10)
    file = tmp_path / "table.npz"
    np.savez_compressed(file, X=np.zeros((100_000, 10)), y=np.arange(100_000) % 2)
    assert file.stat().st_size < 100_000
    code, told = run(["clean", file, *SHORT, "-o", tmp_path / "out.csv"], tmp_path / "out.csv")
    assert code == 2 and "unpacks to" in told


def test_formulas_stay_the_text_that_they_were(good, tmp_path):
    table = pd.read_csv(good / "table.csv").assign(t="=cmd|'/C calc'!A0")
    table.to_csv(tmp_path / "table.csv", index=False)
    output = tmp_path / "out.parquet"
    words = ["clean", tmp_path / "table.csv", "--label", "label", *SHORT, "-o", output]
    assert run(words, output)[0] == 0
    assert set(pd.read_parquet(output)["t"]) == {"=cmd|'/C calc'!A0"}


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": ' + "9" * 5000 + "}"])
def test_decisions_nested_too_deep_or_with_huge_numbers(text, good, tmp_path):
    file, output = tmp_path / "decisions.json", tmp_path / "out.csv"
    file.write_text(text)
    code, told = run(command(file.name, file, good, output), output)
    assert code == 2 and "decisions.json: this is no JSON file" in told
