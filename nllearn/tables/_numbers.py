"""Numbers as people write them: decimal commas, thousands, currencies, percent."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = [
    "PLAIN",
    "NumberFormat",
    "choose_formats",
    "is_number",
    "looks_numeric",
    "plain_numbers",
    "read_numbers",
]

# Cells of a column that are looked at to find its format.
_N_SAMPLED = 1000
_CURRENCY = r"[€$£¥₹₽₩₺₴₫₪]|(?:EUR|USD|GBP|CHF|JPY|CNY|SEK|NOK|DKK|PLN|CZK|INR|BRL|CAD|AUD)\b"
_SHARE = r"[%‰]"
# A word behind the number: 12 kg, 3.5 m², 40 °C, 5 stars.
_MEASURE = r"(?<=\d )°?[^\W\d_]+[²³.]?$"
_UNIT = re.compile(rf"{_CURRENCY}|{_SHARE}|{_MEASURE}")
_NOT_ZERO = re.compile(r"[1-9]")
_LOOSE = re.compile(r"[-+(]?\d[\d.,' ]*\)?-?")
# Every kind of blank and apostrophe that separates thousands, and the minus of typesetters.
_SAME = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'", "\u2212": "-"})
_MARKS = (",", ".", " ", "'")
_SEEN_MARKS = (*_MARKS, *map(chr, _SAME))
# Before version 3 pandas crashes on an exponent beyond 2**31 (pandas-dev/pandas, issue 63650),
# which columns of hexadecimal digits have.
_PANDAS_CRASHES = int(pd.__version__.partition(".")[0]) < 3
_HUGE_EXPONENT = re.compile(r"\s*[-+]?[\d.]+[eE][-+]?\d{8}")


@dataclass(frozen=True)
class NumberFormat:
    """How a column writes numbers.

    Attributes
    ----------
    decimal : {".", ","}
        Between whole part and fraction.
    thousands : {"", ",", ".", " ", "'"}
        Between groups of digits; empty where numbers have none.
    """

    decimal: str = "."
    thousands: str = ""

    @functools.cache  # noqa: B019 (a handful of formats)
    def pattern(self) -> re.Pattern[str]:
        """Pattern of a whole number text without its unit."""
        whole = r"\d+"
        if self.thousands:
            # Groups of two exist in India: 1,00,000.
            mark = re.escape(self.thousands)
            whole = rf"(?:[1-9]\d{{0,2}}(?:{mark}\d{{2,3}})*{mark}\d{{3}}|\d+)"
        point = re.escape(self.decimal)
        body = rf"(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"
        return re.compile(rf"[+-]?{body}|{body}-|\({body}\)")


PLAIN = NumberFormat()
# The fewest assumptions come first.
_FORMATS = (
    PLAIN,
    NumberFormat(","),
    *(NumberFormat(".", mark) for mark in (",", "'", " ")),
    *(NumberFormat(",", mark) for mark in (".", "'", " ")),
)


def read_numbers(cells: pd.Series[Any], form: NumberFormat) -> NDArray[np.float64]:
    """Read text as numbers of one format; what is none is NaN.

    A currency, a percent sign or a word behind the number is left away where the whole column has
    the same one, a percent sign in every cell with a number. A minus may stand behind, and
    parentheses are a minus.

    Parameters
    ----------
    cells : Series of str
        Gaps as NaN.
    form : NumberFormat

    Returns
    -------
    numbers : ndarray of shape (n,), float64
    """
    codes, unique = pd.factorize(cells)
    if len(unique) == 0:
        return np.full(len(cells), np.nan)
    bare = _without_unit([str(value) for value in unique])
    matches = form.pattern().fullmatch
    found = np.array([_number(text, form) if matches(text) else np.nan for text in bare])
    return np.where(codes < 0, np.nan, found[codes])


def is_number(text: str) -> bool:
    """Tell whether a cell is one number, with decimal point or comma, and nothing else."""
    return any(form.pattern().fullmatch(text.translate(_SAME)) for form in _FORMATS)


def looks_numeric(cells: pd.Series[Any]) -> bool:
    """Tell whether nearly every cell is made of digits and the marks of numbers alone."""
    sample = _sample(cells.dropna().astype(str).unique())
    if not sample:
        return False
    return float(np.mean([bool(_LOOSE.fullmatch(text)) for text in _without_unit(sample)])) >= 0.9


def choose_formats(
    columns: Mapping[str, Sequence[str]],
    *,
    decimal: str | None = None,
    thousands: str | None = None,
    comma_likely: bool = False,
) -> dict[str, NumberFormat]:
    """Find the format of every column by its own cells.

    A column takes the format that reads most of its cells. Where a decimal comma and a decimal
    point read equally many, as of ``1,234``, the columns that leave no choice decide, then
    `comma_likely`; with neither, a comma is a mark of thousands and a point is a decimal point.

    Parameters
    ----------
    columns : mapping of str to sequence of str
        Name and different cells, without gaps.
    decimal, thousands : str, optional
        What the user says.
    comma_likely : bool, default=False
        Other facts speak for decimal commas, such as semicolons between cells.

    Returns
    -------
    dict of str to NumberFormat
        Only columns in which half of the cells or more are numbers, unless the user says how
        numbers are written.
    """
    allowed = [form for form in _FORMATS if _allows(form, decimal, thousands)]
    found, sure = {}, []
    for name, cells in columns.items():
        best, has_mark = _best_formats(cells, allowed)
        if not best and (decimal, thousands) != (None, None):
            best = allowed[:1]  # as the user says, however little that reads
        if best:
            found[name] = best if has_mark else best[:1]
            marks = {form.decimal for form in best}
            sure += [marks.pop()] if has_mark and len(marks) == 1 else []
    commas, points = sure.count(","), sure.count(".")
    comma = commas > points or (commas == points and comma_likely)
    return {
        # The plainest first; sorted keeps that order within one decimal mark.
        name: sorted(best, key=lambda form: (form.decimal == ",") != comma)[0]
        for name, best in found.items()
    }


def plain_numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """Read the numbers of a column as pandas does.

    Parameters
    ----------
    column : Series

    Returns
    -------
    numbers : Series
        Numbers; NaN for a cell that is none.
    """
    if _PANDAS_CRASHES and (column.dtype == object or isinstance(column.dtype, pd.StringDtype)):
        is_huge = [isinstance(v, str) and _HUGE_EXPONENT.match(v) is not None for v in column]
        column = column.mask(np.array(is_huge, dtype=bool))
    return pd.to_numeric(column, errors="coerce")


def _allows(form: NumberFormat, decimal: str | None, thousands: str | None) -> bool:
    if decimal is not None and form.decimal != decimal:
        return False
    return thousands is None or (form.thousands in ("", thousands) and form.decimal != thousands)


def _best_formats(
    cells: Sequence[str], allowed: list[NumberFormat]
) -> tuple[list[NumberFormat], bool]:
    """Formats that read most cells, at least half, the plainest first; and if a mark occurs."""
    # Cells with the same marks are sampled apart: a price in the thousands may be one in many.
    kinds: dict[tuple[bool, ...], list[str]] = {}
    for text in map(str, cells):
        kinds.setdefault(tuple(mark in text for mark in _SEEN_MARKS), []).append(text)
    parts = list(kinds.values())
    samples = [_sample(part) for part in parts]
    bare = _without_unit([text for sample in samples for text in sample])
    weight = np.repeat(
        [len(part) / len(sample) for part, sample in zip(parts, samples, strict=True)],
        [len(sample) for sample in samples],
    )
    used = {mark for mark in _MARKS if any(mark in text for text in bare)}
    counts = {}
    for form in allowed:
        # A mark of thousands that no cell has says no more than none.
        if not form.thousands or form.thousands in used:
            matches = form.pattern().fullmatch
            read = np.array([matches(text) is not None for text in bare])
            counts[form] = float(weight[read].sum())
    most = max(counts.values(), default=0.0)
    if most == 0 or 2 * most < len(cells):
        return [], False
    return [form for form, count in counts.items() if count == most], bool(used & {",", "."})


def _without_unit(cells: list[str]) -> list[str]:
    """Take away a unit that is the same in all cells that have one."""
    bare = [text.strip().translate(_SAME) for text in cells]
    units = {unit for text in bare for unit in _UNIT.findall(text)}
    if len(units) != 1:
        return bare
    unit = units.pop()
    if re.fullmatch(_SHARE, unit) and any(unit not in t and _NOT_ZERO.search(t) for t in bare):
        return bare  # 39 % and 0.39 are not in one unit; words are gaps
    return [_strip_once(text, unit) for text in bare]


def _strip_once(text: str, unit: str) -> str:
    sign = text[0] if text[:1] in ("+", "-", "(") else ""
    body = text[len(sign) :]
    if body.startswith(unit):
        return sign + body[len(unit) :].lstrip()
    tail = body[-1] if body[-1:] in (")", "-") else ""
    body = body[: len(body) - len(tail)]
    return sign + (body[: -len(unit)].rstrip() if body.endswith(unit) else body) + tail


def _number(text: str, form: NumberFormat) -> float:
    """Value of a text that matches the pattern of the format."""
    negative = text.startswith("(") or text.endswith("-")
    digits = text.strip("()").removesuffix("-").replace(form.thousands or "\0", "")
    value = float(digits.replace(form.decimal, "."))
    return -value if negative else value


def _sample(cells: Any) -> list[str]:
    """At most 1,000 of the cells, evenly."""
    cells = [str(value) for value in cells]
    step = max(1, len(cells) // _N_SAMPLED)
    return cells[::step][:_N_SAMPLED]
