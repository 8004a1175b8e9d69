"""Read CSV, TSV, Parquet and NPZ files into one kind of table."""

from __future__ import annotations

import io
import os
import re
import warnings
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nllearn.tables._errors import TableError, column_list, count_of, unknown_column

__all__ = ["ENDINGS", "Table", "is_gap", "read_embeddings", "read_table"]

ENDINGS = (".csv", ".tsv", ".parquet", ".npz")


@dataclass(frozen=True)
class Table:
    """A table as read from a file.

    Attributes
    ----------
    path : Path
        The file.
    frame : DataFrame
        The values to work with, in the types that pandas finds.
    cells : DataFrame or None
        For CSV and TSV: every cell as it was written, so that ``007``, ``1.50`` and ``NA`` come
        out of the program as they went in. None for typed files.
    blocks : dict of ndarray
        For NPZ: arrays with one row per table row and more than one dimension.
    extras : dict of ndarray
        For NPZ: arrays of other lengths. They are copied to an NPZ output and not used.
    separator, decimal : str
        How a CSV or TSV file separates cells and writes decimals.
    """

    path: Path
    frame: pd.DataFrame
    cells: pd.DataFrame | None = None
    blocks: dict[str, NDArray[Any]] = field(default_factory=dict)
    extras: dict[str, NDArray[Any]] = field(default_factory=dict)
    separator: str = ","
    decimal: str = "."

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.frame)

    @property
    def names(self) -> list[str]:
        """Names of the columns, arrays of an NPZ file included."""
        return [*map(str, self.frame.columns), *self.blocks]

    def select(self, rows: NDArray[np.bool_]) -> Table:
        """Return the table with the marked rows alone."""
        return replace(
            self,
            frame=self.frame[rows].reset_index(drop=True),
            cells=None if self.cells is None else self.cells[rows].reset_index(drop=True),
            blocks={name: block[rows] for name, block in self.blocks.items()},
        )


