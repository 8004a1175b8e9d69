"""Read files into one kind of table, by the ending of their names."""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nllearn.tables._description import Reading
from nllearn.tables._errors import TableError, column_list, count_of, first_line, unknown_column
from nllearn.tables._npz import load_numpy, physical_memory, read_npz
from nllearn.tables._text import decode_text, number_formats, parse_text
from nllearn.tables._typed import read_json_lines, read_parquet, read_xlsx

__all__ = ["ENDINGS", "Table", "ending_of", "read_embeddings", "read_table"]

ENDINGS = (
    *(".csv", ".tsv", ".jsonl", ".csv.gz", ".tsv.gz", ".jsonl.gz"),
    *(".parquet", ".xlsx", ".npz"),
)
# What to do about a file of another name.
_INSTEAD = {
    **dict.fromkeys((".txt", ".dat", ".asc", ".tab"), ": rename a text table to .csv or .tsv"),
    ".json": ": write one object per line and name it .jsonl",
    ".ndjson": ": rename it to .jsonl",
    **dict.fromkeys((".xls", ".xlsm", ".xlsb", ".ods", ".numbers"), ": save it as .xlsx or .csv"),
    **dict.fromkeys((".zip", ".bz2", ".xz", ".7z"), ": unpack it, or pack it with gzip"),
}


def ending_of(path: str | Path) -> str:
    """Ending of a name that says what kind of table it is, with ``.gz``; '' for others."""
    name = Path(path).name.lower()
    return next((e for e in sorted(ENDINGS, key=len, reverse=True) if name.endswith(e)), "")


@dataclass(frozen=True)
class Table:
    """A table as read from a file.

    Attributes
    ----------
    path : Path
        The file.
    frame : DataFrame
        The values to work with: numbers, bools, dates and text.
    cells : DataFrame or None
        For CSV and TSV: every cell as it was written, so that ``007``, ``1.50`` and ``NA`` come
        out of the program as they went in. None for typed files.
    blocks : dict of ndarray
        For NPZ: arrays with one row per table row and more than one dimension.
    extras : dict of ndarray
        For NPZ: arrays of other lengths. They are copied to an NPZ output and not used.
    sheet : str or None
        For XLSX: the sheet that was read.
    other_sheets : tuple of str
        For XLSX: the others.
    reading : Reading
        How it was read.
    """

    path: Path
    frame: pd.DataFrame
    cells: pd.DataFrame | None = None
    blocks: dict[str, NDArray[Any]] = field(default_factory=dict)
    extras: dict[str, NDArray[Any]] = field(default_factory=dict)
    sheet: str | None = None
    other_sheets: tuple[str, ...] = ()
    reading: Reading = field(default_factory=Reading)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.frame)

    @property
    def names(self) -> list[str]:
        """Names of the columns, arrays of an NPZ file included."""
        return [*map(str, self.frame.columns), *self.blocks]

    @property
    def written(self) -> pd.DataFrame:
        """Cells as the file writes them, where it is text."""
        return self.frame if self.cells is None else self.cells

    @property
    def common_decimal(self) -> str:
        """Decimal mark for new numbers in a text file: that of most columns that have one."""
        if self.reading.decimal is not None:
            return self.reading.decimal
        cells = self.written
        marks = [
            form.decimal
            for name, form in self.reading.numbers.items()
            if name in cells and cells[name].str.contains(form.decimal, regex=False).any()
        ]
        return "," if marks.count(",") > marks.count(".") else "."

    def select(self, rows: NDArray[np.bool_]) -> Table:
        """Return the table with the marked rows alone."""
        return replace(
            self,
            frame=self.frame[rows].reset_index(drop=True),
            cells=None if self.cells is None else self.cells[rows].reset_index(drop=True),
            blocks={name: block[rows] for name, block in self.blocks.items()},
        )


def sheet_hint(table: Table) -> str:
    """Say which sheet of an Excel file was read, and which there are besides; else nothing."""
    if not table.other_sheets:
        return ""
    return (
        f"; the sheet {table.sheet!r} was read, name another with --sheet: "
        f"{column_list(table.other_sheets)}"
    )


