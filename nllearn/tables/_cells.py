"""What the cells of a column look like: numbers, dates, ids, running text."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = [
    "as_dates",
    "as_numbers",
    "is_id_name",
    "is_index_name",
    "looks_like_dates",
    "mean_words",
    "short",
]

_ID_NAME = re.compile(r"(?:^|[\s_.\-])(?:id|uuid|guid)$", re.IGNORECASE)
_CAMEL_ID = re.compile(r"[a-z0-9](?:Id|ID|Uuid|UUID)$")
_INDEX_NAME = re.compile(r"^(?:|index|row|rowid|nr|unnamed: \d+)$", re.IGNORECASE)
_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}:\d{2}"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b",
    re.IGNORECASE,
)
# One word per run of non-blanks; scripts that put no blanks between words count by character.
_WORD = re.compile(
    "[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]|[^\\s\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]+"
)


def as_numbers(column: pd.Series[Any]) -> tuple[NDArray[np.floating[Any]], dict[str, int]]:
    """Read a column as numbers.

    Dates become days since 1970, durations become seconds. Infinite values and text that is no
    number become NaN.

    Returns
    -------
    numbers : ndarray of shape (n,), float64
    words : dict of str to int
        The texts that were no numbers, and how often each occurs.
    """
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        epoch = pd.Timestamp("1970-01-01", tz=getattr(column.dtype, "tz", None))
        days = (column - epoch) / pd.Timedelta(days=1)
        return days.to_numpy(dtype=np.float64), {}
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        return column.dt.total_seconds().to_numpy(dtype=np.float64), {}
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if column.dtype == object:
        # pandas stops at whole numbers beyond the largest double instead of coercing them.
        column = column.map(lambda v: str(v) if isinstance(v, int) and abs(v) > 10**308 else v)
    with np.errstate(all="ignore"):
        numbers = pd.to_numeric(column, errors="coerce").astype("Float64")
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    junk = column[np.isnan(values) & column.notna().to_numpy()]
    spelled = pd.Series([str(word) for word in junk], dtype=object)
    words = {str(word): int(n) for word, n in spelled.value_counts().items()}
    values[~np.isfinite(values)] = np.nan
    return values, words


def mean_words(values: pd.Series[Any]) -> float:
    """Count the words of a column of strings, on average over (a sample of) its cells."""
    sample = values if len(values) <= 2000 else values.sample(2000, random_state=0)
    return float(np.mean([len(_WORD.findall(value)) for value in sample]))


def is_index_name(name: str) -> bool:
    """Tell whether a column is named like a counter of rows."""
    return bool(_INDEX_NAME.search(name))


def is_id_name(name: str) -> bool:
    """Tell whether a column is named like an id."""
    return bool(_ID_NAME.search(name) or _CAMEL_ID.search(name))


def looks_like_dates(column: pd.Series[Any]) -> bool:
    """Find text in which nearly every cell is a date or a time."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return False
    values = column.dropna().astype(str)
    sample = values if len(values) <= 500 else values.sample(500, random_state=0)
    if len(sample) == 0 or np.mean([bool(_DATE.search(value)) for value in sample]) < 0.95:
        return False
    return float(as_dates(sample).notna().mean()) >= 0.95


def as_dates(column: pd.Series[Any]) -> pd.Series[Any]:
    """Read text as dates; what is none becomes NaT."""
    return pd.to_datetime(column, errors="coerce", format="mixed", utc=True)


def short(value: Any, limit: int = 24) -> str:
    """Write a value for a message."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
