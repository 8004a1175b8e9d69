"""NPZ and NPY files: arrays, never code."""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nllearn.tables._errors import TableError, first_line, unknown_column

__all__ = ["load_numpy", "physical_memory", "read_npz"]


def load_numpy(data: bytes) -> Any:
    """Load an array or an archive of arrays; objects, which could run code, are refused."""
    with warnings.catch_warnings():
        # What a damaged header looks like to numpy is of no use to the user.
        warnings.simplefilter("ignore")
        return np.load(io.BytesIO(data), allow_pickle=False)


def read_npz(
    path: Path, data: bytes, label: str | None
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Read arrays: those with one row per label, and the others."""
    arrays = {}
    try:
        stored = load_numpy(data)
        if isinstance(stored, np.ndarray):
            raise TableError(f"{path}: holds one array; save X and y with numpy.savez")
        with stored:
            _refuse_bomb(path, stored.zip)
            for name in stored.files:
                arrays[name] = _load_entry(path, stored, name)
    except TableError:
        raise
    except Exception as error:  # zipfile, zlib and numpy's header parser raise many types
        raise TableError(f"{path}: not a readable NPZ file ({first_line(error)})") from error
    arrays = {name: _column(array) for name, array in arrays.items()}
    anchor = label or next((name for name in ("y", "X") if name in arrays), None)
    if anchor is None or anchor not in arrays:
        raise unknown_column(anchor or "y", arrays, option="--label")
    if arrays[anchor].ndim != 1 and anchor == label:
        raise TableError(
            f"--label: array {label!r} has shape {arrays[anchor].shape}; labels have one dimension"
        )
    n_rows = len(arrays[anchor])
    mine = {name: a for name, a in arrays.items() if a.ndim and len(a) == n_rows}
    return mine, {name: a for name, a in arrays.items() if name not in mine}


def _load_entry(path: Path, stored: Any, name: str) -> NDArray[Any]:
    """Read one array of an NPZ file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in load_numpy
        try:
            array = stored[name]
        except ValueError as error:
            if "pickle" not in str(error):
                raise
            raise TableError(
                f"{path}: array {name!r} holds Python objects; store text as a numpy "
                "string array (dtype str) and numbers as a numeric array"
            ) from error
    if not isinstance(array, np.ndarray):
        raise TableError(f"{path}: entry {name!r} is no array; save X and y with numpy.savez")
    return array


def physical_memory() -> float:
    """Bytes of memory of this machine; infinite where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # not on this system
        return float("inf")


def _refuse_bomb(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive that would not fit in memory once it is unpacked."""
    unpacked = sum(entry.file_size for entry in archive.infolist())
    memory = physical_memory()
    if unpacked > memory:
        raise TableError(
            f"{path}: unpacks to {unpacked / 1e9:.1f} GB, and this machine has "
            f"{memory / 1e9:.1f} GB of memory; store fewer rows"
        )


def _column(array: NDArray[Any]) -> NDArray[Any]:
    """Flatten one-column arrays and decode byte strings."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array
