"""Cells as CSV text, so that what is read again is what was written."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import pandas as pd

__all__ = ["write_delimited"]


class _UnixLines(io.TextIOBase):
    """Gets one row at a time with the line end CR LF and passes it on with LF.

    Python before 3.11.9 and 3.12.3 quotes a carriage return only where the line end has one.
    Unquoted it would end the line for whoever reads the file.
    """

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")


def write_delimited(
    frame: pd.DataFrame, file: BinaryIO, *, separator: str = ",", mark: bool = False
) -> None:
    """Write a table as UTF-8 text, without its index.

    Parameters
    ----------
    frame : DataFrame
    file : binary file
        Stays open.
    separator : str, default=","
        Between cells.
    mark : bool, default=False
        Begin with a byte order mark, by which spreadsheets know the encoding.
    """
    encoding = "utf-8-sig" if mark else "utf-8"
    text = io.TextIOWrapper(file, encoding=encoding, newline="", write_through=True)
    frame.to_csv(_UnixLines(text), sep=separator, index=False, lineterminator="\r\n")
    text.detach()
