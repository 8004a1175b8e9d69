"""One pass in row order without gradients."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from nllearn.functional.loss_mixture import per_sample_loss
from nllearn.training._distributed import ProcessGroup
from nllearn.training._free_memory import free_bytes
from nllearn.training._sources import Source, _rows_per_pass

__all__ = ["FeatureBank", "collect", "predict_logits"]

# Float32 copies of the features that the label posterior needs at a time, when
# the features are in memory.
_COPIES = 8
_LARGEST_HALF = 65504.0


@dataclass(frozen=True)
class FeatureBank:
    """Logits, features and losses of every training row, in row order.

    Parameters
    ----------
    logits : float32 Tensor of shape (n, n_classes)
    features : float32 or float16 Tensor of shape (n, d)
        Last hidden layer. Float16 when they did not fit in memory; then they are in a
        temporary file without a name, which goes with the last tensor that reads it.
        All three are on the CPU when they did not fit in the memory of a GPU.
    losses : float32 Tensor of shape (n,)
        Cross-entropy against the given labels.
    """

    logits: torch.Tensor
    features: torch.Tensor
    losses: torch.Tensor

    @property
    def on_disk(self) -> bool:
        """Whether the features are in a file."""
        return self.features.dtype == torch.float16


class _Columns:
    """Rows that come in pieces, put together in a tensor that is allocated once."""

    def __init__(self, n: int, piece: torch.Tensor, device: torch.device):
        shape = (n, *piece.shape[1:])
        self._rows = torch.empty(shape, dtype=torch.float32, device=device)
        self._n_done = 0

    def add(self, piece: torch.Tensor) -> None:
        """Append a piece, as float32."""
        self._rows[self._n_done : self._n_done + len(piece)] = piece
        self._n_done += len(piece)

    def tensor(self) -> torch.Tensor:
        """All rows."""
        return self._rows[: self._n_done]


class _ColumnsOnDisk:
    """The same in float16, in a file that has no name and so never stays behind."""

    def __init__(self, n: int, piece: torch.Tensor, stack: ExitStack):
        self._width, self._n_done = piece.shape[1], 0
        self._gigabytes = 2 * n * self._width / 1e9
        self._file = stack.enter_context(tempfile.TemporaryFile(buffering=0))

    def add(self, piece: torch.Tensor) -> None:
        """Append a piece.

        Raises
        ------
        OSError
            If the disk is full.
        """
        half = piece.float().clamp(-_LARGEST_HALF, _LARGEST_HALF).half().cpu().contiguous()
        rest = half.numpy().data.cast("B")
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise OSError(
                errno.ENOSPC,
                f"the features do not fit in memory and need {self._gigabytes:.3g} GB of "
                f"{tempfile.gettempdir()}, which is full; set the environment variable TMPDIR "
                "to a folder with more space",
            ) from error
        self._n_done += len(half)

    def tensor(self) -> torch.Tensor:
        """All rows, mapped."""
        # Private pages: torch has no tensors that must not be written to.
        shape = (self._n_done, self._width)
        return torch.from_numpy(np.memmap(self._file, np.float16, "c", shape=shape))


@torch.no_grad()
def predict_logits(
    module: nn.Module,
    source: Source,
    *,
    amp: bool = False,
    rows: slice | None = None,
    may_use_disk: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and features of every row, in evaluation mode and without augmentation.

    Parameters
    ----------
    module : nn.Module
        On the source's device; its mode is given back.
    source : Source
        Gives the rows.
    amp : bool, default=False
        Run in bfloat16 where torch deems it safe.
    rows : slice, optional
        From which row to which, all when None; m of them.
    may_use_disk : bool, default=False
        Put features that do not fit in the memory of a GPU into that of the machine, and
        those that do not fit there into a temporary file, in float16.

    Returns
    -------
    logits : float32 Tensor of shape (m, n_classes)
    features : float32 Tensor of shape (m, d)
        Float16 when they are in a file. On the CPU when they are there or in a file.

    Raises
    ------
    OSError
        If they should be in a file, and its disk is full.
    """
    was_training = module.training
    module.eval()
    n = len(source) if rows is None else rows.stop - rows.start
    kept: tuple[_Columns, _Columns | _ColumnsOnDisk] | None = None
    with ExitStack() as stack:
        stack.callback(module.train, was_training)
        stack.enter_context(torch.autocast(source.device.type, dtype=torch.bfloat16, enabled=amp))
        for x in source.passes() if rows is None else _some_passes(source, rows):
            logits, features = module(x)
            if kept is None:
                kept = (
                    _Columns(n, logits, logits.device),
                    _open_columns(n, features, may_use_disk, stack),
                )
            kept[0].add(logits)
            kept[1].add(features)
        assert kept is not None
        return kept[0].tensor(), kept[1].tensor()


def _open_columns(
    n: int, features: torch.Tensor, may_use_disk: bool, stack: ExitStack
) -> _Columns | _ColumnsOnDisk:
    """Where n rows of features go, of which these are the first."""
    needed = _COPIES * 4 * n * features[0].numel()
    if not may_use_disk or features.dim() != 2:
        return _Columns(n, features, features.device)
    for device in dict.fromkeys((features.device, torch.device("cpu"))):
        if needed <= free_bytes(device):
            return _Columns(n, features, device)
    return _ColumnsOnDisk(n, features, stack)


def _some_passes(source: Source, rows: slice) -> Iterator[torch.Tensor]:
    """The given rows in order, in pieces of the size that `passes` takes."""
    numbers = torch.arange(rows.start, rows.stop)
    return source.batches(list(numbers.split(_rows_per_pass(source.take(numbers[:1]).numel()))))


def row_work(module: nn.Module, row_shape: tuple[int, ...]) -> float:
    """Multiply-adds of one row through a network, roughly.

    Parameters
    ----------
    module : nn.Module
    row_shape : tuple of int
        ``(n_features,)`` or ``(C, H, W)``.

    Returns
    -------
    work : float
    """
    n_weights = sum(parameter.numel() for parameter in module.parameters())
    if len(row_shape) < 3:
        return float(n_weights)
    # Most weights of a convolutional network see the image at a quarter of its height and width.
    return n_weights * max(1.0, row_shape[1] * row_shape[2] / 16)


def collect(
    module: nn.Module,
    source: Source,
    labels: torch.Tensor,
    *,
    amp: bool = False,
    group: ProcessGroup | None = None,
) -> FeatureBank:
    """Collect logits, features and losses of the training rows in one pass.

    Parameters
    ----------
    module : nn.Module
    source : Source
    labels : int64 Tensor of shape (n,)
    amp : bool, default=False
        Run in bfloat16 where torch deems it safe.
    group : ProcessGroup, optional
        Processes that each do a part of the rows, and all get the whole in memory.

    Returns
    -------
    bank : FeatureBank
        Of one process, on the CPU or with its features in a temporary file when eight
        copies of them do not fit in the free memory before.
    """
    if group is None:
        logits, features = predict_logits(module, source, amp=amp, may_use_disk=True)
    else:
        logits, features = group.by_rows(
            len(source), lambda rows: predict_logits(module, source, amp=amp, rows=rows)
        )
    losses = per_sample_loss(logits, labels)
    return FeatureBank(logits.to(features.device), features, losses.to(features.device))
