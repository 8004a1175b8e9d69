"""Which labels are issues, and the table of them."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["label_issue_table", "mark_label_issues"]


def mark_label_issues(
    given: np.ndarray,
    corrected: np.ndarray,
    quality: np.ndarray,
    *,
    threshold: float | None = None,
    budget: float | None = None,
) -> np.ndarray:
    """Mark the rows whose label is an issue.

    Parameters
    ----------
    given, corrected : ndarray of shape (n,)
        Labels, or positions in the classes. Rows where they differ are issues.
    quality : ndarray of shape (n,)
        Probability that the given label is right.
    threshold : float in [0, 1], optional
        Rows whose quality is below are issues too.
    budget : int or float in (0, 1], optional
        At most so many rows, or this share of them: those with the lowest quality.

    Returns
    -------
    is_issue : bool ndarray of shape (n,)

    Raises
    ------
    ValueError
        If the threshold is no number in [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.inspection import mark_label_issues
    >>> given, corrected = np.array([0, 1, 1]), np.array([0, 1, 0])
    >>> mark_label_issues(given, corrected, np.array([0.4, 0.9, 0.2]), threshold=0.5).tolist()
    [True, False, True]
    """
    issue = corrected != given
    if threshold is not None:
        if not (isinstance(threshold, Real) and 0.0 <= float(threshold) <= 1.0):
            raise ValueError(f"threshold={threshold!r} must be None or a number in [0, 1]")
        issue = issue | (quality < threshold)
    if budget is None:
        return issue
    allowed = budget if isinstance(budget, Integral) else int(np.floor(budget * len(issue)))
    worst = np.flatnonzero(issue)
    worst = worst[np.argsort(quality[worst], kind="stable")][: int(allowed)]
    within = np.zeros_like(issue)
    within[worst] = True
    return within


def label_issue_table(
    *,
    classes: np.ndarray,
    is_issue: np.ndarray,
    quality: np.ndarray,
    given: np.ndarray,
    corrected: np.ndarray,
    predicted: np.ndarray,
    predicted_proba: np.ndarray,
    evidence: Mapping[str, np.ndarray],
    index: Any = None,
) -> pd.DataFrame:
    """One row per training row: is its label an issue, and why.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
    is_issue : bool ndarray of shape (n,)
        From :func:`mark_label_issues`.
    quality : ndarray of shape (n,)
        Probability that the given label is right.
    given, corrected, predicted : int64 ndarray of shape (n,)
        Positions in `classes`.
    predicted_proba : ndarray of shape (n,)
        Probability of the predicted label.
    evidence : mapping of str to ndarray of shape (n,)
        Further columns.
    index : index of length n, optional

    Returns
    -------
    table : DataFrame of n rows
        `is_label_issue`, `label_quality`, `given_label`, `corrected_label`,
        `predicted_label`, `predicted_proba`, then the evidence.
    """
    columns = {
        "is_label_issue": is_issue,
        "label_quality": quality,
        "given_label": classes[given],
        "corrected_label": classes[corrected],
        "predicted_label": classes[predicted],
        "predicted_proba": predicted_proba,
        **evidence,
    }
    return pd.DataFrame(columns, index=index)
