"""What a reviewer sees of a row: its text, its cells or a small picture."""

from __future__ import annotations

import base64
import importlib.util
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nllearn._validation import is_tensor
from nllearn.exceptions import MissingExtraError
from nllearn.images import existing_path
from nllearn.inspection._frames import as_frame

__all__ = ["Content", "content_reader", "rows_within"]

_MAX_TEXT, _MAX_CELL, _MAX_COLUMNS = 2000, 200, 50
_THUMBNAIL, _JPEG_QUALITY = 96, 80
_N_SAMPLED = 256


class Content:
    """Reads what the page shows of a row.

    Parameters
    ----------
    kind : {"images", "texts", "table"}
    n_rows : int
    read : callable
        From a row number to a string (text, data URI of a JPEG) or a list of strings (cells).
    columns : list of str
        Names of the cells.
    """

    def __init__(
        self, kind: str, n_rows: int, read: Callable[[int], str | list[str]], columns: list[str]
    ):
        self.kind = kind
        self.n_rows = n_rows
        self.read = read
        self.columns = columns


def content_reader(images: Any, texts: Any, table: Any) -> Content | None:
    """Make the reader of what was passed; None when nothing was.

    Parameters
    ----------
    images : array of shape (n, H, W), (n, H, W, C) or (n, C, H, W), or sequence, optional
        Items of a sequence are paths, PIL images or arrays.
    texts : sequence of str, optional
    table : DataFrame or array of shape (n, d), optional

    Returns
    -------
    content : Content or None

    Raises
    ------
    ValueError
        If more than one is passed, or one has no rows to read.
    MissingExtraError
        For images without Pillow.
    """
    passed = {"images": images, "texts": texts, "table": table}
    names = [name for name, value in passed.items() if value is not None]
    if not names:
        return None
    if len(names) > 1:
        raise ValueError(f"{' and '.join(names)} were passed; pass one of images, texts, table")
    if texts is not None:
        return _text_reader(texts)
    return _table_reader(table) if table is not None else _image_reader(images)


def _text_reader(texts: Any) -> Content:
    items = _items("texts", texts, "strings")
    return Content("texts", len(items), lambda row: _short(_word(items[row]), _MAX_TEXT), [])


def _items(name: str, values: Any, what: str) -> Any:
    """One item per row, by position."""
    if isinstance(values, pd.DataFrame) and values.shape[1] == 1:
        values = values.iloc[:, 0]
    no_rows = isinstance(values, str | bytes | os.PathLike | dict | set | pd.DataFrame)
    if no_rows or not hasattr(values, "__len__") or not hasattr(values, "__getitem__"):
        raise ValueError(
            f"{name} is a {type(values).__name__}; pass a sequence of {what}, one per row"
        )
    # Series of pandas find rows by index, and those of other libraries hold objects of theirs.
    for method in ("to_pylist", "to_list"):
        if hasattr(values, method):
            return getattr(values, method)()
    return values


def _word(value: Any) -> str:
    is_gap = value is None or (pd.api.types.is_scalar(value) and pd.isna(value))
    return "" if is_gap else str(value)


def _table_reader(table: Any) -> Content:
    frame = as_frame("table", table, max_columns=_MAX_COLUMNS)
    shown = frame.iloc[:, :_MAX_COLUMNS]
    names = [str(name) for name in shown.columns]
    columns = [shown.iloc[:, i].tolist() for i in range(len(names))]
    return Content(
        "table", len(frame), lambda row: [_cell(column[row]) for column in columns], names
    )


def _image_reader(images: Any) -> Content:
    if importlib.util.find_spec("PIL") is None:
        raise MissingExtraError("pictures need Pillow: pip install 'nllearn[report]'")
    if is_tensor(images):
        images = images.detach().cpu().numpy()
    images = _items("images", images, "images or paths")
    is_array = isinstance(images, np.ndarray) and images.dtype.kind not in "OUS"
    if is_array and images.ndim not in (3, 4):
        raise ValueError(
            f"images have shape {images.shape}; expected (n, H, W), (n, H, W, C) or (n, C, H, W)"
        )
    low, high = _value_range(images) if is_array else _range_of_items(images)
    return Content("images", len(images), lambda row: _thumbnail(images[row], low, high), [])


