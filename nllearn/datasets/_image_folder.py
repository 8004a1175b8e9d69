"""Image files with labels from sub-folders or from a table."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

__all__ = ["load_image_folder"]

# Names of the column with the files; the second is that of Hugging Face's image folders.
_PATH_COLUMNS = ("path", "file_name")


def load_image_folder(
    root: str | os.PathLike[str], *, labels: str | os.PathLike[str] | None = None
) -> Bunch:
    """List the image files of a folder with their labels. Nothing is decoded.

    Parameters
    ----------
    root : str or Path
        The folder.
    labels : str, Path or None, default=None
        None: each sub-folder of `root` is a class, and the images in it, at any depth, are its
        rows. Hidden files and files with other suffixes than those of images are passed over.

        Else a table, ``.csv`` or ``.tsv``, with a column ``path`` (or ``file_name``), relative to
        `root` or absolute, and a column ``label``. Images that it does not name are left out.

    Returns
    -------
    Bunch
        ``data``: (n,) object array of str, the paths, to be passed as X. ``target``: (n,) int64,
        positions in ``target_names``. ``target_names``: list of the sorted distinct labels, str,
        or int if all labels of the table are whole numbers. Rows are sorted by class and then by
        path, or in the order of the table.

    Raises
    ------
    ValueError
        If `root` is no folder; a class folder holds no image, images lie outside of class
        folders or one level deeper than the classes, or there are fewer than two classes; the
        table does not exist or lacks a column, or a row of it lacks its path or label, names a
        file that does not exist, or names one a second time.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from nllearn.datasets import load_image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
    ...         path = Path(folder) / name
    ...         path.parent.mkdir(exist_ok=True)
    ...         path.touch()
    ...     images = load_image_folder(folder)
    >>> images.target.tolist(), images.target_names
    ([0, 0, 1], ['cat', 'dog'])
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"root={str(root)!r} is no folder; give the one with the images")
    paths, names = _from_folders(root) if labels is None else _from_table(root, Path(labels))
    target_names = sorted(set(names))
    if len(target_names) < 2:
        raise ValueError(
            f"{root if labels is None else labels} has one class only, {target_names[0]!r}; "
            "there must be two or more. "
            + (f"Is root={str(root / str(target_names[0]))!r} meant?" if labels is None else "")
        )
    codes = {name: code for code, name in enumerate(target_names)}
    return Bunch(
        data=np.array([str(path) for path in paths], dtype=object),
        target=np.array([codes[name] for name in names], dtype=np.int64),
        target_names=target_names,
    )


def _from_folders(root: Path) -> tuple[list[Path], list[Any]]:
    """List images class by class."""
    # Not at the top: nllearn.images loads torch, which the noise generators do without.
    from nllearn.images import IMAGE_SUFFIXES, images_below, is_image

    loose = sorted(path for path in root.iterdir() if is_image(path))
    if loose:
        raise ValueError(
            f"{loose[0]} lies outside of the class folders ({len(loose)} such images in {root}); "
            "move it into the folder of its class, or give a table with labels="
        )
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise ValueError(
            f"{root} has no sub-folders; there must be one per class, or give a table with labels="
        )
    paths: list[Path] = []
    names: list[Any] = []
    for folder in folders:
        found = images_below(folder)
        if not found:
            raise ValueError(
                f"the class folder {folder} holds no image ({', '.join(IMAGE_SUFFIXES)}); "
                "remove it or fill it"
            )
        paths += found
        names += [_composed(folder.name)] * len(found)
    if all(path.parent.parent != root for path in paths):
        # root/train/cat/1.png: "train" would become a label.
        raise ValueError(
            f"no image lies directly in a sub-folder of {root}, the first is {paths[0]}; "
            f"sub-folders of root are the classes. Is root={str(folders[0])!r} meant?"
        )
    return paths, names


def _from_table(root: Path, table_path: Path) -> tuple[list[Path], list[Any]]:
    """List the images that a table names."""
    from nllearn.images import existing_path

    table = _read_table(table_path)
    column = next((name for name in _PATH_COLUMNS if name in table.columns), None)
    if column is None or "label" not in table.columns:
        raise ValueError(
            f"{table_path} has the columns {', '.join(map(str, table.columns))}; "
            "there must be 'path' (or 'file_name') and 'label'"
        )
    paths: list[Path] = []
    first_line: dict[Path, int] = {}
    for line, (file, label) in enumerate(zip(table[column], table["label"], strict=True), start=2):
        if not file.strip():
            raise ValueError(f"{table_path}, row {line}: the label {label!r} has no file")
        if not label.strip():
            raise ValueError(f"{table_path}, row {line}: {file} has no label")
        path = existing_path(root / file)
        if not path.is_file():
            raise ValueError(
                f"{table_path}, row {line}: {path} does not exist; "
                f"paths are relative to root={str(root)!r}"
            )
        if first_line.setdefault(path, line) != line:
            raise ValueError(
                f"{table_path}, row {line}: {path} is already in row {first_line[path]}; "
                "each image must have one label"
            )
        paths.append(path)
    if not paths:
        raise ValueError(f"{table_path} has no rows; there must be one per image")
    names: list[Any] = [_composed(word.strip()) for word in table["label"]]
    try:
        numbers = [int(name) for name in names]
    except ValueError:
        return paths, names
    # 007 and 7 are two names.
    return paths, numbers if [str(number) for number in numbers] == list(names) else names


def _composed(name: str) -> str:
    """One Unicode form, so that a class that looks like one is one."""
    return unicodedata.normalize("NFC", name)


def _read_table(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise ValueError(f"labels={str(path)!r} does not exist; give a .csv or .tsv file")
    try:
        # As text, so that a label such as "NA" or "None" stays what it is.
        return pd.read_csv(
            path,
            sep="\t" if path.suffix.lower() == ".tsv" else ",",
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
        ).fillna("")  # the ends of lines that are too short
    except ValueError as error:
        raise ValueError(f"{path} is no table: {error}") from error
