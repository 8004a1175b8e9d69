"""The answers about a sample, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nllearn._labels import label_index, label_values
from nllearn.audit._audit import Audit
from nllearn.audit._labels import AuditedLabels

__all__ = ["audit_labels"]


def audit_labels(
    audited: AuditedLabels, rows: Any, right: Any, *, confidence_level: float = 0.95
) -> Audit:
    """Check the answers and make an audit of them.

    Parameters
    ----------
    audited : AuditedLabels
        Of all rows.
    rows : int array-like of shape (m,)
        Numbers of the rows that were looked at, each once.
    right : array-like of shape (m,)
        Bool: the given label is right. Otherwise the true labels, from the classes.
    confidence_level : float in (0, 1), default=0.95
        Of every interval.

    Returns
    -------
    audit : Audit

    Raises
    ------
    ValueError
        For rows that are no row numbers or come twice, for answers of another length, missing
        ones, and labels that are none of the classes.
    """
    rows = np.asarray(rows)
    n_rows = len(audited.given)
    if rows.ndim != 1 or len(rows) == 0 or rows.dtype.kind not in "iu":
        raise ValueError(
            f"rows has shape {rows.shape} and dtype {rows.dtype}; pass the row numbers that "
            "audit_sample returned and whose labels were looked at, at least one"
        )
    rows = rows.astype(np.int64)
    if rows.min() < 0 or rows.max() >= n_rows:
        bad = rows[(rows < 0) | (rows >= n_rows)][0]
        raise ValueError(f"rows has {bad}, but row numbers go from 0 to {n_rows - 1}")
    if len(np.unique(rows)) < len(rows):
        twice = np.unique(rows[pd.Series(rows).duplicated()])[0]
        raise ValueError(f"rows has {twice} twice; pass every row once, with one answer")
    if not 0.0 < confidence_level < 1.0:
        raise ValueError(f"confidence_level={confidence_level!r} must be between 0 and 1")
    answers = label_values("right", right)
    if len(answers) != len(rows):
        raise ValueError(f"right has {len(answers)} answers for {len(rows)} rows; pass one per row")
    given = audited.given[rows]
    if answers.dtype == object and all(isinstance(a, bool | np.bool_) for a in answers):
        answers = answers.astype(bool)
    if answers.dtype.kind == "b":
        correct = np.asarray(answers, dtype=bool)
        # Of two classes, a label that is not the one is the other.
        other = 1 - given if len(audited.classes) == 2 else np.full(len(rows), -1)
        true = np.where(correct, given, other)
    else:
        true = label_index(audited.classes).get_indexer(label_index(answers)).astype(np.int64)
        if (true < 0).any():
            unknown = pd.unique(pd.Series(answers[true < 0]))[:5].tolist()
            raise ValueError(
                f"right has labels that are none of the classes: {unknown}; known are "
                f"{audited.classes[:20].tolist()}. Where no class is right, pass bool answers"
            )
        correct = true == given
    return Audit(audited, rows, correct, true, confidence_level)