def _range_of_items(images: Any) -> tuple[float, float]:
    """Values that become black and white, of arrays in a list; pictures have their own."""
    step = max(1, len(images) // _N_SAMPLED)
    arrays = [_array_of(images[row]) for row in range(0, len(images), step)]
    values = [array.ravel() for array in arrays if array is not None]
    if not values:
        return 0.0, 255.0
    return _value_range(np.concatenate(values))


def _array_of(item: Any) -> np.ndarray | None:
    """Pixels of an item that is neither a path nor a picture."""
    if isinstance(item, tuple):  # what a Dataset gives: the image and its label
        item = item[0]
    if isinstance(item, str | os.PathLike) or hasattr(item, "convert"):
        return None
    return item.detach().cpu().numpy() if is_tensor(item) else np.asarray(item)


def _value_range(images: np.ndarray) -> tuple[float, float]:
    """Values that become black and white."""
    if images.dtype == np.uint8:
        return 0.0, 255.0
    step = max(1, len(images) // _N_SAMPLED) if images.ndim > 1 else 1
    sample = np.asarray(images[::step], dtype=np.float64)
    low, high = float(np.nanmin(sample)), float(np.nanmax(sample))
    if low >= 0.0:  # the two usual scales; anything else was standardised
        # Digits of 0 to 16 must not come out black; pictures of 0 to 255 may be dark.
        low, high = 0.0, 1.0 if high <= 1.0 else 255.0 if 64.0 < high <= 255.0 else high
    return low, high


def _thumbnail(item: Any, low: float, high: float) -> str:
    """Picture of at most 96 pixels a side as the data URI of a JPEG."""
    from PIL import Image

    if isinstance(item, tuple):
        item = item[0]
    array = _array_of(item)
    if array is not None:
        picture = Image.fromarray(_pixels(array, low, high)).convert("RGB")
    elif isinstance(item, str | os.PathLike):
        with Image.open(existing_path(Path(item))) as opened:
            opened.draft("RGB", (_THUMBNAIL, _THUMBNAIL))  # a JPEG decodes small, and fast
            picture = _upright(opened)
    else:
        picture = _upright(item)
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _upright(picture: Any) -> Any:
    """Turn a picture as its camera was held, in bytes of red, green and blue."""
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        # Pillow would cut off all above 255.
        values = np.asarray(picture)
        picture = Image.fromarray(_pixels(values, *_value_range(values)))
    return picture.convert("RGB")


def _pixels(image: np.ndarray, low: float, high: float) -> np.ndarray:
    """Array of bytes of shape (H, W) or (H, W, 3)."""
    if image.ndim == 3 and image.shape[2] not in (1, 3, 4) and image.shape[0] in (1, 3, 4):
        image = image.transpose(1, 2, 0)
    if image.ndim != 2 and not (image.ndim == 3 and image.shape[2] in (1, 3, 4)):
        raise ValueError(f"an image has shape {image.shape}; expected (H, W) or 1, 3, 4 channels")
    if image.ndim == 3:
        image = image[:, :, 0] if image.shape[2] == 1 else image[:, :, :3]
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    scaled = (np.asarray(image, dtype=np.float64) - low) / max(high - low, 1e-12)
    return np.round(255.0 * np.clip(np.nan_to_num(scaled), 0.0, 1.0)).astype(np.uint8)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.6g}"
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    return _short(str(value), _MAX_CELL)


def rows_within(rows: Sequence[int], budget: int, content: Content) -> dict[int, str | list[str]]:
    """Read rows in order until the characters are used up.

    Parameters
    ----------
    rows : sequence of int
    budget : int
        Characters.
    content : Content

    Returns
    -------
    found : dict of int to str or list of str
    """
    found: dict[int, str | list[str]] = {}
    for row in rows:
        if row in found:
            continue
        value = content.read(int(row))
        budget -= len(value) if isinstance(value, str) else sum(map(len, value)) + 3 * len(value)
        if budget < 0:
            break
        found[int(row)] = value
    return found
