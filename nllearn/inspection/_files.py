"""Write a file whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from nllearn._atomic_write import atomic_write

__all__ = ["check_free", "write_whole"]


def check_free(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Refuse a path that cannot be written, before any work is done.

    Parameters
    ----------
    path : str or path
    overwrite : bool
        An existing file may be replaced.

    Returns
    -------
    path : Path

    Raises
    ------
    FileExistsError
        If the file is there and `overwrite` is False.
    IsADirectoryError, FileNotFoundError
        If the path is a folder, or its folder does not exist.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist; create it first")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; pass overwrite=True to replace it")
    return path


def write_whole(
    path: str | os.PathLike[str], write: Callable[[BinaryIO], object], *, overwrite: bool
) -> Path:
    """Write a temporary file in the same folder, then give it the name in one step.

    Parameters
    ----------
    path : str or path
    write : callable
        Gets the open binary file.
    overwrite : bool
        An existing file may be replaced.

    Returns
    -------
    path : Path

    Raises
    ------
    FileExistsError, IsADirectoryError, FileNotFoundError
        As :func:`check_free`.
    """
    path = check_free(path, overwrite=overwrite)
    with (
        atomic_write(path, lambda target: check_free(target, overwrite=overwrite)) as temporary,
        open(temporary, "wb") as file,
    ):
        write(file)
    return path
