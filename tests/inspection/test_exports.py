"""Exports: what other programs read, and cells that no spreadsheet runs."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nllearn.inspection import export_issues, guard_cell, unguard_cell


@given(st.text(alphabet=st.sampled_from("=+-@\t\r\n'a1 "), max_size=6))
def test_a_guard_is_undone_exactly(text):
    guarded = guard_cell(text)
    assert unguard_cell(guarded) == text
    assert not guarded.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_a_hand_typed_apostrophe_stays():
    assert unguard_cell("'tis") == "'tis"
    assert guard_cell("") == ""


@pytest.fixture
def issues():
    return pd.DataFrame(
        {
            "is_label_issue": [True, False, True],
            "label_quality": np.array([0.25, 1.0, np.nan], dtype=np.float32),
            "given_label": ["=1+1", "b", "c,d"],
            "corrected_label": ["b", "b", "日本"],
            "nearest_row": [-1, 0, 1],
        },
        index=["x", "y", "@z"],
    )


def test_csv(issues, tmp_path):
    path = export_issues(issues, tmp_path / "out.csv", content=["one", "two", "-three"])
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert frame["row"].tolist() == ["x", "'@z"]
    assert frame["given_label"].tolist() == ["'=1+1", "c,d"]
    assert frame["corrected_label"].tolist() == ["b", "日本"]
    assert frame["content"].tolist() == ["one", "'-three"]
    # A negative number is no formula, and a missing one is an empty cell.
    assert frame["nearest_row"].tolist() == ["-1", "1"]
    assert frame["label_quality"].tolist() == ["0.25", ""]


def test_jsonl(issues, tmp_path):
    path = export_issues(issues, tmp_path / "out.jsonl", only_issues=False)
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert records[0] == {
        "row": "x",
        "is_label_issue": True,
        "label_quality": 0.25,
        "given_label": "=1+1",
        "corrected_label": "b",
        "nearest_row": -1,
    }
    assert [record["row"] for record in records] == ["x", "y", "@z"]
    assert records[2]["label_quality"] is None


def test_parquet_keeps_types_and_a_frame_of_content(issues, tmp_path):
    content = pd.DataFrame({"text": ["one", "two", "three"], "size": [1, 2, 3]})
    path = export_issues(issues, tmp_path / "out.parquet", content=content)
    frame = pd.read_parquet(path)
    assert frame["size"].tolist() == [1, 3]
    assert frame["given_label"].tolist() == ["=1+1", "c,d"]
    assert frame["is_label_issue"].dtype == bool
    assert frame["label_quality"].dtype == np.float32


def test_refusals(issues, tmp_path):
    with pytest.raises(ValueError, match=r"end in '\.xlsx'; use one of \.csv"):
        export_issues(issues, tmp_path / "out.xlsx")
    with pytest.raises(ValueError, match="content has 2 rows and issues has 3"):
        export_issues(issues, tmp_path / "out.csv", content=["a", "b"])
    with pytest.raises(ValueError, match="given_label"):
        export_issues(issues, tmp_path / "out.csv", content=issues[["given_label"]])
    (tmp_path / "there.csv").write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        export_issues(issues, tmp_path / "there.csv")
    assert (tmp_path / "there.csv").read_text() == "mine"
    export_issues(issues, tmp_path / "there.csv", overwrite=True)
    assert (tmp_path / "there.csv").read_text() != "mine"
    with pytest.raises(FileNotFoundError, match="does not exist"):
        export_issues(issues, tmp_path / "no" / "out.csv")


def test_a_failed_write_leaves_the_old_file(issues, tmp_path, monkeypatch):
    path = tmp_path / "out.csv"
    path.write_text("mine")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        export_issues(issues, path, overwrite=True)
    assert path.read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]
