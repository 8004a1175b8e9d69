"""Fingerprint of a run: parameters and data that a checkpoint must agree with to be resumed."""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
from types import CellType, CodeType
from typing import Any

import numpy as np
import torch
from torch import nn

from nllearn.classifiers._given_labels import GivenLabels
from nllearn.images import ArrayRecords, ImageRecords, PathRecords

__all__ = ["digest_of_rows", "fingerprint"]

# They change how a run is shown or kept, not what it computes.
_NO_MATTER = {"callbacks", "checkpoint_dir", "device", "n_jobs", "random_state", "verbose"}
# Rows of X that are hashed where it lies on disk, and bytes of a block that is hashed at once.
_HASHED_ROWS = 1000
_HASHED_BYTES = 64 << 20


def fingerprint(estimator: Any, X: Any, labels: GivenLabels) -> dict[str, str]:
    """What a run depends on, in parts that can be named when they differ.

    An array in memory is hashed whole, about a gigabyte a second. Of a memmap, of image
    files and of a Dataset 1,000 evenly spaced rows are hashed, since reading all of them
    could take as long as training; of image files their sizes too, of all of them. What
    differs elsewhere on disk is not noticed.

    Parameters
    ----------
    estimator : estimator
    X : ndarray or ImageRecords
    labels : GivenLabels

    Returns
    -------
    parts : dict of str to str
    """
    parts = {
        f"parameter {name}": _describe(value)
        for name, value in estimator.get_params(deep=False).items()
        if name not in _NO_MATTER
    }
    parts["estimator"] = type(estimator).__name__
    parts["X"] = digest_of_rows(X)
    codes = labels.codes if labels.annotators is None else labels.annotators.codes
    parts["y"] = _digest(codes) + repr(labels.classes.tolist())
    parts["sample_weight"] = _digest(labels.weight)
    parts["class_weight"] = _digest(labels.loss_weight)
    parts["trusted"] = _digest(labels.trusted)
    return parts


def _describe(value: Any) -> str:
    """Text of a parameter that is the same in every process."""
    if callable(value) and not isinstance(value, nn.Module) and not hasattr(value, "get_params"):
        return _describe_callable(value)
    if isinstance(value, np.ndarray):
        return _digest(value)
    if isinstance(value, torch.Tensor):
        return _digest(value.detach().cpu().numpy())
    if isinstance(value, tuple | list):
        return f"({', '.join(map(_describe, value))})"
    if hasattr(value, "get_params"):
        inner = {key: _describe(v) for key, v in sorted(value.get_params(deep=False).items())}
        return f"{type(value).__name__}({inner})"
    if isinstance(value, nn.Module) or type(value).__repr__ is not object.__repr__:
        return repr(value)
    return type(value).__name__


def _describe_callable(value: Any) -> str:
    """Name of a function or callable, with what it holds: arguments, closure, code, attributes."""
    if isinstance(value, functools.partial):
        held = [value.func, *value.args, *sorted(value.keywords.items())]
        return f"partial({', '.join(map(_describe, held))})"
    name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value))}"
    if not inspect.isfunction(value):
        held = [] if inspect.isclass(value) else sorted(getattr(value, "__dict__", {}).items())
        return f"{name}({', '.join(map(_describe, held))})" if held else name
    closed = [cell.cell_contents for cell in value.__closure__ or () if cell != CellType()]
    plain = [c for c in value.__code__.co_consts if not isinstance(c, CodeType)]
    text = value.__code__.co_code + repr(plain).encode()
    code = hashlib.blake2b(text, digest_size=8).hexdigest()
    # A function that calls itself is in its own closure.
    held = [each for each in (*(value.__defaults__ or ()), *closed) if each is not value]
    return f"{name}({', '.join([code, *map(_describe, held)])})"


def _digest(array: np.ndarray) -> str:
    """Digest of an array with its dtype and shape, in blocks: any other layout is copied."""
    array = np.atleast_1d(array)
    total = hashlib.blake2b(digest_size=16)
    step = max(1, _HASHED_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        total.update(np.ascontiguousarray(array[start : start + step]).view(np.uint8).data)
    return f"{array.dtype} {array.shape} {total.hexdigest()}"


def digest_of_rows(X: Any) -> str:
    """Digest of all rows, or of evenly spaced ones where they must be read from disk."""
    array = X.X if isinstance(X, ArrayRecords) else X
    if isinstance(array, np.ndarray) and not _is_mapped(array):
        return _digest(array)
    some = np.unique(np.linspace(0, len(X) - 1, min(len(X), _HASHED_ROWS)).astype(np.int64))
    rows = X.read(some).numpy() if isinstance(X, ImageRecords) else X[some]
    sizes = ""
    if isinstance(X, PathRecords):
        sizes = f", sizes {_digest(np.array([_size_of(path) for path in X.paths]))}"
    return f"{len(X)} rows, {_digest(rows)}{sizes}"


def _is_mapped(array: Any) -> bool:
    """Whether the numbers lie in a file: scikit-learn's checks make a memmap a plain view of it."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


def _size_of(path: str) -> int:
    """Size of a file, -1 where there is none; reading it will say so."""
    try:
        return os.stat(path).st_size
    except OSError:
        return -1
