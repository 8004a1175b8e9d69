"""Tables and answers as people have them, through the command line: nothing is lost or mixed up."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from nllearn import cli


@pytest.fixture(scope="module")
def table():
    """Three hundred rows of two classes, far apart, with a tenth of the labels wrong."""
    rng = np.random.default_rng(0)
    truth = np.arange(300) % 2
    X = truth[:, None] * 4.0 + rng.normal(size=(300, 3))
    given = np.where(rng.random(300) < 0.1, 1 - truth, truth)
    frame = pd.DataFrame(X.round(3), columns=["x0", "x1", "x2"])
    frame["label"] = np.array(["cat", "dog"])[given]
    frame["truth"] = np.array(["cat", "dog"])[truth]
    return frame


def run(folder, *words):
    return cli.main([str(folder / word) if "." in word else word for word in words])


def written(folder, name, frame):
    frame.drop(columns="truth", errors="ignore").to_csv(folder / name, index=False)


def answer_as_given(folder, name, n):
    """Draw the sample of an audit, and say of every row that its label is right."""
    words = ["audit", name, "--label", "label", "--sample", str(n), "--out", "s.csv"]
    assert run(folder, *words) == 0
    sample = pd.read_csv(folder / "s.csv")
    sample["true_label"] = sample["given_label"]
    sample.to_csv(folder / "s.csv", index=False)


def test_answers_about_a_table_with_other_rows_are_refused(table, tmp_path, capsys):
    frame = table.sort_values("truth", kind="stable").reset_index(drop=True)
    frame.loc[:1, "label"] = ""
    written(tmp_path, "so.csv", frame)
    drop = ["--label", "label", "--missing-labels", "drop", "--quiet"]
    assert run(tmp_path, "clean", "so.csv", *drop, "-o", "c.csv", "--save", "m.model") == 0
    words = ["audit", "m.model", "--table", "so.csv", "--sample", "20", "--out", "s.csv"]
    assert run(tmp_path, *words) == 0
    sample = pd.read_csv(tmp_path / "s.csv")
    sample["true_label"] = frame["truth"].to_numpy()[sample["row"]]
    sample.to_csv(tmp_path / "s.csv", index=False)
    apply = ["apply", "s.csv", "--table", "c.csv", "--label", "label", "-o", "f.csv"]
    assert run(tmp_path, *apply) == 2
    error = capsys.readouterr().err
    assert "is another one in" in error or "belong to other data" in error
    # The sample of the cleaned table has its rows.
    words = ["audit", "c.csv", "--label", "label", "--sample", "20", "--out", "t.csv"]
    assert run(tmp_path, *words) == 0
    sample, cleaned = pd.read_csv(tmp_path / "t.csv"), pd.read_csv(tmp_path / "c.csv")
    right = frame["truth"][2:].reset_index(drop=True)
    sample["true_label"] = right.to_numpy()[sample["row"]]
    # As a spreadsheet with decimal commas may save it.
    sample.to_csv(tmp_path / "t.csv", index=False, sep=";", decimal=",")
    assert run(tmp_path, "apply", "t.csv", *apply[2:]) == 0
    final = pd.read_csv(tmp_path / "f.csv")
    reviewed = final["is_reviewed"]
    assert reviewed.sum() == 20 and len(final) == len(cleaned) == 298
    assert (final["final_label"] == right)[reviewed].all()


@pytest.mark.parametrize("ending", ["xlsx", "jsonl", "parquet"])
def test_codes_and_words_survive_a_change_of_the_format(ending, table, tmp_path):
    pytest.importorskip({"xlsx": "openpyxl", "parquet": "pyarrow"}.get(ending, "json"))
    frame = table.assign(
        plz=[f"0{6800 + i % 7}" for i in range(300)],
        big=[str(9007199254740993 + i) for i in range(300)],
        word=np.where(np.arange(300) % 4 == 0, "NA", "None"),
        price=[f"{i % 9}.50" for i in range(300)],
    )
    frame["label"] = frame["label"].replace("cat", "None")
    written(tmp_path, "m.csv", frame)
    words = ["--label", "label", "--keep-na-words", "--quiet", "-o", f"o.{ending}"]
    assert run(tmp_path, "clean", "m.csv", *words) == 0
    read = {"xlsx": pd.read_excel, "jsonl": pd.read_json, "parquet": pd.read_parquet}[ending]
    options = {
        "xlsx": {"keep_default_na": False, "dtype": object},
        "jsonl": {"lines": True, "dtype": False},
    }
    found = read(tmp_path / f"o.{ending}", **options.get(ending, {}))
    for name in ("plz", "big", "word", "label"):
        assert found[name].tolist() == frame[name].tolist(), name
    # What is a number is one.
    np.testing.assert_array_equal(found["price"], frame["price"].astype(float))
    assert set(found["corrected_label"]) == {"None", "dog"}


def test_a_class_that_stands_in_a_row_is_no_header(table, tmp_path, capsys):
    written(tmp_path, "a.csv", table)
    assert run(tmp_path, "clean", "a.csv", "--label", "dog", "-o", "o.csv") == 2
    assert "no column 'dog'" in capsys.readouterr().err
    # A title above the header is still left out.
    text = (tmp_path / "a.csv").read_text()
    (tmp_path / "t.csv").write_text("Survey of pets,,,\n\n" + text)
    assert run(tmp_path, "clean", "t.csv", "--label", "label", "-o", "o.csv", "--quiet") == 0
    assert len(pd.read_csv(tmp_path / "o.csv")) == 300


def test_the_work_is_done_when_nobody_reads_the_screen(table, tmp_path):
    written(tmp_path, "a.csv", table)
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "nllearn", "clean", "a.csv", "--label", "label", "-o", "o.csv"]
    done = subprocess.run(words, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(tmp_path / "o.csv")) == 300


def test_numbered_classes_with_gaps_are_applied_and_cleaned_again(table, tmp_path):
    pytest.importorskip("pyarrow")
    frame = table.assign(label=table["label"].map({"cat": 1, "dog": 2}).astype("Int64"))
    frame["part"] = pd.array([pd.NA if i % 5 == 0 else 1 + i % 2 for i in range(300)], "Int64")
    frame.loc[:2, "label"] = pd.NA
    frame.drop(columns="truth").to_parquet(tmp_path / "a.parquet")
    words = ["--label", "label", "--missing-labels", "predict", "--quiet", "-o", "c.parquet"]
    assert run(tmp_path, "clean", "a.parquet", *words) == 0
    answer_as_given(tmp_path, "c.parquet", 10)
    words = ["apply", "s.csv", "--table", "c.parquet", "--label", "label", "-o", "f.parquet"]
    assert run(tmp_path, *words) == 0
    words = ["--label", "final_label", "--trusted", "is_reviewed", "--quiet", "-o", "g.parquet"]
    assert run(tmp_path, "clean", "f.parquet", *words) == 0
    assert len(pd.read_parquet(tmp_path / "g.parquet")) == 300


def test_an_annotator_with_one_class_and_options_of_one_label(table, tmp_path, capsys):
    frame = table.assign(ada=table["label"], bob=table["truth"], cem=table["label"])
    frame["dot"] = ["cat" if i < 5 else "" for i in range(300)]
    written(tmp_path, "a.csv", frame.drop(columns="label"))
    words = ["clean", "a.csv", "--label", "ada,bob,cem,dot", "-o", "o.csv"]
    assert run(tmp_path, *words, "--quiet") == 0
    assert pd.read_csv(tmp_path / "o.csv")["quality of dot"].notna().sum() == 5
    assert run(tmp_path, *words, "--force", "--missing-labels", "drop") == 2
    assert "--missing-labels is for one label per row" in capsys.readouterr().err


def test_columns_that_are_called_like_ours(table, tmp_path):
    frame = table.assign(decision=np.arange(300) % 3)
    frame["quality of service"] = np.arange(300) % 5 / 7
    frame["label"] = frame["label"] + " "
    written(tmp_path, "a.csv", frame)
    assert run(tmp_path, "clean", "a.csv", "--label", "label", "--quiet", "-o", "c.csv") == 0
    answer_as_given(tmp_path, "c.csv", 20)
    words = ["--table", "c.csv", "--label", "label", "--undecided", "given", "-o", "f.csv"]
    assert run(tmp_path, "apply", "s.csv", *words) == 0
    final = pd.read_csv(tmp_path / "f.csv")
    assert final["is_reviewed"].sum() == 20
    assert (final["final_label"] == frame["label"]).all()


def test_the_audit_of_a_second_round_shows_no_suggestion_of_the_first(table, tmp_path):
    written(tmp_path, "a.csv", table)
    assert run(tmp_path, "clean", "a.csv", "--label", "label", "--quiet", "-o", "c.csv") == 0
    words = ["--label", "label", "--quiet", "-o", "d.csv", "--report", "p.html", "--audit", "20"]
    assert run(tmp_path, "clean", "c.csv", *words) == 0
    page = (tmp_path / "p.html").read_text()
    data = json.loads(re.search(r'type="application/json" id="data">(.*?)</script>', page, re.S)[1])
    shown = json.dumps(data["content"])
    assert "x0" in shown and "corrected_label" not in shown and "boundary_quality" not in shown
