"""Images that are fetched one by one, some of which may be unreadable: those in files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from nllearn.images._bad_images import BadImages
from nllearn.images._decode import n_channels_of, read_images
from nllearn.images._records import BLOCK, ImageRecords

__all__ = ["FetchedRecords", "PathRecords"]


class FetchedRecords(ImageRecords):
    """Images that are fetched when they are read, each of which may turn out unreadable.

    Attributes
    ----------
    skipped : dict of int to str
        Rows that cannot be read and are left out, and why; they are read as zeros.
    """

    in_memory = False

    def __init__(self) -> None:
        self.skipped: dict[int, str] = {}
        self._kept: torch.Tensor | None = None

    def _fetch(self, rows: np.ndarray) -> tuple[np.ndarray, BadImages]:
        """Some images, zeros where one is bad, and what is wrong, by row."""
        raise NotImplementedError

    def check_all(self, *, keep: bool, skip: bool = False, hint: str = "") -> None:
        """Read every image once, to tell all that cannot be read in one error.

        Parameters
        ----------
        keep : bool
            Whether the pixels are kept, so that they are not fetched again.
        skip : bool, default=False
            Whether such images are left out, and no error. Other sizes always are one.
        hint : str
            Ends the error.

        Raises
        ------
        ValueError
            Names them.
        """
        bad = None
        for start in range(0, self.n, BLOCK):
            images, found = self._fetch(np.arange(start, min(self.n, start + BLOCK)))
            if keep:
                if self._kept is None:
                    whole = np.empty((self.n, *images.shape[1:]), dtype=images.dtype)
                    self._kept = torch.from_numpy(whole)
                self._kept[start : start + len(images)] = torch.from_numpy(images)
            bad = found if bad is None else bad.joined(found)
        assert bad is not None
        if skip:
            self.skipped, bad.problems = bad.problems, {}
        bad.raise_all(self.n, hint)

    def read(self, rows: Sequence[int] | np.ndarray) -> torch.Tensor:
        """Fetch some images; see :meth:`ImageRecords.read`."""
        rows = np.asarray(rows)
        if self._kept is not None:
            return self._kept[torch.from_numpy(rows)]
        images, bad = self._fetch(rows)
        bad.problems = {row: told for row, told in bad.problems.items() if row not in self.skipped}
        bad.raise_all(self.n)
        return torch.from_numpy(images)

    def read_all(self) -> torch.Tensor:
        """All images as one tensor; what :meth:`check_all` kept is handed over."""
        if self._kept is None:
            return super().read_all()
        images, self._kept = self._kept, None
        return images


class PathRecords(FetchedRecords):
    """Images in files; they are decoded when they are read.

    Parameters
    ----------
    paths : sequence of str or Path
    decode_size : int, tuple of int or None
        Side, or height and width, that every image is brought to.
    n_channels : int or None, default=None
        1 or 3; None takes 1 where all files are grey, of many those that are looked at.
    n_jobs : int or None, default=None
        Threads that decode; None takes one per CPU that the process may use.

    Raises
    ------
    ValueError
        If no file can be read.
    """

    layout = "channels_first"
    is_float = False
    itemsize = 1

    def __init__(
        self,
        paths: Sequence[Any],
        decode_size: Any,
        n_channels: int | None = None,
        n_jobs: int | None = None,
    ):
        super().__init__()
        self.n = len(paths)
        if not self.n:
            raise ValueError("X has no image files")
        self.paths = np.empty(self.n, dtype=object)
        self.paths[:] = [os.fspath(p) if isinstance(p, str | os.PathLike) else p for p in paths]
        self.decode_size, self._n_jobs = decode_size, n_jobs
        bad = BadImages()
        n_channels = n_channels or n_channels_of(list(self.paths))
        for row in range(self.n):
            first, found = self._read_some(np.array([row]), n_channels, None)
            if first is not None:
                break
            bad = bad.joined(found)
        if first is None:
            raise bad.as_error(self.n)
        c, h, w = first.shape[1:]
        self.shape = (int(c), int(h), int(w))
        self._first = found.first

    def _read_some(
        self, rows: np.ndarray, n_channels: int | None, shape: tuple[int, ...] | None
    ) -> tuple[Any, BadImages]:
        images, bad = read_images(
            self.paths[rows].tolist(),
            size=self.decode_size,
            n_channels=n_channels,
            n_jobs=self._n_jobs,
            shape=shape,
        )
        bad.problems = {
            int(rows[i]): told.replace(f"the path in row {i} ", f"the path in row {rows[i]} ", 1)
            for i, told in sorted(bad.problems.items())
        }
        bad.sizes = {int(rows[i]): told for i, told in bad.sizes.items()}
        return images, bad

    def _fetch(self, rows: np.ndarray) -> tuple[np.ndarray, BadImages]:
        images, bad = self._read_some(rows, self.shape[0], self.shape)
        bad.first = self._first
        return images, bad
