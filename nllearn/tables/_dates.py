"""Dates in text: the order of day and month is decided once for a column, never per cell."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["as_dates", "date_order", "looks_like_dates", "mixes_orders"]

_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}:\d{2}"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b",
    re.IGNORECASE,
)
# Two numbers of at most two digits, then a year: the only dates whose order is a question.
_OPEN = r"^\s*(\d{1,2})([-/. ])\s?(\d{1,2})\2\s?(\d{4}|\d{2})(?=$|[\sT,])(.*)$"
# Two-digit years from here on belong to the last century, as in POSIX.
_PIVOT = 69


def looks_like_dates(column: pd.Series[Any]) -> bool:
    """Find text in which nearly every cell is a date or a time."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return False
    values = column.dropna().astype(str)
    sample = values if len(values) <= 500 else values.sample(500, random_state=0)
    if len(sample) == 0 or np.mean([bool(_DATE.search(value)) for value in sample]) < 0.95:
        return False
    return mixes_orders(values) or float(as_dates(sample).notna().mean()) >= 0.95


def date_order(column: pd.Series[Any]) -> str | None:
    """Find out whether a column of text writes the day or the month first.

    Returns
    -------
    order : {"day", "month", "both"} or None
        None where no cell leaves the question open. "both" where some cells can only have the
        day first and others only the month. Where all cells can be read both ways, points stand
        between day, month and year, and slashes and hyphens between month, day and year.
    """
    first, second, mark = _open_parts(column)
    if len(first) == 0:
        return None
    day, month = bool((first > 12).any()), bool((second > 12).any())
    if day and month:
        return "both"
    if day or month:
        return "day" if day else "month"
    return "day" if (mark == ".").all() else "month"


def mixes_orders(column: pd.Series[Any]) -> bool:
    """Tell whether some cells have the day first and others the month."""
    return date_order(column) == "both"


def as_dates(column: pd.Series[Any]) -> pd.Series[Any]:
    """Read text as dates of one order; what is none becomes NaT.

    In a column that mixes both orders, dates that could be read both ways are NaT too.
    """
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return column
    text = column.astype(object).where(column.notna(), None)
    text = text.map(lambda value: value if value is None else str(value))
    order = date_order(column)
    if order is not None:
        parts = text.str.extract(_OPEN)
        hit = parts[0].notna().to_numpy()
        one, two = (parts.loc[hit, k].astype(int) for k in (0, 2))
        day, month = (two, one) if order == "month" else (one, two)
        if order == "both":
            # Only the dates that read one way alone are known.
            sure = (one > 12) ^ (two > 12)
            day, month = one.where(one > 12, two), two.where(one > 12, one)
            month = month.where(sure, 99)
        year = parts.loc[hit, 3].astype(int)
        short = parts.loc[hit, 3].str.len() == 2
        year = year.where(~short, year + np.where(year < _PIVOT, 2000, 1900))
        spelled = [f"{y:04d}-{m:02d}-{d:02d}" for y, m, d in zip(year, month, day, strict=True)]
        text = text.copy()
        text.loc[hit] = [s + rest for s, rest in zip(spelled, parts.loc[hit, 4], strict=True)]
    return pd.to_datetime(text, errors="coerce", format="mixed", utc=True)


def _open_parts(column: pd.Series[Any]) -> tuple[Any, Any, Any]:
    """First and second number of the dates whose order is a question, and the mark between."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        empty = np.empty(0, dtype=np.int64)
        return empty, empty, np.empty(0, dtype=object)
    parts = column.dropna().astype(str).astype(object).str.extract(_OPEN)
    parts = parts[parts[0].notna()]
    return parts[0].astype(int).to_numpy(), parts[2].astype(int).to_numpy(), parts[1].to_numpy()
