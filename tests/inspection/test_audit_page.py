"""The audit of the review page: the rows that it holds, and decisions as answers."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from nllearn import LabelCleaner
from nllearn.inspection import Decision, audit_answers, read_decisions, write_review_page

TABLE = pd.DataFrame({"given_label": [10, 10, 20, 30, 30], "corrected_label": [10, 20, 10, 30, 10]})
ISSUES = TABLE.assign(
    is_label_issue=TABLE["given_label"] != TABLE["corrected_label"],
    label_quality=[0.9, 0.2, 0.1, 0.8, 0.3],
)
STRATA = np.array([1, 0, 0, 1, 0])


def data_of(page):
    """The data in a page."""
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1]
    return json.loads(text)


def page_data(**kwargs):
    kwargs = {"issues": ISSUES, "audit_rows": [3, 2], "audit_strata": STRATA} | kwargs
    return data_of(write_review_page(None, **kwargs).html)


def test_the_page_holds_the_sample_behind_the_issues():
    data = page_data(texts=list("abcde"), features=np.eye(5))
    assert data["listed"]["row"] == [2, 1, 4, 3]  # issues by quality, then what is no issue
    audit = data["audit"]
    assert audit["n_listed"] == 3 and len(data["listed"]["x"]) == 3
    assert audit["place"] == [3, 0] and audit["stratum"] == [1, 0]
    assert audit["all"] == {"sizes": [3, 2], "expected": [0.8, 0.15]}
    assert audit["changed"] == {"sizes": [3, 0], "expected": [0.8, 0.0]}
    assert dict(zip(data["content"]["rows"], data["content"]["values"], strict=True))[3] == "d"
    assert data["summary"]["n_issues"] == 3
    # An issue that the list has no room for is in the sample all the same.
    assert page_data(max_rows=1, audit_rows=[1])["listed"]["row"] == [2, 1]
    assert "audit" not in page_data(audit_rows=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"audit_strata": None}, r"audit_strata has shape \(\)"),
        ({"audit_strata": [0, 1]}, "each of the 5 rows"),
        ({"audit_strata": [0, 1, 0, 1, -1]}, "a number from 0"),
        ({"audit_rows": [5]}, "the audit names row 5, but row numbers go from 0 to 4"),
        ({"audit_rows": [1, 1]}, "names a row twice"),
        ({"audit_rows": []}, "at least one"),
        ({"audit_rows": [0.5]}, "float64; pass the row numbers"),
    ],
)
def test_samples_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        page_data(**options)


def test_report_draws_the_sample_or_takes_it():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    X = 4 * np.eye(3, 6)[y] + rng.normal(size=(120, 6))
    noisy = y.copy()
    noisy[::7] = (noisy[::7] + 1) % 3
    cleaner = LabelCleaner(random_state=0).fit(X, noisy)
    for audit, expected in (
        (20, cleaner.audit_sample(20, random_state=0)),
        (np.array([5, 70, 3]), [5, 70, 3]),
    ):
        data = data_of(cleaner.report(table=X, audit=audit).html)
        rows = [data["listed"]["row"][place] for place in data["audit"]["place"]]
        assert rows == list(expected)
        strata = cleaner.audited_labels().strata
        assert data["audit"]["stratum"] == strata[rows].tolist()
        assert data["audit"]["all"]["sizes"] == np.bincount(strata).tolist()
        assert set(rows) <= set(data["content"]["rows"])
    assert "audit" not in data_of(cleaner.report(table=X).html)
    with pytest.raises(ValueError, match="n=0 must be a whole number from 1 to the number of rows"):
        cleaner.report(audit=0)


def test_answers_are_the_decisions_of_the_audit():
    decisions = [
        Decision(0, "reject", "10", "10", audit=True),
        Decision(1, "accept", "10", "20"),  # in the list
        Decision(2, "skip", "20", "", audit=True),
        Decision(3, "other", "30", "20", audit=True),
        Decision(4, "accept", "30", "10", audit=True),
        Decision(4, "skip", "30", "", audit=True),  # the last one counts
    ]
    rows, labels = audit_answers(TABLE, decisions)
    assert rows.tolist() == [0, 3] and labels.tolist() == [10, 20]
    assert labels.dtype == TABLE["given_label"].dtype
    with pytest.raises(ValueError, match=r"no answer of an audit; write the page with report\(aud"):
        audit_answers(TABLE, decisions[1:3])
    with pytest.raises(ValueError, match="belong to other data"):
        audit_answers(TABLE, [Decision(0, "reject", "20", "20", audit=True)])


def test_answers_about_labels_that_are_bool_go_into_audit():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2 == 0
    X = 4 * np.eye(2)[y.astype(int)] + rng.normal(size=(60, 2))
    cleaner = LabelCleaner(random_state=0).fit(X, y)
    decisions = [
        Decision(row, "other", str(y[row]), str(truth), audit=True)
        for row, truth in ((0, y[0]), (1, not y[1]), (2, y[2]))
    ]
    audit = cleaner.audit(*audit_answers(cleaner, decisions))
    assert audit.rows.tolist() == [0, 1, 2] and audit.right.tolist() == [True, False, True]


def test_both_files_say_which_decisions_are_answers(tmp_path):
    csv = tmp_path / "d.csv"
    csv.write_text("row,decision,given_label,label,audit\n1,accept,a,b,yes\n2,reject,a,a,no\n")
    assert [decision.audit for decision in read_decisions(csv)] == [True, False]
    entry = {"row": 1, "decision": "accept", "given_label": "a", "label": "b"}
    path = tmp_path / "d.json"
    for value, expected in ((True, True), (False, False), (None, False)):
        content = {"format": "nllearn-decisions", "version": 1}
        path.write_text(json.dumps(content | {"decisions": [entry | {"audit": value}]}))
        assert [decision.audit for decision in read_decisions(path)] == [expected]
    csv.write_text("row,decision,given_label,label,audit\n1,accept,a,b,maybe\n")
    with pytest.raises(ValueError, match="decision 1 has audit='maybe'; it must be yes or no"):
        read_decisions(csv)
