"""Decisions of a person about labels: read them, and turn them into final labels."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nllearn.inspection._exports import unguard_cell
from nllearn.inspection._frames import as_frame
from nllearn.inspection._label_studio import label_studio_decisions

__all__ = ["Decision", "apply_decisions_to", "audit_answers", "read_decisions"]

_ACTIONS = ("accept", "reject", "other", "skip")
_COLUMNS = ("row", "decision", "given_label", "label")
# An export from before there were audits has no such column.
_AUDIT, _YES, _NO = "audit", (True, "yes"), (False, None, "no", "")
_FORMAT = "nllearn-decisions"


@dataclass(frozen=True)
class Decision:
    """What a person decided about one row.

    Parameters
    ----------
    row : int
        Position among the training rows, from 0.
    action : {"accept", "reject", "other", "skip"}
        Take the suggested label, keep the given one, take another one, or decide nothing.
    given_label : str
        The given label as text, to tell that the decision belongs to these rows.
    label : str
        The label decided on as text; empty for "skip".
    audit : bool, default=False
        The row was drawn at random and looked at in the audit of the page.
    """

    row: int
    action: str
    given_label: str
    label: str
    audit: bool = False


def read_decisions(path: str | os.PathLike[str]) -> list[Decision]:
    """Read decisions that the review page exported, JSON or CSV, or annotations of Label Studio.

    A CSV file has the columns `row`, `decision`, `given_label` and `label` in any order, and
    `audit` where the page had one; others are not read. The apostrophe that the export puts
    before ``=``, ``+``, ``-``, ``@``, tab, line break and apostrophe is taken away, nothing else.
    Of Label Studio this reads an export in the format "JSON" of tasks that
    :func:`export_label_studio` wrote; where a task has several annotations the last one counts.

    Parameters
    ----------
    path : str or path
        Ends in ``.json`` or ``.csv``.

    Returns
    -------
    decisions : list of Decision
        In the order of the file.

    Raises
    ------
    ValueError
        For another ending, a file that is no export, or a bad entry; the entry is named.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from nllearn.inspection import read_decisions
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "decisions.csv")
    ...     _ = path.write_text("row,decision,given_label,label\\n3,accept,cat,'-dog\\n")
    ...     read_decisions(path)
    [Decision(row=3, action='accept', given_label='cat', label='-dog', audit=False)]
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in (".json", ".csv"):
        raise ValueError(
            f"{path}: decisions end in .json or .csv, not in {ending or 'nothing'!r}; "
            "pass a file that the review page exported"
        )
    entries = _read_json(path) if ending == ".json" else _read_csv(path)
    return [_decision(path, number, entry) for number, entry in enumerate(entries, start=1)]


def apply_decisions_to(
    estimator_or_table: Any, decisions: Any, *, undecided: str = "corrected"
) -> tuple[np.ndarray, np.ndarray]:
    """Final labels of all rows, and which of them a person decided.

    Parameters
    ----------
    estimator_or_table : fitted classifier or DataFrame
        Has ``label_issues()``; or is such a table, with the columns `given_label` and
        `corrected_label`, one row per training row.
    decisions : str, path or iterable of Decision
        A file for :func:`read_decisions`, or what it returned. When a row comes twice, the last
        decision counts.
    undecided : {"corrected", "given"}, default="corrected"
        Label of the rows that nobody decided or that were skipped: the cleaned one, or the one
        in the data.

    Returns
    -------
    labels : ndarray of shape (n,)
        In the dtype of the given labels.
    decided : bool ndarray of shape (n,)
        Rows accepted, rejected or given another label. They can be passed to ``fit`` as
        ``trusted``.

    Raises
    ------
    ValueError
        If a decision names a row or a label that is not there, or its given label differs from
        the table's: the decisions belong to other data.

    Examples
    --------
    >>> import pandas as pd
    >>> from nllearn.inspection import Decision, apply_decisions_to
    >>> table = pd.DataFrame({"given_label": ["cat", "cat", "dog"],
    ...                       "corrected_label": ["dog", "cat", "cat"]})
    >>> labels, decided = apply_decisions_to(table, [Decision(2, "reject", "dog", "dog")])
    >>> labels.tolist(), decided.tolist()
    (['dog', 'cat', 'dog'], [False, False, True])
    """
    if undecided not in ("corrected", "given"):
        raise ValueError(f"undecided={undecided!r} must be 'corrected' or 'given'")
    given, corrected, classes = _labels_of(estimator_or_table)
    labels = (corrected if undecided == "corrected" else given).copy()
    start, decided = labels.copy(), np.zeros(len(given), dtype=bool)
    for decision, label in _checked(decisions, given, classes):
        row = decision.row
        decided[row] = decision.action != "skip"
        labels[row] = label if decided[row] else start[row]
    return labels, decided


