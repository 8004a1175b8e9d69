"""Write a table whole or not at all."""

from __future__ import annotations

import datetime as dt
import gzip
import importlib.util
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nllearn._atomic_write import atomic_write, check_replaceable
from nllearn._delimited import write_delimited
from nllearn.tables._cells import is_gap
from nllearn.tables._errors import TableError, column_list
from nllearn.tables._reading import ENDINGS, Table, ending_of

__all__ = ["check_output", "refuse_taken", "write_table"]

# Whole numbers up to it are exact in a double.
_EXACT = 2**53
_LIBRARIES = {
    ".parquet": ("Parquet", "pyarrow", "table"),
    ".xlsx": ("XLSX", "openpyxl", "excel"),
}


def check_output(path: str | Path, table_path: str | Path, *, force: bool = False) -> Path:
    """Refuse an output that could not be written, before any work is done.

    Parameters
    ----------
    path : str or Path
        The output; its ending chooses the format.
    table_path : str or Path
        The input, which is never overwritten.
    force : bool, default=False
        Allow an existing file to be replaced.

    Returns
    -------
    Path
        The output as a Path.
    """
    path = Path(path)
    ending = ending_of(path)
    if not ending:
        raise TableError(
            f"--output: cannot write files that end in {path.suffix.lower() or 'nothing'!r}; "
            f"use one of {', '.join(ENDINGS)}"
        )
    for kind, (title, library, extra) in _LIBRARIES.items():
        if ending == kind and importlib.util.find_spec(library) is None:
            raise TableError(f"--output: {title} needs {library} (pip install 'nllearn[{extra}]')")
    if path.is_dir():
        raise TableError(f"--output: {path} is a folder; name a file in it")
    folder = _target(path).parent
    if not folder.is_dir():
        raise TableError(f"--output: the folder {folder} does not exist; create it first")
    if not os.access(folder, os.W_OK):
        raise TableError(f"--output: the folder {folder} is not writable")
    if _target(path) == _target(Path(table_path)):
        raise TableError(f"--output: {path} is the table itself; write to another file")
    if path.exists() and not force:
        raise TableError(f"--output: {path} exists; add --force to replace it")
    try:
        check_replaceable(path)
    except OSError as error:
        raise TableError(f"--output: {path}: {error.strerror}") from error
    return path


def refuse_taken(table: Table, names: Sequence[str]) -> None:
    """Refuse new columns whose names the table has: a column of the user's is never replaced."""
    taken = [name for name in names if name in table.names or name in table.extras]
    if taken:
        raise TableError(
            f"the table already has the column {column_list(taken)}, which would be overwritten; "
            "rename or remove it"
        )


def write_table(
    table: Table,
    new_columns: pd.DataFrame,
    path: str | Path,
    *,
    force: bool = False,
) -> None:
    """Write a table with columns added or replaced.

    The data goes to a temporary file in the same folder, which then takes the name in one step:
    a reader sees the old file or the whole new one.

    CSV and TSV cells are written as they were read, apart from the quotes around them. That
    includes cells that begin with ``=``, ``+``, ``-`` or ``@``, which spreadsheets run as
    formulas: import a table from a source that you do not trust as text.

    Parameters
    ----------
    table : Table
        The table as read.
    new_columns : DataFrame of n_rows rows
        Columns to append. A name that the table has is replaced where it stands.
    path : str or Path
        The output; its ending is one that can be read.
    force : bool, default=False
        Replace an existing file.
    """
    path = Path(path)
    ending = ending_of(path)
    plain = ending.removesuffix(".gz")
    if plain in (".csv", ".tsv"):
        write = _delimited_writer(table, new_columns, plain)
    elif plain == ".npz":
        arrays = _arrays(table, new_columns)

        def write(file: BinaryIO) -> None:
            _save_arrays(file, arrays)
    else:
        frame = _joined(_flat(table, _values(table)), new_columns)
        write = {
            ".parquet": lambda file: frame.to_parquet(file, index=False),
            ".jsonl": lambda file: _write_json_lines(file, frame),
            # Under the name of its sheet, for commands that read it as this one did.
            ".xlsx": lambda file: _write_xlsx(file, frame, table.sheet),
        }[plain]
    _replace(path, _packed(write) if ending != plain else write, force)


def _delimited_writer(
    table: Table, new_columns: pd.DataFrame, ending: str
) -> Callable[[BinaryIO], Any]:
    """Write as CSV or TSV, with the marks of the input where it is of the same kind."""
    # Whoever wrote a byte order mark, which names these encodings, reads by it.
    # A spreadsheet takes UTF-8 for it by its mark alone, where the table had another encoding.
    mark = (table.reading.encoding or "utf-8") != "utf-8"
    separator, decimal = ("\t", ".") if ending == ".tsv" else (",", ".")
    if table.cells is not None and ending == ending_of(table.path).removesuffix(".gz"):
        separator = table.reading.separator or separator
        decimal = table.common_decimal
    base = table.written
    spelled = {
        name: _spelled(new_columns[name], base[name] if name in base.columns else None, decimal)
        for name in new_columns.columns
    }
    frame = _joined(_flat(table, base), pd.DataFrame(spelled, dtype=object))
    return lambda file: write_delimited(frame, file, separator=separator, mark=mark)


