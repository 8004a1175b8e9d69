"""Pixels of one image file, with Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nllearn.exceptions import MissingExtraError

__all__ = ["is_colour", "pixels_of", "read_pixels", "read_size"]

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


def read_pixels(
    file: str, height_width: tuple[int, int] | None, n_channels: int | None
) -> np.ndarray:
    """Decode one file.

    Parameters
    ----------
    file : str
        The file.
    height_width : (int, int) or None
        Size to cover and crop to. None: as it is.
    n_channels : {1, 3} or None
        Grey or RGB. None: as it is.

    Returns
    -------
    ndarray of shape (C, H, W), uint8
        A view of memory in the order (H, W, C).

    Raises
    ------
    ValueError
        If the file cannot be decoded. The message names it and says why.
    """
    Image = _pillow()
    try:
        with Image.open(file) as image:
            if height_width is not None:
                _draft(image, height_width)
            return pixels_of(image, height_width, n_channels)
    except MemoryError:
        raise
    except Exception as error:
        # Broken files make Pillow raise many types: OSError, SyntaxError, struct.error, ...
        raise _unreadable(file, error) from error


def is_colour(file: str) -> bool:
    """Whether a file has colours, by its header; False for one that cannot be read.

    Parameters
    ----------
    file : str

    Returns
    -------
    is_colour : bool
    """
    Image = _pillow()
    try:
        with Image.open(file) as image:
            return not _is_grey(image)
    except MemoryError:
        raise
    except Exception:
        return False


def _is_grey(image: Any) -> bool:
    return image.mode in _GREY_MODES or image.mode.startswith("I;16")


def pixels_of(
    image: Any, height_width: tuple[int, int] | None, n_channels: int | None
) -> np.ndarray:
    """Pixels of an opened Pillow image, as those of a file.

    Parameters
    ----------
    image : PIL.Image.Image
    height_width : (int, int) or None
        Size to cover and crop to. None: as it is.
    n_channels : {1, 3} or None
        Grey or RGB. None: as it is.

    Returns
    -------
    ndarray of shape (C, H, W), uint8
        A view of memory in the order (H, W, C).

    Raises
    ------
    ValueError
        If the range of its values is unknown.
    """
    Image = _pillow()
    image.load()
    undo = _UNDO.get(_orientation(image))
    if undo is not None:
        image = image.transpose(Image.Transpose[undo])
    image = _to_mode(image, n_channels)
    if height_width is not None and image.size != height_width[::-1]:
        image = _cover(image, height_width)
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _to_mode(image: Any, n_channels: int | None) -> Any:
    """Convert to 8 bits, grey or RGB, without transparency."""
    Image = _pillow()
    is_grey = _is_grey(image)
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


def read_size(file: str) -> tuple[int, int]:
    """Height and width of a file after its EXIF orientation.

    Parameters
    ----------
    file : str
        The file.

    Returns
    -------
    height, width : int

    Raises
    ------
    ValueError
        If the file cannot be read. The message names it and says why.
    """
    Image = _pillow()
    try:
        with Image.open(file) as image:
            return _upright_size(image)
    except Exception as error:
        raise _unreadable(file, error) from error


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
