"""Image files of a folder."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

__all__ = ["IMAGE_SUFFIXES", "existing_path", "images_below", "is_image", "list_images"]

#: Suffixes of files that are taken for images.
IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def list_images(folder: str | os.PathLike[Any]) -> list[Path]:
    """List the image files of a folder and of its sub-folders, without hidden ones.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    paths : list of Path
        Sorted, so that the order is the same on every machine.

    Raises
    ------
    ValueError
        If the folder does not exist or holds no image.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"{root} is no folder")
    paths = images_below(root)
    if not paths:
        raise ValueError(f"{root} holds no image file ({', '.join(IMAGE_SUFFIXES)})")
    return paths


def images_below(folder: Path) -> list[Path]:
    """Sorted images of a folder and its sub-folders, without hidden files and folders.

    The folder itself may be hidden: whoever names it means it.
    """
    found = []
    for parent, subfolders, files in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [path for path in map(Path(parent).joinpath, files) if is_image(path)]
    return sorted(found)


def is_image(path: Path) -> bool:
    """Tell whether a path is an image file by its name; hidden files are none.

    Systems leave such files beside images, as macOS does with ``._1.png``.
    """
    return (
        not path.name.startswith(".") and path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    )


def existing_path(path: Path) -> Path:
    """Path of a file under the Unicode form that the disk has; the path itself if none exists.

    macOS and some archives write é as e with an accent, most tables as one letter.
    """
    forms = (unicodedata.normalize(form, str(path)) for form in ("NFC", "NFD"))
    return next((p for p in (path, *map(Path, forms)) if p.is_file()), path)