def read_table(path: str | Path, *, label: str | None = None, encoding: str = "utf-8") -> Table:
    """Read a table by the ending of its name.

    Parameters
    ----------
    path : str or Path
        A ``.csv``, ``.tsv``, ``.parquet`` or ``.npz`` file. A CSV whose header has semicolons and
        no comma is read with semicolons, and with decimal commas where its cells have them.
    label : str, optional
        The label column. An NPZ file needs it to know which arrays have one row per label.
    encoding : str, default="utf-8"
        Encoding of CSV and TSV files. A byte order mark is accepted.

    Returns
    -------
    Table

    Raises
    ------
    TableError
        If the file is missing, empty, damaged or of another kind, or has no column `label`.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise TableError(
            f"{path}: cannot read files that end in {ending or 'nothing'!r}; "
            f"use one of {', '.join(ENDINGS)}"
        )
    data = _read_bytes(path)
    if ending == ".npz":
        table = _read_npz(path, data, label)
    elif ending == ".parquet":
        table = _read_parquet(path, data)
    else:
        table = _read_text(path, data, encoding)
    if label is not None and label not in table.frame.columns:
        raise unknown_column(label, table.names, option="--label")
    if table.n_rows == 0:
        raise TableError(f"{path}: the table has a header but no rows")
    return table


def is_gap(value: Any) -> bool:
    """Tell whether one cell is a gap: None, NaN, NaT or NA."""
    return value is None or (
        not isinstance(value, str) and pd.api.types.is_scalar(value) and bool(pd.isna(value))
    )


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
        array = _load_numpy(data)
    except Exception as error:  # a damaged header raises what Python's own parser raises
        reason = "it holds Python objects" if "pickle" in str(error) else _first_line(error)
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


def _load_numpy(data: bytes) -> Any:
    """Load an array or an archive of arrays; objects, which could run code, raise an error."""
    with warnings.catch_warnings():
        # What a damaged header looks like to numpy is of no use to the user.
        warnings.simplefilter("ignore")
        return np.load(io.BytesIO(data), allow_pickle=False)


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


def _read_text(path: Path, data: bytes, encoding: str) -> Table:
    """Read CSV or TSV twice from the same bytes: cells as written, and values as pandas sees them.

    The two readings split the file in the same way, so row i is the same row in both.
    """
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"  # Excel writes a byte order mark; it is not part of a name
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path}: byte {error.start} is not {encoding.removesuffix('-sig')} text; "
            "name the encoding, for example --encoding cp1252"
        ) from error
    except LookupError:
        raise TableError(f"--encoding: {encoding!r} is not an encoding that Python knows") from None
    if "\0" in text:
        raise TableError(f"{path}: holds zero bytes, so it is not a text table")
    separator = "\t" if path.suffix.lower() == ".tsv" else _separator(text)
    options: dict[str, Any] = {"sep": separator, "skip_blank_lines": True}
    try:
        # Without a header row for pandas: it would rename repeated and empty names.
        cells = pd.read_csv(
            io.StringIO(text), header=None, dtype=str, keep_default_na=False, **options
        )
        header = ["" if pd.isna(name) else str(name) for name in cells.iloc[0]]
        _check_header(path, header)
        cells = cells.iloc[1:].fillna("").reset_index(drop=True)
        cells.columns = pd.Index(header, dtype=object)
        decimal = _decimal(cells) if separator == ";" else "."
        frame = pd.read_csv(
            io.StringIO(text),
            header=0,
            names=header,
            index_col=False,
            low_memory=False,
            decimal=decimal,
            **options,
        )
    except pd.errors.EmptyDataError:
        raise TableError(f"{path}: the file has no columns") from None
    except (pd.errors.ParserError, ValueError) as error:
        if isinstance(error, TableError):
            raise
        reason = " ".join(str(error).replace("Error tokenizing data. C error: ", "").split())
        raise TableError(f"{path}: not a regular table ({reason})") from error
    return Table(path, frame, cells, separator=separator, decimal=decimal)


def _separator(text: str) -> str:
    """Choose comma, or semicolon or tab where the header has no comma but has these."""
    header = text.lstrip("\r\n").split("\n", 1)[0]
    if "," in header:
        return ","
    return next((mark for mark in (";", "\t") if mark in header), ",")


def _decimal(cells: pd.DataFrame) -> str:
    """Find out whether a file with semicolons writes 3,5 or 3.5."""
    seen = {mark: False for mark in ",."}
    for name in cells.columns:
        for mark in seen:
            pattern = rf"[+-]?\d+{re.escape(mark)}\d+"
            seen[mark] |= bool(cells[name].str.fullmatch(pattern).any())
    return "," if seen[","] and not seen["."] else "."


def _check_header(path: Path, header: list[str]) -> None:
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise TableError(
            f"{path}: several columns have the name {column_list(repeated)}; "
            "every column needs a name of its own"
        )


def _read_parquet(path: Path, data: bytes) -> Table:
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
        raise TableError(f"{path}: not a readable Parquet file ({_first_line(error)})") from error
    if not isinstance(frame.index, pd.RangeIndex):
        # An index that pandas stored in the file is a column to everybody else.
        names = [name or f"index_{level}" for level, name in enumerate(frame.index.names)]
        frame.index = frame.index.set_names(names)
        frame = frame.reset_index(drop=any(name in frame.columns for name in names))
    frame.columns = pd.Index([str(name) for name in frame.columns], dtype=object)
    _check_header(path, list(frame.columns))
    if frame.shape[1] == 0:
        raise TableError(f"{path}: the file has no columns")
    return Table(path, frame.reset_index(drop=True))


def _read_npz(path: Path, data: bytes, label: str | None) -> Table:
    arrays = {}
    try:
        stored = _load_numpy(data)
        if isinstance(stored, np.ndarray):
            raise TableError(f"{path}: holds one array; save X and y with numpy.savez")
        with stored:
            _refuse_bomb(path, stored.zip)
            for name in stored.files:
                arrays[name] = _load_entry(path, stored, name)
    except TableError:
        raise
    except Exception as error:  # zipfile, zlib and numpy's header parser raise many types
        raise TableError(f"{path}: not a readable NPZ file ({_first_line(error)})") from error
    arrays = {name: _column(array) for name, array in arrays.items()}
    anchor = label or next((name for name in ("y", "X") if name in arrays), None)
    if anchor is None or anchor not in arrays:
        raise unknown_column(anchor or "y", arrays, option="--label")
    if arrays[anchor].ndim != 1 and anchor == label:
        raise TableError(
            f"--label: array {label!r} has shape {arrays[anchor].shape}; labels have one dimension"
        )
    n_rows = len(arrays[anchor])
    mine = {name: a for name, a in arrays.items() if a.ndim and len(a) == n_rows}
    return Table(
        path,
        pd.DataFrame({name: a for name, a in mine.items() if a.ndim == 1}),
        blocks={name: a for name, a in mine.items() if a.ndim > 1},
        extras={name: a for name, a in arrays.items() if name not in mine},
    )


def _load_entry(path: Path, stored: Any, name: str) -> NDArray[Any]:
    """Read one array of an NPZ file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in _load_numpy
        try:
            array = stored[name]
        except ValueError as error:
            if "pickle" not in str(error):
                raise
            raise TableError(
                f"{path}: array {name!r} holds Python objects; store text as a numpy "
                "string array (dtype str) and numbers as a numeric array"
            ) from error
    if not isinstance(array, np.ndarray):
        raise TableError(f"{path}: entry {name!r} is no array; save X and y with numpy.savez")
    return array


def _refuse_bomb(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive that would not fit in memory once it is unpacked."""
    unpacked = sum(entry.file_size for entry in archive.infolist())
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on this system
        return
    if unpacked > memory:
        raise TableError(
            f"{path}: unpacks to {unpacked / 1e9:.1f} GB, and this machine has "
            f"{memory / 1e9:.1f} GB of memory; store fewer rows"
        )


def _column(array: NDArray[Any]) -> NDArray[Any]:
    """Flatten one-column arrays and decode byte strings."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
