"""``nllearn audit``: from the cleaned table or the model to a sample, and from answers to words."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine

from nllearn import cli, load


def run(*words):
    return cli.main([str(word) for word in words])


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory):
    """A table with gaps among its labels, cleaned and saved; the true labels beside it."""
    folder = tmp_path_factory.mktemp("audit")
    X, y = load_wine(return_X_y=True, as_frame=True)
    rng = np.random.default_rng(0)
    noisy = np.where(rng.random(len(y)) < 0.3, rng.integers(0, 3, len(y)), y)
    names = np.array(["=red", "rose", "white"], dtype=object)
    X.insert(0, "kind", names[noisy])
    X.loc[[4, 9], "kind"] = ""
    X.to_csv(folder / "wine.csv", index=False)
    words = ["--missing-labels", "predict", "--save", folder / "model.safetensors", "--quiet"]
    assert (
        run("clean", folder / "wine.csv", "--label", "kind", "-o", folder / "out.csv", *words) == 0
    )
    return folder, names[y]


def fill(path, out, answer, drop=()):
    """Answer every row of a sample but some of them."""
    sample = pd.read_csv(path, dtype=str, keep_default_na=False)
    sample["true_label"] = [answer(int(row), given) for row, given in sample.iloc[:, :2].to_numpy()]
    sample.loc[list(drop), "true_label"] = ""
    sample.to_csv(out, index=False)
    return sample


def sources(folder):
    return {
        "table": [folder / "out.csv", "--label", "kind"],
        "model": [folder / "model.safetensors"],
    }


@pytest.mark.parametrize("kind", ["table", "model"])
def test_sample_and_answers(cleaned, tmp_path, capsys, kind):
    folder, truth = cleaned
    source = sources(folder)[kind]
    shown = ["--table", folder / "out.csv"] if kind == "model" else []
    sample = tmp_path / "sample.csv"
    assert run("audit", *source, "--sample", 60, "--out", sample, *shown) == 0
    table = pd.read_csv(sample, dtype=str, keep_default_na=False)
    assert list(table.columns[:3]) == ["row", "given_label", "true_label"]
    assert not {"corrected_label", "label_quality", "predicted_label"} & set(table.columns)
    assert (table["true_label"] == "").all() and table["row"].is_unique and len(table) == 60
    original = pd.read_csv(folder / "wine.csv", keep_default_na=False)
    rows = table["row"].astype(int).to_numpy()
    assert not {4, 9} & set(rows)  # without a label
    np.testing.assert_array_equal(table["alcohol"].astype(float), original["alcohol"][rows])
    # Text that a spreadsheet would run is guarded.
    given = table["given_label"].str.removeprefix("'")
    np.testing.assert_array_equal(given, original["kind"][rows])
    assert "'=red" in set(table["given_label"])

    capsys.readouterr()
    fill(sample, tmp_path / "answers.csv", lambda row, _: truth[row], drop=range(50, 60))
    assert run("audit", *source, "--answers", tmp_path / "answers.csv", "--fdr", 0.5) == 0
    said = capsys.readouterr().out
    wrong = (truth[rows[:50]] != original["kind"][rows[:50]]).sum()
    assert f"rows checked          50 of 176, {wrong} labels wrong" in said
    value, low, high = map(float, re.search(r"noise rate +(.*)% \((.*)% to (.*)%\)", said).groups())
    known = original["kind"] != ""
    rate = 100 * (truth != original["kind"])[known].mean()
    assert low <= value <= high and low <= rate <= high
    assert "changes help          yes" in said and "next: use the corrected labels" in said
    assert "threshold, FDR 50%" in said
    assert "wrong, by the audit" in said and "look at " in said


def test_numbers_in_the_sample_stay_and_formulas_are_guarded(tmp_path):
    numbers = ["-3,5", "+2", "-1.234,5", "-2e-3", "-1\u202f000,5", "-.5", "7"]
    formulas = ["-1+1", "=1", "-A1", "+cmd", "@x", "-3,5;-1", "\t-1"]
    table = pd.DataFrame({"cell": numbers + formulas, "label": ["-1", "+1"] * 7})
    table["corrected_label"], table["label_quality"] = table["label"], 0.9
    table.to_csv(tmp_path / "t.csv", sep=";", index=False)
    sample = tmp_path / "s.csv"
    source = [tmp_path / "t.csv", "--label", "label"]
    assert run("audit", *source, "--sample", len(table), "--out", sample) == 0
    found = pd.read_csv(sample, sep=";", dtype=str, keep_default_na=False).sort_values(
        "row", key=lambda rows: rows.astype(int)
    )
    assert found["cell"].tolist() == [*numbers, *("'" + text for text in formulas)]
    assert found["given_label"].tolist() == table["label"].tolist()


def test_table_and_model_give_the_same(cleaned, tmp_path, capsys):
    folder, truth = cleaned
    said = {}
    for kind, source in sources(folder).items():
        sample = tmp_path / f"{kind}.csv"
        assert run("audit", *source, "--sample", 40, "--out", sample) == 0
        fill(sample, sample, lambda row, _: truth[row])
        capsys.readouterr()
        assert run("audit", *source, "--answers", sample) == 0
        said[kind] = capsys.readouterr().out
    # The table holds six digits of the quality, which may move the end of a stratum by a row.
    assert said["table"].splitlines()[2] == said["model"].splitlines()[2]
    model = load(folder / "model.safetensors")
    assert f"labels changed        {model.audited_labels().changed.sum()}" in said["table"]


def test_right_and_wrong_are_answers(cleaned, tmp_path, capsys):
    folder, truth = cleaned
    source = sources(folder)["model"]
    sample = tmp_path / "sample.csv"
    assert run("audit", *source, "--sample", 40, "--out", sample) == 0
    numbers = []
    for answer in (
        lambda row, _: truth[row],
        lambda row, given: "Right" if truth[row] == given.removeprefix("'") else "wrong",
    ):
        fill(sample, tmp_path / "answers.csv", answer)
        capsys.readouterr()
        assert run("audit", *source, "--answers", tmp_path / "answers.csv") == 0
        numbers.append(
            re.findall(r"(?:rows checked|noise rate|wrong   ).*", capsys.readouterr().out)
        )
    assert numbers[0] == numbers[1] and len(numbers[0]) == 3


@pytest.mark.parametrize("kind", ["table", "model"])
def test_the_export_of_the_review_page_is_read(cleaned, tmp_path, capsys, kind):
    folder, truth = cleaned
    model = load(folder / "model.safetensors")
    audited, labelled = model.audited_labels(), np.delete(truth, [4, 9])
    rows = model.audit_sample(40, random_state=0)
    given = audited.classes[audited.given]
    entries = [
        {
            "row": int(row),
            "decision": "other",
            "given_label": given[row],
            "label": labelled[row],
            "audit": True,
        }
        for row in rows
    ]
    entries[0] |= {"decision": "skip", "label": ""}
    in_list = next(row for row in range(len(given)) if row not in rows)
    entries.append({**entries[1], "row": in_list, "given_label": given[in_list], "audit": False})
    content = {"format": "nllearn-decisions", "version": 1, "decisions": entries}
    (tmp_path / "decisions.json").write_text(json.dumps(content))
    table = pd.DataFrame(entries).assign(audit=lambda t: np.where(t["audit"], "yes", "no"))
    table = table.replace({name: {"=red": "'=red"} for name in ("given_label", "label")})
    table.to_csv(tmp_path / "decisions.csv", index=False, encoding="utf-8-sig")
    wrong = (labelled[rows[1:]] != given[rows[1:]]).sum()
    said = set()
    for name in ("decisions.json", "decisions.csv"):
        capsys.readouterr()
        assert run("audit", *sources(folder)[kind], "--answers", tmp_path / name) == 0
        said.add(capsys.readouterr().out)
    assert len(said) == 1
    assert f"rows checked          39 of 176, {wrong} labels wrong" in said.pop()


def test_the_page_of_clean_and_of_report_has_the_audit(cleaned, tmp_path, capsys):
    folder, _ = cleaned
    model = load(folder / "model.safetensors")
    words = ["clean", folder / "wine.csv", "--label", "kind", "--missing-labels", "predict"]
    page, again = tmp_path / "page.html", tmp_path / "again.html"
    out = ["-o", tmp_path / "out.csv", "--quiet"]
    assert run(*words, *out, "--report", page, "--audit", 25) == 0
    report = ["report", folder / "model.safetensors", "--table", folder / "wine.csv", "-o", again]
    assert run(*report, "--audit", 25) == 0
    for path in (page, again):
        data = json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(), re.S)[1])
        rows = [data["listed"]["row"][place] for place in data["audit"]["place"]]
        assert rows == model.audit_sample(25, random_state=0).tolist()
    new = ["-o", tmp_path / "new.csv"]
    for more, told in (
        (["--audit", 25], "--audit has no effect without --report"),
        (["--audit", 177, "--report", tmp_path / "new.html"], "there are 176 rows with a label"),
    ):
        capsys.readouterr()
        assert run(*words, *new, *more) == 2
        assert told in capsys.readouterr().err
    assert not (tmp_path / "new.csv").exists()


def test_bad_answers_are_named(cleaned, tmp_path, capsys):
    folder, truth = cleaned
    source = sources(folder)["table"]
    sample, answers = tmp_path / "sample.csv", tmp_path / "answers.csv"
    assert run("audit", *source, "--sample", 20, "-o", sample) == 0
    good = fill(sample, answers, lambda row, _: truth[row])
    for change, words in (
        ({"true_label": "blue"}, "line 4: true_label is 'blue'; write one of the classes"),
        ({"row": "4"}, "line 4: row '4' is no row of"),
        ({"row": "x"}, "line 4: row 'x' is no row of"),
        ({"row": good["row"][0]}, "comes twice"),
        ({"given_label": "pink"}, "the answers belong to other data"),
    ):
        bad = good.copy()
        bad.loc[2, list(change)] = list(change.values())
        bad.to_csv(answers, index=False)
        capsys.readouterr()
        assert run("audit", *source, "--answers", answers) == 2
        assert words in capsys.readouterr().err
    assert run("audit", *source, "--answers", sample) == 2
    assert "the column true_label" in capsys.readouterr().err
    good.drop(columns="true_label").to_csv(answers, index=False)
    assert run("audit", *source, "--answers", answers) == 2
    assert "has no column 'true_label'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["out.csv", "--sample", "5", "--out", "new.csv"], "name the label column"),
        (["out.csv", "--label", "kind", "--sample", "5"], "--sample needs --out"),
        (
            ["out.csv", "--label", "kind", "--sample", "500", "--out", "new.csv"],
            "number of rows, 176",
        ),
        (["out.csv", "--label", "kind", "--sample", "5", "--out", "new.xlsx"], "must end in .csv"),
        (["out.csv", "--label", "kind", "--sample", "5", "--out", "wine.csv"], "use --force"),
        (["wine.csv", "--label", "kind", "--sample", "5", "--out", "new.csv"], "no column 'corr"),
        (
            ["model.safetensors", "--label", "kind", "--sample", "5", "-o", "new.csv"],
            "--label has no",
        ),
        (
            ["model.safetensors", "--sheet", "x", "--sample", "5", "-o", "new.csv"],
            "--sheet has no effect with a saved model and no --table",
        ),
        (["none.safetensors", "--sample", "5", "--out", "new.csv"], "none.safetensors"),
        (["out.csv", "--label", "kind"], "one of the arguments --sample --answers"),
    ],
)
def test_bad_options_are_one_line(cleaned, capsys, monkeypatch, words, told):
    monkeypatch.chdir(cleaned[0])
    assert run("audit", *words) == 2
    error = capsys.readouterr().err.strip()
    assert told in error and len(error.splitlines()) == 1
    assert not (cleaned[0] / "new.csv").exists()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
def test_the_sample_opens_where_the_table_opened(tmp_path, encoding):
    """A spreadsheet that expects semicolons and a byte order mark finds them in the sample."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    frame = pd.DataFrame(9 * np.eye(3)[y] + rng.random((90, 3))).add_prefix("größe ")
    frame["kind"] = np.array(["gelb", "grün", "weiß"], dtype=object)[y]
    frame.to_csv(tmp_path / "t.csv", sep=";", decimal=",", index=False, encoding=encoding)
    assert run("clean", tmp_path / "t.csv", "--label", "kind", "-o", tmp_path / "o.csv") == 0
    source = ["audit", tmp_path / "o.csv", "--label", "kind"]
    assert run(*source, "--sample", 20, "--out", tmp_path / "s.csv") == 0
    sample = pd.read_csv(tmp_path / "s.csv", sep=";", decimal=",", encoding=encoding)
    assert sample["größe 0"].dtype.kind == "f" and len(sample) == 20
    mark = (tmp_path / "t.csv").read_bytes()[:2]
    assert (tmp_path / "s.csv").read_bytes()[:2] == mark or encoding == "utf-8"
    sample["true_label"] = "right"
    sample.to_csv(tmp_path / "a.csv", sep=";", decimal=",", index=False, encoding=encoding)
    assert run(*source, "--answers", tmp_path / "a.csv") == 0


