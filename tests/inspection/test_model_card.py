"""The model card: what it says of a fit, with and without an audit."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from nllearn import AnchorHallucinationClassifier, LabelCleaner, MixNNClassifier
from nllearn.inspection import write_model_card

RNG = np.random.default_rng(0)
TRUE = np.arange(300) % 3
X = pd.DataFrame(4 * np.eye(3)[TRUE] + RNG.normal(size=(300, 3)), columns=["a", "b", "c"])
NAMES = np.array(["cat", "a|b", "<i>*x*</i>\nz"])
WRONG = np.arange(300) % 7 == 0
GIVEN = NAMES[np.where(WRONG, (TRUE + 1 + np.arange(300) // 7 % 2) % 3, TRUE)]


@pytest.fixture(scope="module")
def fitted():
    return LabelCleaner(random_state=0, n_neighbors=20).fit(X, GIVEN)


def tables(text):
    """Return the rows of all tables, each as its cells; a bar in a cell is escaped."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [re.split(r"(?<!\\) \| ", line.removeprefix("| ").removesuffix(" |")) for line in lines]


def test_a_card_without_an_audit_says_so(fitted, tmp_path):
    path = fitted.model_card(tmp_path / "card.md", title="Toy")
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Model card: Toy\n")
    headings = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert headings == ["Data", "Noise found", "Label accuracy", "Parameters", "Limits"]
    facts = {row[0]: row[1:] for row in tables(text)}
    issues = fitted.label_issues()
    assert facts["rows"] == ["300"] and facts["columns"] == ["3"]
    assert facts["estimated share of wrong labels"] == [f"{fitted.noise_rate_:.1%}"]
    n_changed = (issues.given_label != issues.corrected_label).sum()
    assert facts["labels changed"][0].startswith(f"{n_changed} (")
    assert facts["n\\_neighbors"] == ["20", "20"] and facts["n\\_jobs"][0] == "None"
    assert "No row was checked by hand" in text


def test_text_of_labels_is_no_markup(fitted, tmp_path):
    text = fitted.model_card(tmp_path / "card.md").read_text(encoding="utf-8")
    rows = tables(text)
    start = next(i for i, row in enumerate(rows) if row[0] == "class") + 1
    by_class = {row[0]: row for row in rows[start : start + 3]}
    assert set(by_class) == {"cat", "a\\|b", "&lt;i>\\*x\\*&lt;/i> z"}
    assert by_class["cat"][1] == str((GIVEN == "cat").sum())
    widths = {len(row) for row in rows[start - 1 : start + 3]}
    assert widths == {4}


def test_a_card_with_an_audit_has_its_intervals(fitted, tmp_path):
    rows = fitted.audit_sample(60, random_state=0)
    audit = fitted.audit(rows, NAMES[TRUE[rows]])
    text = fitted.model_card(tmp_path / "card.md", audit=audit).read_text(encoding="utf-8")
    facts = {row[0]: row[1:] for row in tables(text)}
    rate = audit.noise_rate
    assert facts["given labels right"] == [
        f"{1 - rate.value:.1%} ({1 - rate.high:.1%} to {1 - rate.low:.1%})"
    ]
    assert facts["rows checked by hand"] == ["60 of 300"]
    assert facts["the changes help"] == [
        {True: "yes", False: "no", None: "undecided"}[audit.changes_help]
    ]
    assert "wrong, by the audit" in text and "No row was checked" not in text


@pytest.mark.parametrize("cls", [AnchorHallucinationClassifier, MixNNClassifier])
def test_classifiers_write_one(cls, tmp_path):
    clf = cls(max_epochs=3, random_state=0).fit(X, GIVEN)
    text = clf.model_card(tmp_path / "card.md").read_text(encoding="utf-8")
    assert text.startswith(f"# Model card: {cls.__name__}\n")
    assert {row[0]: row[1:] for row in tables(text)}["max\\_epochs"] == ["3", "3"]


def test_no_signal_and_small_classes_are_limits(tmp_path):
    noise = RNG.normal(size=(24, 2))
    with pytest.warns(UserWarning):
        cleaner = LabelCleaner(random_state=0).fit(noise, np.arange(24) % 2)
    text = write_model_card(tmp_path / "card.md", cleaner).read_text(encoding="utf-8")
    assert "- The features tell nothing about the labels" in text
    assert "- The smallest class has 12 rows" in text


def test_an_existing_file_is_kept(fitted, tmp_path):
    path = tmp_path / "card.md"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        fitted.model_card(path)
    assert path.read_text() == "mine"
    fitted.model_card(path, overwrite=True)
    assert path.read_text(encoding="utf-8").startswith("# Model card")


def test_an_unfitted_estimator_is_refused(tmp_path):
    with pytest.raises(NotFittedError):
        LabelCleaner().model_card(tmp_path / "card.md")
