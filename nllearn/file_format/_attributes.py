"""Fitted attributes in a file: how they are written, and what they must look like."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from nllearn._validation import resolve_device
from nllearn.exceptions import NoisyLabelWarning
from nllearn.file_format._index import read_index, write_index
from nllearn.file_format._values import Reader, Writer

__all__ = [
    "check_array",
    "check_codes",
    "find_device",
    "read_attributes",
    "read_row_index",
    "write_attributes",
    "write_resolved",
    "write_row_index",
]

# For each array the kind of its numbers and its axes.
Arrays = Mapping[str, tuple[str, str]]


def write_attributes(
    writer: Writer,
    fitted: Mapping[str, Any],
    names: tuple[str, ...],
    optional: tuple[str, ...],
) -> dict[str, Any]:
    """Write attributes; those that are optional only where they are there."""
    return {
        key: writer.encode(fitted[key], key)
        for key in names
        if key in fitted or key not in optional
    }


def read_attributes(
    reader: Reader,
    node: dict[str, Any],
    arrays: Arrays,
    others: Mapping[str, Any],
    optional: tuple[str, ...],
) -> tuple[dict[str, Any], dict[str, int]]:
    """Read attributes after checking that they are those of the tables, and fit together.

    Parameters
    ----------
    reader : Reader
    node : dict
        From :func:`write_attributes`.
    arrays : mapping of str to (str, str)
        Kind of number and axes: n rows, C classes, p columns, * any size.
    others : mapping of str to type
    optional : tuple of str

    Returns
    -------
    fitted : dict of str to any
        The attributes by name.
    sizes : dict of str to int
        Of the axes.
    """
    if unknown := sorted(node.keys() - arrays.keys() - others.keys()):
        raise ValueError(f"it has the unknown attribute {unknown[0]!r}")
    if missing := sorted({*arrays, *others}.difference(node, optional)):
        raise ValueError(f"it lacks the attribute {missing[0]!r}")
    found = {key: reader.decode(value) for key, value in node.items()}
    for key, kind in others.items():
        if key in found and not isinstance(found[key], kind):
            raise ValueError(f"{key} is a {type(found[key]).__name__}")
    sizes = {"n": len(found["_given"]), "C": len(found["classes_"]), "p": found["n_features_in_"]}
    for key, (kind, axes) in arrays.items():
        # What compact() drops is None.
        if key in found and not (key == "_features" and found[key] is None):
            check_array(key, found[key], kind, axes, sizes)
    for key, array in found["_evidence"].items():
        check_array(f"_evidence[{key!r}]", array, "", "n", sizes)
    for key in ("_given", "_corrected"):
        check_codes(key, found[key], sizes["C"])
    return found, sizes


def check_codes(key: str, codes: np.ndarray, n_classes: int) -> None:
    """Refuse positions of classes that are not there."""
    if len(codes) and not (codes.min() >= 0 and codes.max() < n_classes):
        raise ValueError(f"{key} has codes outside the {n_classes} classes")


def check_array(key: str, array: Any, kind: str, axes: str, sizes: dict[str, int]) -> None:
    """Refuse what is no array of its kind and shape."""
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{key} is a {type(array).__name__}, not an array")
    expected = tuple(sizes.get(axis, -1) for axis in axes)
    fits = array.ndim == len(axes) and all(
        wanted in (-1, size) for wanted, size in zip(expected, array.shape, strict=True)
    )
    if not fits:
        told = ", ".join("any" if size < 0 else str(size) for size in expected)
        raise ValueError(f"{key} has shape {array.shape}, not ({told})")
    if kind and array.dtype.kind != kind:
        raise ValueError(f"{key} has dtype {array.dtype}")


def write_resolved(
    writer: Writer, resolved: Mapping[str, Any], roles: tuple[str, ...] = ()
) -> list[Any]:
    """Write what every None became; components and optimisers of the user's by name."""
    found = []
    for key, value in resolved.items():
        if key in roles:
            found.append([key, None])
            continue
        try:
            node = writer.encode(value, f"resolved_params_[{key!r}]")
        except TypeError:
            node = getattr(value, "__name__", type(value).__name__)
        found.append([key, node])
    return found


def write_row_index(writer: Writer, index: Any) -> Any:
    """Write the index of the training rows; one that a file cannot hold is left out."""
    try:
        return write_index(writer, index)
    except TypeError as error:
        warnings.warn(
            f"the index of the training rows cannot be saved ({error}): label_issues() of the "
            "loaded estimator numbers the rows instead; X.reset_index() before fit avoids this",
            NoisyLabelWarning,
            # Past the writer of the estimator's state and `save`.
            stacklevel=5,
        )
        return None


def read_row_index(reader: Reader, node: Any, n_rows: int) -> Any:
    """Read the index of the training rows."""
    index = read_index(reader, node)
    if index is not None and len(index) != n_rows:
        raise ValueError(f"its index has {len(index)} rows, not {n_rows}")
    return index


def find_device(parameter: Any, asked: str | None) -> Any:
    """Requested device, else the parameter's, else the CPU."""
    if asked is not None:
        return resolve_device(asked)
    try:
        return resolve_device(parameter)
    except ValueError:
        return resolve_device("cpu")
