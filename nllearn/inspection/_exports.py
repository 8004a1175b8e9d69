"""Tables of issues for other programs, and cells that no spreadsheet runs as a formula."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from nllearn._delimited import write_delimited
from nllearn._frames import to_pandas
from nllearn._validation import check_same_rows
from nllearn.exceptions import MissingExtraError
from nllearn.inspection._files import check_free, write_whole
from nllearn.inspection._frames import as_frame

__all__ = ["export_issues", "guard_cell", "plain_value", "unguard_cell"]

# What a spreadsheet may read as a formula, and the guard itself, so that it can be undone.
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_ENDINGS = (".csv", ".parquet", ".jsonl")


def guard_cell(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run as a formula.

    Text that begins with ``=``, ``+``, ``-``, ``@``, a tab, a line break or an apostrophe gets
    one. The apostrophe is in the list so that :func:`unguard_cell` gives back every text.

    Parameters
    ----------
    text : str
        Of one cell.

    Returns
    -------
    guarded : str

    Examples
    --------
    >>> from nllearn.inspection import guard_cell, unguard_cell
    >>> guard_cell("=HYPERLINK(1)"), guard_cell("cat")
    ("'=HYPERLINK(1)", 'cat')
    >>> unguard_cell(guard_cell("'tis"))
    "'tis"
    """
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def unguard_cell(text: str) -> str:
    """Take away exactly what :func:`guard_cell` added.

    Parameters
    ----------
    text : str
        A guarded cell. A cell typed by hand without an apostrophe stays as it is.

    Returns
    -------
    text : str

    Examples
    --------
    >>> from nllearn.inspection import unguard_cell
    >>> unguard_cell("'-1"), unguard_cell("cat")
    ('-1', 'cat')
    """
    return text[1:] if text.startswith("'") and text[1:].startswith(_DANGEROUS) else text


def export_issues(
    issues: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    content: Any = None,
    only_issues: bool = True,
    overwrite: bool = False,
) -> Path:
    """Write the table of issues as CSV, Parquet or JSON lines, by the ending of the path.

    The index becomes the column `row`, and a MultiIndex one column per level, by its name. The
    rows come in the order of the table. JSON lines hold
    one object per line with plain numbers, strings, true and false, and null for a missing value,
    which Argilla, FiftyOne and most labelling tools read.

    In CSV, text that a spreadsheet would run as a formula gets an apostrophe in front
    (:func:`guard_cell`); :func:`unguard_cell` takes it away. The other formats hold the text as
    it is.

    Parameters
    ----------
    issues : DataFrame of n rows
        What ``label_issues()`` returns, of any library.
    path : str or path
        Ends in ``.csv``, ``.parquet`` or ``.jsonl``.
    content : array-like of length n or DataFrame of n rows, optional
        Text, image path or columns of every row, in the order of `issues`, so that another
        program can show them: the column `content`, or the columns of the frame.
    only_issues : bool, default=True
        Leave out the rows that are no issue.
    overwrite : bool, default=False
        Replace an existing file.

    Returns
    -------
    path : Path

    Raises
    ------
    ValueError
        For another ending, or content of another length.
    FileExistsError
        If the file is there and `overwrite` is False.
    MissingExtraError
        For Parquet without pyarrow.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import pandas as pd
    >>> from nllearn.inspection import export_issues
    >>> issues = pd.DataFrame({"is_label_issue": [True, False], "label_quality": [0.1, 0.9],
    ...     "given_label": ["=cat", "dog"], "corrected_label": ["dog", "dog"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = export_issues(issues, pathlib.Path(folder, "issues.csv"))
    ...     print(path.read_text().splitlines()[1])
    0,True,0.1,'=cat,dog
    """
    path = check_free(path, overwrite=overwrite)
    ending = path.suffix.lower()
    if ending not in _ENDINGS:
        raise ValueError(
            f"cannot write files that end in {ending or 'nothing'!r}; "
            f"use one of {', '.join(_ENDINGS)}"
        )
    if ending == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise MissingExtraError("Parquet needs pyarrow: pip install 'nllearn[table]'")
    issues = as_frame("issues", issues)
    frame = _with_content(issues, content)
    if only_issues:
        frame = frame[issues["is_label_issue"].to_numpy(dtype=bool)]

    def write(file: BinaryIO) -> None:
        if ending == ".parquet":
            _storable(frame).to_parquet(file, index=False)
        elif ending == ".csv":
            write_delimited(_guarded(frame), file)
        else:
            for record in _records(frame):
                line = json.dumps(record, ensure_ascii=False, allow_nan=False)
                file.write(line.encode("utf-8") + b"\n")

    return write_whole(path, write, overwrite=overwrite)


def _with_content(issues: pd.DataFrame, content: Any) -> pd.DataFrame:
    """Index as columns, then the issues, then the content."""
    taken = [str(name) for name in issues.columns]
    names: list[str] = []
    for level, name in enumerate(issues.index.names):
        single = issues.index.nlevels == 1
        plain = "row" if single else f"row_{level}" if name is None else str(name)
        while plain in taken:
            plain = f"row_{plain}"
        names.append(plain)
        taken.append(plain)
    levels = {name: issues.index.get_level_values(level) for level, name in enumerate(names)}
    frame = pd.concat([pd.DataFrame(levels), issues.reset_index(drop=True)], axis=1)
    if content is None:
        return frame
    if len(content) != len(issues):
        raise ValueError(
            f"content has {len(content)} rows and issues has {len(issues)}; pass one per row"
        )
    content = to_pandas(content)
    check_same_rows(issues, to="issues", content=content)
    content = as_frame(
        "content", content if hasattr(content, "columns") else {"content": list(content)}
    )
    taken = [str(name) for name in content.columns if name in frame.columns]
    if taken:
        raise ValueError(f"content has the column(s) {taken}, which issues has too; rename them")
    return pd.concat([frame, content.reset_index(drop=True)], axis=1)


def _storable(frame: pd.DataFrame) -> pd.DataFrame:
    """Write as text what Parquet has no type for, such as numbers beside text."""
    import pyarrow

    columns = {}
    for name in frame.columns:
        column = frame[name]
        if column.dtype == object:
            try:
                pyarrow.array(column, from_pandas=True)
            except pyarrow.ArrowException:
                column = column.map(str, na_action="ignore")
        columns[str(name)] = column
    return pd.DataFrame(columns)


def _guarded(frame: pd.DataFrame) -> pd.DataFrame:
    """Guard the text of a frame, its column names too; numbers are no formulas."""
    columns = {}
    for name in frame.columns:
        column = frame[name]
        if not pd.api.types.is_numeric_dtype(column.dtype):
            column = column.map(lambda v: guard_cell(str(v)), na_action="ignore")
        columns[guard_cell(str(name))] = column
    return pd.DataFrame(columns)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """One plain dict per row."""
    names = [str(name) for name in frame.columns]
    columns = [[plain_value(value) for value in frame[name].tolist()] for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def plain_value(value: Any) -> Any:
    """Turn a value into what JSON has.

    Parameters
    ----------
    value : any

    Returns
    -------
    plain : str, bool, int, float or None
        None for what is missing or not finite, text for what JSON does not know.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return None if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)
