"""Whole batches sliced from tensors that live on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.utils.data import Dataset

from nllearn.training._seeding import stream

__all__ = ["DeviceBatches", "Rows"]

Batch = tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]


class Rows(Dataset):
    """Rows and labels on the device, and which of them are trained on.

    Parameters
    ----------
    x : Tensor of shape (n, ...)
    labels : int64 Tensor of shape (n,)
    active : int64 Tensor of shape (m,)
        Row numbers that take part in training.
    """

    def __init__(self, x: torch.Tensor, labels: torch.Tensor, active: torch.Tensor):
        self.x = x
        self.labels = labels
        self.active = active

    def __len__(self) -> int:
        return len(self.active)

    def __getitem__(self, i: int) -> Batch:
        row = self.active[i]
        return self.x[row], (self.labels[row], row)


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
        for start, stop in zip([0, *stops], [*stops, len(rows)], strict=True):
            index = rows[start:stop]
            yield data.x[index], (data.labels[index], index)

    def __len__(self) -> int:
        n_full, rest = divmod(len(self.dataset), self.batch_size)
        return max(1, n_full + (rest > 1))