def audit_answers(estimator_or_table: Any, decisions: Any) -> tuple[np.ndarray, np.ndarray]:
    """Turn the decisions of an audit on the review page into answers for ``audit``.

    Decisions about rows of the list are left out, since nobody drew those at random, and so are
    rows of the audit that were skipped.

    Parameters
    ----------
    estimator_or_table : fitted estimator or DataFrame
        As for :func:`apply_decisions_to`.
    decisions : str, path or iterable of Decision
        A file for :func:`read_decisions`, or what it returned. When a row comes twice, the last
        decision counts.

    Returns
    -------
    rows : int64 ndarray of shape (m,)
        Numbers of the rows that were looked at.
    labels : ndarray of shape (m,)
        Their true labels, in the dtype of the given ones. ``est.audit(rows, labels)`` takes both.
        Where labels are bool, whether the given label is right, which is what it takes then.

    Raises
    ------
    ValueError
        If the decisions belong to other data, or none of them is an answer of an audit.

    Examples
    --------
    >>> import pandas as pd
    >>> from nllearn.inspection import Decision, audit_answers
    >>> table = pd.DataFrame({"given_label": ["cat", "cat", "dog"],
    ...                       "corrected_label": ["dog", "cat", "cat"]})
    >>> decisions = [Decision(0, "accept", "cat", "dog"),
    ...              Decision(2, "reject", "dog", "dog", audit=True)]
    >>> audit_answers(table, decisions)
    (array([2]), array(['dog'], dtype=object))
    """
    given, _, classes = _labels_of(estimator_or_table)
    labels, answered = given.copy(), np.zeros(len(given), dtype=bool)
    for decision, label in _checked(decisions, given, classes):
        answered[decision.row] = decision.audit and decision.action != "skip"
        if answered[decision.row]:
            labels[decision.row] = label
    rows = np.flatnonzero(answered)
    if not len(rows):
        raise ValueError(
            "the decisions have no answer of an audit; write the page with report(audit=40), and "
            "answer under 'Audit' there"
        )
    labels = labels[rows]
    if all(isinstance(label, bool | np.bool_) for label in labels):
        labels = labels == given[rows]
    return rows, labels


def _checked(decisions: Any, given: np.ndarray, classes: Any) -> Iterator[tuple[Decision, Any]]:
    """Every decision with its label, None for "skip"; an error where it belongs to other data."""
    if isinstance(decisions, str | os.PathLike):
        decisions = read_decisions(decisions)
    value_of = {str(value): value for value in classes}
    for decision in decisions:
        row = decision.row
        if decision.action not in _ACTIONS:
            raise ValueError(
                f"a decision has action={decision.action!r}; it must be one of "
                f"{', '.join(_ACTIONS)}"
            )
        if isinstance(row, bool) or not isinstance(row, int | np.integer):
            raise ValueError(f"a decision has row={row!r}; it must be a whole number")
        if not 0 <= row < len(given):
            raise ValueError(
                f"a decision names row {row}, but there are {len(given)} rows; "
                "the decisions belong to other data"
            )
        if decision.given_label != str(given[row]):
            raise ValueError(
                f"row {row} has the given label {str(given[row])!r}, but its decision was made "
                f"for {decision.given_label!r}; the decisions belong to other data"
            )
        if decision.action == "skip":
            yield decision, None
            continue
        if decision.label not in value_of:
            raise ValueError(
                f"row {row} was given the label {decision.label!r}, which is none of the "
                f"{len(classes)} classes {_some(value_of)}; correct it in the decisions"
            )
        yield decision, value_of[decision.label]