def read_table(
    path: str | Path,
    *,
    label: str | None = None,
    reading: Reading | None = None,
    **options: Any,
) -> Table:
    """Read a table by the ending of its name.

    Parameters
    ----------
    path : str or Path
        A file with one of the `ENDINGS`.
    label : str, optional
        The label column, which the table must have. An NPZ file needs it to know which arrays
        have one row per label.
    reading : Reading, optional
        How to read it. What it leaves open is found out: the separator of cells, and for each
        column the marks of its numbers.
    **options
        Fields of `reading`, in their place.

    Returns
    -------
    Table

    Raises
    ------
    TableError
        If the file is missing, empty, damaged or of another kind, or has no column `label`.
    """
    path = Path(path)
    reading = replace(reading or Reading(), **options)
    if label is not None:
        reading = replace(reading, label=label)
    ending = ending_of(path)
    if not ending:
        raise TableError(
            f"{path}: cannot read files that end in {path.suffix.lower() or 'nothing'!r}; "
            f"use one of {', '.join(ENDINGS)}{_INSTEAD.get(path.suffix.lower(), '')}"
        )
    data = _read_bytes(path)
    if ending.endswith(".gz"):
        data = _unpacked(path, data)
    table = _read(path, data, ending.removesuffix(".gz"), reading)
    if label is not None and label not in table.frame.columns:
        unknown = unknown_column(label, table.names, option="--label")
        raise TableError(f"{unknown}{sheet_hint(table)}")
    if table.n_rows == 0:
        raise TableError(f"{path}: the table has a header but no rows")
    return table


def _read(path: Path, data: bytes, ending: str, reading: Reading) -> Table:
    """Read the bytes of one kind of file."""
    if ending in (".csv", ".tsv"):
        frame, cells, reading = parse_text(path, data, reading, is_tsv=ending == ".tsv")
        return Table(path, frame, cells, reading=reading)
    if ending == ".npz":
        mine, extras = read_npz(path, data, reading.label)
        return Table(
            path,
            pd.DataFrame({name: a for name, a in mine.items() if a.ndim == 1}),
            blocks={name: a for name, a in mine.items() if a.ndim > 1},
            extras=extras,
            reading=reading,
        )
    sheet: str | None = None
    others: tuple[str, ...] = ()
    if ending == ".parquet":
        frame = read_parquet(path, data)
    elif ending == ".xlsx":
        frame, sheet, others = read_xlsx(path, data, reading.sheet)
    else:
        text, encoding = decode_text(path, data, reading.encoding)
        frame, reading = read_json_lines(path, text), replace(reading, encoding=encoding)
    reading = replace(reading, numbers=number_formats(frame, reading))
    return Table(path, frame, sheet=sheet, other_sheets=others, reading=reading)


def _unpacked(path: Path, data: bytes) -> bytes:
    """Unpack a gzip file, unless what is in it would not fit in memory."""
    limit = physical_memory()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            unpacked = file.read() if limit == float("inf") else file.read(int(limit) // 4)
            if file.read(1):
                raise TableError(f"{path}: unpacks to more than a quarter of the memory")
    except (OSError, EOFError, zlib.error) as error:
        raise TableError(f"{path}: not a readable gzip file ({first_line(error)})") from error
    if not unpacked:
        raise TableError(f"{path}: the file is empty")
    return unpacked


def read_embeddings(path: str | Path, n_rows: int) -> NDArray[np.float32]:
    """Read one vector per row from an ``.npy`` file.

    Parameters
    ----------
    path : str or Path
        The file; its array has shape (n_rows, d).
    n_rows : int
        Rows of the table that the vectors belong to, in the same order.

    Returns
    -------
    ndarray of shape (n_rows, d), float32
    """
    path = Path(path)
    if path.suffix.lower() != ".npy":
        raise TableError(f"--embeddings: {path} is not an .npy file; save it with numpy.save")
    data = _read_bytes(path)
    try:
        array = load_numpy(data)
    except Exception as error:  # a damaged header raises what Python's own parser raises
        reason = "it holds Python objects" if "pickle" in str(error) else first_line(error)
        raise TableError(f"--embeddings: {path} is not a readable .npy file ({reason})") from error
    if not isinstance(array, np.ndarray):
        raise TableError(f"--embeddings: {path} is an .npz file under another name; save one array")
    if array.ndim != 2 or array.dtype.kind not in "fiub" or array.shape[1] == 0:
        raise TableError(
            f"--embeddings: {path} holds {array.dtype} of shape {array.shape}; "
            "one vector of numbers per row is needed, shape (rows, d)"
        )
    if len(array) != n_rows:
        raise TableError(
            f"--embeddings: {path} has {count_of(len(array), 'row')}, the table has {n_rows}; "
            "they must be the same rows in the same order"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        # What float32 cannot hold becomes infinite, and infinite values are refused later.
        return array.astype(np.float32, copy=False)


def _read_bytes(path: Path) -> bytes:
    """Read a file once, so that every later look sees the same bytes."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise TableError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise TableError(f"{path}: is a folder, not a table") from None
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror})") from error
    if not data:
        raise TableError(f"{path}: the file is empty")
    return data
