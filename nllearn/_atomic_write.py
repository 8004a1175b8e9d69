"""A file that is there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["atomic_write", "check_replaceable"]


def check_replaceable(path: str | os.PathLike[Any]) -> None:
    """Reject a device, a pipe or a socket, whose name would be given to a plain file.

    Parameters
    ----------
    path : str or Path
        A file, or one that is not there yet; a link is followed.

    Raises
    ------
    OSError
        If something other than a file or a folder has that name.
    """
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(
            errno.EINVAL, "a device, a pipe or a socket is never replaced; name a file", str(path)
        )


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[Any], refuse: Callable[[Path], object]) -> Iterator[Path]:
    """Give a temporary file in the same folder, and move it to its place when it is written.

    Parameters
    ----------
    path : str or Path
        A link is followed: replacing the link would leave its file unchanged.
    refuse : callable
        Called with the target just before the move; raises if it may not be replaced,
        since it may have appeared meanwhile.

    Yields
    ------
    temporary : Path
        An empty file to write; gone afterwards in any case.

    Raises
    ------
    OSError
        If the target is a device, a pipe or a socket, or cannot be written.
    """
    target = Path(os.path.realpath(path))
    check_replaceable(target)
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(target.parent))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.touch(exist_ok=False)
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        # Libraries may put a file of their own there that others cannot read.
        temporary.chmod(mode)
        with open(temporary, "rb") as file:
            # The new name must not point to data that are still on their way.
            os.fsync(file.fileno())
        refuse(target)
        check_replaceable(target)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
