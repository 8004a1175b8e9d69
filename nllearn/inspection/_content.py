"""The content of a row for the reviewer: its text, its cells or a small picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nllearn.inspection._frames import as_frame, items_of
from nllearn.inspection._thumbnails import thumbnail_reader

__all__ = ["Content", "content_reader", "rows_within", "word_of"]

_MAX_TEXT, _MAX_CELL, _MAX_COLUMNS = 2000, 200, 50
_SIDE = 96


class Content:
    """Reads the content of a row that the page shows.

    Parameters
    ----------
    kind : {"images", "texts", "table"}
    n_rows : int
    read : callable
        From a row number to a string (text, data URI of a JPEG) or a list of strings: cells,
        behind the former where both are shown.
    columns : list of str, optional
        Names of the cells.
    frame : DataFrame, optional
        The columns of the cells, as values.
    names : list of str, optional
        What the rows are called: the names of their files.
    """

    def __init__(
        self,
        kind: str,
        n_rows: int,
        read: Callable[[int], str | list[str]],
        *,
        columns: Sequence[str] = (),
        frame: pd.DataFrame | None = None,
        names: list[str] | None = None,
    ):
        self.kind = kind
        self.n_rows = n_rows
        self.read = read
        self.columns = list(columns)
        self.frame = frame
        self.names = names


def content_reader(images: Any, texts: Any, table: Any, *, side: int = _SIDE) -> Content | None:
    """Make the reader of what was passed; None when nothing was.

    Parameters
    ----------
    images : array, Tensor, sequence or Dataset, optional
        Arrays and tensors have one image a row; items of a sequence are paths, Pillow images,
        arrays or tensors.
    texts : sequence of str, optional
    table : DataFrame, array or sparse array of shape (n, d), optional
    side : int, default=96
        Pixels that a picture is at most wide and high.

    Returns
    -------
    content : Content or None

    Raises
    ------
    ValueError
        If images and texts are passed, or one has no rows to read.
    MissingExtraError
        For images without Pillow.
    """
    if images is not None and texts is not None:
        raise ValueError("images and texts were passed; pass one of them, and the other as table")
    cells = None if table is None else _table_reader(table)
    if texts is not None:
        return _beside(_text_reader(texts), cells)
    if images is None:
        return cells
    n_rows, read, files = thumbnail_reader(images, side)
    return _beside(Content("images", n_rows, read, names=files), cells)


def _beside(lead: Content, cells: Content | None) -> Content:
    """A text or picture and the cells of a table: a list, the former first."""
    if cells is None:
        return lead
    if cells.n_rows != lead.n_rows:
        raise ValueError(f"table has {cells.n_rows} rows and {lead.kind} has {lead.n_rows}")
    return Content(
        lead.kind,
        lead.n_rows,
        lambda row: [lead.read(row), *cells.read(row)],  # type: ignore[list-item]
        columns=cells.columns,
        frame=cells.frame,
        names=lead.names,
    )


def _text_reader(texts: Any) -> Content:
    items = items_of("texts", texts, "strings")
    return Content("texts", len(items), lambda row: _short(word_of(items[row]), _MAX_TEXT))


def word_of(value: Any) -> str:
    """Text of a cell; that of a gap is empty."""
    is_gap = value is None or (pd.api.types.is_scalar(value) and pd.isna(value))
    return "" if is_gap else str(value)


def _table_reader(table: Any) -> Content:
    frame = as_frame("table", table, max_columns=_MAX_COLUMNS)
    shown = frame.iloc[:, :_MAX_COLUMNS]
    names = [str(name) for name in shown.columns]
    columns = [shown.iloc[:, i].tolist() for i in range(len(names))]
    return Content(
        "table",
        len(frame),
        lambda row: [_cell(column[row]) for column in columns],
        columns=names,
        frame=frame,
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.6g}"
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    return _short(str(value), _MAX_CELL)


def rows_within(rows: Sequence[int], budget: int, content: Content) -> dict[int, str | list[str]]:
    """Read rows in order until the characters are used up.

    Parameters
    ----------
    rows : sequence of int
    budget : int
        Characters.
    content : Content

    Returns
    -------
    found : dict of int to str or list of str
    """
    found: dict[int, str | list[str]] = {}
    for row in rows:
        if row in found:
            continue
        value = content.read(int(row))
        budget -= len(value) if isinstance(value, str) else sum(map(len, value)) + 3 * len(value)
        if budget < 0:
            break
        found[int(row)] = value
    return found
