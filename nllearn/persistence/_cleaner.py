"""A fitted label cleaner as a document with tensors, and back."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from nllearn._validation import check_params
from nllearn.persistence._attributes import (
    check_codes,
    find_device,
    read_attributes,
    read_row_index,
    write_attributes,
    write_resolved,
    write_row_index,
)
from nllearn.persistence._values import Reader, Writer

__all__ = ["CLEANER", "read_cleaner", "write_cleaner"]

CLEANER = "LabelCleaner"

# Kind of number and axes of the fitted arrays: n rows, C classes, p columns, * any size.
_ARRAYS = {
    "classes_": ("", "C"),
    "feature_names_in_": ("", "p"),
    "label_distributions_": ("f", "nC"),
    "label_quality_": ("f", "n"),
    "transition_matrix_": ("f", "CC"),
    "sample_indices_": ("i", "*"),
    "_given": ("i", "n"),
    "_corrected": ("i", "n"),
    "_predicted": ("i", "n"),
    "_predicted_proba": ("f", "n"),
    "_named": ("i", "n*"),
}
_OTHERS: dict[str, Any] = {
    "n_features_in_": int,
    "noise_rate_": float,
    "sampling_strategy_": (str, dict),
    "_evidence": dict,
}
_OPTIONAL = ("feature_names_in_", "sample_indices_", "sampling_strategy_")
# Rows that new ones are compared with, dropped by compact(), and the labels that those vote for.
_BANK = ("_unit", "_vote_labels", "_vote_weights")


def write_cleaner(writer: Writer, cleaner: Any) -> dict[str, Any]:
    """Turn a fitted cleaner into JSON.

    Parameters
    ----------
    writer : Writer
    cleaner : LabelCleaner

    Returns
    -------
    document : dict
    """
    check_is_fitted(cleaner, "label_quality_")
    return {
        "params": {
            key: writer.encode(value, key) for key, value in cleaner.get_params(deep=False).items()
        },
        "fitted": write_attributes(writer, cleaner, (*_ARRAYS, *_OTHERS), _OPTIONAL),
        "index": write_row_index(writer, cleaner._index),
        "resolved": write_resolved(writer, cleaner),
        "scale": _write_parts(writer, cleaner._scale, "_scale"),
        "fits": [
            _write_parts(writer, fit, f"_fits[{number}]")
            for number, fit in enumerate(cleaner._fits)
        ],
        "noise": _write_parts(writer, cleaner._noise, "_noise"),
        "bank": {key: writer.encode(getattr(cleaner, key), key) for key in _BANK},
    }


def read_cleaner(reader: Reader, document: dict[str, Any], device: str | None) -> Any:
    """Turn JSON back into a fitted cleaner.

    Parameters
    ----------
    reader : Reader
    document : dict
    device : str or None

    Returns
    -------
    cleaner : LabelCleaner
    """
    from nllearn.cleaning import LabelCleaner
    from nllearn.label_model import NoiseModel, RowScaling
    from nllearn.predictors import KernelRidge

    params = {key: reader.decode(node) for key, node in document["params"].items()}
    cleaner: Any = LabelCleaner(**params)
    check_params(cleaner, cleaner._constraints)
    sizes = read_attributes(reader, cleaner, document["fitted"], _ARRAYS, _OTHERS, _OPTIONAL)
    check_codes("_predicted", cleaner._predicted, sizes["C"])
    cleaner._index = read_row_index(reader, document["index"], sizes["n"])
    cleaner.corrected_labels_ = cleaner.classes_[cleaner._corrected]
    cleaner.resolved_params_ = {key: reader.decode(node) for key, node in document["resolved"]}

    place = find_device(cleaner.device, device)
    cleaner._scale = _read_parts(reader, RowScaling, document["scale"], "_scale", place)
    cleaner._fits = [
        _read_parts(reader, KernelRidge, node, f"_fits[{number}]", place)
        for number, node in enumerate(document["fits"])
    ]
    cleaner._noise = _read_parts(reader, NoiseModel, document["noise"], "_noise", place)
    if document["bank"].keys() != {*_BANK}:
        raise ValueError(f"its bank has {sorted(document['bank'])}, not {sorted(_BANK)}")
    for key in _BANK:
        value = reader.decode(document["bank"][key])
        setattr(cleaner, key, value.to(place) if isinstance(value, torch.Tensor) else value)
    _check_parts(cleaner, sizes)
    return cleaner


def _write_parts(writer: Writer, value: Any, where: str) -> dict[str, Any]:
    """Write the fields of a dataclass, dataclasses among them."""
    found = {}
    for field in dataclasses.fields(value):
        part, name = getattr(value, field.name), f"{where}.{field.name}"
        is_nested = dataclasses.is_dataclass(part)
        found[field.name] = (
            _write_parts(writer, part, name) if is_nested else writer.encode(part, name)
        )
    return found


def _read_parts(reader: Reader, kind: Any, node: Any, where: str, device: torch.device) -> Any:
    """Make a dataclass anew; its own fields say what the file must hold, never the file."""
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    if not isinstance(node, dict) or node.keys() != {*names}:
        raise ValueError(f"{where} does not have the parts {names}")
    found: dict[str, Any] = {}
    for name in names:
        if dataclasses.is_dataclass(hints[name]):
            found[name] = _read_parts(reader, hints[name], node[name], f"{where}.{name}", device)
            continue
        value = reader.decode(node[name])
        if not isinstance(value, typing.get_origin(hints[name]) or hints[name]):
            raise ValueError(f"{where}.{name} is a {type(value).__name__}")
        found[name] = value.to(device) if isinstance(value, torch.Tensor) else value
    return kind(**found)


def _check_parts(cleaner: Any, sizes: dict[str, int]) -> None:
    """Refuse parts that do not fit the rows, the classes or one another."""
    n, n_classes, width = sizes["n"], sizes["C"], sizes["p"] + (cleaner._scale.bias_column > 0)
    if len(cleaner._fits) != 2:
        raise ValueError(f"it has {len(cleaner._fits)} regressions, not 2")
    shapes: list[tuple[str, Any, tuple[int, ...]]] = [
        ("_scale.mean", cleaner._scale.mean, (sizes["p"],)),
        ("_scale.scale", cleaner._scale.scale, (sizes["p"],)),
        ("_noise.transition", cleaner._noise.transition, (n_classes, n_classes)),
        ("_noise.prototypes", cleaner._noise.prototypes, (n_classes + 1, n_classes)),
        ("_vote_labels", cleaner._vote_labels, (2, n)),
        ("_vote_weights", cleaner._vote_weights, (2, n)),
    ]
    for number, fit in enumerate(cleaner._fits):
        m, r = len(fit.kmap.landmarks), fit.coefficients.shape[0]
        shapes += [
            (f"_fits[{number}].kmap.landmarks", fit.kmap.landmarks, (m, width)),
            (f"_fits[{number}].kmap.projection", fit.kmap.projection, (m, r)),
            (f"_fits[{number}].coefficients", fit.coefficients, (r, n_classes)),
            (f"_fits[{number}].offset", fit.offset, (n_classes,)),
        ]
    if cleaner._unit is not None:
        shapes.append(("_unit", cleaner._unit, (n, width)))
    for name, value, expected in shapes:
        if tuple(getattr(value, "shape", ())) != expected:
            raise ValueError(f"{name} has shape {tuple(value.shape)}, not {expected}")
    check_codes("_vote_labels", cleaner._vote_labels, n_classes)
    k = cleaner.resolved_params_["n_neighbors"]
    if type(k) is not int or not 0 <= k < max(n, 1):
        raise ValueError(f"resolved_params_['n_neighbors'] is {k!r}")
    cleaner._n_neighbors = k
    if cleaner._unit is None:
        return
    # The middle of the rows, under every label: what is inconsistent shows here at once.
    rows = np.repeat(cleaner._scale.mean[None], n_classes, axis=0)
    quality = cleaner._score(rows, np.arange(n_classes))
    if not ((quality >= 0) & (quality <= 1)).all():
        raise ValueError("its parts give qualities outside [0, 1]")
