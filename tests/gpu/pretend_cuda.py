"""A pretend GPU on a machine without one: what would fail on CUDA fails here.

Inside ``with pretend_cuda() as log`` torch seems to have a GPU, and the CPU computes. As on CUDA,
operations on tensors of two devices raise (0-dim CPU tensors, CPU indices of a GPU tensor and
``copy_`` may), so do generators of another device, and ``numpy()``. ``log.syncs`` counts where
CPU and GPU wait for each other, ``log.launches`` operations.

A pickle or file of GPU tensors says so, and torch refuses it on a machine without one; inside the
block all of them load to the CPU.

Limits: C++ sees CPU tensors. Kernels and dtypes that CUDA alone lacks or refuses, memory, streams,
NCCL, CUDA graphs and the compiler are not tested; autocast follows the CPU's lists. Not
thread-safe.
"""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections import Counter
from typing import Any
from unittest import mock

import torch
from torch.utils._device import _device_constructors
from torch.utils._pytree import tree_flatten, tree_map, tree_map_only, tree_unflatten

_CPU, _Generator = torch.device("cpu"), torch.Generator


class _State:
    """Of the block that is entered."""

    log: Any
    n_devices: int
    # What was pickled from the GPU; held, so that no other tensor takes its place in memory.
    pickled: list[torch.Tensor]


_OURS = (torch.__path__[0], __file__, "<")
_INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_")
# Operations after which CUDA waits for a result, and how often.
_WAITS = dict.fromkeys(("_local_scalar_dense", "nonzero", "masked_select", "equal"), 1)
_WAITS |= {"bincount": 2, "_linalg_eigh": 1, "_unique2": 1}
_NO_LAUNCH = ("empty", "new_empty", "detach", "alias", "_local_scalar", "set_")
_tags: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def _plain(x: Any) -> Any:
    return x.elem if isinstance(x, GpuTensor) else x


class Log:
    """What happened: ``syncs`` by (kind, place), ``launches`` by operation."""

    def clear(self) -> None:
        """Start anew."""
        self.syncs, self.launches = Counter[tuple[str, str]](), Counter[str]()

    __init__ = clear

    def sync(self, kind: str, times: int = 1) -> None:
        """Note a wait at the nearest line outside of torch and this file."""
        frame: Any = sys._getframe(1)
        while frame.f_back and frame.f_code.co_filename.startswith(_OURS):
            frame = frame.f_back
        place = f"{frame.f_code.co_filename}:{frame.f_lineno}".split("/")[-3:]
        self.syncs[kind, "/".join(place)] += times


def _device(given: Any) -> torch.device:
    """A device with its number."""
    device = torch.device("cuda", given) if isinstance(given, int) else torch.device(given)
    if device.type == "cuda" and (device.index or 0) >= _State.n_devices:
        raise RuntimeError("CUDA error: invalid device ordinal")
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


