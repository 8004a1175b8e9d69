"""Images and labels of a map-style torch Dataset."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nllearn.images._bad_images import BadImages
from nllearn.images._fetched_records import FetchedRecords
from nllearn.images._layout import as_channels_first_shape, resolve_layout
from nllearn.images._pixels import pixels_of

__all__ = ["DatasetRecords", "array_of", "dataset_labels"]


class DatasetRecords(FetchedRecords):
    """Images of a map-style torch ``Dataset``, whose items are images or ``(image, label)``.

    An item is unreadable if fetching it raises an error, or if it is no image of finite numbers.

    Parameters
    ----------
    dataset : Dataset
        An image is a tensor, an array or a Pillow image; the latter is read as a file is.
    image_layout : {"auto", "channels_last", "channels_first"}

    Raises
    ------
    ValueError
        If no item can be read, or the first that can be read is no image.
    """

    def __init__(self, dataset: Any, image_layout: str):
        super().__init__()
        self.dataset = dataset
        self.n = len(dataset)
        if not self.n:
            raise ValueError("X is a Dataset without items")
        self._n_channels: int | None = None
        bad = BadImages()
        for row in range(self.n):
            first = self._item(row, bad)
            if first is not None:
                break
        if first is None:
            raise bad.as_error(self.n) from bad.cause
        image, is_tensor = first
        if image.ndim not in (2, 3):
            raise ValueError(
                f"the items of the Dataset have shape {image.shape}; images are (H, W), "
                "(H, W, C) or (C, H, W). Pass tables as an array"
            )
        self._n_channels = 1 if image.ndim == 2 else 3
        self._item_shape, self._dtype = image.shape, image.dtype
        self._first = _described(row, image)
        batch = (self.n, *image.shape)
        if is_tensor and image_layout == "auto":
            # torch's own convention, which a tensor of (3, 224, 3) would not give away.
            image_layout = "channels_first"
        self.layout = resolve_layout(batch, image_layout)
        self.shape = as_channels_first_shape(batch, self.layout)
        self.is_float = image.dtype.kind == "f"
        self.itemsize = image.dtype.itemsize

    def _item(self, row: int, bad: BadImages) -> tuple[np.ndarray, bool] | None:
        """Pixels of an item and whether it was a tensor, or None and the problem."""
        try:
            image = _image_of(self.dataset[row])
            pixels = array_of(image)
            if pixels is None:
                pixels = pixels_of(image, None, self._n_channels).transpose(1, 2, 0)
                pixels = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
        except MemoryError:
            raise
        except Exception as error:
            # Code of the user's, which may raise anything.
            bad.fail(row, f"item {row} of the Dataset cannot be read: {_reason(error)}", error)
            return None
        if pixels.dtype.kind not in "biuf":
            bad.problems[row] = f"item {row} of the Dataset is no image but {_short(image)}"
            return None
        pixels = pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32)
        if not np.isfinite(pixels).all():
            bad.problems[row] = f"item {row} of the Dataset has values that are not finite"
            return None
        return pixels, isinstance(image, torch.Tensor)

    def _fetch(self, rows: np.ndarray) -> tuple[np.ndarray, BadImages]:
        images = np.zeros((len(rows), *self._item_shape), dtype=self._dtype)
        bad = BadImages(first=self._first, how_to_resize="Bring all to one size in the Dataset")
        for i, row in enumerate(rows.tolist()):
            item = self._item(row, bad)
            if item is None:
                continue
            if item[0].shape == self._item_shape and item[0].dtype == self._dtype:
                images[i] = item[0]
            else:
                bad.sizes[row] = _described(row, item[0])
        return images, bad


def _image_of(item: Any) -> Any:
    """The image of an item: the item, or its first part."""
    return item[0] if isinstance(item, tuple | list) else item


def array_of(image: Any) -> np.ndarray | None:
    """Values of an array, a tensor or a Pillow image without a known range; else None.

    Parameters
    ----------
    image : ndarray, Tensor, Pillow image or any

    Returns
    -------
    values : ndarray or None
        None for a Pillow image that :func:`pixels_of` reads.
    """
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu()
        return (image.float() if image.dtype == torch.bfloat16 else image).numpy()
    mode = getattr(image, "mode", None)
    if isinstance(mode, str) and mode not in ("F", "I"):
        return None
    return np.asarray(image)


def _described(row: int, image: np.ndarray) -> str:
    return f"item {row} of the Dataset is {' x '.join(map(str, image.shape))} of {image.dtype}"


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _short(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def dataset_labels(dataset: Any) -> np.ndarray:
    """Labels of a map-style Dataset.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    labels : ndarray of shape (n,)
        Its ``targets``, else the second part of every item, read in one pass.

    Raises
    ------
    ValueError
        If it has neither.
    """
    targets = getattr(dataset, "targets", None)
    if targets is not None:
        return np.asarray(targets)
    labels, bad = [], BadImages()
    for row in range(len(dataset)):
        try:
            item = dataset[row]
        except MemoryError:
            raise
        except Exception as error:
            bad.fail(row, f"item {row} of the Dataset cannot be read: {_reason(error)}", error)
            continue
        if not isinstance(item, tuple | list) or len(item) < 2:
            raise ValueError(
                "y=None needs a Dataset with `targets`, or with items (image, label); "
                f"item {row} is a {type(item).__name__}. Pass y"
            )
        labels.append(np.asarray(item[1]).item())
    bad.raise_all(len(dataset), "; their labels are needed: pass y, or give the Dataset `targets`")
    return np.asarray(labels)
