"""Python values as JSON and tensors, and back; anything that would be code raises an error.

A JSON object is always one tag with its content, such as ``{"tuple": [1, 2]}``.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nllearn.file_format._allowed import component_classes, optimizer_classes

__all__ = ["Reader", "Writer"]

# Dtypes of arrays as numpy spells them; text has at most so many digits of width.
_NUMBERS = re.compile(r"[<>|][biuf]\d{1,2}|[<>][mM]8(\[\d*\w{1,2}\])?")
_TEXT = re.compile(r"[<>]U\d{1,6}")
_STATE_OF_RANDOM = ("key", "pos", "has_gauss", "gauss")


class Writer:
    """Turns values into JSON, and gathers their arrays as tensors.

    Attributes
    ----------
    tensors : dict of str to Tensor
        On the CPU, contiguous, none sharing memory with another.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        # An array that appears twice is written once; kept, so that its id stays its own.
        self._written: dict[int, tuple[Any, Any]] = {}

    def encode(self, value: Any, where: str) -> Any:
        """Turn a value into JSON.

        Parameters
        ----------
        value : any
            None, bool, number, str, path, list, tuple, dict, ndarray of numbers or
            text, tensor, RandomState, or a component of the package.
        where : str
            Its name, for errors and for the tensors.

        Returns
        -------
        node : any
            For ``json.dumps``.

        Raises
        ------
        TypeError
            Names what cannot be written without code.
        """
        match value:
            case None | bool() | int():
                return value
            case np.bool_() | np.integer() | np.floating() if not isinstance(value, np.longdouble):
                return self.encode(value.item(), where)
            case float():
                return float(value) if math.isfinite(value) else {"float": str(float(value))}
            case str():
                return str(value)
            case list():
                return [self.encode(x, f"{where}[{i}]") for i, x in enumerate(value)]
            case tuple():
                return {"tuple": [self.encode(x, f"{where}[{i}]") for i, x in enumerate(value)]}
            case dict():
                return {
                    "dict": [
                        [self.encode(k, f"a key of {where}"), self.encode(v, f"{where}[{k!r}]")]
                        for k, v in value.items()
                    ]
                }
            case np.ndarray() | torch.Tensor():
                if id(value) not in self._written:
                    self._written[id(value)] = value, self._array(value, where)
                return self._written[id(value)][1]
            case os.PathLike():
                return {"path": os.fspath(value)}
            case np.random.RandomState():
                state: Any = value.get_state(legacy=False)
                known = {**state["state"], **state}
                return {
                    "random_state": [
                        self.encode(known[key], f"{where}.{key}") for key in _STATE_OF_RANDOM
                    ]
                }
        return self._named(value, where)

    def _named(self, value: Any, where: str) -> Any:
        """Write an object that a reader makes anew from the name of its class."""
        if type(value) in component_classes().values():
            params = value.get_params(deep=False)
            return {
                "component": [
                    type(value).__name__,
                    {key: self.encode(x, f"{where}__{key}") for key, x in params.items()},
                ]
            }
        if isinstance(value, type) and value in optimizer_classes().values():
            return {"optimizer": value.__name__}
        raise TypeError(_why_not(value, where))

    def _array(self, value: Any, where: str) -> Any:
        """Write an array or a tensor."""
        if isinstance(value, torch.Tensor):
            return {"tensor": self._put(value.detach().cpu().clone().contiguous(), where)}
        kind, dtype = value.dtype.kind, value.dtype.str
        if kind in "UO" and all(isinstance(x, str) for x in value.flat) and value.ndim == 1:
            return {"text": [self._text(value, where), "object" if kind == "O" else dtype]}
        if kind in "mM":
            plain = value.view(np.int64).astype(np.int64)
        elif kind in "biuf" and value.dtype.itemsize <= 8:
            # Native bytes, own memory; ascontiguousarray would give one axis to none.
            plain = np.array(value, dtype=value.dtype.newbyteorder("="), order="C")
        else:
            raise TypeError(_why_not(value, where))
        return {"array": [self._put(torch.from_numpy(plain), where), dtype]}

    def _text(self, value: Any, where: str) -> str:
        """Write texts as their bytes and the length of each."""
        texts = [x.encode("utf-8", "surrogatepass") for x in value.tolist()]
        name = self._put(
            torch.frombuffer(bytearray(b"".join(texts)), dtype=torch.uint8)
            if any(texts)
            else torch.empty(0, dtype=torch.uint8),
            where,
        )
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        self.tensors[f"{name}.lengths"] = torch.from_numpy(lengths)
        return name

    def _put(self, tensor: torch.Tensor, where: str) -> str:
        name = where
        while name in self.tensors:
            name += "_"
        self.tensors[name] = tensor
        return name


