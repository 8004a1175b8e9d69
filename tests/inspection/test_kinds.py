"""Indexes, labels and tables of every kind come through the report, the exports and decisions."""

from __future__ import annotations

import datetime
import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from nllearn import LabelCleaner
from nllearn.inspection import Decision, apply_decisions_to, as_frame, content_reader, export_issues

N = 60


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=N)
    return rng.normal(size=(3, 5))[y] * 3 + rng.normal(size=(N, 5)), y


INDEXES = {
    "levels": (
        pd.MultiIndex.from_product([range(6), list("abcdefghij")], names=["doc", "part"]),
        ["doc", "part"],
    ),
    "no names": (pd.MultiIndex.from_product([range(6), range(10)]), ["row_0", "row_1"]),
    "taken": (
        pd.MultiIndex.from_product([range(6), range(10)], names=["label_quality", "x"]),
        ["row_label_quality", "x"],
    ),
    "twice": (pd.MultiIndex.from_product([range(6), range(10)], names=["x", "x"]), ["x", "row_x"]),
    "mixed": (pd.Index([1, "a"] * 30, dtype=object), ["row"]),
    "dates": (pd.date_range("2024-01-01", periods=N, tz="Europe/Rome"), ["row"]),
    "days": (
        pd.Index([datetime.date(2024, 1, 1 + i % 28) for i in range(N)], dtype=object),
        ["row"],
    ),
    "periods": (pd.period_range("2024-01", periods=N, freq="M"), ["row"]),
    "spans": (pd.interval_range(0, N), ["row"]),
    "named": (pd.Index(range(5, N + 5), name="key"), ["row"]),
    "categories": (pd.CategoricalIndex(list("abc") * 20), ["row"]),
    "tuples": (pd.Index([(i, i) for i in range(N)], tupleize_cols=False), ["row"]),
}


@pytest.mark.parametrize("kind", INDEXES)
@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_every_index_is_exported(data, tmp_path, kind, ending):
    index, names = INDEXES[kind]
    X, y = data
    cleaner = LabelCleaner(random_state=0).fit(pd.DataFrame(X, index=index), y)
    path = export_issues(cleaner.label_issues(), tmp_path / f"e.{ending}", only_issues=False)
    if ending == "jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        found = pd.DataFrame(rows)
    else:
        found = pd.read_csv(path) if ending == "csv" else pd.read_parquet(path)
    assert list(found.columns[: len(names)]) == names
    assert len(found) == N and found[names[-1]].notna().all()
    cleaner.report(tmp_path / "page.html", table=X, overwrite=True)


@pytest.mark.parametrize("cell", ["a\rb", "a\nb", "a\r\nb", '"', 'a"b', "\r", " a ", "", ",", "'x"])
def test_what_is_exported_is_read_again(data, tmp_path, cell):
    cleaner = LabelCleaner(random_state=0).fit(*data)
    path = export_issues(
        cleaner.label_issues(), tmp_path / "e.csv", content=[cell] * N, only_issues=False
    )
    again = pd.read_csv(path, keep_default_na=False)
    assert len(again) == N
    from nllearn.inspection import unguard_cell

    assert set(map(unguard_cell, again["content"])) == {cell}


@pytest.mark.parametrize("dtype", ["f2", "f4", "g", "i1", "u8", "?"])
def test_labels_of_every_dtype_reach_the_page(data, tmp_path, dtype):
    X, y = data
    labels = (y > 0 if dtype == "?" else y).astype(dtype)
    cleaner = LabelCleaner(random_state=0).fit(X, labels)
    page = cleaner.report(tmp_path / "p.html", table=X).read_text()
    assert re.search(r'"classes":\[', page)
    issues = cleaner.label_issues()
    final, decided = apply_decisions_to(
        issues, [Decision(0, "reject", str(issues["given_label"].iloc[0]), str(labels[0]))]
    )
    assert decided.sum() == 1 and final[0] == labels[0]
    assert cleaner.score_labels(X[:5], labels[:5]).shape == (5,)


