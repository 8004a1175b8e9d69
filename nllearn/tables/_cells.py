"""What the cells of a column look like: numbers, ids, running text."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nllearn.tables._numbers import NumberFormat, plain_numbers, read_numbers

__all__ = [
    "as_numbers",
    "is_gap",
    "is_id_name",
    "is_index_name",
    "is_text",
    "looks_like_codes",
    "mean_words",
    "short",
]

_ID_NAME = re.compile(r"(?:^|[\s_.\-])(?:id|uuid|guid|nr)$", re.IGNORECASE)
_CAMEL_ID = re.compile(r"[a-z0-9](?:Id|ID|Uuid|UUID)$")
_INDEX_NAME = re.compile(r"^(?:|index|row|rowid|nr|unnamed: \d+)$", re.IGNORECASE)
# One word per run of non-blanks; scripts that put no blanks between words count by character.
_WORD = re.compile(
    "[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]|[^\\s\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]+"
)


def is_gap(value: Any) -> bool:
    """Tell whether one cell is a gap: None, NaN, NaT or NA."""
    return value is None or (
        not isinstance(value, str) and pd.api.types.is_scalar(value) and bool(pd.isna(value))
    )


def is_text(column: pd.Series[Any]) -> bool:
    """Tell whether a column may hold text."""
    return column.dtype == object or isinstance(column.dtype, pd.StringDtype)


def as_numbers(
    column: pd.Series[Any], form: NumberFormat | None = None
) -> tuple[NDArray[np.floating[Any]], dict[str, int]]:
    """Read a column as numbers.

    Dates become days since 1970, durations become seconds. Infinite values and text that is no
    number become NaN.

    Parameters
    ----------
    column : Series
    form : NumberFormat, optional
        How text in it writes numbers.

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
    if form is not None and is_text(column):
        values = read_numbers(column.astype(object).map(lambda v: v if is_gap(v) else str(v)), form)
        return _with_words(column, values)
    if column.dtype == object:
        # pandas stops at whole numbers beyond the largest double instead of coercing them.
        column = column.map(lambda v: str(v) if isinstance(v, int) and abs(v) > 10**308 else v)
    with np.errstate(all="ignore"):
        numbers = plain_numbers(column).astype("Float64")
    return _with_words(column, numbers.to_numpy(dtype=np.float64, na_value=np.nan))


def _with_words(
    column: pd.Series[Any], values: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.floating[Any]], dict[str, int]]:
    """Numbers, and the texts that were none."""
    junk = column[np.isnan(values) & column.notna().to_numpy()]
    spelled = pd.Series([str(word) for word in junk], dtype=object)
    words = {str(word): int(n) for word, n in spelled.value_counts().items()}
    values[~np.isfinite(values)] = np.nan
    return values, words


def mean_words(values: pd.Series[Any]) -> float:
    """Count the words of a column of strings, on average over (a sample of) its cells."""
    sample = values if len(values) <= 2000 else values.sample(2000, random_state=0)
    return float(np.mean([len(_WORD.findall(value)) for value in sample]))


def looks_like_codes(cells: pd.Series[Any]) -> bool:
    """Tell whether digits are codes, such as 01067: of one width, some with zeros before them."""
    if not is_text(cells):
        return False
    words = cells.dropna()
    if not all(isinstance(word, str) for word in words):
        return False
    words = words[words != ""]
    if not len(words):
        return False
    widths = words.str.len()
    return bool(
        widths.iloc[0] > 1
        and (widths == widths.iloc[0]).all()
        and words.str.isdecimal().all()
        and words.str.startswith("0").any()
    )


def is_index_name(name: str) -> bool:
    """Tell whether a column is named like a counter of rows."""
    return bool(_INDEX_NAME.search(name))


def is_id_name(name: str) -> bool:
    """Tell whether a column is named like an id."""
    return bool(_ID_NAME.search(name) or _CAMEL_ID.search(name))


def short(value: Any, limit: int = 24) -> str:
    """Write a value for a message."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
