"""From the table to the review page, and from the decisions to the final labels."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine

from nllearn import LabelCleaner, MixNNClassifier, cli, load


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory):
    """A table with gaps among its labels, cleaned from the command line."""
    folder = tmp_path_factory.mktemp("review")
    X, y = load_wine(return_X_y=True, as_frame=True)
    rng = np.random.default_rng(0)
    noisy = np.where(rng.random(len(y)) < 0.2, rng.integers(0, 3, len(y)), y)
    X.insert(0, "kind", np.array(["=red", "rose", "white"], dtype=object)[noisy])
    X.loc[[4, 9], "kind"] = ""
    X.to_csv(folder / "wine.csv", index=False)
    words = ["clean", folder / "wine.csv", "--label", "kind", "-o", folder / "out.csv", "--quiet"]
    words += ["--missing-labels", "predict", "--threshold", "0.9"]
    words += ["--report", folder / "page.html", "--save", folder / "model.safetensors"]
    assert cli.main([str(word) for word in words]) == 0
    return folder


def export(path, decisions):
    entries = [
        {"row": row, "decision": what, "given_label": given, "label": label}
        for row, what, given, label in decisions
    ]
    path.write_text(json.dumps({"format": "nllearn-decisions", "version": 1, "decisions": entries}))
    return path


def test_clean_writes_page_and_model(cleaned):
    page = (cleaned / "page.html").read_text()
    assert page.startswith("<!DOCTYPE html>") and "alcohol" in page
    model = load(cleaned / "model.safetensors")
    assert isinstance(model, LabelCleaner)
    table = pd.read_csv(cleaned / "out.csv")
    known = table["kind"].notna()
    # The page lists the rows that the table marks, with the same threshold.
    issues = table["is_label_issue"]
    assert issues.sum() > (table["kind"] != table["corrected_label"])[known].sum()
    assert n_listed(page) == issues.sum()
    np.testing.assert_array_equal(model.corrected_labels_, table["corrected_label"][known])
    assert list(model.label_issues().index[:6]) == [0, 1, 2, 3, 5, 6]


def n_listed(page):
    """Number of issues that a review page tells."""
    (payload,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    (count,) = re.findall(r'"n_issues":(\d+)', payload)
    return int(count)


def test_existing_files_stay(cleaned, capsys):
    for name in ("page.html", "model.safetensors"):
        option = "--report" if name.endswith("html") else "--save"
        words = ["clean", str(cleaned / "wine.csv"), "--label", "kind", "-o"]
        words += [str(cleaned / "new.csv"), option, str(cleaned / name)]
        assert cli.main(words) == 2
        assert "use --force" in capsys.readouterr().err
    words = ["report", str(cleaned / "model.safetensors"), "--table", str(cleaned / "wine.csv")]
    assert cli.main([*words, "-o", str(cleaned / "page.html")]) == 2
    assert "use --force" in capsys.readouterr().err


def test_report_wants_the_rows_of_the_fit(cleaned, capsys):
    table = pd.read_csv(cleaned / "wine.csv")
    table[:170].to_csv(cleaned / "short.csv", index=False)
    words = ["report", str(cleaned / "model.safetensors"), "--table", str(cleaned / "short.csv")]
    assert cli.main([*words, "-o", str(cleaned / "page2.html")]) == 2
    assert "170 rows, but the model was fitted on 176" in capsys.readouterr().err
    table[table["kind"].notna()].to_csv(cleaned / "known.csv", index=False)
    words[3] = str(cleaned / "known.csv")
    assert cli.main([*words, "-o", str(cleaned / "page2.html"), "--text", "ash"]) == 0
    assert cli.main([*words, "-o", str(cleaned / "page3.html"), "--text", "none"]) == 2
    assert "no column 'none'" in capsys.readouterr().err


def test_report_finds_the_rows_that_had_a_label_and_takes_the_threshold(cleaned, tmp_path):
    words = ["report", str(cleaned / "model.safetensors"), "--table", str(cleaned / "wine.csv")]
    marked = pd.read_csv(cleaned / "out.csv")["is_label_issue"].sum()
    for threshold, expected in (("0.9", marked), ("1", 176)):
        page = tmp_path / f"{threshold}.html"
        assert cli.main([*words, "-o", str(page), "--threshold", threshold]) == 0
        assert n_listed(page.read_text()) == expected
    # Row 4 had no label; the row after it is shown with its own numbers.
    alcohol = pd.read_csv(cleaned / "wine.csv")["alcohol"]
    text = (tmp_path / "1.html").read_text()
    assert text.count(f"{alcohol[5]:g}") >= 1


def test_report_refuses_what_is_no_model(cleaned, tmp_path, capsys):
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    words = ["report", str(tmp_path / "no.safetensors"), "--table", str(cleaned / "wine.csv")]
    assert cli.main([*words, "-o", str(tmp_path / "page.html")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_apply_writes_the_final_labels(cleaned, tmp_path):
    before = pd.read_csv(cleaned / "out.csv")
    given = before["kind"]
    other = "white" if given[7] != "white" else "rose"
    # Decisions count the rows of the fit: row 4 had no label, so rows 5 and 7 are its 4 and 6.
    decisions = export(
        tmp_path / "decisions.json",
        [(4, "reject", given[5], given[5]), (6, "other", given[7], other)],
    )
    words = ["apply", decisions, "--table", cleaned / "out.csv", "--label", "kind"]
    for undecided, column in (("corrected", "corrected_label"), ("given", "kind")):
        out = tmp_path / f"{undecided}.csv"
        assert cli.main([*map(str, words), "-o", str(out), "--undecided", undecided]) == 0
        after = pd.read_csv(out)
        assert after["final_label"][5] == given[5] and after["final_label"][7] == other
        assert after.index[after["is_reviewed"]].tolist() == [5, 7]
        rest = ~after["is_reviewed"] & given.notna()
        assert (after["final_label"][rest] == before[column][rest]).all()
        # Rows without a label get the prediction, or stay without one.
        others = before[column][[4, 9]]
        assert after["final_label"][[4, 9]].equals(others.rename("final_label"))


def test_apply_refuses_decisions_of_other_data(cleaned, tmp_path, capsys):
    decisions = export(tmp_path / "decisions.json", [(5, "reject", "grape", "grape")])
    words = ["apply", str(decisions), "--table", str(cleaned / "out.csv"), "--label", "kind"]
    assert cli.main([*words, "-o", str(tmp_path / "final.csv")]) == 2
    assert not (tmp_path / "final.csv").exists()
    words[3] = str(cleaned / "wine.csv")
    assert cli.main([*words, "-o", str(tmp_path / "final.csv")]) == 2
    assert "corrected_label" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["classifier", "cleaner"])
def test_estimators_report_and_apply(kind, tmp_path):
    X, y = load_wine(return_X_y=True)
    noisy = np.where(np.arange(len(y)) % 7 == 0, (y + 1) % 3, y)
    make = {
        "classifier": lambda: MixNNClassifier(max_epochs=10, random_state=0),
        "cleaner": lambda: LabelCleaner(random_state=0),
    }
    est = make[kind]().fit(X, noisy)
    assert est.report(tmp_path / "page.html", table=X).stat().st_size > 10_000
    with pytest.raises(FileExistsError):
        est.report(tmp_path / "page.html", table=X)
    decisions = export(tmp_path / "d.json", [(0, "other", str(noisy[0]), str(y[0]))])
    labels = est.apply_decisions(decisions)
    assert labels[0] == y[0] and (labels[1:] == est.corrected_labels_[1:]).all()
    given = est.apply_decisions(decisions, undecided="given")
    assert given[0] == y[0] and (given[1:] == noisy[1:]).all()
    with pytest.raises(ValueError, match="refit=True needs X"):
        est.apply_decisions(decisions, refit=True)
    again = est.apply_decisions(decisions, refit=True, X=X)
    assert again[0] == y[0] and est.label_quality_[0] == 1.0
    assert (again[1:] == est.corrected_labels_[1:]).all()
