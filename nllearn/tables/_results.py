"""What cleaning found: the columns to write, and the summary for the screen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nllearn.tables._labels import LabelColumn

__all__ = ["RESULT_COLUMNS", "result_columns", "summary_lines"]

RESULT_COLUMNS = (
    "corrected_label",
    "label_quality",
    "is_label_issue",
    "predicted_label",
    "predicted_proba",
)
MAX_WORST = 5


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


def summary_lines(issues: pd.DataFrame, labels: LabelColumn, noise_rate: float) -> list[str]:
    """Write what cleaning found, with the classes that have the largest share of issues.

    Parameters
    ----------
    issues : DataFrame
        What ``label_issues()`` of a classifier returns.
    labels : LabelColumn
        The given labels, for their spelling.
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
    words = [labels.spell(label) for label in worst.index]
    width = max(map(len, words))
    named = len(shares) > 2  # of two classes, each can only turn into the other
    for word, (label, share) in zip(words, worst.items(), strict=True):
        mine = changed & (issues["given_label"] == label).to_numpy()
        target = issues["corrected_label"][mine].mode()
        most = f", most often to {labels.spell(target.iloc[0])}" if named and len(target) else ""
        lines.append(f"  {word:<{width}}  {share:4.0%} of its rows{most}")
    return lines