class Reader:
    """Turns what :class:`Writer` made back into values.

    Parameters
    ----------
    tensors : mapping of str to Tensor
    backbone : object or None
        Stands for a backbone of the user's, which a file only names.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor], backbone: Any = None):
        self._tensors = tensors
        self._unread = set(tensors)
        self._arrays: dict[str, Any] = {}
        self.backbone = backbone
        self.asked_for_backbone = False

    @property
    def unread(self) -> list[str]:
        """Names of the tensors that no value asked for."""
        return sorted(self._unread)

    def decode(self, node: Any) -> Any:
        """Turn JSON back into a value.

        Parameters
        ----------
        node : any
            From ``json.loads``.

        Returns
        -------
        value : any

        Raises
        ------
        ValueError, TypeError
            For what :class:`Writer` does not make.
        """
        if isinstance(node, list):
            return [self.decode(x) for x in node]
        if not isinstance(node, dict):
            return node
        if len(node) != 1:
            raise ValueError(f"an object with the keys {sorted(node)[:5]} in place of one tag")
        ((tag, content),) = node.items()
        read = getattr(self, f"_read_{tag}", None) if tag in _TAGS else None
        if read is None:
            raise ValueError(f"the unknown tag {tag!r}; known are {sorted(_TAGS)}")
        return read(content)

    def _read_float(self, content: Any) -> float:
        if content not in ("nan", "inf", "-inf"):
            raise ValueError(f"{content!r} as a special float")
        return float(content)

    def _read_tuple(self, content: Any) -> tuple[Any, ...]:
        return tuple(self.decode(x) for x in content)

    def _read_dict(self, content: Any) -> dict[Any, Any]:
        return {self.decode(key): self.decode(value) for key, value in content}

    def _read_path(self, content: Any) -> Path:
        return Path(content)

    def _read_tensor(self, content: Any) -> torch.Tensor:
        if not isinstance(content, str) or content not in self._tensors:
            raise ValueError(f"the tensor {content!r} is missing")
        self._unread.discard(content)
        return self._tensors[content]

    def _read_array(self, content: Any) -> np.ndarray:
        name, spelled = content
        if not _NUMBERS.fullmatch(spelled):
            raise ValueError(f"the dtype {spelled!r} of {name!r} is none of a number or a time")
        if name not in self._arrays:
            plain, dtype = self._read_tensor(name).numpy(), np.dtype(spelled)
            stored = np.dtype(np.int64) if dtype.kind in "mM" else dtype.newbyteorder("=")
            if plain.dtype != stored:
                raise ValueError(f"{name!r} has dtype {plain.dtype}, not {stored}")
            self._arrays[name] = (
                plain.view(dtype.newbyteorder("=")) if dtype.kind in "mM" else plain
            ).astype(dtype)
        return self._arrays[name]

    def _read_text(self, content: Any) -> np.ndarray:
        name, spelled = content
        if spelled != "object" and not _TEXT.fullmatch(spelled):
            raise ValueError(f"the dtype {spelled!r} of {name!r} is none of text")
        blob, lengths = self._read_tensor(name), self._read_tensor(f"{name}.lengths")
        if blob.dtype != torch.uint8 or blob.dim() != 1 or lengths.dtype != torch.int64:
            raise ValueError(f"{name!r} is no text")
        ends = lengths.numpy().cumsum()
        if lengths.dim() != 1 or (lengths < 0).any() or lengths.sum() != len(blob):
            raise ValueError(f"the lengths of the texts {name!r} do not add up")
        raw = blob.numpy().tobytes()
        texts = [
            raw[end - length : end].decode("utf-8", "surrogatepass")
            for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)
        ]
        return np.array(texts, dtype=object if spelled == "object" else np.dtype(spelled))

    def _read_random_state(self, content: Any) -> np.random.RandomState:
        key, pos, has_gauss, gauss = (self.decode(x) for x in content)
        state = np.random.RandomState()
        state.set_state(("MT19937", key, pos, has_gauss, gauss))
        return state

    def _read_component(self, content: Any) -> Any:
        name, params = content
        if name not in component_classes():
            raise ValueError(f"{name!r} is none of the components {sorted(component_classes())}")
        return component_classes()[name](**{key: self.decode(x) for key, x in params.items()})

    def _read_optimizer(self, content: Any) -> Any:
        if content not in optimizer_classes():
            raise ValueError(f"{content!r} is no optimiser of torch")
        return optimizer_classes()[content]

    def _read_given(self, content: Any) -> Any:
        self.asked_for_backbone = True
        if self.backbone is None:
            raise ValueError(
                f"its network is of your own {content}, which a file cannot hold: pass an "
                f"untrained one, load(path, backbone={content}(...))"
            )
        return self.backbone


_TAGS = {name.removeprefix("_read_") for name in vars(Reader) if name.startswith("_read_")}


def _why_not(value: Any, where: str) -> str:
    """Say what to do about a value that would need code."""
    told = repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:77]}..."
    root = re.split(r"\[|__", where)[0]
    advice = "keep the estimator with pickle instead"
    if root in ("augmentation", "optimizer", "net_params"):
        advice += f", or drop it first with set_params({root}=None): no prediction needs it"
    return (
        f"{where}={told} cannot be saved: files hold numbers, text, arrays and the components of "
        f"nllearn, never code; {advice}"
    )
