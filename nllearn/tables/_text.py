"""CSV and TSV: encoding, separator, cells as they were written, values to work with."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nllearn.tables._cells import is_text
from nllearn.tables._description import NA_WORDS, Reading
from nllearn.tables._errors import TableError, column_list
from nllearn.tables._numbers import (
    PLAIN,
    NumberFormat,
    choose_formats,
    plain_numbers,
    read_numbers,
)

__all__ = ["check_header", "decode_text", "number_formats", "parse_text", "plain_values"]

# The longer mark first: that of UTF-32 begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATORS = (",", ";", "\t", "|")
# Bytes that are looked at to find the encoding.
_SAMPLE = 1 << 16
# Records, and characters, that are looked at to find the separator.
_N_RECORDS, _HEAD = 100, 1_000_000
# Lines that a title above the header may have.
_MOST_TITLE_LINES = 20
_COMMENTS = re.compile(r"(?:[ \t]*#[^\r\n]*[\r\n]+)+")
_EXCEL_LINE = re.compile(r"\s*\"?sep=(.)\"?[ \t]*(?:\r\n|\r|\n|$)", re.IGNORECASE)
# A whole number that is written back with the same letters.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_TRUE_FALSE = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False}
_TRUE_FALSE["false"] = False


def parse_text(
    path: Path, data: bytes, reading: Reading, *, is_tsv: bool
) -> tuple[pd.DataFrame, pd.DataFrame, Reading]:
    """Read a text table.

    Parameters
    ----------
    path : Path
        For messages.
    data : bytes
    reading : Reading
        What is known; None is found out.
    is_tsv : bool
        The name of the file says that tabs separate the cells.

    Returns
    -------
    frame : DataFrame
        Values: numbers, bools, and text with NaN for gaps.
    cells : DataFrame
        Every cell as it was written, apart from quotes.
    reading : Reading
        With what was found.
    """
    text, encoding = decode_text(path, data, reading.encoding)
    text, separator = _split_off_head(text, "\t" if is_tsv else None, reading)
    cells = _cells(path, text, separator)
    reading = replace(reading, encoding=encoding, separator=separator)
    values = pd.DataFrame({name: _without_gaps(cells[name]) for name in cells.columns})
    numbers = number_formats(values, reading)
    reading = replace(reading, numbers=numbers)
    frame = {
        name: plain_values(values[name])
        if name == reading.label
        else _typed(values[name], numbers.get(name))
        for name in values.columns
    }
    return pd.DataFrame(frame, columns=cells.columns), cells, reading


def plain_values(cells: pd.Series[Any]) -> pd.Series[Any]:
    """Turn text into whole numbers or bools where these are written with the same letters.

    ``007``, ``1.0`` and ``TRUE`` stay text, and so do all cells beside them.
    """
    codes, unique = pd.factorize(cells)
    words = [str(word) for word in unique]
    if words and set(words) <= {"True", "False"}:
        plain: list[Any] = [word == "True" for word in words]
    elif words and all(_INTEGER.fullmatch(word) and abs(int(word)) < 2**63 for word in words):
        plain = [int(word) for word in words]
    else:
        return cells
    # As objects: beside a gap, pandas would make floats of whole numbers.
    values = np.array([*plain, np.nan], dtype=object)[codes]
    return pd.Series(values, index=cells.index, dtype=object)


def number_formats(values: pd.DataFrame, reading: Reading) -> dict[str, NumberFormat]:
    """Formats of the columns of text that hold numbers, those known before included."""
    open_columns = {}
    for name in values.columns:
        column = values[name]
        if str(name) not in reading.numbers and is_text(column):
            # JSON and Parquet may hold lists and objects, which cannot be compared.
            unique = list(dict.fromkeys(value for value in column if isinstance(value, str)))
            if unique and not set(unique) <= _TRUE_FALSE.keys():
                open_columns[str(name)] = unique
    found = choose_formats(
        open_columns,
        decimal=reading.decimal,
        thousands=reading.thousands,
        comma_likely=reading.separator == ";",
    )
    known = {name: form for name, form in reading.numbers.items() if name in values.columns}
    return {**known, **found}


def check_header(path: Path, header: list[str]) -> None:
    """Refuse names that occur twice."""
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise TableError(
            f"{path}: several columns have the name {column_list(repeated)}; "
            "every column needs a name of its own"
        )


def decode_text(path: Path, data: bytes, asked: str | None) -> tuple[str, str]:
    """Turn bytes into text; a byte order mark is the surest sign of an encoding."""
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    encoding = marked or asked or "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig")
        found = f"byte {error.start} is not {name} text"
        if marked:
            # No option helps: the mark says what the file is.
            found = f"begins with the mark of {name}, but {found}; it is cut off or damaged"
            raise TableError(f"{path}: {found}, save it anew") from error
        likely = _guess(data) or "cp1252"
        tried = codecs.lookup(encoding).name == codecs.lookup(likely).name
        example = "" if tried else f", for example --encoding {likely}"
        raise TableError(f"{path}: {found}; name the encoding{example}") from error
    except LookupError:
        raise TableError(f"--encoding: {encoding!r} is not an encoding that Python knows") from None
    if "\0" in text:
        guess = _guess(data)
        raise TableError(
            f"{path}: holds zero bytes, "
            + (f"as {guess} does; add --encoding {guess}" if guess else "so it is not a text table")
        )
    return text.removeprefix("\ufeff"), encoding


def _guess(data: bytes) -> str | None:
    """Name UTF-16 without a mark, whose line breaks, at least, have a zero byte."""
    if b"\0" not in data:
        return None
    for name in ("utf-16-le", "utf-16-be"):
        # A letter that the end of the sample cuts is no error.
        decoder = codecs.getincrementaldecoder(name)()
        with contextlib.suppress(UnicodeDecodeError):
            text = decoder.decode(data[:_SAMPLE])
            if "\0" not in text and ("\n" in text or "\r" in text):
                return name
    return None


def _split_off_head(text: str, named: str | None, reading: Reading) -> tuple[str, str]:
    """Take away what stands before the header, and find the separator.

    Excel writes a first line ``sep=;``, other programs lines of comment that begin with ``#``. A
    header may begin with that sign too: then it splits as the rows below it do. Where the first
    line does not have the label column, titles stand above the line that has it.
    """
    text = text.lstrip("\r\n")
    asked = reading.separator or named
    if line := _EXCEL_LINE.match(text):
        text = text[line.end() :].lstrip("\r\n")
        asked = asked or line[1]
    starts = [text]
    if comments := _COMMENTS.match(text):
        starts.append(text[comments.end() :])
    marks = (asked,) if asked else _SEPARATORS

    def best(starts: list[str]) -> tuple[str, str]:
        # Of equals the first: max keeps it.
        choices = [(body, mark) for body in starts for mark in marks]
        return max(choices, key=lambda choice: _score(choice[0], choice[1], reading.label))

    first = best(starts)
    lines = text[:_HEAD].splitlines(keepends=True)[:_MOST_TITLE_LINES]
    below = best([text[sum(map(len, lines[:k])) :] for k in range(1, len(lines))] or starts)
    has_label, _, width = _score(*below, reading.label)
    if has_label <= _score(*first, reading.label)[0]:
        return first
    # A title has fewer filled cells than the header; a label among the cells of a row has not.
    skipped = csv.reader(io.StringIO(text[: -len(below[0])], newline=""), delimiter=below[1])
    widest = max(sum(bool(cell.strip()) for cell in record) for record in skipped)
    return below if widest < width else first


def _score(text: str, separator: str, label: str | None) -> tuple[bool, float, int]:
    """Say how well a separator splits the first records.

    The header has the label column where that is known; rows are as wide as the header; and of
    two separators the one that finds more columns is right.
    """
    widths: list[int] = []
    header: list[str] = []
    lines = io.StringIO(text[:_HEAD], newline="")
    with contextlib.suppress(csv.Error):  # such as a cell that is longer than csv allows
        for record in csv.reader(lines, delimiter=separator):
            if record:
                header = header or record
                widths.append(len(record))
            if len(widths) == _N_RECORDS:
                break
    if not widths or widths[0] == 1:
        return label in header, 0.0, len(header)
    return label in header, float(np.mean(np.equal(widths, widths[0]))), widths[0]


def _cells(path: Path, text: str, separator: str) -> pd.DataFrame:
    """Read every cell as text."""

    def read(text: str, *, skip_blank_lines: bool) -> pd.DataFrame:
        # Without a header row for pandas: it would rename repeated and empty names.
        return pd.read_csv(
            io.StringIO(text),
            sep=separator,
            header=None,
            dtype=object,
            keep_default_na=False,
            na_filter=False,
            skip_blank_lines=skip_blank_lines,
        )

    try:
        cells = read(text, skip_blank_lines=True)
        if cells.shape[1] == 1:
            # In a table of one column a blank line is a gap, except at the end of the file.
            cells = read(text.rstrip("\r\n"), skip_blank_lines=False)
    except pd.errors.EmptyDataError:
        raise TableError(f"{path}: the file has no columns") from None
    except (pd.errors.ParserError, ValueError) as error:
        reason = " ".join(str(error).replace("Error tokenizing data. C error: ", "").split())
        raise TableError(
            f"{path}: not a regular table ({reason}) when its lines are split at {separator!r}; "
            "correct that line, or name another mark with --separator"
        ) from error
    header = ["" if pd.isna(name) else str(name) for name in cells.iloc[0]]
    check_header(path, header)
    cells = cells.iloc[1:].fillna("").reset_index(drop=True)
    if cells.shape[1] > 1:
        # Spreadsheets leave rows of separators alone behind the last one.
        filled = np.flatnonzero((cells != "").any(axis=1))
        cells = cells.iloc[: filled[-1] + 1 if len(filled) else 0]
    cells.columns = pd.Index(header, dtype=object)
    return cells


def _without_gaps(column: pd.Series[Any]) -> pd.Series[Any]:
    """Put NaN where a cell is blank or holds a word for a gap."""
    codes, words = pd.factorize(column)
    gap = np.array([not word.strip() or word in NA_WORDS for word in words], dtype=bool)
    return column.mask(gap[codes]) if gap.any() else column


def _typed(column: pd.Series[Any], form: NumberFormat | None) -> pd.Series[Any]:
    """Turn text into bools or numbers where every cell is one."""
    values = column.dropna()
    if len(values) == 0:
        return column.astype(np.float64)
    if set(pd.unique(values)) <= _TRUE_FALSE.keys():
        flags = column.map(_TRUE_FALSE)
        return flags.astype(bool) if len(values) == len(column) else flags.astype(object)
    if form is None:
        return column
    if form == PLAIN:
        numbers = plain_numbers(column)
        if numbers.notna().sum() == len(values):
            return numbers
    numbers = pd.Series(read_numbers(column, form), index=column.index)
    return numbers if numbers.notna().sum() == len(values) else column
