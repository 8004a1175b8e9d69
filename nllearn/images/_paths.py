"""Image files of a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

__all__ = ["IMAGE_SUFFIXES", "list_images"]

#: Suffixes of files that are taken for images.
IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def list_images(folder: str | os.PathLike[Any]) -> list[Path]:
    """List the image files of a folder and of its sub-folders.

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
    paths = sorted(
        path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    )
    if not paths:
        raise ValueError(f"{root} holds no image file ({', '.join(IMAGE_SUFFIXES)})")
    return paths
