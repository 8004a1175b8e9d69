"""Whole batches in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.utils.data import Dataset

from nllearn.training._seeding import stream
from nllearn.training._sources import Source

__all__ = ["DeviceBatches", "Rows"]

Batch = tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]


class Rows(Dataset):
    """Rows and labels, and which of them are trained on.

    Parameters
    ----------
    source : Source
        Gives the rows by number.
    labels : int64 Tensor of shape (n,)
        On the source's device.
    active : int64 Tensor of shape (m,)
        Row numbers that take part in training.

    Attributes
    ----------
    neighbor_indices : int64 Tensor of shape (n, k + 1) or None
        Rows that come with each row in a batch, the row itself first. A batch of b
        rows then holds b (k + 1) of them: the rows, then all first neighbor_indices, and
        so on. A method sets it.
    """

    def __init__(self, source: Source, labels: torch.Tensor, active: torch.Tensor):
        self.source = source
        self.labels = labels
        self.active = active
        self.neighbor_indices: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.active)

    def __getitem__(self, i: int) -> Batch:
        row = self.active[i]
        return self.source.take(row.view(1))[0], (self.labels[row], row)

    def with_neighbors(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows that a batch of the given rows holds."""
        return rows if self.neighbor_indices is None else self.neighbor_indices[rows].T.reshape(-1)


class DeviceBatches:
    """Shuffled batches ``x, (label, row)``; the order depends on (seed, epoch) alone.

    A last batch of one row joins the batch before it, since batch normalisation
    fails on a single row.

    Parameters
    ----------
    dataset : Rows
    batch_size : int
    seed : int
    epoch : callable
        Returns the number of the epoch that starts.
    """

    def __init__(self, dataset: Rows, batch_size: int, seed: int, epoch: Callable[[], int]):
        self.dataset = dataset
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        data = self.dataset
        order = torch.randperm(len(data), generator=stream(self.seed, self.epoch(), 0))
        rows = data.active[order.to(data.active.device)]
        stops = list(range(self.batch_size, len(rows), self.batch_size))
        if stops and self.batch_size > 1 and len(rows) - stops[-1] == 1:
            stops.pop()
        bounds = zip([0, *stops], [*stops, len(rows)], strict=True)
        batches = [rows[start:stop] for start, stop in bounds]
        drawn = data.source.batches([data.with_neighbors(batch) for batch in batches])
        for index, x in zip(batches, drawn, strict=True):
            yield x, (data.labels[index], index)

    def __len__(self) -> int:
        n_full, rest = divmod(len(self.dataset), self.batch_size)
        return max(1, n_full + (rest > 1))
