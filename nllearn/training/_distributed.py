"""Several processes that train one network: who does which rows, and how results meet.

Every process holds all rows and the whole network. Of every batch, pass and search it does
the part that is its own, and gets the results of the others. What follows from them, such
as the loss of the whole batch, is then the same everywhere; the gradients are summed.
"""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from joblib.parallel import get_active_backend

__all__ = ["LostProcessError", "ProcessGroup", "process_group"]

# How long a process waits for one that neither answers nor dies.
_TIMEOUT = timedelta(minutes=10)
# What torchrun tells every process that it starts.
_LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")

_opened = itertools.count()


class LostProcessError(RuntimeError):
    """Another process of this run died, failed or does not answer."""


class ProcessGroup:
    """The processes of a fit, over the default process group.

    All methods but :meth:`place` and :meth:`bounds` must be called by every process, in
    the same order.

    Attributes
    ----------
    rank, size : int
        Number of this process, from 0, and how many there are.
    part : tuple of int or None
        ``(start, stop, n)`` while a function of :meth:`by_rows` does rows start to stop
        of n; None when it does all of them.
    """

    def __init__(self) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()
        self.part: tuple[int, int, int] | None = None

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def place(self, device: torch.device) -> torch.device:
        """The GPU of this process, when the device is a GPU without a number.

        Parameters
        ----------
        device : torch.device

        Returns
        -------
        device : torch.device

        Raises
        ------
        ValueError
            If the machine has fewer GPUs than processes.
        """
        if device.type != "cuda" or device.index is not None:
            return device
        given = os.environ.get("LOCAL_RANK")
        # Without torchrun: the GPU that the program has chosen, else one for each process.
        number = int(given) if given else torch.cuda.current_device() or self.rank
        if number >= torch.cuda.device_count():
            raise ValueError(
                f"process {number} of this machine has no GPU: there are "
                f"{torch.cuda.device_count()}; start that many processes, set LOCAL_RANK to the "
                "number of the process on its machine, or set device='cpu'"
            )
        return torch.device("cuda", number)

    def bounds(self, n: int) -> tuple[int, int]:
        """First row of this process's part of n rows, and the row behind its last."""
        return n * self.rank // self.size, n * (self.rank + 1) // self.size

    def by_rows(
        self, n: int, function: Callable[[slice], tuple[torch.Tensor, ...]]
    ) -> tuple[torch.Tensor, ...]:
        """Do n rows together: each process calls the function on its part of them.

        Gradients flow into the rows of this process alone: summed over the processes,
        those of the parameters are the ones of all rows.

        Parameters
        ----------
        n : int
        function : callable
            From a slice of the rows to tensors with one entry per row of it.

        Returns
        -------
        results : tuple of Tensor
            With n entries, the same in every process.
        """
        if n < self.size:
            # Too few for everyone: all do all of them, each for its share of the gradient.
            results = function(slice(0, n))
            for result in results:
                if result.requires_grad:
                    result.register_hook(lambda grad: grad / self.size)
            return results
        start, stop = self.bounds(n)
        self.part = (start, stop, n)
        try:
            results = function(slice(start, stop))
        finally:
            self.part = None
        if all(r.dim() == 2 and r.dtype == results[0].dtype for r in results):
            # One message instead of several.
            packed = self._gather(torch.cat(results, dim=1), start, n)
            return packed.split([result.shape[1] for result in results], dim=1)
        return tuple(self._gather(result, start, n) for result in results)

    def _gather(self, own: torch.Tensor, start: int, n: int) -> torch.Tensor:
        """All n rows of which this process has its own, from `start` on."""
        # Parts differ in length, which a gather does not take; x + 0 is x.
        wide = torch.float32 if own.dtype in (torch.float16, torch.bfloat16) else own.dtype
        rows = torch.zeros((n, *own.shape[1:]), dtype=wide, device=own.device)
        rows[start : start + len(own)] = own.detach()
        rows = self.sum_(rows).to(own.dtype)
        if not own.requires_grad:
            return rows
        return torch.cat([rows[:start], own, rows[start + len(own) :]])

    def sum_(self, values: torch.Tensor) -> torch.Tensor:
        """Put the sum over the processes in place of the values, and return it."""
        with self._explain():
            dist.all_reduce(values)
        return values

    def sum_gradients(self, parameters: Iterable[torch.Tensor]) -> None:
        """Put the sum over the processes in place of every gradient.

        Parameters
        ----------
        parameters : iterable of Tensor
            One that got a gradient in no process keeps None.
        """
        trained = [p for p in parameters if p.requires_grad]
        if not trained:
            return
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in trained]
        given = grads[0].new_tensor([p.grad is not None for p in trained], dtype=torch.float32)
        total = self.sum_(torch.cat([given, *(grad.reshape(-1).float() for grad in grads)]))
        got = total[: len(trained)].tolist()
        sums = total[len(trained) :].split([p.numel() for p in trained])
        for parameter, anywhere, summed in zip(trained, got, sums, strict=True):
            if anywhere:
                if parameter.grad is None:
                    parameter.grad = torch.empty_like(parameter)
                parameter.grad.copy_(summed.view_as(parameter))

    def broadcast_tensors(self, tensors: Iterable[torch.Tensor]) -> None:
        """Put what the main process has in place of the tensors.

        Parameters
        ----------
        tensors : iterable of Tensor
            Of the same shapes and dtypes everywhere.
        """
        for tensor in tensors:
            values = tensor.detach().contiguous()
            with self._explain():
                dist.broadcast(values, src=0)
            tensor.detach().copy_(values)

    def broadcast_object(self, make: Callable[[], Any]) -> Any:
        """What the function returns in the main process; the others do not call it.

        Parameters
        ----------
        make : callable
            An exception of it is raised in every process.

        Returns
        -------
        value : object
        """
        box: list[Any] = [None, None]
        if self.is_main:
            try:
                box[0] = make()
            except Exception as error:
                box[1] = error
        with self._explain():
            dist.broadcast_object_list(box, src=0)
        if box[1] is not None:
            raise box[1]
        return box[0]

    def check_same(self, parts: dict[str, str]) -> None:
        """Refuse a run whose processes were given different data or parameters.

        Parameters
        ----------
        parts : dict of str to str
            Text or digest of everything that must agree.

        Raises
        ------
        ValueError
            In every process; names what differs.
        """
        everyone: list[Any] = [None] * self.size
        with self._explain():
            dist.all_gather_object(everyone, parts)
        for rank, theirs in enumerate(everyone):
            names = sorted(set(theirs) | set(everyone[0]))
            differ = [name for name in names if theirs.get(name) != everyone[0].get(name)]
            if differ:
                raise ValueError(
                    f"process {rank} was not given the same as process 0: {', '.join(differ)} "
                    "differ; every process must call fit with the same data and parameters"
                )

    @contextmanager
    def _explain(self) -> Iterator[None]:
        with _explain(f"process {self.rank} of {self.size} lost another one"):
            yield


