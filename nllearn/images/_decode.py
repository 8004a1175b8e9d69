"""Image files to uint8 arrays, in threads."""

from __future__ import annotations

import numbers
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import joblib
import numpy as np
import pandas as pd
from torch.utils.data import get_worker_info

from nllearn.images._pixels import read_pixels, read_size

__all__ = ["decode_images", "image_size", "is_path_like_column"]

# Files that one task of a thread decodes: few enough to share the work evenly, and enough that
# handing out tasks costs nothing.
_CHUNK = 8


def decode_images(
    paths: Any,
    *,
    size: int | Sequence[int] | None = None,
    n_channels: int | None = None,
    n_jobs: int | None = None,
) -> np.ndarray:
    """Decode image files into one array.

    The EXIF orientation is applied. Transparent pixels are laid over white. Palette and CMYK
    images become RGB, 16 bits become 8. Of an animated image the first frame is taken.

    Parameters
    ----------
    paths : sequence of str or Path of length n
        A list, a 1-D array or a Series.
    size : int, (int, int) or None, default=None
        Side of a square, or height and width. Each image is resized so that it just covers the
        wanted size, keeping its proportions, and the rest is cut off evenly on both sides. None
        keeps the pixels as they are and asks that all files have one size.
    n_channels : {1, 3} or None, default=None
        Grey or RGB. None goes by the first file: 1 if it is grey, else 3.
    n_jobs : int or None, default=None
        Threads. None and -1 use one per processor, or a single one in a worker process of a
        ``DataLoader``.

    Returns
    -------
    images : ndarray of shape (n, n_channels, H, W), uint8
        In the order of `paths`.

    Raises
    ------
    ValueError
        If there are no paths, a path is missing or no str or Path, a file does not exist or
        cannot be decoded, the files differ in size while `size` is None, or a parameter is out
        of range. The message names the file.
    MissingExtraError
        If Pillow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from nllearn.images import decode_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "red.png"
    ...     Image.new("RGB", (6, 4), "red").save(path)
    ...     decode_images([path, path]).shape, decode_images([path], size=2)[0, :, 0, 0]
    ((2, 3, 4, 6), array([255,   0,   0], dtype=uint8))
    """
    files = _check_paths(paths)
    height_width = _check_size(size)
    _check_n_channels(n_channels)
    workers = min(_check_n_jobs(n_jobs), -(-len(files) // _CHUNK))
    # The first file sets what is to be allocated; it is decoded here and not again.
    first = read_pixels(files[0], height_width, n_channels)
    images = np.empty((len(files), *first.shape), dtype=np.uint8)
    images[0] = first
    channels = len(first)

    def decode_chunk(start: int) -> None:
        for i in range(start, min(start + _CHUNK, len(files))):
            image = read_pixels(files[i], height_width, channels)
            if image.shape != first.shape:
                raise ValueError(
                    "the images differ in size (height x width): "
                    f"{files[0]} is {_times(first.shape[1:])}, {files[i]} is "
                    f"{_times(image.shape[1:])}. Set decode_size to bring all to one size, "
                    "for example decode_size=224"
                )
            images[i] = image

    starts = range(1, len(files), _CHUNK)
    if workers <= 1:
        for start in starts:
            decode_chunk(start)
    else:
        with ThreadPoolExecutor(workers) as pool:
            # Results come in order: of several bad files always the first one is reported.
            for _ in pool.map(decode_chunk, starts):
                pass
    return images


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of an image file, after its EXIF orientation.

    The pixels are decoded only where the format keeps its EXIF data behind them (some PNG).

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    height, width : int
        In pixels.

    Raises
    ------
    ValueError
        If the file does not exist or is no image.
    MissingExtraError
        If Pillow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from nllearn.images import image_size
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "wide.png"
    ...     Image.new("RGB", (6, 4)).save(path)
    ...     image_size(path)
    (4, 6)
    """
    (file,) = _check_paths([path])
    return read_size(file)


def is_path_like_column(X: Any) -> bool:
    """Tell whether `X` is a column of paths.

    Parameters
    ----------
    X : any
        What a user passed as X.

    Returns
    -------
    bool
        True for a list, tuple, 1-D array or Series whose first entry that is not missing is a
        str or a Path.

    Examples
    --------
    >>> from nllearn.images import is_path_like_column
    >>> is_path_like_column(["cat.png", "dog.png"]), is_path_like_column([[0.5], [1.5]])
    (True, False)
    """
    if isinstance(X, np.ndarray):
        if X.ndim != 1 or X.dtype.kind not in "OUT":
            return False
    elif not isinstance(X, list | tuple | pd.Series):
        return False
    for entry in X:
        if not _is_missing(entry):
            return isinstance(entry, str | os.PathLike)
    return False


def _check_paths(paths: Any) -> list[str]:
    """Check the paths and give them as a list of str."""
    if isinstance(paths, str | bytes | os.PathLike):
        raise ValueError(f"paths={paths!r} is one path; give a list of them")
    shape = getattr(paths, "shape", None)
    if shape is not None and len(shape) != 1:
        raise ValueError(f"paths has shape {tuple(shape)}; it must be one-dimensional")
    files = []
    for row, path in enumerate(paths):
        if not isinstance(path, str | os.PathLike):
            what = "missing" if _is_missing(path) else f"{path!r}, a {type(path).__name__}"
            raise ValueError(f"the path in row {row} is {what}; it must be a str or a Path")
        file = os.fspath(path)
        if not isinstance(file, str) or not file:
            raise ValueError(f"the path in row {row} is {file!r}; it must be a file's name")
        files.append(file)
    if not files:
        raise ValueError("there are no paths; give at least one image file")
    return files


def _is_missing(entry: Any) -> bool:
    return entry is None or entry is pd.NA or (isinstance(entry, float) and entry != entry)


def _check_size(size: Any) -> tuple[int, int] | None:
    """Give `size` as (height, width)."""
    if size is None:
        return None
    sides = tuple(size) if isinstance(size, Sequence | np.ndarray) else (size, size)
    whole = all(isinstance(s, numbers.Integral) and not isinstance(s, bool) for s in sides)
    if isinstance(size, str) or len(sides) != 2 or not whole or min(sides) < 1:
        raise ValueError(
            f"size={size!r}; it must be a positive int (a square), or (height, width), or None"
        )
    return int(sides[0]), int(sides[1])


def _check_n_channels(n_channels: Any) -> None:
    if n_channels not in (None, 1, 3):
        raise ValueError(f"n_channels={n_channels!r}; it must be 1 (grey), 3 (RGB) or None")


def _check_n_jobs(n_jobs: Any) -> int:
    """Give the number of threads."""
    if n_jobs is None:
        # The workers of a DataLoader are already one per processor.
        return joblib.cpu_count() if get_worker_info() is None else 1
    if not isinstance(n_jobs, numbers.Integral) or isinstance(n_jobs, bool) or n_jobs == 0:
        raise ValueError(f"n_jobs={n_jobs!r}; it must be a positive int, -1 or None")
    n = int(n_jobs)
    return n if n > 0 else max(1, joblib.cpu_count() + 1 + n)


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
