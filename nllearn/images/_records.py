"""Images by row number, wherever they are: in an array, in files, in a Dataset."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from nllearn.images._decode import BadImages, read_images
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
        1 or 3; None goes by the first file that can be read.
    n_jobs : int or None, default=None
        Threads that decode; None takes one per CPU that the process may use.

    Attributes
    ----------
    skipped : dict of int to str
        Rows of files that cannot be read and are left out, and why; read as zeros.
    """

    layout = "channels_first"
    is_float = False
    in_memory = False
    itemsize = 1

    def __init__(
        self,
        paths: Sequence[Any],
        decode_size: Any,
        n_channels: int | None = None,
        n_jobs: int | None = None,
    ):
        self.n = len(paths)
        if not self.n:
            raise ValueError("X has no image files")
        self.paths = np.empty(self.n, dtype=object)
        self.paths[:] = [os.fspath(p) if isinstance(p, str | os.PathLike) else p for p in paths]
        self.decode_size, self._n_jobs = decode_size, n_jobs
        self.skipped: dict[int, str] = {}
        self._decoded: np.ndarray | None = None
        bad = BadImages()
        for start in range(self.n):
            first, found = self._read_some(self.paths[start : start + 1], n_channels)
            if first is not None:
                break
            bad.problems[start] = _in_row(start, 0, found.problems[0])
        if first is None:
            bad.raise_all(self.n)
        c, h, w = first.shape[1:]
        self.shape = (int(c), int(h), int(w))
        self._first = start

    def _read_some(
        self, paths: np.ndarray, n_channels: int | None, shape: tuple[int, ...] | None = None
    ) -> tuple[Any, BadImages]:
        return read_images(
            paths.tolist(),
            size=self.decode_size,
            n_channels=n_channels,
            n_jobs=self._n_jobs,
            shape=shape,
        )

    def check_all(self, *, keep: bool, skip: bool = False, hint: str = "") -> None:
        """Read every file once, to tell all that cannot be read in one error.

        Parameters
        ----------
        keep : bool
            Whether the pixels are kept, so that they are not decoded again.
        skip : bool, default=False
            Whether such files are left out, and no error. Files of other sizes always are one.
        hint : str
            Ends the error.

        Raises
        ------
        ValueError
            Names them.
        """
        bad = BadImages(first=f"{self.paths[self._first]} is {self.shape[1]} x {self.shape[2]}")
        if keep:
            self._decoded = np.empty((self.n, *self.shape), dtype=np.uint8)
        for start in range(0, self.n, _BLOCK):
            images, found = self._read_some(
                self.paths[start : start + _BLOCK], self.shape[0], self.shape
            )
            if self._decoded is not None:
                self._decoded[start : start + len(images)] = images
            bad.problems |= {
                start + row: _in_row(start + row, row, told)
                for row, told in sorted(found.problems.items())
            }
            bad.sizes |= {start + row: told for row, told in found.sizes.items()}
        if skip:
            self.skipped, bad.problems = bad.problems, {}
        bad.raise_all(self.n, hint)

    def read(self, rows: Sequence[int] | np.ndarray) -> torch.Tensor:
        """Decode some images; see :meth:`ImageRecords.read`."""
        rows = np.asarray(rows)
        if self._decoded is not None:
            return torch.from_numpy(self._decoded[rows])
        images, bad = self._read_some(self.paths[rows], self.shape[0], self.shape)
        bad.first = f"{self.paths[self._first]} is {self.shape[1]} x {self.shape[2]}"
        bad.problems = {
            i: told for i, told in bad.problems.items() if int(rows[i]) not in self.skipped
        }
        bad.raise_all(self.n)
        return torch.from_numpy(images)

    def read_all(self) -> torch.Tensor:
        """All images as one tensor; what :meth:`check_all` kept is handed over."""
        if self._decoded is None:
            return super().read_all()
        images, self._decoded = torch.from_numpy(self._decoded), None
        return images


def _in_row(row: int, in_block: int, told: str) -> str:
    """The problem with the row's number in X in place of that in its block."""
    return told.replace(f"the path in row {in_block} ", f"the path in row {row} ", 1)


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
