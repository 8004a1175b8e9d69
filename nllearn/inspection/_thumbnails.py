"""Small pictures of training images, read by the reader that training uses."""

from __future__ import annotations

import base64
import importlib.util
import io
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from nllearn.exceptions import MissingExtraError
from nllearn.images import array_of, decode_images, existing_path, image_size, pixels_of
from nllearn.inspection._frames import items_of

__all__ = ["file_names", "thumbnail_reader"]

_JPEG_QUALITY = 80
_CHANNELS = (1, 3, 4)
# Images that the range of the values is learnt from.
_N_SAMPLED = 256


def thumbnail_reader(images: Any, side: int) -> tuple[int, Callable[[int], str], list[str] | None]:
    """Make the reader of small pictures.

    Files are read as training reads them: upright by their EXIF orientation, 16 bits brought to
    8, transparent pixels over white. Arrays and tensors are uint8, or are scaled by one range for
    all rows: 0 to 1 or 0 to 255 where the values fit, else from their lowest to their highest
    value.

    Parameters
    ----------
    images : array or Tensor of shape (n, H, W), (n, H, W, C) or (n, C, H, W), sequence, Dataset
        Items of a sequence are paths, Pillow images, arrays or tensors; those of a torch
        ``Dataset`` are images or ``(image, label)``. Tensors have their channels first.
    side : int
        Pixels that a picture is at most wide and high.

    Returns
    -------
    n : int
    read : callable
        From a row number to the data URI of a JPEG.
    names : list of n str or None
        File names, where the images are files.

    Raises
    ------
    ValueError
        If `images` is nothing of this. `read` raises it for an image that cannot be read.
    MissingExtraError
        If Pillow is not installed.
    """
    if importlib.util.find_spec("PIL") is None:
        raise MissingExtraError("pictures need Pillow: pip install 'nllearn[report]'")
    if isinstance(images, str | os.PathLike):
        raise ValueError(
            f"images is a single path, {os.fspath(images)!r}; pass a list of paths, one per row"
        )
    images = items_of("images", images, "images or paths")
    is_stack = isinstance(images, torch.Tensor) or (
        isinstance(images, np.ndarray) and images.dtype.kind not in "OUS"
    )
    if is_stack and images.ndim not in (3, 4):
        raise ValueError(
            f"images have shape {tuple(images.shape)}; expected (n, H, W), (n, H, W, C) or "
            "(n, C, H, W)"
        )
    is_dataset = isinstance(images, Dataset)

    def item_of(row: int) -> Any:
        item = images[row]
        # What a Dataset gives, also as a list: the image and its label.
        pair = isinstance(item, tuple) or (is_dataset and isinstance(item, list))
        return item[0] if pair else item

    names = _names_of(images, len(images), is_stack)
    low, high = _value_range(item_of, len(images))
    return len(images), lambda row: _thumbnail(item_of(row), low, high, side), names


def _names_of(images: Any, n: int, is_stack: bool) -> list[str] | None:
    """File names of a list of paths, or of a Dataset that lists its files."""
    if is_stack or not n:
        return None
    paths: list[Any] = []
    if isinstance(images, Dataset):
        # As torchvision's folders of images list them: (path, class).
        samples = getattr(images, "samples", None)
        if isinstance(samples, list) and len(samples) == n:
            paths = [one[0] if isinstance(one, tuple | list) else one for one in samples]
    else:
        paths = [images[row] for row in range(n)]
    if not paths or not all(isinstance(path, str | os.PathLike) for path in paths):
        return None
    return file_names(paths)


def file_names(paths: Sequence[Any]) -> list[str]:
    """Names of files; with their folders below the common one where names occur twice.

    Parameters
    ----------
    paths : sequence of str or Path

    Returns
    -------
    names : list of str

    Examples
    --------
    >>> from nllearn.inspection._thumbnails import file_names
    >>> file_names(["data/cat/1.png", "data/dog/2.png"])
    ['1.png', '2.png']
    >>> file_names(["data/cat/1.png", "data/dog/1.png"])
    ['cat/1.png', 'dog/1.png']
    """
    files = [os.path.normpath(os.fspath(path)).replace(os.sep, "/") for path in paths]
    names = [file.rsplit("/", 1)[-1] for file in files]
    if Counter(names).most_common(1)[0][1] == 1:
        return names
    folders = {file.rpartition("/")[0] for file in files}
    try:
        common = os.path.commonpath(folders).replace(os.sep, "/").rstrip("/")
    except ValueError:  # absolute and relative paths, or two drives
        return files
    return [file[len(common) + 1 :] if common else file for file in files]


def _as_array(item: Any) -> np.ndarray | None:
    """Pixels of an array, a tensor or a Pillow image without a known range; else None."""
    return None if isinstance(item, str | os.PathLike) else array_of(item)


def _value_range(item_of: Callable[[int], Any], n: int) -> tuple[float, float]:
    """Values that become black and white."""
    if n == 0:
        return 0.0, 255.0
    first = _as_array(item_of(0))
    if first is None or first.dtype == np.uint8 or first.dtype.kind not in "biuf":
        return 0.0, 255.0
    rows = np.unique(np.linspace(0, n - 1, min(n, _N_SAMPLED)).astype(int))
    arrays = [
        array for array in (_as_array(item_of(int(row))) for row in rows) if array is not None
    ]
    values = [array[np.isfinite(array)] for array in arrays]
    low = min((float(v.min()) for v in values if v.size), default=0.0)
    high = max((float(v.max()) for v in values if v.size), default=1.0)
    if low >= 0.0:  # the two usual scales; anything else was standardised
        # Digits of 0 to 16 must not come out black; pictures of 0 to 255 may be dark.
        low, high = 0.0, 1.0 if high <= 1.0 else 255.0 if 64.0 < high <= 255.0 else high
    return low, high


def _thumbnail(item: Any, low: float, high: float, side: int) -> str:
    """Data URI of a JPEG."""
    from PIL import Image

    array = _as_array(item)
    if array is not None:
        pixels = _bytes_of(array, low, high, channels_first=isinstance(item, torch.Tensor))
    elif isinstance(item, str | os.PathLike):
        path = existing_path(Path(item))
        size = _fitted(image_size(path), side)
        pixels = decode_images([path], size=size, n_jobs=1)[0].transpose(1, 2, 0)
    else:
        pixels = pixels_of(item, None, None).transpose(1, 2, 0)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _fitted(height_width: tuple[int, int], side: int) -> tuple[int, int]:
    """Height and width within a square, in the same proportions; nothing is enlarged."""
    height, width = height_width
    scale = min(1.0, side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _bytes_of(image: np.ndarray, low: float, high: float, *, channels_first: bool) -> np.ndarray:
    """Array of bytes of shape (H, W) or (H, W, C) with one or three channels."""
    first = image.ndim == 3 and image.shape[0] in _CHANNELS
    last = image.ndim == 3 and image.shape[2] in _CHANNELS
    if image.ndim != 2 and not first and not last:
        raise ValueError(f"an image has shape {image.shape}; expected (H, W) or 1, 3, 4 channels")
    if first and (channels_first or not last):
        image = image.transpose(1, 2, 0)
    if image.ndim == 3:
        image = image[:, :, : 1 if image.shape[2] == 1 else 3]
    if image.dtype == np.uint8:
        return image
    scaled = (np.asarray(image, dtype=np.float64) - low) / max(high - low, 1e-12)
    return np.round(255.0 * np.clip(np.nan_to_num(scaled), 0.0, 1.0)).astype(np.uint8)
