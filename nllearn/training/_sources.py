"""Where batches come from: tensors on the device, or records read on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

__all__ = ["ArraySource", "RecordSource", "Source", "TensorSource"]

Prepare = Callable[[torch.Tensor], torch.Tensor]

# Values of the input that one pass without gradients holds at a time.
_VALUES_PER_PASS = 4 << 20
_MOST_ROWS_PER_PASS = 4096


class Source(Protocol):
    """Rows by number, ready for the network, on its device."""

    device: torch.device

    def __len__(self) -> int: ...

    def take(self, rows: torch.Tensor) -> torch.Tensor:
        """Float32 batch of the given rows."""

    def passes(self) -> Iterator[torch.Tensor]:
        """All rows in order, in pieces that fit a pass without gradients."""

    def batches(self, plan: list[torch.Tensor]) -> Iterator[torch.Tensor]:
        """One batch per tensor of row numbers in the plan."""


def _rows_per_pass(values_per_row: int) -> int:
    return max(1, min(_MOST_ROWS_PER_PASS, _VALUES_PER_PASS // max(1, values_per_row)))


class TensorSource:
    """Rows that are held on the device and sliced there.

    Parameters
    ----------
    x : Tensor of shape (n, ...)
        Any dtype when `prepare` is given, else float32.
    device : torch.device
        Of the network; `x` may stay in the machine's memory.
    prepare : callable or None
        Turns a slice of `x` on the device into the network's input.
    """

    def __init__(
        self, x: torch.Tensor, device: torch.device | None = None, prepare: Prepare | None = None
    ):
        self.x = x
        self.device = x.device if device is None else device
        self._prepare = prepare

    def __len__(self) -> int:
        return len(self.x)

    def _ready(self, raw: torch.Tensor) -> torch.Tensor:
        raw = raw.to(self.device)
        return raw if self._prepare is None else self._prepare(raw)

    def take(self, rows: torch.Tensor) -> torch.Tensor:
        """Batch of the given rows.

        Parameters
        ----------
        rows : int64 Tensor of shape (b,)

        Returns
        -------
        batch : float32 Tensor of shape (b, ...)
        """
        # An index in brackets copies number by number: of images twenty times as slow.
        return self._ready(self.x.index_select(0, rows.to(self.x.device)))

    def passes(self) -> Iterator[torch.Tensor]:
        """All rows in order, in pieces that fit a pass without gradients."""
        step = _rows_per_pass(math.prod(self.x.shape[1:]))
        for start in range(0, len(self.x), step):
            yield self._ready(self.x[start : start + step])

    def batches(self, plan: list[torch.Tensor]) -> Iterator[torch.Tensor]:
        """One batch per tensor of row numbers in the plan."""
        return (self.take(rows) for rows in plan)


class ArraySource:
    """Rows of an array that stays where it is, such as on a disk, prepared batch by batch.

    Parameters
    ----------
    x : ndarray of shape (n, ...)
        Of any dtype; a memmap is never read whole.
    device : torch.device
        Of the network.
    prepare : callable
        Turns some rows of `x` into a float32 tensor on the CPU.
    """

    def __init__(
        self, x: np.ndarray, device: torch.device, prepare: Callable[[np.ndarray], torch.Tensor]
    ):
        self.x = x
        self.device = device
        self._prepare = prepare

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: torch.Tensor) -> torch.Tensor:
        """Batch of the given rows; see :meth:`TensorSource.take`."""
        return self._prepare(self.x[rows.cpu().numpy()]).to(self.device)

    def passes(self) -> Iterator[torch.Tensor]:
        """All rows in order, in pieces that fit a pass without gradients."""
        step = _rows_per_pass(math.prod(self.x.shape[1:]))
        for start in range(0, len(self.x), step):
            yield self._prepare(self.x[start : start + step]).to(self.device)

    def batches(self, plan: list[torch.Tensor]) -> Iterator[torch.Tensor]:
        """One batch per tensor of row numbers in the plan."""
        return (self.take(rows) for rows in plan)


class _Plan:
    """Batch sampler whose batches are set anew for each pass of one loader."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def _identity(batch: Any) -> Any:
    return batch


class RecordSource:
    """Rows that are read on the way, by the workers of a DataLoader.

    Parameters
    ----------
    records : Dataset
        With ``read(rows) -> Tensor`` and ``shape``.
    device : torch.device
    prepare : callable
        Turns what was read into the network's input.
    num_workers : int
        Processes that read ahead; 0 reads in this one.
    generator : torch.Generator, optional
        Seeds the workers. Without it torch's global generator does, which fit seeds.
    """

    def __init__(
        self,
        records: Dataset,
        device: torch.device,
        prepare: Prepare,
        num_workers: int,
        generator: torch.Generator | None = None,
    ):
        self.records: Any = records
        self.device = device
        self._prepare = prepare
        self._plan = _Plan()
        # One loader for the whole fit: its sampler runs in this process, so new plans
        # reach it although its workers live on.
        self._loader: DataLoader = DataLoader(
            records,
            batch_sampler=self._plan,
            collate_fn=_identity,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            pin_memory=device.type == "cuda",
            generator=generator,
        )

    def __len__(self) -> int:
        return len(self.records)

    def take(self, rows: torch.Tensor) -> torch.Tensor:
        """Batch of the given rows, read in this process; see :meth:`TensorSource.take`."""
        return self._prepare(self.records.read(rows.cpu().numpy()).to(self.device))

    def passes(self) -> Iterator[torch.Tensor]:
        """All rows in order, in pieces that fit a pass without gradients."""
        step = _rows_per_pass(math.prod(self.records.shape))
        return self.batches(list(torch.arange(len(self)).split(step)))

    def batches(self, plan: list[torch.Tensor]) -> Iterator[torch.Tensor]:
        """One batch per tensor of row numbers in the plan."""
        # One copy from the device, not one for every batch.
        numbers = torch.cat(plan).cpu().split([len(rows) for rows in plan]) if plan else ()
        self._plan.batches = [rows.tolist() for rows in numbers]
        for raw in self._loader:
            yield self._prepare(raw.to(self.device, non_blocking=True))