class GpuTensor(torch.Tensor):
    """Values on the CPU, `elem`, that pretend to be on the GPU `tag`."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]
    is_cuda, is_cpu = property(lambda self: True), property(lambda self: False)
    device, __repr__ = property(lambda self: self.tag), lambda self, **_: f"{self.elem} on the GPU"

    @staticmethod
    def __new__(cls: Any, elem: torch.Tensor, tag: torch.device, grad: bool = False):
        k = {"strides": elem.stride(), "storage_offset": elem.storage_offset(), "dtype": elem.dtype}
        out = torch.Tensor._make_wrapper_subclass(cls, elem.shape, **k, requires_grad=grad)
        out.elem, out.tag = elem, tag
        return out

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Check an operation that touches the GPU, count it, and run it on the values."""
        flat, spec = tree_flatten((args, kwargs or {}))
        name, log = func._schema.name[6:], _State.log
        checked = tensors = [x for x in flat if isinstance(x, torch.Tensor)]
        tag = next(x.tag for x in tensors if isinstance(x, GpuTensor))
        for given in (x for x in flat if isinstance(x, _Generator)):
            _check_generator(given, "cuda")
        if name in _INDEXING:
            indices = [x for x in args[1] if x is not None]
            if args[0].device == _CPU and any(x.device != _CPU for x in indices):
                raise RuntimeError("indices should be either on cpu or on the tensor's device")
            hosts = [x for x in indices if x.device == _CPU]
            checked = [x for x in tensors if not any(x is y for y in hosts)]
            for _ in hosts:
                log.sync("index from the host")
            fills = len(args) > 2 and args[2].numel() == 1 and args[2].device == _CPU
            if any(x.dtype in (torch.bool, torch.uint8) for x in indices) and not fills:
                log.sync("boolean mask")
        elif name == "copy_":
            checked = []
            if args[0].device != args[1].device:
                log.sync("device to host" if args[0].device == _CPU else "host to device")
        if torch._C._current_graph_task_id() >= 0:
            # Autograd's own zeros for missing gradients, which C++ makes on the CPU.
            checked = [x for x in checked if isinstance(x, GpuTensor) or bool(x.any())]
        devices = {str(x.device) for x in checked if x.dim() or x.device != _CPU}
        if len(devices) > 1:
            raise RuntimeError(f"Expected all tensors to be on the same device: {devices} ({func})")
        if name in _WAITS:
            log.sync(name, _WAITS[name])
        log.launches[name] += not func.is_view and not name.startswith(_NO_LAUNCH)
        mine = {id(_plain(x)): x for x in tensors}
        new_args, new_kwargs = tree_unflatten([_plain(x) for x in flat], spec)
        out = func(*new_args, **new_kwargs)
        # What was changed in place comes back as itself.
        return tree_map_only(torch.Tensor, lambda x: mine.get(id(x), GpuTensor(x, tag)), out)

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"can't convert {self.tag} device type tensor to numpy. Use Tensor.cpu()")

    def tolist(self) -> Any:
        _State.log.sync("device to host")
        return self.elem.tolist()

    def __deepcopy__(self, memo: Any) -> GpuTensor:
        out = memo[id(self)] = GpuTensor(self.elem.clone(), self.tag, self.requires_grad)
        out.__dict__.update({k: v for k, v in vars(self).items() if k not in ("elem", "tag")})
        return out

    def __reduce_ex__(self, protocol: Any) -> Any:
        copy = self.elem.detach().clone()
        _State.pickled.append(copy)
        made = torch.nn.Parameter if getattr(self, "_is_param", False) else torch.Tensor.detach
        return made(copy).__reduce_ex__(protocol)


class _PretendGenerator(_Generator):
    def __new__(cls, device: Any = "cpu") -> Any:
        self = super().__new__(cls, device="cpu")
        # C++ hands operations another object of the same address.
        self.tag, _tags[self._cdata] = _device(device), self
        return self

    device = property(lambda self: self.tag)


def _check_generator(generator: Any, device: str) -> None:
    if (found := getattr(_tags.get(generator._cdata), "tag", _CPU).type) != device:
        raise RuntimeError(f"Expected a '{device}' device type for generator but found '{found}'")


class _Move(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, device: torch.device, waits: bool) -> torch.Tensor:
        ctx.origin = x.device
        if waits and device.type != x.device.type:
            _State.log.sync("device to host" if device == _CPU else "host to device")
        copy = _plain(x).detach().clone()
        return copy if device == _CPU else GpuTensor(copy, device)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        return _Move.apply(grad, ctx.origin, True), None, None


def _to(self: torch.Tensor, *args: Any, _real: Any, **kwargs: Any) -> torch.Tensor:
    """``Tensor.to`` in all its forms."""
    device, dtypes = kwargs.pop("device", None), []
    for x in args:
        if isinstance(x, torch.Tensor):
            device, dtypes = x.device, [x.dtype]
        elif isinstance(x, torch.dtype):
            dtypes = [x]
        elif isinstance(x, str | torch.device) or type(x) is int:
            device = x
    target = self.device if device is None else _device(device)
    if target.type not in ("cpu", "cuda"):
        return _real(self, target, *dtypes, **kwargs)
    # A copy from pinned memory that need not block makes nobody wait.
    waits = not (kwargs.pop("non_blocking", False) and getattr(self, "_is_pinned", False))
    moved = self if target == self.device else _Move.apply(self, target, waits)
    return _real(moved, *dtypes, **kwargs) if dtypes or kwargs else moved


def _made(real: Any, *args: Any, **kwargs: Any) -> Any:
    """A function that makes tensors, told on which device."""
    asked, like = kwargs.get("device"), args[0] if isinstance((*args, 0)[0], GpuTensor) else None
    device = _device(asked) if asked is not None else _CPU if like is None else like.tag
    if kwargs.get("generator") is not None and device.type in ("cpu", "cuda"):
        _check_generator(kwargs["generator"], device.type)
    if device.type != "cuda" and like is None:
        return real(*args, **kwargs)
    name = real.__name__
    if name == "new_tensor" or (name in ("tensor", "as_tensor", "asarray") and like is None):
        _State.log.sync("host to device")
    out = real(*tree_map(_plain, args), **kwargs | ({} if asked is None else {"device": "cpu"}))
    if device.type != "cuda":
        return out
    _State.log.launches[name] += not name.startswith(_NO_LAUNCH)
    return GpuTensor(out.detach(), device, out.requires_grad)


