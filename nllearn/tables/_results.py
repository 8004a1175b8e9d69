"""What cleaning found: the columns to write, and the summary for the screen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score

from nllearn.tables._errors import TableError, option_for
from nllearn.tables._reading import Table

__all__ = [
    "BOUNDARY_COLUMN",
    "FINAL_COLUMNS",
    "RESULT_COLUMNS",
    "WRITTEN_COLUMNS",
    "earlier_columns",
    "result_columns",
    "summary_lines",
]

RESULT_COLUMNS = (
    "corrected_label",
    "label_quality",
    "is_label_issue",
    "predicted_label",
    "predicted_proba",
)
# Of a label cleaner that leaves open whether noise lies at the class boundary.
BOUNDARY_COLUMN = "boundary_quality"
# What `nllearn apply` adds.
FINAL_COLUMNS = ("final_label", "is_reviewed")
# All that cleaning, and the review after it, add to a table.
WRITTEN_COLUMNS = (*RESULT_COLUMNS, BOUNDARY_COLUMN, *FINAL_COLUMNS)
# Words for true and false, as programs and spreadsheets in several languages write them.
_TRUE = frozenset(
    "true t yes y 1 1.0 1,0 x wahr ja vrai oui vero verdadero verdadeiro si sí sì sim waar".split()
)
_FALSE = frozenset("false f no n 0 0.0 0,0 falsch nein faux non falso não nao onwaar nee".split())
MAX_WORST = 5
# Letters of a label on the screen.
_MOST_LETTERS = 60
# Agreement beyond chance from which on a column with the classes of the label is a label.
_MIN_KAPPA = 0.2


def earlier_columns(table: Table, label: str) -> dict[str, str]:
    """Find what an earlier cleaning wrote into a table: it must not be learned from.

    Beside the columns that cleaning writes, that is the label of then, which the table holds under
    a name of its own. It has the same classes and mostly the same labels.

    Parameters
    ----------
    table : Table
    label : str
        The label column of now.

    Returns
    -------
    dict of str to str
        Column -> what it is. Empty for a table that was not cleaned.
    """
    names = [name for name in WRITTEN_COLUMNS if name in table.frame.columns]
    if "corrected_label" not in names or len(names) < 2:
        return {}
    found = dict.fromkeys(names, "result of an earlier cleaning")
    found.pop(label, None)
    values = table.written
    corrected = values["corrected_label"].astype(object).map(str)
    known = set(corrected) | set(values[label].astype(str))
    for name in table.frame.columns:
        if name in found or name == label:
            continue
        # By way of objects: nullable whole numbers would keep their gaps.
        words = values[name].astype(object).map(str)
        own = set(words[table.frame[name].notna()])
        if len(own) < 2 or len(own & known) < 0.9 * len(own):
            continue
        if cohen_kappa_score(words, corrected) > _MIN_KAPPA:
            use = option_for("--categorical", name)
            found[name] = f"the label of an earlier cleaning ({use} uses it)"
    return found


def taken_over(table: Table, label: str, trusted: str | None = None) -> int:
    """Count the labels that are suggestions of an earlier cleaning and were not reviewed.

    Parameters
    ----------
    table : Table
    label : str
        The label column of now.
    trusted : str, optional
        The column that says which labels are known to be right.

    Returns
    -------
    n : int
        0 for a table that was not cleaned.
    """
    frame = table.frame
    if not {label, "corrected_label", "is_label_issue"} <= set(frame.columns):
        return 0
    words = (frame if table.cells is None else table.cells)[[label, "corrected_label"]].astype(str)
    taken = (words[label] == words["corrected_label"]).to_numpy()
    try:
        taken = taken & is_true(frame["is_label_issue"])
        for name in {trusted, FINAL_COLUMNS[1]} & set(frame.columns):
            taken &= ~is_true(frame[name])
    except TableError:
        return 0  # other people's columns of these names
    return int(taken.sum())


def is_true(column: pd.Series[Any]) -> NDArray[np.bool_]:
    """Tell where a column says true, as a bool, a number or a word.

    Parameters
    ----------
    column : Series of shape (n,)

    Returns
    -------
    mask : bool ndarray of shape (n,)
        False for gaps.

    Raises
    ------
    TableError
        If a cell says neither true nor false.
    """
    gap = column.isna().to_numpy()
    words = column.astype(object).where(~gap, "").astype(str).str.strip().str.lower()
    yes = words.isin(_TRUE).to_numpy()
    odd = np.flatnonzero(~yes & ~words.isin(_FALSE | {""}).to_numpy())
    if len(odd):
        raise TableError(
            f"row {odd[0]} of column {column.name!r} holds {column.iloc[odd[0]]!r}; use true or "
            "false, yes or no, 1 or 0, or nothing"
        )
    return yes


def result_columns(
    issues: pd.DataFrame,
    known: NDArray[np.bool_],
    *,
    classes: NDArray[Any],
    proba: NDArray[np.floating[Any]] | None = None,
) -> pd.DataFrame:
    """Spread the results over all rows of the table.

    Parameters
    ----------
    issues : DataFrame of n_known rows
        What ``label_issues()`` of a classifier returns.
    known : ndarray of bool of shape (n_rows,)
        Rows that have a label; `issues` has one row for each, in order.
    classes : ndarray of shape (n_classes,)
        ``classes_`` of the classifier.
    proba : ndarray of shape (n_rows - n_known, n_classes), optional
        Predicted probabilities of the rows without a label. They get the prediction as corrected
        label, NaN as quality, because there is no label to score, and are no label issue.

    Returns
    -------
    DataFrame of n_rows rows, columns `RESULT_COLUMNS` and `boundary_quality`, where there is one
    """
    names = [name for name in (*RESULT_COLUMNS, BOUNDARY_COLUMN) if name in issues.columns]
    columns = issues[names].set_axis(np.flatnonzero(known), axis=0)
    if proba is None:
        return columns
    predicted = classes[proba.argmax(axis=1)]
    filled = pd.DataFrame(
        {
            "corrected_label": predicted,
            "is_label_issue": False,
            "predicted_label": predicted,
            "predicted_proba": proba.max(axis=1),
        },
        index=np.flatnonzero(~known),
    )
    # A column that the second frame lacks is NaN there.
    return pd.concat([columns, filled]).sort_index()


def summary_lines(issues: pd.DataFrame, noise_rate: float | None) -> list[str]:
    """Write what cleaning found, with the classes that have the largest share of issues.

    Parameters
    ----------
    issues : DataFrame
        What ``label_issues()`` of a classifier returns.
    noise_rate : float or None
        ``noise_rate_`` of the estimator; None where it is not known.

    Returns
    -------
    list of str
    """
    n = len(issues)
    flagged = issues["is_label_issue"].to_numpy(dtype=bool)
    changed = issues["corrected_label"].to_numpy() != issues["given_label"].to_numpy()
    lines = [
        f"rows                  {n}",
        f"classes               {issues['given_label'].nunique()}",
        f"estimated noise rate  {'unknown' if noise_rate is None else f'{noise_rate:.1%}'}",
        f"labels changed        {int(changed.sum())} ({changed.mean():.1%})",
        f"label issues          {int(flagged.sum())} ({flagged.mean():.1%})",
    ]
    shares = issues.assign(flagged=flagged).groupby("given_label")["flagged"].mean()
    worst = shares[shares > 0].sort_values(ascending=False, kind="stable").head(MAX_WORST)
    if len(worst) == 0:
        return lines
    lines.append("classes with the largest share of issues")
    words = [_word(label) for label in worst.index]
    width = max(map(len, words))
    named = len(shares) > 2  # of two classes, each can only turn into the other
    for word, (label, share) in zip(words, worst.items(), strict=True):
        mine = changed & (issues["given_label"] == label).to_numpy()
        target = issues["corrected_label"][mine].mode()
        most = f", most often to {_word(target.iloc[0])}" if named and len(target) else ""
        lines.append(f"  {word:<{width}}  {share:4.0%} of its rows{most}")
    return lines


def _word(label: Any) -> str:
    """A label for the screen: short, and with its outer blanks seen."""
    text = str(label)
    if text != text.strip() or not text.isprintable():
        text = repr(text)
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 3] + "..."
