"""What a file holds of a fitted label cleaner: how it is written, and how it is read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from nllearn._annotators import read_fitted_annotators, write_fitted_annotators
from nllearn._validation import check_params
from nllearn.cleaning._fitted import FittedPredictors
from nllearn.cleaning._parameters import CONSTRAINTS
from nllearn.file_format import (
    Reader,
    Writer,
    check_codes,
    find_device,
    read_attributes,
    read_dataclass,
    read_row_index,
    write_attributes,
    write_dataclass,
    write_resolved,
    write_row_index,
)
from nllearn.predictors import Forest

__all__ = ["read_cleaner", "write_cleaner"]

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
    "has_signal_": bool,
    "n_undecided_": int,
    "sampling_strategy_": (str, dict),
    "_evidence": dict,
    "_without_rows": bool,
}
_OPTIONAL = ("feature_names_in_", "sample_indices_", "sampling_strategy_")
# Name of the dataclass of the predictors, for tensors and errors.
_PREDICTORS = "predictors"


def write_cleaner(
    writer: Writer, params: Mapping[str, Any], fitted: Mapping[str, Any]
) -> dict[str, Any]:
    """Turn a fitted cleaner into JSON.

    Parameters
    ----------
    writer : Writer
    params : mapping of str to any
        Parameters of the constructor.
    fitted : mapping of str to any
        Attributes that fit left, by name.

    Returns
    -------
    document : dict
    """
    fitted, annotators = write_fitted_annotators(writer, dict(fitted))
    return {
        "params": {key: writer.encode(value, key) for key, value in params.items()},
        "fitted": write_attributes(writer, fitted, (*_ARRAYS, *_OTHERS), _OPTIONAL),
        "index": write_row_index(writer, fitted["_index"]),
        "resolved": write_resolved(writer, fitted["resolved_params_"]),
        _PREDICTORS: write_dataclass(writer, fitted["_predictors"], _PREDICTORS),
        "annotators": annotators,
    }


def read_cleaner(reader: Reader, document: dict[str, Any], cls: Any, device: str | None) -> Any:
    """Turn JSON back into a fitted cleaner.

    Parameters
    ----------
    reader : Reader
    document : dict
        From :func:`write_cleaner`.
    cls : type
        Class of the cleaner.
    device : str or None

    Returns
    -------
    cleaner : LabelCleaner
    """
    cleaner = cls(**{key: reader.decode(node) for key, node in document["params"].items()})
    check_params(cleaner, CONSTRAINTS)
    fitted, sizes = read_attributes(reader, document["fitted"], _ARRAYS, _OTHERS, _OPTIONAL)
    check_codes("_predicted", fitted["_predicted"], sizes["C"])
    fitted["_index"] = read_row_index(reader, document["index"], sizes["n"])
    fitted["corrected_labels_"] = fitted["classes_"][fitted["_corrected"]]
    fitted["resolved_params_"] = {key: reader.decode(node) for key, node in document["resolved"]}
    place = find_device(cleaner.device, device)
    predictors = read_dataclass(reader, FittedPredictors, document[_PREDICTORS], _PREDICTORS, place)
    _check_predictors(predictors, sizes)
    fitted |= read_fitted_annotators(reader, document["annotators"], fitted, sizes, place)
    vars(cleaner).update(fitted, _predictors=predictors)
    return cleaner


def _check_predictors(predictors: FittedPredictors, sizes: dict[str, int]) -> None:
    """Refuse predictors that do not fit the rows, the classes or one another."""
    n, n_classes = sizes["n"], sizes["C"]
    scale, noise, width = predictors.scale, predictors.noise, sizes["p"]
    width += scale.bias_column > 0
    shapes: list[tuple[str, Any, tuple[int, ...]]] = [
        ("scale.mean", scale.mean, (sizes["p"],)),
        ("scale.scale", scale.scale, (sizes["p"],)),
        ("noise.transition", noise.transition, (n_classes, n_classes)),
        ("noise.prototypes", noise.prototypes, (n_classes, n_classes)),
        ("vote_labels", predictors.vote_labels, (n,)),
        ("vote_weights", predictors.vote_weights, (n,)),
    ]
    for name in ("regression", "smoothed_regression"):
        fit = getattr(predictors, name)
        if fit is None:
            continue
        m, r = len(fit.kmap.landmarks), fit.coefficients.shape[0]
        shapes += [
            (f"{name}.kmap.landmarks", fit.kmap.landmarks, (m, width)),
            (f"{name}.kmap.projection", fit.kmap.projection, (m, r)),
            (f"{name}.coefficients", fit.coefficients, (r, n_classes)),
            (f"{name}.offset", fit.offset, (n_classes,)),
        ]
    if predictors.forest is not None:
        _check_forest(predictors.forest, sizes)
    factors = predictors.factors
    if len(factors) != 1 + (predictors.forest is not None):
        raise ValueError(f"{_PREDICTORS}.factors has {len(factors)} numbers")
    if not all(isinstance(factor, float) and 0 <= factor < np.inf for factor in factors):
        raise ValueError(f"{_PREDICTORS}.factors is {factors!r}")
    if predictors.X_unit is not None:
        shapes.append(("X_unit", predictors.X_unit, (n, width)))
    for name, value, expected in shapes:
        if tuple(value.shape) != expected:
            raise ValueError(f"{_PREDICTORS}.{name} has shape {tuple(value.shape)}, not {expected}")
    check_codes("vote_labels", predictors.vote_labels.cpu().numpy(), n_classes)
    if not 0 <= predictors.n_neighbors < max(n, 1):
        raise ValueError(f"{_PREDICTORS}.n_neighbors is {predictors.n_neighbors!r}")
    fits = (predictors.regression, predictors.smoothed_regression)
    if (fits[0] is None) != (fits[1] is None):
        raise ValueError(f"{_PREDICTORS} has one regression without the other")
    if predictors.X_unit is None or None in fits:
        return
    # The middle of the rows, under every label: what is inconsistent shows here at once.
    rows = np.repeat(scale.mean[None], n_classes, axis=0)
    quality = predictors.label_quality(rows, np.arange(n_classes))
    if not ((quality >= 0) & (quality <= 1)).all():
        raise ValueError("its predictors give qualities outside [0, 1]")


def _check_forest(forest: Forest, sizes: dict[str, int]) -> None:
    """Refuse trees whose nodes are not there, or that lead back to an earlier node."""
    where, n_nodes, n_leaves = f"{_PREDICTORS}.forest", len(forest.columns), len(forest.shares)
    arrays = {
        "left": forest.left,
        "right": forest.right,
        "thresholds": forest.thresholds,
    }
    for name, array in arrays.items():
        if tuple(array.shape) != (n_nodes,):
            raise ValueError(f"{where}.{name} has shape {tuple(array.shape)}, not ({n_nodes},)")
    numbers = (forest.roots, forest.columns, forest.left, forest.right)
    if any(array.dtype != torch.int64 for array in numbers):
        raise ValueError(f"{where} has node numbers that are no whole numbers")
    if not bool(torch.isfinite(forest.thresholds).all()):
        raise ValueError(f"{where}.thresholds are not finite")
    if not bool(((forest.shares >= 0) & (forest.shares <= 1)).all()):
        raise ValueError(f"{where}.shares are not in [0, 1]")
    if forest.shares.ndim != 2 or forest.shares.shape[1] != sizes["C"]:
        raise ValueError(f"{where}.shares has shape {tuple(forest.shares.shape)}")
    if forest.roots.ndim != 1 or not len(forest.roots):
        raise ValueError(f"{where}.roots has shape {tuple(forest.roots.shape)}")
    _check_positions(f"{where}.roots", forest.roots, n_nodes)
    inner = forest.columns >= 0
    _check_positions(f"{where}.columns", forest.columns[inner], sizes["p"])
    _check_positions(f"{where}.left", forest.left[~inner], n_leaves)
    node = torch.arange(n_nodes, device=forest.columns.device)[inner]
    for name in ("left", "right"):
        following = getattr(forest, name)[inner]
        _check_positions(f"{where}.{name}", following, n_nodes)
        if bool((following <= node).any()):
            raise ValueError(f"{where}.{name} leads back to an earlier node")


def _check_positions(where: str, numbers: torch.Tensor, n: int) -> None:
    """Refuse numbers of nodes, columns or leaves that are not there."""
    if len(numbers) and not (int(numbers.min()) >= 0 and int(numbers.max()) < n):
        raise ValueError(f"{where} has numbers outside [0, {n})")
