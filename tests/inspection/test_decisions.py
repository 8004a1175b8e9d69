"""Decisions: read as exported, applied to the rows that they were made for."""

import json

import numpy as np
import pandas as pd
import pytest

from nllearn.inspection import Decision, apply_decisions_to, read_decisions

TABLE = pd.DataFrame({"given_label": [10, 10, 20, 30, 30], "corrected_label": [10, 20, 10, 30, 10]})
DECISIONS = [
    Decision(1, "accept", "10", "20"),
    Decision(2, "reject", "20", "20"),
    Decision(3, "other", "30", "20"),
    Decision(4, "skip", "30", ""),
]


def as_json(made, **changes):
    entries = [
        {"row": d.row, "decision": d.action, "given_label": d.given_label, "label": d.label}
        for d in made
    ]
    return json.dumps({"format": "nllearn-decisions", "version": 1, "decisions": entries} | changes)


def test_apply_keeps_dtype_and_marks_what_was_decided():
    labels, decided = apply_decisions_to(TABLE, DECISIONS)
    assert labels.tolist() == [10, 20, 20, 20, 10]
    assert labels.dtype == TABLE["given_label"].dtype
    assert decided.tolist() == [False, True, True, True, False]
    labels, _ = apply_decisions_to(TABLE, DECISIONS, undecided="given")
    assert labels.tolist() == [10, 20, 20, 20, 30]
    assert TABLE["corrected_label"].tolist() == [10, 20, 10, 30, 10]


def test_the_last_decision_of_a_row_counts():
    twice = [Decision(1, "accept", "10", "20"), Decision(1, "skip", "10", "")]
    labels, decided = apply_decisions_to(TABLE, twice, undecided="given")
    assert labels.tolist() == TABLE["given_label"].tolist()
    assert not decided.any()


@pytest.mark.parametrize("values", [["a", "b"], [False, True], [0.5, 1.5]])
def test_other_dtypes_of_labels(values):
    class Fitted:
        classes_ = np.array(values)

        def label_issues(self):
            return pd.DataFrame({"given_label": [values[0]] * 2, "corrected_label": values})

    decision = Decision(0, "other", str(values[0]), str(values[1]))
    labels, _ = apply_decisions_to(Fitted(), [decision])
    assert labels.tolist() == [values[1], values[1]]
    assert labels.dtype == Fitted.classes_.dtype


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (Decision(5, "accept", "10", "20"), "row 5, but there are 5 rows"),
        (Decision(-1, "accept", "30", "20"), "row -1"),
        (Decision(0, "accept", "20", "20"), "given label '10', but its decision was made for '20'"),
        (Decision(0, "other", "10", "99"), "'99', which is none of the 3 classes"),
    ],
)
def test_decisions_of_other_data_are_refused(decision, message):
    with pytest.raises(ValueError, match=message):
        apply_decisions_to(TABLE, [decision])


def test_bad_arguments():
    with pytest.raises(ValueError, match="undecided='keep'"):
        apply_decisions_to(TABLE, [], undecided="keep")
    with pytest.raises(ValueError, match="no column"):
        apply_decisions_to(TABLE[["given_label"]], [])
    with pytest.raises(ValueError, match="not a list"):
        apply_decisions_to([1, 2], [])


def test_read_json_and_apply_a_path(tmp_path):
    path = tmp_path / "d.json"
    path.write_text(as_json(DECISIONS))
    assert read_decisions(path) == DECISIONS
    assert apply_decisions_to(TABLE, path)[1].sum() == 3
    assert apply_decisions_to(TABLE, str(path))[1].sum() == 3


@pytest.mark.parametrize("separator", [";", "\t"])
def test_read_csv_that_a_spreadsheet_saved(separator, tmp_path):
    path = tmp_path / "d.csv"
    lines = ["row,decision,given_label,label", "0,accept,a,b", "1,skip,b,"]
    path.write_text("\n".join(lines).replace(",", separator), encoding="utf-8-sig")
    assert read_decisions(path) == [Decision(0, "accept", "a", "b"), Decision(1, "skip", "b", "")]


def test_read_csv_takes_the_guard_away(tmp_path):
    path = tmp_path / "d.csv"
    path.write_bytes(
        "\ufefflabel,row,decision,given_label,note\r\n"
        '"\'=A1",0,other,"\'-1",x\r\n'
        "\"''quoted\",1,accept,'tis,x\r\n"
        ",2,skip,b,x\r\n".encode()
    )
    assert read_decisions(path) == [
        Decision(0, "other", "-1", "=A1"),
        Decision(1, "accept", "'tis", "'quoted"),
        Decision(2, "skip", "b", ""),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("d.txt", "", r"end in \.json or \.csv"),
        ("d.json", "{", "no JSON file"),
        ("d.json", "[]", "no export of the review page"),
        ("d.json", as_json([], version=2), "version 2"),
        ("d.json", as_json([], decisions={}), "not a list"),
        ("d.json", as_json([], decisions=[3]), "decision 1 is 3"),
        ("d.json", as_json([], decisions=[{"row": 1}]), "has no decision, given_label, label"),
        ("d.json", as_json([Decision("x", "accept", "a", "b")]), "row='x'"),
        ("d.json", as_json([Decision(1, "drop", "a", "b")]), "decision='drop'"),
        ("d.csv", "row,label\n1,a\n", "decision, given_label are missing"),
        ("d.csv", "", "are missing"),
    ],
)
def test_bad_files(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_decisions(path)
