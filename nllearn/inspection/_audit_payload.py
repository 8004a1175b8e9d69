"""The rows of an audit on the review page, and what their answers stand for."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["audit_payload", "check_audit_rows"]


def check_audit_rows(rows: Any, strata: Any, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Check the rows of an audit and the strata that they were drawn from.

    Parameters
    ----------
    rows : int array-like of shape (k,)
        Numbers of rows, each once.
    strata : int array-like of shape (n_rows,)
        Stratum of every row, from 0.
    n_rows : int

    Returns
    -------
    rows, strata : int64 ndarray

    Raises
    ------
    ValueError
        For strata of another length or below 0, and for rows that are no row numbers or come
        twice.
    """
    strata = np.asarray(strata)
    if strata.shape != (n_rows,) or strata.dtype.kind not in "iu" or (strata < 0).any():
        raise ValueError(
            f"audit_strata has shape {strata.shape} and dtype {strata.dtype}; pass a number from "
            f"0 for each of the {n_rows} rows"
        )
    rows = np.asarray(rows)
    if rows.ndim != 1 or len(rows) == 0 or rows.dtype.kind not in "iu":
        raise ValueError(
            f"the rows of the audit have shape {rows.shape} and dtype {rows.dtype}; pass the row "
            "numbers that audit_sample returned, at least one"
        )
    if rows.min() < 0 or rows.max() >= n_rows:
        bad = rows[(rows < 0) | (rows >= n_rows)][0]
        raise ValueError(f"the audit names row {bad}, but row numbers go from 0 to {n_rows - 1}")
    if len(np.unique(rows)) < len(rows):
        raise ValueError("the audit names a row twice; pass every row once")
    return rows.astype(np.int64), strata.astype(np.int64)


def audit_payload(
    rows: np.ndarray,
    strata: np.ndarray,
    *,
    held: np.ndarray,
    n_listed: int,
    changed: np.ndarray,
    quality: np.ndarray,
) -> dict[str, Any]:
    """What the page needs for the estimates of an audit.

    Parameters
    ----------
    rows : int64 ndarray of shape (k,)
        The sample, in its random order.
    strata : int64 ndarray of shape (n,)
    held : int64 ndarray of shape (m,)
        All rows that the page holds; the sample is among them.
    n_listed : int
        So many of them, the first ones, are in the list of issues.
    changed : bool ndarray of shape (n,)
        Rows whose corrected label differs from the given one.
    quality : float ndarray of shape (n,)
        Claimed probability that the given label is right.

    Returns
    -------
    payload : dict
        `n_listed`; the `place` of every row of the sample among `held`, and its `stratum`; for
        `all` rows and for those `changed`, the `sizes` of the strata and the share of wrong
        labels `expected` in each, which stands in while there is no answer.
    """
    place = {int(row): i for i, row in enumerate(held)}
    n_strata = int(strata.max()) + 1

    def sums(among: np.ndarray) -> dict[str, list[Any]]:
        sizes = np.bincount(strata[among], minlength=n_strata)
        wrong = np.bincount(strata[among], weights=1.0 - quality[among], minlength=n_strata)
        expected = np.nan_to_num(wrong / np.maximum(sizes, 1))
        return {"sizes": sizes.tolist(), "expected": np.round(expected, 6).tolist()}

    return {
        "n_listed": n_listed,
        "place": [place[int(row)] for row in rows],
        "stratum": strata[rows].tolist(),
        "all": sums(np.ones(len(strata), dtype=bool)),
        "changed": sums(changed),
    }