def test_tables_of_every_kind_are_shown(data, tmp_path):
    X, _ = data
    expected = content_reader(None, None, pd.DataFrame(X)).read(3)
    tables = {
        "csr": sparse.csr_array(X),
        "coo": sparse.coo_matrix(X),
        "dict": {i: X[:, i] for i in range(5)},
        "lists": X.tolist(),
        "records": [dict(enumerate(row)) for row in X.tolist()],
        "structured": np.array([tuple(row) for row in X], dtype=[(c, "f8") for c in "abcde"]),
    }
    pyarrow = pytest.importorskip("pyarrow")
    tables["pyarrow"] = pyarrow.table({str(i): X[:, i] for i in range(5)})
    try:
        import polars

        tables["polars"] = polars.DataFrame({str(i): X[:, i] for i in range(5)})
    except ImportError:
        pass
    import torch

    tables["tensor"] = torch.from_numpy(X)
    for name, table in tables.items():
        assert content_reader(None, None, table).read(3) == expected, name
    for bad in (np.zeros((2, 2, 2)), 5, torch.zeros(2, 2, requires_grad=True)):
        with pytest.raises((ValueError, TypeError), match="table"):
            as_frame("table", bad)
    cleaner = LabelCleaner(random_state=0).fit(*data)
    places = (np.arange(N), 1_000 * np.arange(N))
    wide = sparse.csr_array((np.ones(N), places), shape=(N, 100_000))
    cleaner.report(tmp_path / "wide.html", table=wide)


def test_decisions_take_tables_of_other_libraries():
    pyarrow = pytest.importorskip("pyarrow")
    columns = {"given_label": ["x", "y"], "corrected_label": ["y", "y"]}
    for table in (columns, pyarrow.table(columns), pd.DataFrame(columns).astype("category")):
        labels, decided = apply_decisions_to(table, [Decision(0, "reject", "x", "x")])
        assert list(labels) == ["x", "y"] and decided.tolist() == [True, False]
    with pytest.raises(ValueError, match="expected a fitted classifier or a DataFrame, not a str"):
        apply_decisions_to("table.csv", [])


def test_a_skip_is_no_review():
    table = pd.DataFrame({"given_label": ["x", "y"], "corrected_label": ["y", "y"]})
    decisions = [Decision(0, "accept", "x", "y"), Decision(0, "skip", "x", "")]
    labels, decided = apply_decisions_to(table, decisions, undecided="given")
    assert labels.tolist() == ["x", "y"] and not decided.any()


def test_images_and_texts_of_odd_kinds(tmp_path):
    image = pytest.importorskip("PIL.Image")
    import torch

    rng = np.random.default_rng(0)
    floats = rng.random((6, 12, 12, 3)).astype(np.float32)
    whole = (floats * 255).round().astype(np.uint8)

    def mean(images):
        import base64
        import io

        data = content_reader(images, None, None).read(2).split(",")[1]
        return np.asarray(image.open(io.BytesIO(base64.b64decode(data))), dtype=float).mean()

    expected = mean(whole)
    kinds = {
        "floats": floats,
        "list of floats": list(floats),
        "list of tensors": list(torch.from_numpy(floats.transpose(0, 3, 1, 2))),
        "tensor": torch.from_numpy(floats.transpose(0, 3, 1, 2)),
        "pictures": [image.fromarray(x) for x in whole],
        "pairs": [(x, 0) for x in floats],
        "series": pd.Series([image.fromarray(x) for x in whole], index=range(9, 15)),
    }
    for name, images in kinds.items():
        assert abs(mean(images) - expected) < 3, name
    deep = [image.fromarray((x[:, :, 0] * 65535).astype(np.uint16)) for x in floats]
    assert abs(mean(deep) - whole[2, :, :, 0].mean()) < 3
    image.fromarray(whole[2]).save(tmp_path / "caf\u00e9.png")
    assert abs(mean([tmp_path / "cafe\u0301.png"] * 3) - expected) < 3
    for bad in ({"a": 1}, {1, 2}, "folder", iter([1])):
        with pytest.raises(ValueError, match="images is a "):
            content_reader(bad, None, None)
        with pytest.raises(ValueError, match="texts is a "):
            content_reader(None, bad, None)
    texts = pd.Series(["a", None, "c"], index=[5, 6, 7])
    read = content_reader(None, texts, None).read
    assert [read(i) for i in range(3)] == ["a", "", "c"]
