"""Torch's global settings as our code needs them, and the caller's back afterwards.

Threads, gradients, autocast, default device and default dtype are settings of the process or of
the thread, not of a call. What users set for their own code must not change what fit computes.
"""

from __future__ import annotations

import copy
import dataclasses
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import joblib
import numpy as np
import torch

from nllearn.exceptions import NoisyLabelWarning

__all__ = ["LEAST_STEP", "LEAST_WORK", "float32_default", "on_cpu", "to_device", "torch_state"]

# Multiply-adds of a stage, or of one training step, below which one thread does the work: more
# would save little, and beside other busy processes they wait for each other.
LEAST_WORK, LEAST_STEP = 2e10, 2e8


class _Threads:
    """How many threads torch has outside of our calls, also while some of them run."""

    def __init__(self) -> None:
        self.is_forked = False
        self.renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def renew(self) -> None:
        """Forget the calls that run."""
        self._lock, self._n_calls, self._outside = threading.Lock(), 0, 0
        self._here = threading.local()

    def _after_fork(self) -> None:
        # The threads of torch's pool are not in the child; work given to them would never end.
        self.is_forked = True
        self.renew()

    @contextmanager
    def call(self) -> Iterator[int]:
        """Enter a call of ours; gives torch's number of threads outside of all of them."""
        with self._lock:
            if self._n_calls == 0:
                self._outside = torch.get_num_threads()
            self._n_calls += 1
            outside = self._outside
        depth = getattr(self._here, "depth", 0)
        # A new thread starts with what another call has set by then.
        before = torch.get_num_threads() if depth else outside
        self._here.depth = depth + 1
        try:
            yield outside
        finally:
            self._here.depth = depth
            if torch.get_num_threads() != before:
                torch.set_num_threads(before)
            with self._lock:
                self._n_calls -= 1


_threads = _Threads()


def _n_threads(n_jobs: int | None, outside: int, is_small: bool) -> int:
    """Resolve the parameter `n_jobs`."""
    if _threads.is_forked:
        if n_jobs not in (None, 1):
            warnings.warn(
                f"n_jobs={n_jobs} has no effect: this process was forked after nllearn was "
                "imported, and torch's threads do not survive a fork; one thread is used. Start "
                "processes by 'spawn' or with joblib's loky to use more",
                NoisyLabelWarning,
                stacklevel=2,
            )
        return 1
    if n_jobs is None:
        return 1 if is_small else min(outside, joblib.cpu_count())
    return n_jobs if n_jobs > 0 else max(1, joblib.cpu_count() + 1 + n_jobs)


@contextmanager
def torch_state(n_jobs: int | None = None, *, is_small: bool = True) -> Iterator[int]:
    """Torch as our code needs it inside, and as the caller has it outside.

    Gradients are on and nothing is in inference mode, autocast or on another default device.
    May be nested.

    Parameters
    ----------
    n_jobs : int or None
        Threads; -1 is one per CPU that the process may use. None takes the caller's number,
        at most one per such CPU, and one where the work is small.
    is_small : bool, default=True
        Whether more threads would gain little.

    Yields
    ------
    n_threads : int
    """
    with _threads.call() as outside, ExitStack() as stack:
        n_threads = _n_threads(n_jobs, outside, is_small)
        if torch.get_num_threads() != n_threads:
            torch.set_num_threads(n_threads)
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        if not torch.is_grad_enabled():
            stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        # Numpy's defaults: probabilities underflow.
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
        yield n_threads


def to_device(values: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """Copy a tensor of the CPU to a device; the CPU does not wait for a GPU.

    Parameters
    ----------
    values : Tensor
    device : device

    Returns
    -------
    copied : Tensor
        On a CPU the tensor itself.
    """
    if torch.device(device).type != "cuda":
        return values.to(device)
    # From pageable memory the copy would wait for all work before it.
    return values.pin_memory().to(device, non_blocking=True)


def on_cpu(value: Any) -> Any:
    """Copies on the CPU of the tensors in a value, so that a pickle of it loads without a GPU.

    Parameters
    ----------
    value : object
        Tensor, module, dataclass, dict, list or tuple of such; anything else stays as it is.

    Returns
    -------
    value : object
        The same object where nothing in it is elsewhere.
    """
    if isinstance(value, torch.Tensor):
        return value if value.device.type == "cpu" else value.cpu()
    if isinstance(value, torch.nn.Module):
        if all(part.device.type == "cpu" for part in value.state_dict().values()):
            return value
        return copy.deepcopy(value).cpu()
    if isinstance(value, dict) and type(value) is dict:
        moved: Any = {key: on_cpu(part) for key, part in value.items()}
        return moved if any(moved[key] is not value[key] for key in value) else value
    if type(value) in (list, tuple):
        parts = [on_cpu(part) for part in value]
        same = all(new is old for new, old in zip(parts, value, strict=True))
        return value if same else type(value)(parts)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value) if hasattr(value, field.name)]
        changed = {
            name: new
            for name in fields
            if (new := on_cpu(getattr(value, name))) is not getattr(value, name)
        }
        if not changed:
            return value
        twin = copy.copy(value)
        vars(twin).update(changed)
        return twin
    return value


@contextmanager
def float32_default() -> Iterator[None]:
    """Float32 as torch's default dtype, for modules of others that are built inside."""
    before = torch.get_default_dtype()
    if before == torch.float32:
        yield
        return
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
