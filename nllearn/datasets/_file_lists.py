"""Text files with one image and its label per line, as large image sets come with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

__all__ = ["as_columns", "check_folders", "missing_error", "read_pairs"]


def read_pairs(path: Path) -> Iterator[tuple[str, int]]:
    """Read lines of the form ``image label``.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    image : str
        The path as it is written.
    label : int
        The class.

    Raises
    ------
    ValueError
        If a line has another form. The message names file and line.
    """
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            words = line.rsplit(maxsplit=1)
            if not words:
                continue
            if len(words) != 2 or not words[1].isdigit():
                raise ValueError(
                    f"{path}, line {number}: {line.strip()!r}; it must be a path, a blank and "
                    "the number of a class"
                )
            yield words[0].strip(), int(words[1])


def check_folders(paths: Iterable[str], missing: str) -> None:
    """Check that the folders of all files exist; a look at each of a million files takes long.

    Parameters
    ----------
    paths : iterable of str
        The files.
    missing : str
        Where to get what is missing, for the error text.

    Raises
    ------
    ValueError
        If a folder does not exist.
    """
    folders = sorted({path.rpartition("/")[0] for path in paths})
    absent = [folder for folder in folders if not Path(folder).is_dir()]
    if absent:
        raise ValueError(
            f"{len(absent)} of {len(folders)} image folders do not exist, the first is "
            f"{absent[0]}. {missing}"
        )


def as_columns(
    pairs: list[tuple[str, int]], names: list[str], source: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Split pairs into an array of paths and one of labels.

    Parameters
    ----------
    pairs : list of (str, int)
        Paths and classes.
    names : list of str
        Names of the classes.
    source : Path
        Where the pairs come from, for the error text.

    Returns
    -------
    data : ndarray of shape (n,), object
        Paths.
    target : ndarray of shape (n,), int64
        Classes.

    Raises
    ------
    ValueError
        If there are no pairs, or a class has no name.
    """
    if not pairs:
        raise ValueError(f"{source} lists no images")
    target = np.array([label for _, label in pairs], dtype=np.int64)
    if target.max() >= len(names):
        raise ValueError(
            f"{source} has the class {target.max()}, but there are {len(names)} names of classes"
        )
    return np.array([path for path, _ in pairs], dtype=object), target


def missing_error(root: Path, needed: list[str], where: str) -> ValueError | None:
    """Give the error that names all files that are missing, or None.

    Parameters
    ----------
    root : Path
        Folder of the data set.
    needed : list of str
        Files and folders below `root`; ``"a or b"`` where one of the two is enough.
    where : str
        Where to get the data set.

    Returns
    -------
    ValueError or None
    """
    absent = [
        name for name in needed if not any((root / one).exists() for one in name.split(" or "))
    ]
    if not absent:
        return None
    return ValueError(f"root={str(root)!r} lacks {', '.join(absent)}. {where}")
