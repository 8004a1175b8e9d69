"""Images by row number: what all kinds have in common, and those in an array."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from nllearn.images._layout import as_channels_first_shape, resolve_layout

__all__ = ["BLOCK", "ArrayRecords", "ImageRecords"]

# Rows of a block when all images are read once.
BLOCK = 1024


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
        for start in range(0, self.n, BLOCK):
            rows = np.arange(start, min(self.n, start + BLOCK))
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