def _values(table: Table) -> pd.DataFrame:
    """Columns for a file with types: numbers where the cells are, else the text in the cells.

    Digits with zeros in front are codes, and whole numbers beyond 2^53 would be rounded. Words
    that count as gaps where a column is learned from are still its cells, but for numbers.
    """
    if table.cells is None:
        return table.frame
    columns = {}
    for name, values in table.frame.items():
        cells = table.cells[name]
        blank = cells.str.strip() == ""
        known = values[values.notna()]
        if len(known) and pd.api.types.is_numeric_dtype(values.dtype):
            is_code = cells.str.fullmatch(r"\s*[+-]?0\d+\s*").any()
            typed = not is_code and bool((known.abs() <= _EXACT).all())
        else:
            # Labels: whole numbers or bools, unless words that count as gaps are classes.
            typed = not known.map(lambda value: isinstance(value, str)).any()
            typed = typed and bool((values.notna() | blank).all())
        columns[name] = values if typed else cells.where(~blank, None)
    return pd.DataFrame(columns, columns=table.frame.columns)


def _packed(write: Callable[[BinaryIO], Any]) -> Callable[[BinaryIO], Any]:
    """Pack what is written; without name and time, so that equal tables give equal files."""

    def packed(file: BinaryIO) -> None:
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as inner:
            write(inner)  # type: ignore[arg-type]

    return packed


def _write_json_lines(file: BinaryIO, frame: pd.DataFrame) -> None:
    """Write one object per row; gaps and infinite numbers are null."""
    names = [str(name) for name in frame.columns]
    columns = [[_plain(value) for value in frame[name].tolist()] for name in frame.columns]
    for row in zip(*columns, strict=True):
        record = dict(zip(names, row, strict=True))
        file.write(json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n")


def _write_xlsx(file: BinaryIO, frame: pd.DataFrame, title: str | None) -> None:
    """Write one sheet. Text is marked as text, so that no cell is run as a formula."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)

    def cell(value: Any) -> Any:
        if isinstance(value, dt.datetime) and value.tzinfo is None and not is_gap(value):
            # A day is written as such; pandas has no other type for it.
            return value.date() if value == dt.datetime(*value.timetuple()[:3]) else value
        value = _plain(value)
        if not isinstance(value, str):
            return value if not isinstance(value, list | dict) else json.dumps(value)
        made = WriteOnlyCell(sheet, value)
        made.data_type = "s"
        return made

    try:
        sheet.append([cell(str(name)) for name in frame.columns])
        for row in frame.astype(object).itertuples(index=False, name=None):
            sheet.append([cell(value) for value in row])
    finally:
        sheet.close()
    book.save(file)


def _plain(value: Any) -> Any:
    """Turn a value into what JSON has; dates become text."""
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if is_gap(value):
        return None
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if isinstance(value, str | bool | int) else str(value)


def _replace(path: Path, write: Callable[[BinaryIO], Any], force: bool) -> None:
    """Write a temporary file next to the target, then give it the name of the target."""

    def refuse(target: Path) -> None:
        if target.exists() and not force:
            raise TableError(f"--output: {path} appeared meanwhile; add --force to replace it")

    try:
        with atomic_write(path, refuse) as temporary, open(temporary, "wb") as file:
            write(file)
    except OSError as error:
        # Libraries put words of their own around those of the system.
        reason = os.strerror(error.errno) if error.errno else error.strerror
        raise TableError(f"--output: {path} cannot be written ({reason})") from error
    except TableError:
        raise
    except (ArithmeticError, NotImplementedError, TypeError, ValueError) as error:
        # pyarrow has no type for a column or a number, or a text is no Unicode.
        raise TableError(f"--output: {path} cannot hold this table ({error})") from error


def _target(path: Path) -> Path:
    """Follow links: replacing a link would leave the file behind it unchanged."""
    return Path(os.path.realpath(path))


def _joined(frame: pd.DataFrame, new_columns: pd.DataFrame) -> pd.DataFrame:
    frame = frame.copy(deep=False)
    for name in new_columns.columns:
        frame[name] = new_columns[name].to_numpy()
    return frame


def _flat(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Spread the two-dimensional arrays of an NPZ file over columns ``X_0``, ``X_1``, ..."""
    parts = [frame]
    for name, block in table.blocks.items():
        wide = block.reshape(len(block), -1)
        names = [f"{name}_{i}" for i in range(wide.shape[1])]
        taken = [n for n in names if n in table.frame.columns]
        if taken:
            raise TableError(
                f"--output: array {name!r} would need the column {column_list(taken)}, which "
                "exists; write to an .npz file"
            )
        parts.append(pd.DataFrame(wide, columns=names))
    return pd.concat(parts, axis=1) if len(parts) > 1 else frame


def _spelled(column: pd.Series[Any], old: pd.Series[Any] | None, decimal: str) -> list[Any]:
    """Write values as text: numbers with six digits; a gap stays as the file wrote it."""
    gaps = ["" for _ in column] if old is None else old.tolist()
    is_float = pd.api.types.is_float_dtype(column.dtype)
    spelled: list[Any] = []
    for value, gap in zip(column.tolist(), gaps, strict=True):
        if is_gap(value):
            spelled.append(gap)
        elif is_float:
            spelled.append(f"{value:.6g}".replace(".", decimal))
        else:
            spelled.append(value)
    return spelled


def _arrays(table: Table, new_columns: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """Turn columns into arrays that load without pickle; gaps in text become empty strings."""
    arrays = {**table.extras, **table.blocks}
    frame = _joined(table.frame, new_columns)
    for name in frame.columns:
        column = frame[name]
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biufcmM":
            arrays[str(name)] = column.to_numpy()
        elif pd.api.types.is_numeric_dtype(column.dtype) and not column.hasnans:
            arrays[str(name)] = column.to_numpy()
        else:
            arrays[str(name)] = np.array(["" if is_gap(v) else str(v) for v in column], dtype=str)
    return arrays


def _save_arrays(file: BinaryIO, arrays: dict[str, NDArray[Any]]) -> None:
    """Write what numpy.savez_compressed writes; that one refuses an array named ``file``."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
