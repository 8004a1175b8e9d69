"""How images reach the network: at fit, and the same way at predict."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from sklearn.utils.validation import check_array
from torch.utils.data import Dataset

from nllearn._validation import check_not_sparse, check_rows
from nllearn.images import (
    ArrayRecords,
    ChannelStandardizer,
    DatasetRecords,
    FetchedRecords,
    ImageRecords,
    PathRecords,
    PreparedImages,
    is_path_like_column,
    list_images,
    to_channels_first,
)
from nllearn.training import RecordSource, Source, TensorSource
from nllearn.training._free_memory import free_bytes

__all__ = ["ImageInput", "is_small"]

# Decoded images of up to so many bytes are kept in memory on a CPU; a GPU keeps what
# half of its free memory holds.
_MOST_BYTES_CPU = 4 << 30
# Images that the channels' mean and deviation are computed from, when they must be read for it.
_SCALE_IMAGES = 10_000
_SCALE_BLOCK = 1024
_MOST_WORKERS = 8
# What an input of images is made of, its scale aside.
_IMAGE_STATE = (
    "_layout_parameter",
    "_new_layout",
    "_decode_size",
    "_is_float",
    "_is_bytes",
    "_num_workers",
    "shape",
    "array_shape",
)


class ImageInput:
    """Images: channels at mean 0 and deviation 1, one shape.

    Parameters
    ----------
    records : ImageRecords
    seen : bool ndarray of shape (n,)
        Images that the scale of the channels is computed from.
    image_layout : {"auto", "channels_last", "channels_first"}
    decode_size : int, tuple of int or None
    num_workers : int or None
        Processes that read images which do not fit in memory; None chooses.
    """

    is_image = True

    def __init__(
        self,
        records: ImageRecords,
        seen: np.ndarray,
        image_layout: str,
        decode_size: Any,
        num_workers: int | None = None,
    ):
        self._layout_parameter = image_layout
        # Arrays that are predicted are laid out as those that were fitted.
        fitted_array = isinstance(records, ArrayRecords) and records.layout != "grey"
        self._new_layout = records.layout if fitted_array else image_layout
        self._decode_size = decode_size
        self._is_float = records.is_float
        self._is_bytes = records.itemsize == 1
        self._num_workers = num_workers
        self.shape = records.shape
        self.array_shape = _array_shape(records.shape, records.layout)
        self._seen = np.flatnonzero(seen)
        self._scale: ChannelStandardizer | None = None

    def source(self, records: ImageRecords, device: torch.device) -> Source:
        """Images that fit trains on: in the device's memory when they fit, else read on the way."""
        x = records.read_all().to(device) if _fits(records, device) else None
        self._scale = ChannelStandardizer(self._blocks(records, x))
        if x is None:
            return self._stream(records, device, None)
        return TensorSource(x, device, PreparedImages(self._scale, records.layout, device))

    def _blocks(self, records: ImageRecords, x: torch.Tensor | None) -> Iterator[torch.Tensor]:
        """Images that the scale is computed from: all, or a part of many that must be read."""
        rows = self._seen
        if not is_small(records):
            rows = rows[:: max(1, -(-len(rows) // _SCALE_IMAGES))]
        for some in np.array_split(rows, -(-len(rows) // _SCALE_BLOCK)):
            block = records.read(some) if x is None else x[torch.from_numpy(some).to(x.device)]
            yield to_channels_first(block, records.layout)

    def _stream(
        self, records: ImageRecords, device: torch.device, generator: torch.Generator | None
    ) -> Source:
        assert self._scale is not None
        prepare = PreparedImages(self._scale, records.layout, device)
        workers = self._num_workers
        if workers is None:
            # On a CPU the network itself needs the cores.
            workers = 0 if device.type == "cpu" else min(_MOST_WORKERS, joblib.cpu_count())
        return RecordSource(records, device, prepare, workers, generator)

    def new_source(self, estimator: Any, X: Any, device: torch.device) -> Source:
        """Images to predict; those of another shape or kind raise an error."""
        records = self._new_records(X, estimator.n_jobs)
        if records.shape != self.shape:
            raise ValueError(
                f"X has images of (channels, height, width) {records.shape}, but "
                f"{type(estimator).__name__} was fitted on {self.shape}"
            )
        if records.is_float != self._is_float:
            kinds = {True: "floating-point numbers", False: "whole numbers"}
            raise ValueError(
                f"X holds {kinds[records.is_float]}, but {type(estimator).__name__} was fitted on "
                f"{kinds[self._is_float]}; their ranges rarely agree, so convert X as for fit"
            )
        assert self._scale is not None
        if isinstance(records, ArrayRecords) and records.in_memory:
            prepare = PreparedImages(self._scale, records.layout, device)
            return TensorSource(records.read_all(), device, prepare)
        # Prediction draws nothing from generators that a fit in another thread may use.
        return self._stream(records, device, torch.Generator())

    def _new_records(self, X: Any, n_jobs: int | None) -> ImageRecords:
        check_not_sparse(X)
        check_rows(X)
        if isinstance(X, Dataset):
            return _checked(DatasetRecords(X, self._layout_parameter))
        if isinstance(X, str | os.PathLike):
            path = Path(X)
            X = list_images(path) if path.is_dir() else [path]
        if is_path_like_column(X):
            return _checked(PathRecords(list(X), self._decode_size, self.shape[0], n_jobs))
        X = check_array(X, dtype="numeric", allow_nd=True, ensure_2d=False)
        if X.shape == self.array_shape:
            X = X[None]
        if X.ndim not in (3, 4):
            raise ValueError(
                f"X has shape {X.shape}, but was fitted on images of shape {self.array_shape}: "
                "pass one of them, or an array with one more axis in front"
            )
        return ArrayRecords(X, self._new_layout)

    @property
    def moments(self) -> dict[str, np.ndarray]:
        """Mean and scale of every channel, float64 of shape (C,)."""
        assert self._scale is not None
        return {"mean": self._scale.mean, "scale": self._scale.scale}

    @property
    def state(self) -> dict[str, Any]:
        """Layout, size and kind of number of the images that fit got, for a file."""
        return {key: vars(self)[key] for key in _IMAGE_STATE}

    @property
    def array_dtype(self) -> torch.dtype:
        """Dtype of images like those that fit got: float32, uint8 or int32."""
        if self._is_float:
            return torch.float32
        return torch.uint8 if self._is_bytes else torch.int32

    def prepare(self, layout: str, device: torch.device) -> PreparedImages:
        """The module that standardises raw batches of a layout."""
        assert self._scale is not None
        return PreparedImages(self._scale, layout, device)

    @classmethod
    def restore(cls, mean: np.ndarray, scale: np.ndarray, state: dict[str, Any]) -> ImageInput:
        """An input with known moments and `state`, which the constructor would learn from rows."""
        opened = cls.__new__(cls)
        vars(opened).update({key: state[key] for key in _IMAGE_STATE})
        vars(opened).update(
            _scale=ChannelStandardizer.restore(mean, scale), _seen=np.empty(0, dtype=np.int64)
        )
        return opened

    def __getstate__(self) -> dict[str, Any]:
        # Which rows the scale came from is not needed again, and may be long.
        return {**self.__dict__, "_seen": np.empty(0, dtype=np.int64)}


def _array_shape(shape: tuple[int, int, int], layout: str) -> tuple[int, ...]:
    """Shape of one image in its own layout."""
    c, h, w = shape
    return {"grey": (h, w), "channels_first": (c, h, w), "channels_last": (h, w, c)}[layout]


def is_small(records: ImageRecords) -> bool:
    """Whether the images are in memory, or few enough to be read whole."""
    if isinstance(records, ArrayRecords) and records.X.dtype in (np.uint8, np.float32):
        # Sliced in place, also from a memmap.
        return True
    return records.n_bytes <= _MOST_BYTES_CPU


def _checked(records: FetchedRecords) -> FetchedRecords:
    """The records, if every image can be read."""
    records.check_all(keep=is_small(records))
    return records


def _fits(records: ImageRecords, device: torch.device) -> bool:
    """Whether the images are kept in the device's memory."""
    if device.type == "cuda":
        return records.n_bytes <= free_bytes(device) / 2
    return is_small(records)
