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

from nllearn.images._bad_images import BadImages
from nllearn.images._pixels import is_colour, read_pixels, read_size

__all__ = [
    "decode_images",
    "image_size",
    "is_path_like_column",
    "n_channels_of",
    "read_images",
]

# Files that one task of a thread decodes: few enough to share the work evenly, and enough that
# handing out tasks costs nothing.
_CHUNK = 8
# Files whose headers tell whether images have colours.
_N_SAMPLED = 100


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
        of range. The message names all such files, at most 20 of them.
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
    _check_column(paths)
    entries = list(paths)
    if not entries:
        raise ValueError("there are no paths; give at least one image file")
    images, bad = read_images(entries, size=size, n_channels=n_channels, n_jobs=n_jobs)
    bad.raise_all(len(entries))
    assert images is not None
    return images


def read_images(
    entries: Sequence[Any],
    *,
    size: Any = None,
    n_channels: int | None = None,
    n_jobs: int | None = None,
    shape: tuple[int, ...] | None = None,
) -> tuple[np.ndarray | None, BadImages]:
    """Decode image files, and tell what is wrong instead of raising.

    Parameters
    ----------
    entries : list of length n
        Paths; other entries are bad.
    size, n_channels, n_jobs
        As for :func:`decode_images`.
    shape : (C, H, W), optional
        Of every image, where it is known; None goes by the first file that can be read.

    Returns
    -------
    images : uint8 ndarray of shape (n, C, H, W) or None
        Zeros where a file is bad. None where no file can be read and no shape is known.
    bad : BadImages
    """
    height_width = _check_size(size)
    _check_n_channels(n_channels)
    workers = min(_check_n_jobs(n_jobs), -(-len(entries) // _CHUNK))
    bad, files = BadImages(), []
    for row, path in enumerate(entries):
        file, problem = _check_path(row, path)
        files.append(file)
        if problem:
            bad.problems[row] = problem
    images, start = None, 0
    if shape is None:
        # The first file that can be read sets what is to be allocated; it is not read again.
        while start < len(files) and images is None:
            pixels = _read(files, start, height_width, n_channels, bad)
            start += 1
            if pixels is not None:
                shape, n_channels = pixels.shape, len(pixels)
                images = np.zeros((len(files), *shape), dtype=np.uint8)
                images[start - 1] = pixels
                bad.first = _size_of(files[start - 1], shape)
    else:
        images, n_channels = np.zeros((len(files), *shape), dtype=np.uint8), shape[0]
    if images is None:
        return None, bad

    def decode_chunk(start: int) -> None:
        for row in range(start, min(start + _CHUNK, len(files))):
            pixels = _read(files, row, height_width, n_channels, bad)
            if pixels is None:
                continue
            if pixels.shape != shape:
                bad.sizes[row] = _size_of(files[row], pixels.shape)
                continue
            images[row] = pixels

    starts = range(start, len(files), _CHUNK)
    if workers <= 1:
        for start in starts:
            decode_chunk(start)
    else:
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(decode_chunk, starts):
                pass
    return images, bad


def n_channels_of(files: Sequence[str]) -> int:
    """Channels that serve all files: 1 where all are grey, else 3, by the headers of some.

    Parameters
    ----------
    files : sequence of str

    Returns
    -------
    n_channels : {1, 3}
    """
    step = max(1, len(files) // _N_SAMPLED)
    return 3 if any(map(is_colour, files[::step])) else 1


def _read(
    files: list[str],
    row: int,
    height_width: tuple[int, int] | None,
    n_channels: int | None,
    bad: BadImages,
) -> np.ndarray | None:
    """Pixels of one file, or None and the problem."""
    if row in bad.problems:
        return None
    try:
        return read_pixels(files[row], height_width, n_channels)
    except ValueError as error:
        bad.problems[row] = str(error)
        return None


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
    file, problem = _check_path(0, path)
    if problem:
        raise ValueError(problem)
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


def _check_column(paths: Any) -> None:
    """Refuse what is no column of paths."""
    if isinstance(paths, str | bytes | os.PathLike):
        raise ValueError(f"paths={paths!r} is one path; give a list of them")
    shape = getattr(paths, "shape", None)
    if shape is not None and len(shape) != 1:
        raise ValueError(f"paths has shape {tuple(shape)}; it must be one-dimensional")


def _check_path(row: int, path: Any) -> tuple[str, str]:
    """A path as str, and what is wrong with it, if anything is."""
    if not isinstance(path, str | os.PathLike):
        what = "missing" if _is_missing(path) else f"{path!r}, a {type(path).__name__}"
        return "", f"the path in row {row} is {what}; it must be a str or a Path"
    file = os.fspath(path)
    if not isinstance(file, str) or not file:
        return "", f"the path in row {row} is {file!r}; it must be a file's name"
    return file, ""


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


def _size_of(file: str, shape: tuple[int, ...]) -> str:
    return f"{file} is {shape[1]} x {shape[2]}"
