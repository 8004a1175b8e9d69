"""Files that hold types: Parquet, XLSX and JSON lines."""

from __future__ import annotations

import io
import json
import math
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nllearn.tables._errors import TableError, column_list, first_line
from nllearn.tables._text import check_header

__all__ = ["read_json_lines", "read_parquet", "read_xlsx"]


def read_parquet(path: Path, data: bytes) -> pd.DataFrame:
    """Read a Parquet file; an index that pandas stored is a column."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise TableError(f"{path}: Parquet needs pyarrow (pip install 'nllearn[table]')") from error
    try:
        stored = parquet.read_table(io.BytesIO(data))
        # Text that is no UTF-8 would be found out by whoever looks at the cell first.
        stored.validate(full=True)
        frame = stored.to_pandas()
    except Exception as error:  # pyarrow's errors share no base class
        raise TableError(f"{path}: not a readable Parquet file ({first_line(error)})") from error
    if not isinstance(frame.index, pd.RangeIndex):
        # An index that pandas stored in the file is a column to everybody else.
        names = [name or f"index_{level}" for level, name in enumerate(frame.index.names)]
        frame.index = frame.index.set_names(names)
        frame = frame.reset_index(drop=any(name in frame.columns for name in names))
    frame.columns = pd.Index([str(name) for name in frame.columns], dtype=object)
    check_header(path, list(frame.columns))
    if frame.shape[1] == 0:
        raise TableError(f"{path}: the file has no columns")
    return frame.reset_index(drop=True)


def read_xlsx(
    path: Path, data: bytes, sheet: str | None = None
) -> tuple[pd.DataFrame, str, tuple[str, ...]]:
    """Read a sheet of an Excel file, by default the first one that is shown: values, no formulas.

    Returns the table, the name of its sheet, and the names of the others.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise TableError(f"{path}: XLSX needs openpyxl (pip install 'nllearn[excel]')") from error
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        pages = {page.title: page for page in book.worksheets}
        shown = [name for name, page in pages.items() if page.sheet_state == "visible"]
        name = _sheet_name(sheet, pages, shown)
        rows = []
        if name is not None:
            # The size that a file states may be wrong.
            pages[name].reset_dimensions()
            rows = [row for row in pages[name].iter_rows(values_only=True)]
        book.close()
    except Exception as error:  # zipfile, the XML parser and openpyxl raise many types
        raise TableError(f"{path}: not a readable XLSX file ({first_line(error)})") from error
    if not pages:
        raise TableError(f"{path}: the file has no sheet with cells")
    if name is None:
        raise TableError(
            f"--sheet: {path} has no sheet {sheet!r}; its sheets: {column_list([*pages])}"
        )
    others = tuple(other for other in pages if other != name)
    while rows and all(value is None for value in rows[0]):
        del rows[0]  # above the header
    while rows and all(value is None for value in rows[-1]):
        del rows[-1]
    if not rows:
        raise TableError(
            f"{path}: the sheet {name!r} is empty"
            + (f"; name another with --sheet: {column_list(others)}" if others else "")
        )
    width = max(len(row) for row in rows)
    full = [[*row, *[None] * (width - len(row))] for row in rows]
    named = [i for i in range(width) if any(row[i] is not None for row in full)]
    header = ["" if full[0][i] is None else str(full[0][i]) for i in named]
    check_header(path, header)
    columns = {n: [row[i] for row in full[1:]] for n, i in zip(header, named, strict=True)}
    return _frame(columns), name, others


def _sheet_name(sheet: str | None, pages: Any, shown: list[str]) -> str | None:
    """Name of the sheet that is meant: as written, else but for case, blanks and the like."""
    if sheet is None:
        return next(iter([*shown, *pages]), None)
    if sheet in pages:
        return sheet

    def folded(name: str) -> str:
        return unicodedata.normalize("NFKC", name).strip().casefold()

    close = [name for name in pages if folded(name) == folded(sheet)]
    return close[0] if len(close) == 1 else None


def read_json_lines(path: Path, text: str) -> pd.DataFrame:
    """Read one JSON object per line; a key that a line lacks is a gap."""
    records: list[dict[str, Any]] = []
    for number, line in enumerate(io.StringIO(text), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TableError(f"{path}: line {number} is no JSON ({first_line(error)})") from error
        if not isinstance(record, dict):
            raise TableError(
                f"{path}: line {number} is a {type(record).__name__}; JSON lines hold one object, "
                'such as {"text": "...", "label": "..."}, per line'
            )
        records.append(record)
    names = list(dict.fromkeys(name for record in records for name in record))
    if not names:
        raise TableError(f"{path}: the file has no columns")
    return _frame({name: [record.get(name) for record in records] for name in names})


def _frame(columns: dict[str, list[Any]]) -> pd.DataFrame:
    """Give columns of Python values their types; whole numbers with gaps stay whole."""
    n_rows = len(next(iter(columns.values()), []))
    frame = {name: _column(values) for name, values in columns.items()}
    return pd.DataFrame(frame, index=range(n_rows), columns=pd.Index([*columns], dtype=object))


def _column(values: list[Any]) -> pd.Series[Any]:
    gaps = [
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or (isinstance(value, str) and not value.strip())
        for value in values
    ]
    held = {type(value) for value, gap in zip(values, gaps, strict=True) if not gap}
    filled: Any = np.empty(len(values), dtype=object)
    filled[:] = [None if gap else value for value, gap in zip(values, gaps, strict=True)]
    column = pd.Series(filled, dtype=object)
    if not held:
        return column.astype(np.float64)
    if held == {bool}:
        return column.astype("boolean") if any(gaps) else column.astype(bool)
    if held == {int} and max(map(abs, column.dropna())) < 2**63:
        return column.astype("Int64") if any(gaps) else column.astype(np.int64)
    if held <= {int, float}:
        return column.map(lambda v: v if v is None else _double(v)).astype(np.float64)
    return column.infer_objects() if str not in held else column


def _double(value: float) -> float:
    """Turn a number into a float; a whole number beyond all of them is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