def _labels_of(source: Any) -> tuple[np.ndarray, np.ndarray, Any]:
    """Given and corrected labels, and every label that a row may get."""
    # With several annotators label_issues() has one row per label.
    read = getattr(source, "row_issues", None) or getattr(source, "label_issues", None)
    table = source if read is None else read()
    if isinstance(table, str | list | tuple) or not hasattr(table, "__len__"):
        raise ValueError(
            f"expected a fitted classifier or a DataFrame, not a {type(source).__name__}"
        )
    table = as_frame("the table", table)
    missing = [name for name in ("given_label", "corrected_label") if name not in table.columns]
    if missing:
        raise ValueError(f"the table has no column {missing}; pass what label_issues() returns")
    given, corrected = (table[name].to_numpy() for name in ("given_label", "corrected_label"))
    classes = getattr(source, "classes_", None)
    if classes is not None:
        given, corrected = given.astype(classes.dtype), corrected.astype(classes.dtype)
    else:
        classes = [*dict.fromkeys([*given.tolist(), *corrected.tolist()])]
    return given, corrected, classes


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")


def _read_json(path: Path) -> list[Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: this is no JSON file ({error})") from error
    if isinstance(content, list) and content:
        try:
            return list(label_studio_decisions(content))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: this is no export of Label Studio ({error!r})") from error
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(f"{path}: this is no export of the review page (no format {_FORMAT!r})")
    if content.get("version") != 1:
        raise ValueError(
            f"{path}: version {content.get('version')!r} of the format is not known; "
            "version 1 is read here, update nllearn"
        )
    entries = content.get("decisions")
    if not isinstance(entries, list):
        raise ValueError(f"{path}: 'decisions' is not a list")
    return entries


def _read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            # A spreadsheet saves what it opened with the separator of its language.
            separator = max(",;\t", key=file.readline().count)
            file.seek(0)
            reader = csv.DictReader(file, strict=True, delimiter=separator)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ValueError(
                    f"{path}: the column(s) {', '.join(missing)} are missing; "
                    f"decisions have {', '.join(_COLUMNS)}"
                )
            return [
                {
                    key: unguard_cell(line[key] or "")
                    for key in (*_COLUMNS, _AUDIT)
                    if line.get(key) is not None
                }
                for line in reader
            ]
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: this is no CSV file ({error})") from error


def _decision(path: Path, number: int, entry: Any) -> Decision:
    """Check one entry of a file."""
    where = f"{path}: decision {number}"
    if not isinstance(entry, Mapping):
        raise ValueError(f"{where} is {entry!r}, expected an object")
    missing = [name for name in _COLUMNS if name not in entry]
    if missing:
        raise ValueError(f"{where} has no {', '.join(missing)}")
    try:
        row = int(str(entry["row"]))
    except ValueError:
        raise ValueError(f"{where} has row={entry['row']!r}, which is no whole number") from None
    if entry["decision"] not in _ACTIONS:
        raise ValueError(
            f"{where} has decision={entry['decision']!r}; it must be one of {', '.join(_ACTIONS)}"
        )
    audit = entry.get(_AUDIT)
    if audit not in (*_YES, *_NO):
        raise ValueError(f"{where} has {_AUDIT}={audit!r}; it must be yes or no")
    given, label = str(entry["given_label"]), str(entry["label"] or "")
    return Decision(row, entry["decision"], given, label, audit in _YES)