@pytest.mark.parametrize("ending", [".jsonl", ".csv.gz", ".xlsx"])
def test_every_kind_of_cleaned_table_is_audited(cleaned, tmp_path, ending):
    folder, _ = cleaned
    if ending == ".xlsx":
        pytest.importorskip("openpyxl")
    out = tmp_path / f"out{ending}"
    words = ["--label", "kind", "--missing-labels", "drop", "--quiet"]
    assert run("clean", folder / "wine.csv", "-o", out, *words) == 0
    words = ["--label", "kind", "--sample", 20, "--out", tmp_path / "s.csv"]
    assert run("audit", out, *words) == 0
    assert len(pd.read_csv(tmp_path / "s.csv")) == 20


@pytest.mark.parametrize("kind", ["table", "model"])
def test_the_answers_go_into_the_final_labels(cleaned, tmp_path, capsys, kind):
    folder, truth = cleaned
    shown = ["--table", folder / "wine.csv"] if kind == "model" else []
    sample, final = tmp_path / "sample.csv", tmp_path / "final.csv"
    assert run("audit", *sources(folder)[kind], "--sample", 40, "--out", sample, *shown) == 0
    answered = fill(sample, sample, lambda row, given: truth[row], drop=range(30, 40))
    rows = answered["row"].astype(int).to_numpy()[:30]
    table = ["--table", folder / "out.csv", "--label", "kind", "--undecided", "given"]
    assert run("apply", sample, *table, "-o", final) == 0
    found = pd.read_csv(final, dtype=str, keep_default_na=False)
    assert sorted(np.flatnonzero(found["is_reviewed"] == "True")) == sorted(rows)
    assert (found["final_label"].to_numpy()[rows] == truth[rows]).all()
    others = np.setdiff1d(np.arange(len(found)), rows)
    assert (found["final_label"][others] == found["kind"][others]).all()
    # An answer without the true class decides nothing.
    fill(sample, sample, lambda row, given: "wrong", drop=range(1, 40))
    capsys.readouterr()
    assert run("apply", sample, *table, "-o", tmp_path / "none.csv") == 0
    assert "0 labels decided by hand" in capsys.readouterr().out
    fill(sample, sample, lambda row, given: "pink", drop=range(1, 40))
    assert run("apply", sample, *table, "-o", tmp_path / "none.csv", "--force") == 2
    assert "true_label is 'pink'" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["table", "model"])
