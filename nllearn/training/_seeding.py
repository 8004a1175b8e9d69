"""Random numbers as functions of (seed, epoch, purpose), so that a run can be resumed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["fork_torch_seed", "seed_for", "seed_torch", "stream"]


class _Turn:
    """Whose turn it is to draw from torch's global generators: one thread at a time."""

    def __init__(self) -> None:
        self.renew()
        if hasattr(os, "register_at_fork"):
            # The thread that had the turn when the process was forked is not in the child.
            os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        """Let nobody have the turn."""
        self.lock = threading.RLock()


_turn = _Turn()


def seed_for(seed: int, *keys: int) -> int:
    """Mix a seed with whole numbers, such as an epoch and a purpose, into one seed."""
    return int(np.random.SeedSequence([seed, *keys]).generate_state(1, np.uint64)[0] >> 1)


def stream(seed: int, *keys: int) -> torch.Generator:
    """Return a generator on the CPU that depends on the seed and the keys alone."""
    return torch.Generator().manual_seed(seed_for(seed, *keys))


def seed_torch(seed: int, device: torch.device) -> None:
    """Seed the global generators that work on a device draws from, and no other."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


@contextmanager
def fork_torch_seed(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators inside, and give the caller's back on the way out.

    Dropout and the initialisation of modules draw from them and take no generator. All
    threads of a process share them, so a second thread waits here until the first is done.
    The same thread may enter again.
    """
    devices = [device] if device.type == "cuda" else []
    with _turn.lock, torch.random.fork_rng(devices=devices):
        seed_torch(seed, device)
        yield
