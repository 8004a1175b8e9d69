"""The role of one column, by its values and its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nllearn.tables._cells import as_numbers, is_gap, is_id_name, is_index_name, mean_words, short
from nllearn.tables._dates import date_order, looks_like_dates
from nllearn.tables._errors import count_of, option_for
from nllearn.tables._numbers import PLAIN, NumberFormat, looks_numeric, read_numbers

__all__ = [
    "MAX_CATEGORIES",
    "ColumnPlan",
    "category_reason",
    "number_reason",
    "plan_block",
    "plan_column",
]

_USED_ROLES = ("number", "category", "text", "array", "images")
# More values than this are pooled: one-hot columns that few rows use are noise to a network.
MAX_CATEGORIES = 50
# Share of its rows that an id tells apart.
_MOSTLY = 0.9
# A column of text has at least this many words per cell on average; names and codes have fewer.
_MIN_TEXT_WORDS = 4.0
# Text that reads as a number in at least this share of the cells is a column of numbers.
_MIN_NUMBER_SHARE = 0.9


@dataclass(frozen=True)
class ColumnPlan:
    """What is done with one column.

    Attributes
    ----------
    name : str
        The column.
    role : str
        ``number``, ``category``, ``text``, ``array``, ``images`` (learned from); ``label``,
        ``id``, ``date``, ``constant``, ``empty``, ``copy``, ``truth``, ``result``, ``dropped``,
        ``known``, ``unread``, ``unused`` (not).
    reason : str
        Why, in words for the screen.
    form : NumberFormat or None
        How text in the column writes numbers.
    """

    name: str
    role: str
    reason: str
    form: NumberFormat | None = None

    @property
    def used(self) -> bool:
        """Whether the column is learned from."""
        return self.role in _USED_ROLES


def plan_column(
    name: str,
    column: pd.Series[Any],
    labels: pd.Series[Any],
    form: NumberFormat | None,
    *,
    is_code: bool = False,
) -> ColumnPlan:
    """Find the role of a column that no option names.

    Parameters
    ----------
    name : str
    column, labels : Series of shape (n,)
        The column, and the given labels: a column that repeats them is left out.
    form : NumberFormat or None
        How text in the column writes numbers.
    is_code : bool, default=False
        Digits that are codes are words.

    Returns
    -------
    plan : ColumnPlan
    """
    values = column.dropna()
    if len(values) == 0:
        return ColumnPlan(name, "empty", "no values")
    if pd.api.types.is_complex_dtype(column.dtype):
        return ColumnPlan(name, "unused", "complex numbers")
    as_number = option_for("--numeric", name)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return ColumnPlan(name, "date", f"dates ({as_number} uses them as days)")
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        return ColumnPlan(name, "date", f"durations ({as_number} uses them as seconds)")
    if column.dtype == object and not values.map(np.isscalar).all():
        return _plan_nested(name, column)
    n_values = int(values.nunique())
    if n_values == 1 and len(values) == len(column):
        return ColumnPlan(name, "constant", f"always {short(values.iloc[0])}")
    if _copies_label(values, labels):
        use = option_for("--categorical", name)
        return ColumnPlan(name, "copy", f"says the same as the label in every row ({use} uses it)")
    if pd.api.types.is_bool_dtype(values.infer_objects().dtype):
        return ColumnPlan(name, "category", category_reason(column))
    if is_code:
        return _plan_words(name, column, n_values)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _plan_number(name, *as_numbers(column), form)
    unread = None
    if not isinstance(column.dtype, pd.CategoricalDtype):
        # Numbers with a few words between them, such as "?" for a gap.
        numbers, words = as_numbers(column, form)
        share = float(np.isfinite(numbers).sum() / len(values))
        if share >= _MIN_NUMBER_SHARE and len(words) <= 3:
            return _plan_number(name, numbers, words, form)
        if looks_like_dates(column):
            return ColumnPlan(name, "date", _date_reason(name, column))
        unread = _unread_reason(name, values, words, share)
    return _plan_words(name, column, n_values, unread)


def _date_reason(name: str, column: pd.Series[Any]) -> str:
    order = date_order(column)
    if order == "both":
        return "dates, some with the day first and others with the month first: give them one order"
    first = "" if order is None else f", {order} first"
    return f"dates{first} ({option_for('--numeric', name)} uses them as days)"


def _unread_reason(
    name: str,
    values: pd.Series[Any],
    words: dict[str, int],
    share: float,
) -> str | None:
    """Say why a column of numbers cannot be read, and what reads it; None for other columns."""
    if share >= _MIN_NUMBER_SHARE:
        return (
            f"numbers with {len(words)} different words between them "
            f"({', '.join(short(word) for word in list(words)[:3])}, ...): "
            f"{option_for('--numeric', name)} reads them and counts the words as gaps"
        )
    if not looks_numeric(values):
        return None
    texts = values.astype(str)
    ways = [
        f"--decimal {form.decimal}"
        for form in (PLAIN, NumberFormat(","))
        if 2 * np.isfinite(read_numbers(texts, form)).sum() >= len(texts)
    ]
    cells = texts.unique().tolist()
    shown = ", ".join(short(cell) for cell in [cells[0], *words][:3])
    how = " or ".join(ways) or "--decimal or --thousands"
    return (
        f"numbers that are not written in one way ({shown}): {how} says how to read them "
        f"(--categorical or {option_for('--drop', name)} if they are codes)"
    )


def _plan_number(
    name: str,
    numbers: NDArray[np.floating[Any]],
    words: dict[str, int],
    form: NumberFormat | None,
) -> ColumnPlan:
    """Tell measurements from row numbers and codes."""
    finite = numbers[np.isfinite(numbers)]
    if len(finite) == 0:
        return ColumnPlan(name, "empty", "no finite values")
    n_values = len(np.unique(finite))
    whole = bool((finite % 1 == 0).all())
    use = f"{option_for('--numeric', name)} uses it"
    steps = np.diff(finite)
    # A few rows of a table are often there twice.
    if whole and is_index_name(name) and n_values > max(2, _MOSTLY * len(finite)):
        return ColumnPlan(name, "id", f"an id by its name ({use}; --id names the rows by it)")
    if whole and n_values == len(finite) and len(finite) > 2:
        if is_id_name(name):
            how = f"{use}; --id names the rows by it"
            return ColumnPlan(name, "id", f"an id: every value differs ({how})")
        if (steps > 0).all() or (steps < 0).all():
            return ColumnPlan(name, "id", f"counts the rows ({use})")
    if whole and is_id_name(name):
        if n_values > MAX_CATEGORIES:
            return ColumnPlan(name, "id", f"an id by its name ({use})")
        return ColumnPlan(name, "category", category_reason(pd.Series(numbers)))
    return ColumnPlan(name, "number", number_reason(numbers, words, form=form), form)


def _plan_words(
    name: str, column: pd.Series[Any], n_values: int, unread: str | None = None
) -> ColumnPlan:
    """Tell categories, text and ids among strings; `unread` is the reason of failed numbers."""
    values = column.dropna().astype(str)
    use = f"--text or {option_for('--categorical', name)} uses it"
    repeats = n_values <= max(2, len(values) / 2)
    if repeats and n_values <= MAX_CATEGORIES:
        return ColumnPlan(name, "category", category_reason(column))
    if mean_words(values) >= _MIN_TEXT_WORDS:
        leave = option_for("--drop", name)
        return ColumnPlan(name, "text", f"looks like free text ({leave} leaves it out)")
    if unread is not None and not is_id_name(name):
        return ColumnPlan(name, "unread", unread)
    if is_id_name(name) or n_values == len(values):
        why = "every value differs" if n_values == len(values) else "by its name"
        return ColumnPlan(name, "id", f"an id: {why} ({use}; --id names the rows by it)")
    if repeats:
        return ColumnPlan(name, "category", category_reason(column))
    return ColumnPlan(
        name,
        "unused",
        f"{n_values} different values in {count_of(len(values), 'row')}: too many for categories "
        f"({use})",
    )


def _plan_nested(name: str, column: pd.Series[Any]) -> ColumnPlan:
    """Take lists of numbers of one length as vectors; leave other objects out."""
    shapes = {np.shape(value) if not is_gap(value) else None for value in column}
    shape = next(iter(shapes))
    if len(shapes) == 1 and shape is not None and len(shape) == 1 and shape[0] > 0:
        first = np.asarray(column.iloc[0])
        if first.dtype.kind in "biuf":
            return ColumnPlan(name, "array", f"lists of {shape[0]} numbers")
    return ColumnPlan(name, "unused", "holds objects that are neither numbers nor text")


def plan_block(name: str, block: NDArray[Any]) -> ColumnPlan:
    """Find the role of an array with more than one number per row."""
    if block.dtype.kind not in "biuf":
        return ColumnPlan(name, "unused", f"an array of {block.dtype}, not of numbers")
    if 0 in block.shape:
        return ColumnPlan(name, "empty", f"shape {block.shape}")
    shape = " x ".join(map(str, block.shape[1:]))
    if block.ndim == 2:
        return ColumnPlan(name, "array", f"{shape} numbers per row")
    if block.ndim <= 4:
        return ColumnPlan(name, "images", f"{shape} per row")
    return ColumnPlan(name, "unused", f"{shape} per row: neither a table nor images")


def number_reason(
    numbers: NDArray[np.floating[Any]],
    words: dict[str, int],
    reason: str = "scaled",
    form: NumberFormat | None = None,
) -> str:
    """Say how numbers are used: how they are written, their gaps, and words that are gaps too."""
    if form is not None and form.decimal == ",":
        reason += ", decimal comma"
    if form is not None and form.thousands:
        reason += f", thousands with {form.thousands!r}"
    gaps = int(np.isnan(numbers).sum())
    if gaps:
        reason += f", {count_of(gaps, 'gap')} filled with the median and marked"
    if words:
        shown = ", ".join(short(word) for word in list(words)[:3])
        more = "" if len(words) <= 3 else f" and {len(words) - 3} more"
        reason += f" ({shown}{more} counted as a gap)"
    return reason


def category_reason(column: pd.Series[Any], reason: str = "one-hot") -> str:
    """Say how categories are used: how many there are, and what becomes of rare ones and gaps."""
    n_values, gaps = int(column.nunique()), int(column.isna().sum())
    reason += f", {count_of(n_values, 'value')}"
    if n_values > MAX_CATEGORIES:
        reason += f": the {MAX_CATEGORIES - 1} most frequent kept, the others pooled"
    return reason + (f", {count_of(gaps, 'gap')} as a value of its own" if gaps else "")


def _copies_label(values: pd.Series[Any], labels: pd.Series[Any]) -> bool:
    """Find columns that are one-to-one with the labels: a network would read the label there."""
    n_values = values.nunique()
    # A short table can agree by chance, and a column of measurements cannot agree at all.
    if len(values) < 30 or n_values != labels.nunique() or n_values < 2:
        return False
    pairs = pd.DataFrame({"value": values.astype(str), "label": labels.astype(str)})
    pairs = pairs[labels.notna() & pairs["value"].notna()]
    return len(pairs.drop_duplicates()) == n_values