def test_a_sample_shows_what_the_file_says_in_its_encoding(tmp_path, capsys, kind):
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    lines = [
        # Two labels are wrong, so that the page has issues to show.
        f"{i + 13:06d};{rng.normal(4 * c, 1):.2f};{rng.normal():.1f} %;"
        f"{['süß', 'herb'][c ^ (i in (7, 52))]}"
        for i, c in enumerate(y)
    ]
    source, out, model = (tmp_path / name for name in ("a.csv", "out.csv", "a.model"))
    source.write_text("\n".join(["Nr;Süße;Anteil;Art", *lines]).replace(".", ",") + "\n", "cp1252")
    words = ["--label", "Art", "--encoding", "cp1252", "--report", tmp_path / "p.html"]
    assert run("clean", source, *words, "-o", out, "--save", model) == 0
    # A spreadsheet tells UTF-8 by its mark, and by that the next command does.
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")
    assert re.search(r'"0000\d\d"|"0001\d\d"', (tmp_path / "p.html").read_text("utf-8"))
    sample = tmp_path / "sample.csv"
    where = [out, "--label", "Art"] if kind == "table" else [model]
    shown = [] if kind == "table" else ["--table", source]
    assert run("audit", *where, "--sample", 30, "-o", sample, *shown) == 0
    encoding = "cp1252" if kind == "model" else "utf-8-sig"
    cells = pd.read_csv(sample, sep=";", dtype=str, encoding=encoding, keep_default_na=False)
    row = int(cells["row"][0])
    assert [*cells.iloc[0, 3:6]] == lines[row].replace(".", ",").split(";")[:3]
    assert cells.columns.tolist().count("Art") == 0
    cells["true_label"] = "right"
    cells.to_csv(sample, sep=";", index=False, encoding=encoding)
    capsys.readouterr()
    assert run("audit", *where, "--answers", sample) == 0
    said = capsys.readouterr().out
    assert "30 of 120, 0 labels wrong" in said and "nan" not in said
