"""The table of label issues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["label_issue_table"]


def label_issue_table(
    *,
    classes: np.ndarray,
    given: np.ndarray,
    corrected: np.ndarray,
    quality: np.ndarray,
    network_proba: np.ndarray,
    evidence: Mapping[str, np.ndarray],
    index: Any = None,
    threshold: float | None = None,
) -> pd.DataFrame:
    """One row per training row: is its label an issue, and why.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
    given, corrected : int64 ndarray of shape (n,)
        Positions in `classes`.
    quality : ndarray of shape (n,)
        Probability that the given label is right.
    network_proba : ndarray of shape (n, n_classes)
        Of the network alone.
    evidence : mapping of str to ndarray of shape (n,)
        Further columns.
    index : index of length n, optional
    threshold : float, optional
        Rows whose quality is below are issues too.

    Returns
    -------
    table : DataFrame of n rows
        `is_label_issue`, `label_quality`, `given_label`, `corrected_label`,
        `predicted_label`, `predicted_proba`, then the evidence.

    Raises
    ------
    ValueError
        If the threshold is outside [0, 1].
    """
    issue = corrected != given
    if threshold is not None:
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold={threshold!r} must be in [0, 1]")
        issue = issue | (quality < threshold)
    predicted = network_proba.argmax(1)
    columns = {
        "is_label_issue": issue,
        "label_quality": quality,
        "given_label": classes[given],
        "corrected_label": classes[corrected],
        "predicted_label": classes[predicted],
        "predicted_proba": network_proba[np.arange(len(given)), predicted],
        **evidence,
    }
    return pd.DataFrame(columns, index=index)
