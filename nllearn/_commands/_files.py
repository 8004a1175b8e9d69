"""Files that a command writes: none that it reads, and none twice."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from nllearn._atomic_write import check_replaceable

__all__ = ["check_written", "header_names", "refuse_existing"]


def header_names(path: str) -> set[str]:
    """Names of the columns of a small CSV file, whatever separates them."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        cells = re.split(r"[,;\t|]", file.readline())
    return {cell.strip().strip('"') for cell in cells}


def check_written(
    written: Mapping[str, str | None], read: Mapping[str, str | None], *, force: bool
) -> None:
    """Refuse files that cannot or must not be written, before any work is done.

    Parameters
    ----------
    written, read : mapping of str to str or None
        Option or name -> the file; None where there is none.
    force : bool
        The user allows existing files to be replaced.

    Raises
    ------
    ValueError
        If a file to write is also read, or written by another option; if it is there and `force`
        is False; if its folder is missing.
    OSError
        If it is a device, a pipe or a socket.
    """
    taken = {os.path.realpath(path): name for name, path in read.items() if path}
    for option, path in written.items():
        if not path:
            continue
        other = taken.setdefault(os.path.realpath(path), option)
        if other != option:
            raise ValueError(f"{option}: {path} is the file of {other}; write to another file")
        folder = os.path.dirname(os.path.realpath(path))
        if not os.path.isdir(folder):
            raise ValueError(f"{option}: the folder {folder} does not exist; create it first")
        refuse_existing(path, force=force)


def refuse_existing(path: str, *, force: bool) -> None:
    """Refuse to replace a file.

    Parameters
    ----------
    path : str
    force : bool
        The user allows it.

    Raises
    ------
    ValueError
        If the file is there and `force` is False.
    OSError
        If it is a device, a pipe or a socket.
    """
    if os.path.exists(path) and not force:
        raise ValueError(f"{path} exists; use --force to replace it")
    check_replaceable(path)
