"""Decide what each column of a table is, and say why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nllearn.tables._cells import (
    as_numbers,
    is_gap,
    is_id_name,
    is_index_name,
    looks_like_codes,
    mean_words,
    short,
)
from nllearn.tables._dates import as_dates, date_order, looks_like_dates
from nllearn.tables._errors import TableError, count_of, option_for, unknown_column
from nllearn.tables._numbers import PLAIN, NumberFormat, looks_numeric, read_numbers
from nllearn.tables._reading import Table
from nllearn.tables._results import earlier_columns

__all__ = [
    "MAX_CATEGORIES",
    "TRUE_LABEL",
    "USED_ROLES",
    "ColumnPlan",
    "plan_columns",
    "plan_text",
]

USED_ROLES = ("number", "category", "text", "array", "images")

# The column that `nllearn noise --keep-true` writes. Learning from it would be looking it up.
TRUE_LABEL = "true_label"
# More values than this are pooled: one-hot columns that few rows use are noise to a network.
MAX_CATEGORIES = 50
# Share of its rows that an id tells apart.
_MOSTLY = 0.9
# A column of text has at least this many words per cell on average; names and codes have fewer.
MIN_TEXT_WORDS = 4.0
# Text that reads as a number in at least this share of the cells is a column of numbers.
MIN_NUMBER_SHARE = 0.9


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
        return self.role in USED_ROLES


def plan_columns(
    table: Table,
    label: str,
    *,
    text: Sequence[str] = (),
    categorical: Sequence[str] = (),
    numeric: Sequence[str] = (),
    drop: Sequence[str] = (),
    id: str | None = None,
    trusted: str | None = None,
) -> list[ColumnPlan]:
    """Decide the role of every column.

    Numbers are scaled and low-cardinality text, bools and categories become one-hot. Ids, dates,
    constants, empty columns, copies of the label and what an earlier cleaning wrote are left out:
    nothing about the label can be learned from them, or nothing but the label itself.

    Parameters
    ----------
    table : Table
        The table.
    label : str
        The label column.
    text, categorical, numeric, drop : sequence of str
        Columns whose role the user gives.
    id : str, optional
        The column that names the rows. It is left out.
    trusted : str, optional
        The column that says which labels are known to be right. It is left out.

    Returns
    -------
    list of ColumnPlan
        In the order of the table.

    Raises
    ------
    TableError
        If an option names an unknown column, the label column, or a column that another option
        names too.
    """
    asked = _asked(
        table,
        label,
        {
            "--text": text,
            "--categorical": categorical,
            "--numeric": numeric,
            "--drop": drop,
            "--id": () if id is None else (id,),
            "--trusted": () if trusted is None else (trusted,),
        },
    )
    labels = table.frame[label]
    earlier = earlier_columns(table, label)
    plans = []
    for name in map(str, table.frame.columns):
        column = table.frame[name]
        if name == label:
            plans.append(ColumnPlan(name, "label", "the given labels"))
        elif name in asked:
            plans.append(_plan_asked(name, column, asked[name], table.reading.numbers.get(name)))
        elif name in earlier:
            plans.append(ColumnPlan(name, "result", earlier[name]))
        elif name == TRUE_LABEL:
            plans.append(ColumnPlan(name, "truth", "true labels, which cleaning must not see"))
        else:
            is_code = looks_like_codes(table.written[name])
            form = table.reading.numbers.get(name)
            plans.append(_plan_column(name, column, labels, form, is_code=is_code))
    plans += [
        ColumnPlan(name, "dropped", "--drop") if name in asked else _plan_block(name, block)
        for name, block in table.blocks.items()
    ]
    return _images_alone(plans)


def plan_text(plans: Sequence[ColumnPlan]) -> list[str]:
    """Write the plans for the screen, neighbours with the same fate on one line."""
    groups: list[list[ColumnPlan]] = []
    for plan in plans:
        last = groups[-1][0] if groups else None
        if last and (last.role, last.reason) == (plan.role, plan.reason):
            groups[-1].append(plan)
        else:
            groups.append([plan])
    lines: list[tuple[str, ColumnPlan]] = []
    for group in groups:
        if len(group) > 3:
            title = f"{group[0].name} ... ({len(group)} columns)"
            lines.append((title, group[0]))
        else:
            lines += [(plan.name, plan) for plan in group]
    width = min(40, max((len(title) for title, _ in lines), default=0))
    return [
        f"{title:<{width}}  {plan.role if plan.used or plan.role == 'label' else 'left out':<8}"
        f"  {plan.reason}"
        for title, plan in lines
    ]


def _asked(table: Table, label: str, options: dict[str, Sequence[str]]) -> dict[str, str]:
    """Map each column that an option names to the option."""
    asked: dict[str, str] = {}
    for option, names in options.items():
        for name in names:
            if name not in table.names:
                raise unknown_column(name, table.names, option=option)
            if name == label:
                raise TableError(f"{option}: {name!r} is the label column; it has no other role")
            if asked.get(name, option) != option:
                raise TableError(
                    f"column {name!r} is named by {asked[name]} and by {option}; choose one"
                )
            if name in table.blocks and option != "--drop":
                raise TableError(
                    f"{option}: {name!r} has shape {table.blocks[name].shape}; "
                    "only --drop applies to an array"
                )
            asked[name] = option
    return asked


def _plan_asked(
    name: str, column: pd.Series[Any], option: str, form: NumberFormat | None
) -> ColumnPlan:
    """Follow the user, but refuse what cannot work."""
    if option == "--drop":
        return ColumnPlan(name, "dropped", option)
    if option == "--id":
        return ColumnPlan(name, "id", "names the rows (--id)")
    if option == "--trusted":
        return ColumnPlan(name, "known", "says which labels are known to be right (--trusted)")
    if not column.notna().any():
        raise TableError(f"{option}: column {name!r} has no values at all")
    if option == "--text":
        return ColumnPlan(name, "text", option)
    if option == "--categorical":
        return ColumnPlan(name, "category", _category_reason(column, option))
    is_date = form is None and looks_like_dates(column)
    if is_date and date_order(column) == "both":
        raise TableError(
            f"{option}: column {name!r} writes some dates with the day first and others with the "
            "month first, so most of them cannot be told; give all of them one order, such as "
            "2024-03-25"
        )
    try:
        numbers, words = as_numbers(as_dates(column) if is_date else column, form)
    except (TypeError, ValueError) as error:
        raise TableError(f"{option}: column {name!r} does not hold numbers ({error})") from error
    if sum(words.values()) > len(column) / 2:
        raise TableError(
            f"{option}: column {name!r} holds {next(iter(words))!r} and other texts that are no "
            "numbers; use --categorical or --text"
        )
    return ColumnPlan(name, "number", _number_reason(numbers, words, option, form), form)


def _plan_column(
    name: str,
    column: pd.Series[Any],
    labels: pd.Series[Any],
    form: NumberFormat | None,
    *,
    is_code: bool = False,
) -> ColumnPlan:
    """Find the role of a column that no option names; digits that are codes are words."""
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
        return ColumnPlan(name, "category", _category_reason(column))
    if is_code:
        return _plan_words(name, column, n_values)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _plan_number(name, *as_numbers(column), form)
    unread = None
    if not isinstance(column.dtype, pd.CategoricalDtype):
        # Numbers with a few words between them, such as "?" for a gap.
        numbers, words = as_numbers(column, form)
        share = float(np.isfinite(numbers).sum() / len(values))
        if share >= MIN_NUMBER_SHARE and len(words) <= 3:
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
    if share >= MIN_NUMBER_SHARE:
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
        return ColumnPlan(name, "category", _category_reason(pd.Series(numbers)))
    return ColumnPlan(name, "number", _number_reason(numbers, words, form=form), form)


def _plan_words(
    name: str, column: pd.Series[Any], n_values: int, unread: str | None = None
) -> ColumnPlan:
    """Tell categories, text and ids among strings; `unread` is the reason of failed numbers."""
    values = column.dropna().astype(str)
    use = f"--text or {option_for('--categorical', name)} uses it"
    repeats = n_values <= max(2, len(values) / 2)
    if repeats and n_values <= MAX_CATEGORIES:
        return ColumnPlan(name, "category", _category_reason(column))
    if mean_words(values) >= MIN_TEXT_WORDS:
        leave = option_for("--drop", name)
        return ColumnPlan(name, "text", f"looks like free text ({leave} leaves it out)")
    if unread is not None and not is_id_name(name):
        return ColumnPlan(name, "unread", unread)
    if is_id_name(name) or n_values == len(values):
        why = "every value differs" if n_values == len(values) else "by its name"
        return ColumnPlan(name, "id", f"an id: {why} ({use}; --id names the rows by it)")
    if repeats:
        return ColumnPlan(name, "category", _category_reason(column))
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


def _plan_block(name: str, block: NDArray[Any]) -> ColumnPlan:
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


def _images_alone(plans: list[ColumnPlan]) -> list[ColumnPlan]:
    """Learn from images only when nothing else is there: a network takes the one or the other."""
    used = [plan for plan in plans if plan.used]
    if len(used) == 1 or not any(plan.role == "images" for plan in used):
        return plans
    why = "images cannot be joined with other columns (--drop the others to learn from them)"
    return [
        ColumnPlan(plan.name, "unused", why) if plan.role == "images" else plan for plan in plans
    ]


def _number_reason(
    numbers: NDArray[np.floating[Any]],
    words: dict[str, int],
    reason: str = "scaled",
    form: NumberFormat | None = None,
) -> str:
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


def _category_reason(column: pd.Series[Any], reason: str = "one-hot") -> str:
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
