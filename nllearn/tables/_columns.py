"""Decide what each column of a table is, and say why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from nllearn.tables._cells import as_numbers, looks_like_codes
from nllearn.tables._column_roles import (
    ColumnPlan,
    category_reason,
    number_reason,
    plan_block,
    plan_column,
)
from nllearn.tables._dates import as_dates, date_order, looks_like_dates
from nllearn.tables._errors import TableError, unknown_column
from nllearn.tables._numbers import NumberFormat
from nllearn.tables._reading import Table
from nllearn.tables._results import earlier_columns

__all__ = ["TRUE_LABEL", "plan_columns", "plan_text"]

# The column that `nllearn noise --keep-true` writes. Learning from it would be looking it up.
TRUE_LABEL = "true_label"


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
            plans.append(plan_column(name, column, labels, form, is_code=is_code))
    plans += [
        ColumnPlan(name, "dropped", "--drop") if name in asked else plan_block(name, block)
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
        return ColumnPlan(name, "category", category_reason(column, option))
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
    return ColumnPlan(name, "number", number_reason(numbers, words, option, form), form)


def _images_alone(plans: list[ColumnPlan]) -> list[ColumnPlan]:
    """Learn from images only when nothing else is there: a network takes the one or the other."""
    used = [plan for plan in plans if plan.used]
    if len(used) == 1 or not any(plan.role == "images" for plan in used):
        return plans
    why = "images cannot be joined with other columns (--drop the others to learn from them)"
    return [
        ColumnPlan(plan.name, "unused", why) if plan.role == "images" else plan for plan in plans
    ]