def _pinned(self: torch.Tensor, device: Any = None) -> torch.Tensor:
    copy: Any = self.detach().clone()
    copy._is_pinned = True
    return copy


def _patches() -> Any:
    """What is replaced: owner, name and the pretended thing."""
    answers = dict.fromkeys(("_lazy_init", "synchronize", "empty_cache", "set_rng_state"))
    answers |= dict.fromkeys(("manual_seed", "manual_seed_all", "reset_peak_memory_stats"))
    answers |= dict.fromkeys(("is_initialized", "is_current_stream_capturing"), False)
    answers |= dict.fromkeys(("max_memory_allocated", "current_device"), 0)
    answers |= dict.fromkeys(("memory_reserved", "memory_allocated"), 0)
    answers |= {"is_available": True, "device_count": _State.n_devices, "is_bf16_supported": True}
    answers |= {"mem_get_info": (8 << 30, 8 << 30), "get_device_capability": (9, 0)}
    answers |= {"get_device_name": "pretend GPU"}
    answers |= {"device": contextlib.nullcontext(), "get_rng_state": torch.zeros(16).byte()}
    for name, answer in answers.items():
        yield torch.cuda, name, lambda *args, _answer=answer, **kwargs: _answer
    yield torch.accelerator, "current_device_index", lambda: 0
    yield torch.accelerator, "set_device_index", lambda device: None
    makers = {f.__name__ for f in _device_constructors() if hasattr(torch, f.__name__)}
    for name in makers | {x for x in dir(torch) if x.endswith("_like")}:
        real = getattr(torch, name)
        yield torch, name, lambda *a, _real=real, **k: _made(_real, *a, **k)
    new_tensor = torch.Tensor.new_tensor
    yield torch.Tensor, "new_tensor", lambda self, *a, **k: _made(new_tensor, self, *a, **k)
    real, load, autocast = torch.Tensor.to, torch.load, torch.autocast
    yield torch.Tensor, "to", lambda self, *a, **k: _to(self, *a, _real=real, **k)
    yield torch.Tensor, "cpu", lambda self, **k: self.to("cpu", **k)
    yield torch.Tensor, "cuda", lambda self, device="cuda", **k: self.to(device, **k)
    yield torch.Tensor, "pin_memory", _pinned
    yield torch, "Generator", _PretendGenerator
    files: Any = sys.modules["torch.serialization"]
    location = files.location_tag
    yield (
        files,
        "location_tag",
        lambda storage: (
            "cuda:0"
            if any(storage.data_ptr() == x.untyped_storage().data_ptr() for x in _State.pickled)
            else location(storage)
        ),
    )
    yield torch, "load", lambda *a, **k: load(*a, **k | {"map_location": "cpu"})
    yield torch, "autocast", lambda kind, **k: autocast("cpu" if kind == "cuda" else kind, **k)
    one_hot, apply = torch.nn.functional.one_hot, torch.nn.Module._apply

    def swapping(self: Any, fn: Any, recurse: bool = True) -> Any:
        with mock.patch("torch.__future__.get_swap_module_params_on_conversion", lambda: True):
            return apply(self, fn, recurse)

    yield torch.nn.Module, "_apply", swapping
    # Without the look at the values, which CUDA does without.
    yield (
        torch.nn.functional,
        "one_hot",
        lambda x, n=-1: (
            one_hot(x, n) if n < 0 else x.new_zeros(*x.shape, n).scatter_(-1, x.unsqueeze(-1), 1)
        ),
    )
    optimizers: Any = sys.modules["torch.optim.optimizer"]
    yield optimizers, "_foreach_supported_types", [*optimizers._foreach_supported_types, GpuTensor]
    yield torch.optim.Optimizer, "_accelerator_graph_capture_health_check", lambda self: None


@contextlib.contextmanager
def pretend_cuda(n_devices: int = 1) -> Any:
    """Make torch believe in `n_devices` GPUs until the end of the block; yields the log."""
    _State.log, _State.n_devices, _State.pickled = Log(), n_devices, []
    with contextlib.ExitStack() as stack:
        for owner, name, new in [*_patches()]:
            stack.enter_context(mock.patch.object(owner, name, new, create=True))
        yield _State.log
