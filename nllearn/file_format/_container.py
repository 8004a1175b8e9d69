"""One safetensors file: tensors, a JSON document, and a checksum over both."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from nllearn import __version__
from nllearn._atomic_write import atomic_write

__all__ = ["FORMAT_VERSION", "read_container", "replace_file", "write_container"]

#: Raised with every change of what a file holds.
FORMAT_VERSION = 4
# The entry of the metadata that holds the description, and how it is spelled.
_ENTRY = "nllearn"
_SPELLING: dict[str, Any] = {"allow_nan": False, "separators": (",", ":")}
_SEAL = ',"sha256":"{}"}}'


def write_container(
    path: Path, document: Any, tensors: Mapping[str, torch.Tensor], *, overwrite: bool
) -> None:
    """Write a document and its tensors.

    Parameters
    ----------
    path : Path
    document : any
        For ``json.dumps``.
    tensors : mapping of str to Tensor
        On the CPU and contiguous.
    overwrite : bool

    Raises
    ------
    FileExistsError
        See :func:`replace_file`.
    """
    head = {
        "format_version": FORMAT_VERSION,
        "nllearn_version": __version__,
        "estimator": document,
    }
    # One entry alone: the order of several is not fixed, and equal fits give equal files.
    metadata = {_ENTRY: seal(json.dumps(head, **_SPELLING), tensors)}

    def write(temporary: Path) -> None:
        try:
            save_file(dict(tensors), temporary, metadata)
        except SafetensorError as error:  # a full disk, for example
            raise OSError(f"{str(path)!r} cannot be written ({error})") from error

    replace_file(path, write, overwrite=overwrite)


def read_container(path: Path) -> tuple[Any, dict[str, torch.Tensor]]:
    """Read and check what :func:`write_container` wrote.

    Parameters
    ----------
    path : Path

    Returns
    -------
    document : any
    tensors : dict of str to Tensor
        On the CPU, not tied to the file.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        If it is of another kind or version, or damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            # Copies: what was checked must not change with the file under it.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(f"it is no safetensors file, or it is damaged ({error})") from error
    if _ENTRY not in metadata:
        raise ValueError("it was not written by nllearn")
    try:
        head = json.loads(metadata[_ENTRY], parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("its description is nested too deep") from error
    if not isinstance(head, dict):
        raise ValueError(f"its description is a {type(head).__name__}, not an object")
    if head.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"it has format version {head.get('format_version')!r}, which the nllearn that wrote "
            f"it reads, {head.get('nllearn_version')!r}; this is nllearn {__version__!r}, which "
            f"reads format version {FORMAT_VERSION!r} alone: install the other, or fit and save "
            "anew"
        )
    digest = head.get("sha256")
    body = metadata[_ENTRY].removesuffix(_SEAL.format(digest)) + "}"
    if metadata[_ENTRY] != seal(body, tensors):
        raise ValueError("its checksum is wrong: the file is damaged or was changed; save it anew")
    return head.get("estimator"), tensors


def seal(body: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """Put the checksum into a description, as its last entry.

    Parameters
    ----------
    body : str
        JSON object; its very letters count.
    tensors : mapping of str to Tensor

    Returns
    -------
    text : str
        JSON object with ``sha256``, over the description and all tensors.
    """
    digest = hashlib.sha256()
    # Names and shapes go in too, so that no byte can move from one part to the next.
    shapes = [[name, str(t.dtype), list(t.shape)] for name, t in sorted(tensors.items())]
    digest.update(f"[{body},{json.dumps(shapes, **_SPELLING)}]".encode())
    for _, tensor in sorted(tensors.items()):
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return body.removesuffix("}") + _SEAL.format(digest.hexdigest())


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} in its description, which is no JSON")


def replace_file(path: Path, write: Callable[[Path], Any], *, overwrite: bool) -> None:
    """Write a file beside its place and move it there when it is whole.

    Parameters
    ----------
    path : Path
        A link is followed.
    write : callable
        Gets the path to write to.
    overwrite : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    FileExistsError
        If there is one and it may not.
    OSError
        If it cannot be written.
    """
    _refuse_existing(Path(os.path.realpath(path)), overwrite)
    with atomic_write(path, lambda target: _refuse_existing(target, overwrite)) as temporary:
        write(temporary)


def _refuse_existing(target: Path, overwrite: bool) -> None:
    if target.is_dir():
        raise IsADirectoryError(f"{str(target)!r} is a folder; give the name of a file")
    if target.exists() and not overwrite:
        raise FileExistsError(f"{str(target)!r} exists; set overwrite=True to replace it")
