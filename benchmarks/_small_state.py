"""A checkpoint made small: for a run that goes on on another machine.

Numbers are kept in bfloat16 and the optimisers' state is left out; between two epochs a run
loses no more by it than by a few noisy steps. The two bytes of a number are kept apart: the
upper one, sign and exponent, is nearly the same for all weights and compresses well.
"""

from __future__ import annotations

import io
import json
import zlib
from pathlib import Path
from typing import Any

import torch

from nllearn._atomic_write import atomic_write
from nllearn.training import CheckpointFolder

#: Significant bits of a number, at most the 8 of bfloat16: an error of at most 0.8 %.
_BITS = 6
_PLANES = "bfloat16 planes"


def keep_state(folder: Path, target: Path) -> None:
    """Write the newest checkpoint of a folder to a small file, where there is one."""
    if (state := CheckpointFolder(folder).newest()) is None:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target, lambda _: None) as temporary:
        temporary.write_bytes(pack(state))


def restore_state(target: Path, folder: Path) -> None:
    """Make a checkpoint of a small file, where the folder has none."""
    checkpoints = CheckpointFolder(folder)
    if not target.exists() or checkpoints.newest() is not None:
        return
    state, epochs = unpack(target.read_bytes())
    checkpoints.save(epochs, state)


def pack(state: dict[str, Any]) -> bytes:
    """Bytes of a checkpoint's state."""
    net, teacher = state["net"], state["net"]["teacher"]
    # One set of weights: the averaged ones where there are any.
    weights = net["module"] if teacher is None else teacher["module"]
    net = {**net, "module": None, "teacher": teacher and {**teacher, "module": None}}
    buffer = io.BytesIO()
    torch.save(_halve({**state, "net": net, "weights": weights}), buffer)
    return zlib.compress(buffer.getvalue(), 6)


def unpack(data: bytes) -> tuple[dict[str, Any], int]:
    """State of a checkpoint, and the number of epochs that it has behind it."""
    state = torch.load(io.BytesIO(zlib.decompress(data)), weights_only=True)
    state = _double(state)
    weights, net = state.pop("weights"), state["net"]
    net["module"] = weights
    if net["teacher"] is not None:
        net["teacher"]["module"] = {name: value.clone() for name, value in weights.items()}
    return state, len(json.loads(state["history"]))


def _halve(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
        mantissa, exponent = torch.frexp(value)
        value = torch.ldexp(torch.round(mantissa * 2**_BITS) / 2**_BITS, exponent)
        pairs = value.bfloat16().contiguous().view(-1).view(torch.uint8).view(-1, 2)
        return {_PLANES: pairs.T.contiguous(), "shape": list(value.shape)}
    if isinstance(value, dict):
        if set(value) == {"state", "param_groups"}:
            return {**value, "state": {}}
        return {name: _halve(one) for name, one in value.items()}
    return value


def _double(value: Any) -> Any:
    if isinstance(value, dict):
        if _PLANES in value:
            pairs = value[_PLANES].T.contiguous()
            return pairs.view(torch.bfloat16).view(value["shape"]).float()
        return {name: _double(one) for name, one in value.items()}
    return value