@contextmanager
def _explain(what: str) -> Iterator[None]:
    """Turn torch's error of a broken connection into one that says what to do."""
    try:
        yield
    except RuntimeError as error:
        first = str(error).strip().partition("\n")[0]
        raise LostProcessError(
            f"{what}, which died, raised an error of its own or did not answer in time "
            f"({first}). Look at its output, then start all of them again; with checkpoint_dir "
            "the run goes on from its last checkpoint"
        ) from error


@functools.cache
def _store() -> Any:
    """Where the processes find each other; one for all fits of this process."""
    from torch.distributed.rendezvous import rendezvous

    # A second one on the same port could reach the first, which is about to close.
    store, _, _ = next(rendezvous("env://", timeout=_TIMEOUT))
    return store


def _takes_part() -> bool:
    """Whether this place of the program may take part for its process."""
    # Jobs of joblib inherit the environment, and several threads would talk at once.
    return not get_active_backend()[0].nesting_level and (
        threading.current_thread() is threading.main_thread()
    )


@contextmanager
def process_group(device: torch.device) -> Iterator[ProcessGroup | None]:
    """Join the other processes for one fit, and part from them at its end.

    Inside, the GPU of this process is torch's current one: what names no device would else
    take memory of the first GPU in every process.

    They are those of a process group that is open already, or those that ``torchrun``
    started; then a group is opened, and closed again whatever happens. Jobs of joblib
    and threads other than the main one stay on their own.

    Parameters
    ----------
    device : torch.device
        Of the network: gloo serves a CPU, and NCCL a GPU.

    Yields
    ------
    group : ProcessGroup or None
        None when this process is on its own.

    Raises
    ------
    LostProcessError
        If another process cannot be reached.
    """
    with _joined(device) as group:
        own = device if group is None else group.place(device)
        chosen = own.type == "cuda" and own.index is not None
        with torch.cuda.device(own) if chosen else nullcontext():
            yield group


@contextmanager
def _joined(device: torch.device) -> Iterator[ProcessGroup | None]:
    """The group alone, opened where it is not open yet."""
    if not dist.is_available() or not _takes_part():
        yield None
        return
    if dist.is_initialized():
        yield ProcessGroup() if dist.get_world_size() > 1 else None
        return
    launched = all(name in os.environ for name in _LAUNCHED)
    if not launched or int(os.environ["WORLD_SIZE"]) < 2 or multiprocessing.parent_process():
        yield None
        return
    from torch.distributed.distributed_c10d import PrefixStore

    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    with _explain(f"process {rank} of {size} did not meet all others: it waited for another one"):
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
            # Keys of an earlier fit stay in the store and must not be met again.
            store=PrefixStore(f"nllearn/{next(_opened)}", _store()),
            rank=rank,
            world_size=size,
            timeout=_TIMEOUT,
        )
    try:
        group = ProcessGroup()
        yield group
        # Nobody leaves while another one still reads what it has sent.
        group.sum_(torch.zeros(1, dtype=torch.float32))
    finally:
        dist.destroy_process_group()
