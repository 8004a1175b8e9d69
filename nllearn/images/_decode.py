"""Image files to uint8 arrays, in threads."""

from __future__ import annotations

import numbers
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from torch.utils.data import get_worker_info

from nllearn.exceptions import MissingExtraError

__all__ = ["decode_image", "decode_images", "image_size", "is_path_like_column"]

# Files that one task of a thread decodes: few enough to share the work evenly, and enough that
# handing out tasks costs nothing.
_CHUNK = 8

# A JPEG that is at least this many times larger than what is asked for is decoded at a half, a
# quarter or an eighth of its size, which is several times faster. What is then left to shrink is
# still a factor of two or more, so that the result hardly differs.
_DRAFT_MARGIN = 2

# Modes of Pillow with brightness alone.
_GREY_MODES = ("1", "L", "LA", "La", "I", "F")

# The EXIF tag of the orientation, and how Pillow names what undoes each of its values.
_ORIENTATION_TAG = 0x0112
_UNDO = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_SWAPS_SIDES = (5, 6, 7, 8)


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
    first = _decode(files[0], height_width, n_channels)
    images = np.empty((len(files), *first.shape), dtype=np.uint8)
    images[0] = first
    channels = len(first)

    def decode_chunk(start: int) -> None:
        for i in range(start, min(start + _CHUNK, len(files))):
            image = _decode(files[i], height_width, channels)
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
            # Results come in order: of several bad files the first one is told, always.
            for _ in pool.map(decode_chunk, starts):
                pass
    return images


def decode_image(
    path: str | os.PathLike[str],
    *,
    size: int | Sequence[int] | None = None,
    n_channels: int | None = None,
) -> np.ndarray:
    """Decode one image file; see `decode_images` for the rules.

    Parameters
    ----------
    path : str or Path
        The file.
    size : int, (int, int) or None, default=None
        Side of a square, or height and width, that the image is brought to.
    n_channels : {1, 3} or None, default=None
        Grey or RGB. None goes by the file.

    Returns
    -------
    image : ndarray of shape (n_channels, H, W), uint8
        The pixels.

    Raises
    ------
    ValueError
        If the file does not exist or cannot be decoded, or a parameter is out of range.
    MissingExtraError
        If Pillow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from nllearn.images import decode_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "grey.png"
    ...     Image.new("L", (6, 4), 7).save(path)
    ...     decode_image(path).shape
    (1, 4, 6)
    """
    (file,) = _check_paths([path])
    _check_n_channels(n_channels)
    return _decode(file, _check_size(size), n_channels)


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
    Image = _pillow()
    try:
        with Image.open(file) as image:
            return _upright_size(image)
    except Exception as error:
        raise _unreadable(file, error) from error


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


def _pillow() -> Any:
    """Import Pillow where it is used: ``import nllearn`` must not load it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError(
            "reading image files needs Pillow, which is not installed; "
            "run pip install 'nllearn[images]'"
        ) from error
    return Image


def _decode(file: str, height_width: tuple[int, int] | None, n_channels: int | None) -> np.ndarray:
    """Decode one file to a (C, H, W) view of its pixels."""
    Image = _pillow()
    try:
        with Image.open(file) as image:
            if height_width is not None:
                _draft(image, height_width)
            image.load()
            undo = _UNDO.get(_orientation(image))
            if undo is not None:
                image = image.transpose(Image.Transpose[undo])
            image = _to_mode(image, n_channels)
            if height_width is not None and image.size != height_width[::-1]:
                image = _cover(image, height_width)
            pixels = np.asarray(image)
    except MemoryError:
        raise
    except Exception as error:
        # Broken files make Pillow raise many types: OSError, SyntaxError, struct.error, ...
        raise _unreadable(file, error) from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _to_mode(image: Any, n_channels: int | None) -> Any:
    """Convert to 8 bits, grey or RGB, without transparency."""
    Image = _pillow()
    is_grey = image.mode in _GREY_MODES or image.mode.startswith("I;16")
    if image.mode.startswith("I"):
        # Pillow would clip at 255 instead of scaling.
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(
                f"pixels from {values.min()} to {values.max()} are neither 8 nor 16 bits; "
                "convert the file to 8 bits first"
            )
        image = Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError(
            "the range of floating-point pixels is unknown; convert the file to 8 bits first"
        )
    elif image.has_transparency_data:
        # What lies under transparent pixels is arbitrary, and nobody who labels sees it.
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    mode = "L" if (n_channels or (1 if is_grey else 3)) == 1 else "RGB"
    if image.mode not in ("1", "L", "RGB"):
        # By way of RGB, so that no mode takes a short cut of its own to grey.
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _draft(image: Any, height_width: tuple[int, int]) -> None:
    """Let a JPEG be decoded at a fraction of its size where that is enough."""
    if image.format not in ("JPEG", "MPO"):
        return
    upright = _upright_size(image)
    needed = max(a / b for a, b in zip(height_width, upright, strict=True)) * _DRAFT_MARGIN
    if needed < 1:
        image.draft(image.mode, tuple(int(np.ceil(side * needed)) for side in image.size))


def _cover(image: Any, height_width: tuple[int, int]) -> Any:
    """Resize so that the image covers the size, and cut the middle out."""
    Image = _pillow()
    height, width = height_width
    scale = min(image.width / width, image.height / height)
    left = (image.width - width * scale) / 2
    top = (image.height - height * scale) / 2
    # One step: only what stays is computed. Rounding must not push the box over the edge.
    box = (
        max(0.0, left),
        max(0.0, top),
        min(float(image.width), left + width * scale),
        min(float(image.height), top + height * scale),
    )
    return image.resize((width, height), Image.Resampling.BILINEAR, box=box)


def _upright_size(image: Any) -> tuple[int, int]:
    """Height and width after the EXIF orientation."""
    width, height = image.size
    return (width, height) if _orientation(image) in _SWAPS_SIDES else (height, width)


def _orientation(image: Any) -> int:
    """Value of the EXIF orientation; 1 (upright) where there is none."""
    try:
        return image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:
        # Broken EXIF data is common on the web and says nothing about the pixels.
        return 1


def _unreadable(file: str, error: Exception) -> ValueError:
    """Say why a file gives no image."""
    path = Path(file)
    if not path.exists():
        return ValueError(f"the image file {file} does not exist")
    if path.is_dir():
        return ValueError(f"{file} is a folder; give the paths of the image files in it")
    if path.is_file() and path.stat().st_size == 0:
        return ValueError(f"the image file {file} is empty")
    reason = str(error) or type(error).__name__
    return ValueError(
        f"the image file {file} cannot be decoded: {reason}. Repair or leave out this file"
    )


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
