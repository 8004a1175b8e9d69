"""Files that a command must not replace."""

from __future__ import annotations

import os

from nllearn._atomic_write import check_replaceable

__all__ = ["refuse_existing"]


def refuse_existing(path: str, *, force: bool) -> None:
    """Refuse to replace a file, before any work is done.

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
