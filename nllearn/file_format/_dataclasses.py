"""Dataclasses in a file, dataclasses among their fields included."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

import torch

from nllearn.file_format._values import Reader, Writer

__all__ = ["read_dataclass", "write_dataclass"]


def write_dataclass(writer: Writer, value: Any, where: str) -> dict[str, Any]:
    """Turn the fields of a dataclass into JSON.

    Parameters
    ----------
    writer : Writer
    value : dataclass
        Its fields are values that :meth:`Writer.encode` takes, or dataclasses.
    where : str
        Its name, for errors and for the tensors.

    Returns
    -------
    node : dict
    """
    found = {}
    for field in dataclasses.fields(value):
        part, name = getattr(value, field.name), f"{where}.{field.name}"
        write = write_dataclass if dataclasses.is_dataclass(part) else Writer.encode
        found[field.name] = write(writer, part, name)
    return found


def read_dataclass(reader: Reader, kind: Any, node: Any, where: str, device: torch.device) -> Any:
    """Make a dataclass anew; its own fields say what the file must hold, never the file.

    Parameters
    ----------
    reader : Reader
    kind : type
        The dataclass.
    node : any
        From :func:`write_dataclass`.
    where : str
        Its name, for errors.
    device : torch.device
        Tensors go there.

    Returns
    -------
    value : dataclass

    Raises
    ------
    ValueError
        If the parts are not the fields, or of another type.
    """
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    if not isinstance(node, dict) or node.keys() != {*names}:
        raise ValueError(f"{where} does not have the parts {names}")
    found: dict[str, Any] = {}
    for name in names:
        hint = hints[name]
        # One that may be None has the hint `A | None`.
        inner = [part for part in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(part)]
        if inner and (inner[0] is hint or node[name] is not None):
            found[name] = read_dataclass(reader, inner[0], node[name], f"{where}.{name}", device)
            continue
        value = reader.decode(node[name])
        origin = typing.get_origin(hint)
        # isinstance takes `A | B`, but not `list[A]`.
        expected = hint if origin in (None, types.UnionType) else origin
        if not isinstance(value, expected):
            raise ValueError(f"{where}.{name} is a {type(value).__name__}")
        found[name] = value.to(device) if isinstance(value, torch.Tensor) else value
    return kind(**found)
