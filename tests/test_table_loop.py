"""From a table to its final labels and back, on the command line, for tables of every kind."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from nllearn import cli, load

N = 90


def run(*words):
    return cli.main([str(word) for word in words])


def people(seed=0, labels=("x", "y", "z")):
    rng = np.random.default_rng(seed)
    y = np.arange(N) % 3
    X = np.eye(3)[y] * 4 + rng.normal(size=(N, 3))
    frame = pd.DataFrame(X.round(3), columns=list("abc"))
    frame["label"] = np.array(labels, dtype=object)[y]
    return frame


def page_of(path):
    (text,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.S
    )
    return json.loads(text)


def decide(path, *decisions):
    names = ("row", "decision", "given_label", "label")
    entries = [dict(zip(names, decision, strict=True)) for decision in decisions]
    path.write_text(json.dumps({"format": "nllearn-decisions", "version": 1, "decisions": entries}))
    return path


@pytest.mark.parametrize(
    "words",
    [("None", "mild", "severe"), ("NA", "null", "b"), ("n/a", "1", "2"), ("nan", "NaN", "ok")],
)
@pytest.mark.parametrize("asked", [True, False])
def test_words_for_gaps_are_classes_in_every_command(tmp_path, words, asked):
    frame = people(labels=words)
    frame.to_csv(tmp_path / "t.csv", index=False)
    keep = ["--keep-na-words"]
    out, model = tmp_path / "o.csv", tmp_path / "m"
    first = ["clean", tmp_path / "t.csv", "--label", "label", "-o", out, "--save", model]
    assert run(*first, *keep, "--quiet") == 0
    assert run("report", model, "--table", tmp_path / "t.csv", "-o", tmp_path / "p.html") == 0
    assert page_of(tmp_path / "p.html")["classes"] == sorted(words)
    row = 31
    given = frame["label"][row]
    other = next(word for word in words if word != given)
    decisions = decide(tmp_path / "d.json", (row, "other", given, other))
    final = tmp_path / "f.csv"
    more = keep if asked else []
    assert run("apply", decisions, "--table", out, "--label", "label", "-o", final, *more) == 0
    found = pd.read_csv(final, dtype=str, keep_default_na=False)
    assert found["is_reviewed"].tolist() == [str(i == row) for i in range(N)]
    assert found["final_label"][row] == other
    assert set(found["final_label"]) == set(words)


@pytest.mark.parametrize(
    "labels",
    [
        ("1", "2", "3"),
        ("007", "7", "8"),
        ("1.0", "2.0", "3.0"),
        ("True", "TRUE", "False"),
        ("-1", "0", "9007199254740993"),
    ],
)
@pytest.mark.parametrize("missing", ["drop", "predict"])
@pytest.mark.parametrize("where", ["start", "middle", "end"])
def test_the_spelling_of_labels_is_carried_through(tmp_path, labels, missing, where):
    frame = people(labels=labels)
    start = {"start": 0, "middle": 40, "end": N - 7}[where]
    frame.loc[start : start + 6, "label"] = ""
    frame.to_csv(tmp_path / "t.csv", index=False)
    out, model, page = tmp_path / "o.csv", tmp_path / "m", tmp_path / "p.html"
    words = ["clean", tmp_path / "t.csv", "--label", "label", "-o", out, "--save", model]
    assert run(*words, "--missing-labels", missing, "--report", page, "--quiet") == 0
    assert set(page_of(page)["classes"]) == set(labels)
    assert run("report", model, "--table", tmp_path / "t.csv", "-o", tmp_path / "again.html") == 0
    assert page_of(tmp_path / "again.html") == page_of(page)
    given = load(model).label_issues()["given_label"].astype(str)
    decisions = decide(tmp_path / "d.json", (20, "reject", given.iloc[20], given.iloc[20]))
    final = tmp_path / "f.csv"
    assert run("apply", decisions, "--table", out, "--label", "label", "-o", final) == 0
    found = pd.read_csv(final, dtype=str, keep_default_na=False)
    row = 20 if missing == "drop" else given.index[20]
    assert found.index[found["is_reviewed"] == "True"].tolist() == [row]
    assert set(found["final_label"]) == set(labels)
    kept = found["label"] != ""
    agree = found["is_label_issue"] == "False"
    assert (found["corrected_label"] == found["label"])[kept & agree].all()


def test_the_model_remembers_how_its_table_was_read(tmp_path, capsys):
    frame = people()
    words = {"x": "lost my card", "y": "rate of exchange", "z": "transfer failed again"}
    frame["said"] = [f"{words[k]} number {i}" for i, k in enumerate(frame["label"])]
    frame["key"] = [f"K-{i}" for i in range(N)]
    frame.loc[3, "label"] = "y"
    path = tmp_path / "t.csv"
    frame.to_csv(path, sep="~", decimal=",", index=False, encoding="utf-16")
    clean = ["clean", path, "--label", "label", "--separator", "~", "--id", "key"]
    page, again = tmp_path / "p.html", tmp_path / "again.html"
    out, model = tmp_path / "o.csv", tmp_path / "m"
    assert run(*clean, "-o", out, "--save", model, "--report", page, "--threshold", "1") == 0
    assert "names the rows" in capsys.readouterr().out
    assert run("report", model, "--table", path, "-o", again, "--threshold", "1") == 0
    assert page_of(again) == page_of(page)
    data = page_of(page)
    assert "K-3" in data["names"].values()
    assert "lost my card" in json.dumps(data)
    assert load(model).label_issues().index[3] == "K-3"
    # Another table with as many rows is refused by its labels.
    frame.iloc[::-1].to_csv(path, sep="~", decimal=",", index=False, encoding="utf-16")
    assert run("report", model, "--table", path, "-o", tmp_path / "no.html") == 2
    assert "row 0 has the label 'z', but the model was fitted with 'x'" in capsys.readouterr().err
    assert run(*clean, "-o", tmp_path / "two.csv", "--id", "none") == 2
    assert "--id: the table has no column 'none'" in capsys.readouterr().err


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".jsonl", ".parquet", ".xlsx"])
def test_the_loop_closes(tmp_path, capsys, ending):
    if ending == ".xlsx":
        pytest.importorskip("openpyxl")
    frame = people()
    rng = np.random.default_rng(1)
    wrong = rng.random(N) < 0.15
    frame.loc[wrong, "label"] = np.array(list("xyz"), dtype=object)[rng.integers(0, 3, wrong.sum())]
    frame["=text"] = "=1+1"
    frame.to_csv(tmp_path / "in.csv", index=False)
    once, final, twice = (tmp_path / f"{name}{ending}" for name in ("once", "final", "twice"))
    assert run("clean", tmp_path / "in.csv", "--label", "label", "-o", once) == 0
    given = frame["label"]
    decisions = decide(
        tmp_path / "d.json",
        (2, "reject", given[2], given[2]),
        (5, "other", given[5], "x" if given[5] != "x" else "y"),
        (7, "skip", given[7], ""),
    )
    assert run("apply", decisions, "--table", once, "--label", "label", "-o", final) == 0
    screen = capsys.readouterr().out
    n_taken = int(re.search(r"note: (\d+) of these are suggestions", screen)[1])
    assert 0 < n_taken < N / 2 and "--undecided given" in screen
    words = ["clean", final, "--label", "final_label", "--trusted", "is_reviewed", "-o", twice]
    assert run(*words, "--save", tmp_path / "m") == 0
    screen = capsys.readouterr().out
    assert "cleaned before" in screen and "label of an earlier cleaning" in screen
    assert f"note: {n_taken} labels are suggestions of the earlier cleaning" in screen
    assert re.search(r"is_reviewed +left out +says which labels .*\(--trusted\)", screen)
    assert "90 x 3" in screen  # neither the old label nor what was found then
    model = load(tmp_path / "m")
    assert model.label_quality_[[2, 5]].tolist() == [1, 1]
    assert (model.label_quality_ == 1).sum() < N
    # The loop turns once more: what was reviewed stays so.
    last = tmp_path / f"last{ending}"
    decisions = decide(tmp_path / "d2.json")
    assert run("apply", decisions, "--table", twice, "--label", "final_label", "-o", last) == 0
    from nllearn.tables import read_table

    table = read_table(last).frame
    assert table["is_reviewed"].astype(str).tolist() == [str(i in (2, 5)) for i in range(N)]
    assert table["=text"].tolist() == ["=1+1"] * N
    assert table["label"].tolist() == given.tolist()


def test_a_flag_with_the_values_of_the_label_is_learned_from(tmp_path, capsys):
    frame = people().assign(label=np.arange(N) % 2)
    frame["a"] = frame["label"] * 4 + frame["a"]
    frame["flag"] = np.random.default_rng(0).integers(0, 2, N)
    frame.to_csv(tmp_path / "in.csv", index=False)
    assert run("clean", tmp_path / "in.csv", "--label", "label", "-o", tmp_path / "o.csv") == 0
    capsys.readouterr()
    words = ["clean", tmp_path / "o.csv", "--label", "label", "-o", tmp_path / "p.csv"]
    assert run(*words) == 0
    assert "90 x 4" in capsys.readouterr().out


@pytest.mark.parametrize("cell", ["one\rtwo", "one\r\ntwo", "\r", 'say "x"\r', "tab\there", "a;b"])
def test_cells_are_written_as_they_were_read(tmp_path, cell):
    import csv

    frame = people().assign(note="fine")
    frame.loc[5, "note"] = cell
    for separator, name in ((",", "t.csv"), (";", "s.csv"), ("\t", "t.tsv")):
        with open(tmp_path / name, "w", newline="") as file:
            writer = csv.writer(
                file, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\n"
            )
            writer.writerow(frame.columns)
            writer.writerows(frame.values.tolist())
        out = tmp_path / f"out-{name}"
        assert run("clean", tmp_path / name, "--label", "label", "-o", out, "--quiet") == 0
        again = pd.read_csv(out, sep=separator, keep_default_na=False)
        assert len(again) == N and again["note"][5] == cell
        assert b"\r\n" not in out.read_bytes() or "\r\n" in cell


def test_the_page_of_texts_shows_the_other_columns_too(tmp_path):
    frame = people()
    frame.insert(0, "note", [f"a note of some words about {i}" for i in range(N)])
    frame.loc[::9, "label"] = "z"
    frame.to_csv(tmp_path / "t.csv", index=False)
    page = tmp_path / "p.html"
    words = ["--report", page, "--save", tmp_path / "m", "-o", tmp_path / "o.csv", "--quiet"]
    assert run("clean", tmp_path / "t.csv", "--label", "label", *words) == 0
    assert run("report", tmp_path / "m", "--table", tmp_path / "t.csv", "-o", tmp_path / "q") == 0
    for path in (page, tmp_path / "q"):
        content = page_of(path)["content"]
        assert (content["kind"], content["columns"]) == ("texts", ["a", "b", "c", "label"])
        text, *cells = content["values"][0]
        row = content["rows"][0]
        assert text == frame["note"][row]
        assert cells == [str(frame[name][row]) for name in "abc"] + [frame["label"][row]]


def test_undecided_rows_are_told_apart_in_the_table(tmp_path, capsys):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = X[:, 0] + rng.normal(scale=0.7, size=400) > 0
    pd.DataFrame(X, columns=["a", "b"]).assign(k=y).to_csv(tmp_path / "t.csv", index=False)
    out = tmp_path / "out.csv"
    assert run("clean", tmp_path / "t.csv", "--label", "k", "-o", out) == 0
    said = capsys.readouterr().out
    n = int(re.search(r"undecided +(\d+) rows", said)[1])
    found = pd.read_csv(out)
    flips = found["boundary_quality"] < 0.5
    assert n == (flips & (found["corrected_label"] == found["k"])).sum() > 0
    # A second round leaves the column aside, and another's column of that name is kept.
    assert run("clean", out, "--label", "k", "-o", tmp_path / "two.csv") == 0
    assert "boundary_quality" in capsys.readouterr().out
    taken = pd.read_csv(tmp_path / "t.csv").assign(boundary_quality=1)
    taken.to_csv(tmp_path / "taken.csv", index=False)
    assert run("clean", tmp_path / "taken.csv", "--label", "k", "-o", tmp_path / "no.csv") == 2


def test_a_review_that_is_not_finished_keeps_the_given_labels_where_asked(tmp_path, capsys):
    frame = people()
    frame.loc[[3, 13, 25, 40], "label"] = "z"
    frame.to_csv(tmp_path / "t.csv", index=False)
    once, final, twice = (tmp_path / f"{name}.csv" for name in ("once", "final", "twice"))
    assert run("clean", tmp_path / "t.csv", "--label", "label", "-o", once) == 0
    decisions = decide(tmp_path / "d.json", (3, "accept", "z", "x"))
    words = ["apply", decisions, "--table", once, "--label", "label", "-o", final]
    assert run(*words, "--undecided", "given") == 0
    assert "nobody decided" not in capsys.readouterr().out
    words = ["clean", final, "--label", "final_label", "--trusted", "is_reviewed", "-o", twice]
    assert run(*words) == 0
    assert "nobody reviewed" not in capsys.readouterr().out
    assert set(pd.read_csv(twice).query("is_label_issue").index) >= {13, 25, 40}


@pytest.mark.parametrize(
    ("yes", "no"),
    [("WAHR", "FALSCH"), ("x", ""), ("ja", "nein"), ("Y", "N"), ("VRAI", "FAUX"), ("1,0", "0,0")],
)
def test_trusted_rows_in_the_words_of_a_spreadsheet(yes, no, tmp_path):
    frame = people()
    frame.loc[[3, 13], "label"] = "z"
    frame["checked"] = np.where(np.arange(N) == 13, yes, no)
    frame.to_csv(tmp_path / "t.csv", index=False, sep=";")
    words = ["clean", tmp_path / "t.csv", "--label", "label", "-o", tmp_path / "o.csv"]
    assert run(*words, "--trusted", "checked") == 0
    quality = pd.read_csv(tmp_path / "o.csv", sep=None, engine="python")["label_quality"]
    quality = quality.astype(str).str.replace(",", ".").astype(float)
    assert quality[13] == 1 and (quality == 1).sum() < N and quality[3] < 1


def test_screen_and_page_show_the_same_noise_rate(tmp_path, capsys):
    """Also where rounding twice would round up: 0.25346 is 25.3 %, and 0.2535 is 25.4 %."""
    frame = people()
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = ["clean", tmp_path / "t.csv", "--label", "label", "-o", tmp_path / "o.csv"]
    assert run(*words, "--save", tmp_path / "m", "--report", tmp_path / "p.html") == 0
    assert page_of(tmp_path / "p.html")["summary"]["noise_rate"] == load(tmp_path / "m").noise_rate_
