"""What cleaning found: the columns to write, and the summary for the screen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score

from nllearn.tables._errors import option_for
from nllearn.tables._reading import Table

__all__ = [
    "FINAL_COLUMNS",
    "RESULT_COLUMNS",
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
# What `nllearn apply` adds.
FINAL_COLUMNS = ("final_label", "is_reviewed")
MAX_WORST = 5
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
    names = [name for name in (*RESULT_COLUMNS, *FINAL_COLUMNS) if name in table.frame.columns]
    if "corrected_label" not in names or len(names) < 2:
        return {}
    found = dict.fromkeys(names, "result of an earlier cleaning")
    found.pop(label, None)
    values = table.frame if table.cells is None else table.cells
    corrected = values["corrected_label"].astype(str)
    known = set(corrected) | set(values[label].astype(str))
    for name in table.frame.columns:
        if name in found or name == label:
            continue
        words = values[name].astype(str)
        own = set(words[table.frame[name].notna()])
        if len(own) < 2 or len(own & known) < 0.9 * len(own):
            continue
        if cohen_kappa_score(words, corrected) > _MIN_KAPPA:
            use = option_for("--categorical", name)
            found[name] = f"the label of an earlier cleaning ({use} uses it)"
    return found


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
    DataFrame of n_rows rows, columns `RESULT_COLUMNS`
    """
    columns = issues[list(RESULT_COLUMNS)].set_axis(np.flatnonzero(known), axis=0)
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


def summary_lines(issues: pd.DataFrame, noise_rate: float) -> list[str]:
    """Write what cleaning found, with the classes that have the largest share of issues.

    Parameters
    ----------
    issues : DataFrame
        What ``label_issues()`` of a classifier returns.
    noise_rate : float
        ``noise_rate_`` of the classifier.

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
        f"estimated noise rate  {noise_rate:.1%}",
        f"labels changed        {int(changed.sum())} ({changed.mean():.1%})",
        f"label issues          {int(flagged.sum())} ({flagged.mean():.1%})",
    ]
    shares = issues.assign(flagged=flagged).groupby("given_label")["flagged"].mean()
    worst = shares[shares > 0].sort_values(ascending=False, kind="stable").head(MAX_WORST)
    if len(worst) == 0:
        return lines
    lines.append("classes with the largest share of issues")
    words = [str(label) for label in worst.index]
    width = max(map(len, words))
    named = len(shares) > 2  # of two classes, each can only turn into the other
    for word, (label, share) in zip(words, worst.items(), strict=True):
        mine = changed & (issues["given_label"] == label).to_numpy()
        target = issues["corrected_label"][mine].mode()
        most = f", most often to {target.iloc[0]}" if named and len(target) else ""
        lines.append(f"  {word:<{width}}  {share:4.0%} of its rows{most}")
    return lines
