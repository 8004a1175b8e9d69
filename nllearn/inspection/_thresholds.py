"""Table of thresholds: what each flags, and how many labels to look at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nllearn.functional.flagging import expected_precision

__all__ = ["threshold_lines", "threshold_table"]

# Of the table on the screen.
_SHOWN = (0.05, 0.1, 0.2, 0.5, 0.8, 0.95)
# Below it a label is more probably wrong than right.
_EVEN = 0.5


def threshold_table(
    label_quality: Any, thresholds: Any = None, *, audit: Any = None
) -> pd.DataFrame:
    """Number and precision of the labels that are flagged at each threshold.

    Flagged are the rows whose quality is below the threshold. Without an audit, precision and
    share found are what the model expects
    (:func:`nllearn.functional.flagging.expected_precision`): they are as good as the calibration
    of the quality. With an audit they are estimates from the rows that were looked at.

    Parameters
    ----------
    label_quality : array-like of shape (n,)
        Probability that each given label is right.
    thresholds : array-like of shape (k,), optional
        In [0, 1]. None takes 0.05, 0.1, 0.2, 0.5, 0.8 and 0.95.
    audit : Audit, optional
        Answers about these rows: what ``estimator.audit`` returns.

    Returns
    -------
    table : DataFrame
        One row per threshold, which is the index: `n_flagged`, `precision` (share of wrong labels
        among the flagged), `low` and `high` (interval of the precision; NaN without an audit,
        together for all thresholds with one) and `share_found` (of all wrong labels). NaN where
        there is nothing to take a share of.

    Raises
    ------
    ValueError
        For a quality or a threshold outside [0, 1], no rows, or an audit of another number of
        rows.

    Examples
    --------
    >>> from nllearn.inspection import threshold_table
    >>> threshold_table([0.9, 0.1, 0.3, 1.0], [0.2, 0.5])["n_flagged"].tolist()
    [1, 2]
    """
    quality = np.asarray(label_quality, dtype=np.float64)
    if quality.ndim != 1 or len(quality) == 0:
        raise ValueError(f"label_quality has shape {quality.shape}; expected (n,) with n above 0")
    if not ((quality >= 0.0) & (quality <= 1.0)).all():
        bad = quality[~((quality >= 0.0) & (quality <= 1.0))][0]
        raise ValueError(f"label_quality has {bad}; every value must be between 0 and 1")
    at = np.atleast_1d(np.asarray(_SHOWN if thresholds is None else thresholds, dtype=np.float64))
    if at.ndim != 1 or not ((at >= 0.0) & (at <= 1.0)).all():
        raise ValueError(f"thresholds={thresholds!r} must be numbers between 0 and 1")
    n_flagged, precision, found = expected_precision(quality, at)
    low = high = np.full(len(at), np.nan)
    if audit is not None:
        n_audited = len(audit.audited.quality)
        if n_audited != len(quality):
            raise ValueError(
                f"audit is about {n_audited} rows and label_quality about {len(quality)}; pass an "
                "audit of the same fit"
            )
        precision, low, high = np.array([audit.precision(t) for t in at]).reshape(-1, 3).T
        n_wrong = audit.noise_rate.value * n_audited
        found = (
            np.minimum(np.nan_to_num(precision) * n_flagged / n_wrong, 1.0)
            if n_wrong
            else (np.full(len(at), np.nan))
        )
    return pd.DataFrame(
        {
            "n_flagged": n_flagged,
            "precision": precision,
            "low": low,
            "high": high,
            "share_found": found,
        },
        index=pd.Index(at, name="threshold"),
    )


def threshold_lines(label_quality: Any, *, audit: Any = None) -> list[str]:
    """Write the table, and how many labels to look at.

    Worth a look are the rows whose label is more probably wrong than right.

    Parameters
    ----------
    label_quality : array-like of shape (n,)
        Probability that each given label is right.
    audit : Audit, optional
        Answers about these rows.

    Returns
    -------
    lines : list of str

    Examples
    --------
    >>> from nllearn.inspection import threshold_lines
    >>> print(threshold_lines([0.9, 0.1, 0.3, 1.0])[-1])
    look at               2 rows, quality below 0.5: 80% wrong, 94% of all wrong labels (expected)
    """
    table = threshold_table(label_quality, audit=audit)
    table = table.loc[~table["n_flagged"].duplicated() | (table.index == _EVEN)]
    word = "expected" if audit is None else "by the audit"
    head = f"{'quality below':<22}{'flagged':>9}  {'wrong, ' + word:<24}share of all wrong labels"
    lines = [head] if len(table) else []
    for threshold, row in table.iterrows():
        if not row["n_flagged"]:
            continue
        wrong = f"{row['precision']:.0%}"
        if audit is not None:
            wrong += f" ({row['low']:.0%} to {row['high']:.0%})"
        lines.append(
            f"  {threshold:<20}{int(row['n_flagged']):>9}  {wrong:<24}{_share(row['share_found'])}"
        )
    return [*(lines if len(lines) > 1 else []), _hint(table.loc[_EVEN], word)]


def _hint(even: pd.Series, word: str) -> str:
    """How many rows to look at, in one line."""
    n = int(even["n_flagged"])
    if n == 0:
        return "look at               no row is more probably wrong than right"
    share = _share(even["share_found"])
    found = f", {share} of all wrong labels" if share else ""
    return (
        f"look at               {n} rows, quality below {_EVEN}: {even['precision']:.0%} wrong"
        f"{found} ({word})"
    )


def _share(value: float) -> str:
    """A share for the screen; of no wrong labels there is none."""
    return "" if np.isnan(value) else f"{value:.0%}"
