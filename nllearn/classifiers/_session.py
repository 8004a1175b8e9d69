"""What one call of ``fit`` holds while it runs, and lets go of at its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from nllearn.classifiers._opinion import InputRows
from nllearn.training import Ledger, NoisyLabelNet, Rows, Schedule, stream
from nllearn.training._distributed import Team
from nllearn.training._views import View

__all__ = ["FitSession"]


@dataclass
class FitSession:
    """State of one fit, passed to every step of a method.

    Parameters
    ----------
    rows : Rows
        The rows, and which of them are trained on.
    ledger : Ledger
    active : int64 Tensor of shape (m,)
        Rows of weight above zero.
    schedule : Schedule
    seed : int
    weak, view : callable or None
        Random views of a batch: for targets and the warm-up, and for what the network
        learns from.
    input_rows : InputRows or None
        The user's table, where it fits in memory.
    team : Team or None
        Processes that share the work; None when there is one.
    epoch : int
        The current one.
    notes : dict
        What goes into this epoch's row of the history.
    batch_stream : torch.Generator
        Random numbers of this epoch's batches.
    """

    rows: Rows
    ledger: Ledger
    active: torch.Tensor
    schedule: Schedule
    seed: int
    weak: View | None
    view: View | None
    input_rows: InputRows | None = None
    team: Team | None = None
    epoch: int = 0
    notes: dict[str, Any] = field(default_factory=dict)
    batch_stream: torch.Generator = field(default_factory=torch.Generator)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.ledger.n_classes

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.rows.source.device

    @property
    def sample(self) -> torch.Tensor:
        """Two rows, to try a module on."""
        return self.rows.source.take(torch.tensor([0, 1]))

    def begin_epoch(self, epoch: int) -> None:
        """Start an epoch: its own random stream and an empty note."""
        self.epoch = epoch
        self.notes = {}
        self.batch_stream = stream(self.seed, epoch, 2)

    def generator(self, purpose: int) -> torch.Generator:
        """Random stream of a purpose in this epoch."""
        return stream(self.seed, self.epoch, purpose)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage's seconds into this epoch's row of the history."""
        start = time.perf_counter()
        yield
        key = f"seconds_{name}"
        self.notes[key] = self.notes.get(key, 0.0) + time.perf_counter() - start

    def write_notes(self, net: NoisyLabelNet) -> None:
        """Write the notes into the history."""
        for key, value in self.notes.items():
            net.history.record(key, value)
