"""Images by row number, wherever they are: in an array, in files, in a Dataset."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from nllearn.images._decode import decode_images
from nllearn.images._layout import as_channels_first_shape, resolve_layout

__all__ = ["ArrayRecords", "DatasetRecords", "ImageRecords", "PathRecords", "dataset_labels"]

# Rows of a block when all images are read once.
_BLOCK = 1024


class ImageRecords(Dataset):
    """Images that are read by row number, raw and in one layout.

    Attributes
    ----------
    layout : {"grey", "channels_last", "channels_first"}
        Of the batches that are read.
    shape : tuple of int
        One image as ``(C, H, W)``.
    is_float : bool
        Whether the values are floating-point numbers.
    in_memory : bool
        Whether the images need not be fetched: an array in memory or a memmap.
    itemsize : int
        Bytes per value.
    """

    layout: str
    shape: tuple[int, int, int]
    is_float: bool
    in_memory: bool
    itemsize: int
    n: int

    def __len__(self) -> int:
        return self.n

    def read(self, rows: Sequence[int] | np.ndarray) -> torch.Tensor:
        """Read some images.

        Parameters
        ----------
        rows : int array-like of shape (b,)

        Returns
        -------
        images : Tensor of shape (b, ...)
            In `layout`.
        """
        raise NotImplementedError

    def __getitem__(self, row: int) -> torch.Tensor:
        return self.read([row])[0]

    def __getitems__(self, rows: Sequence[int]) -> torch.Tensor:
        """A DataLoader asks for whole batches by this name."""
        return self.read(rows)

    @property
    def n_bytes(self) -> int:
        """Size of all images once they are read."""
        return self.n * int(np.prod(self.shape)) * self.itemsize

    def read_all(self) -> torch.Tensor:
        """Read all images into one tensor; an array in memory is not copied."""
        if not self.n:
            raise ValueError("X has no images")
        first = self.read([0])
        out = torch.empty((self.n, *first.shape[1:]), dtype=first.dtype)
        for start in range(0, self.n, _BLOCK):
            rows = np.arange(start, min(self.n, start + _BLOCK))
            out[start : start + len(rows)] = self.read(rows)
        return out


class ArrayRecords(ImageRecords):
    """Images in an array or a memmap.

    Parameters
    ----------
    X : ndarray of shape (n, H, W), (n, H, W, C) or (n, C, H, W)
        uint8 is kept, other dtypes are read as float32.
    image_layout : {"auto", "channels_last", "channels_first"}

    Raises
    ------
    ValueError
        If the layout cannot be determined; see :func:`~nllearn.images.resolve_layout`.
    """

    in_memory = True

    def __init__(self, X: np.ndarray, image_layout: str):
        self.layout = resolve_layout(X.shape, image_layout)
        self.shape = as_channels_first_shape(X.shape, self.layout)
        self.is_float = X.dtype.kind == "f"
        self.n = len(X)
        # Native bytes and a base class array, which torch can share memory with.
        if X.dtype == np.uint8:
            self.X: np.ndarray = X.view(np.ndarray)
        elif isinstance(X.base, np.memmap) or isinstance(X, np.memmap):
            self.X = X
        else:
            self.X = np.ascontiguousarray(X, dtype=np.float32)
        self.itemsize = 1 if X.dtype == np.uint8 else 4

    def read(self, rows: Sequence[int] | np.ndarray) -> torch.Tensor:
        """Read some images; see :meth:`ImageRecords.read`."""
        some = self.X[np.asarray(rows)]
        if some.dtype not in (np.uint8, np.float32):
            some = some.astype(np.float32)
        return torch.from_numpy(np.ascontiguousarray(some))

    def read_all(self) -> torch.Tensor:
        """All images as one tensor that shares memory with the array where it can."""
        if self.X.dtype not in (np.uint8, np.float32) or any(s <= 0 for s in self.X.strides):
            return super().read_all()
        with warnings.catch_warnings():
            # The tensor is only ever read, so a read-only array is fine.
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            return torch.from_numpy(self.X)


class PathRecords(ImageRecords):
    """Images in files; they are decoded when they are read.

    Parameters
    ----------
    paths : sequence of str or Path
    decode_size : int, tuple of int or None
        Side, or height and width, that every image is brought to.
    n_channels : int or None, default=None
        1 or 3; None goes by the first file.
    """

    layout = "channels_first"
    is_float = False
    in_memory = False
    itemsize = 1

    def __init__(self, paths: Sequence[Any], decode_size: Any, n_channels: int | None = None):
        self.paths = np.array([os.fspath(p) for p in paths], dtype=object)
        self.n = len(self.paths)
        if not self.n:
            raise ValueError("X has no image files")
        self.decode_size = decode_size
        first = decode_images(self.paths[:1], size=decode_size, n_channels=n_channels)
        c, h, w = first.shape[1:]
        self.shape = (int(c), int(h), int(w))

    def read(self, rows: Sequence[int] | np.ndarray) -> torch.Tensor:
        """Decode some images; see :meth:`ImageRecords.read`."""
        paths = self.paths[np.asarray(rows)]
        # Without decode_size the first file's size is the rule, and the error names both files.
        if self.decode_size is None and len(paths) and paths[0] != self.paths[0]:
            paths = np.concatenate([self.paths[:1], paths])
            return torch.from_numpy(decode_images(paths, size=None, n_channels=self.shape[0]))[1:]
        return torch.from_numpy(
            decode_images(paths, size=self.decode_size, n_channels=self.shape[0])
        )


class DatasetRecords(ImageRecords):
    """Images of a map-style torch ``Dataset``, whose items are images or ``(image, label)``.

    Parameters
    ----------
    dataset : Dataset
        An image is a tensor, an array or a Pillow image.
    image_layout : {"auto", "channels_last", "channels_first"}

    Raises
    ------
    ValueError
        If the items are no images, or of different sizes.
    """

    in_memory = False

    def __init__(self, dataset: Any, image_layout: str):
        self.dataset = dataset
        self.n = len(dataset)
        if not self.n:
            raise ValueError("X is a Dataset without items")
        first = self._item(0)
        self._item_shape = first.shape
        if first.ndim not in (2, 3):
            raise ValueError(
                f"the items of the Dataset have shape {first.shape}; images are (H, W), "
                "(H, W, C) or (C, H, W). Pass tables as an array"
            )
        batch = (self.n, *first.shape)
        if isinstance(_image_of(dataset[0]), torch.Tensor) and image_layout == "auto":
            # torch's own convention, which a tensor of (3, 224, 3) would not give away.
            image_layout = "channels_first"
        self.layout = resolve_layout(batch, image_layout)
        self.shape = as_channels_first_shape(batch, self.layout)
        self.is_float = first.dtype.kind == "f"
        self.itemsize = 1 if first.dtype == np.uint8 else 4

    def _item(self, row: int) -> np.ndarray:
        image = np.asarray(_image_of(self.dataset[row]))
        return image if image.dtype == np.uint8 else image.astype(np.float32)

    def read(self, rows: Sequence[int] | np.ndarray) -> torch.Tensor:
        """Fetch some items; see :meth:`ImageRecords.read`."""
        items = [self._item(int(row)) for row in rows]
        for row, item in zip(rows, items, strict=True):
            if item.shape != self._item_shape:
                raise ValueError(
                    f"item {row} of the Dataset has shape {item.shape}, item 0 has "
                    f"{self._item_shape}; all images need one size: resize them in the Dataset"
                )
        return torch.from_numpy(np.stack(items))


def _image_of(item: Any) -> Any:
    """The image of an item: the item, or its first part."""
    return item[0] if isinstance(item, tuple | list) else item


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
    labels = []
    for row in range(len(dataset)):
        item = dataset[row]
        if not isinstance(item, tuple | list) or len(item) < 2:
            raise ValueError(
                "y=None needs a Dataset with `targets`, or with items (image, label); "
                f"item {row} is a {type(item).__name__}. Pass y"
            )
        labels.append(np.asarray(item[1]).item())
    return np.asarray(labels)
