"""What a file holds of a fitted classifier: how it is written, and how it is read back."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from nllearn._annotators import read_fitted_annotators, write_fitted_annotators
from nllearn.classifiers._image_input import ImageInput
from nllearn.classifiers._parameters import image_defaults, table_defaults
from nllearn.classifiers._preprocessing import TableInput
from nllearn.classifiers._saved_net import check_rebuilds, read_net, write_net
from nllearn.exceptions import NoisyLabelWarning
from nllearn.file_format import (
    Reader,
    Writer,
    check_array,
    find_device,
    read_attributes,
    read_row_index,
    write_attributes,
    write_resolved,
    write_row_index,
)

__all__ = ["read_classifier", "write_classifier"]

_ROLES = ("backbone", "selector", "hallucinator", "neighbors")

# Kind of number and axes of the fitted arrays: n rows, C classes, p columns, * any size.
_ARRAYS = {
    "classes_": ("", "C"),
    "feature_names_in_": ("", "p"),
    "label_distributions_": ("f", "nC"),
    "label_quality_": ("f", "n"),
    "clean_proba_": ("f", "n"),
    "transition_matrix_": ("f", "CC"),
    "_given": ("i", "n"),
    "_corrected": ("i", "n"),
    "_network_proba": ("f", "nC"),
    "_features": ("f", "n*"),
}
_OTHERS: dict[str, Any] = {
    "n_features_in_": int,
    "image_shape_": (tuple, type(None)),
    "noise_rate_": float,
    "has_signal_": bool,
    "n_undecided_": int,
    "n_iter_": int,
    "history_": list,
    "skipped_images_": dict,
    "_batch_size": int,
    "_evidence": dict,
}
_OPTIONAL = ("feature_names_in_",)


def write_classifier(
    writer: Writer, params: Mapping[str, Any], fitted: Mapping[str, Any]
) -> dict[str, Any]:
    """Turn a fitted classifier into JSON.

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
    document = {
        "params": _write_params(writer, params),
        "fitted": write_attributes(writer, fitted, (*_ARRAYS, *_OTHERS), _OPTIONAL),
        "input": _write_input(writer, fitted["_input"]),
        "index": write_row_index(writer, fitted["_index"]),
        "components": {
            role: _write_component(writer, fitted[f"{role}_"], role)
            for role in _ROLES
            if f"{role}_" in fitted
        },
        "resolved": write_resolved(writer, fitted["resolved_params_"], _ROLES),
        "net": write_net(writer, fitted["net_"]),
        "annotators": annotators,
    }
    shape = _row_shape(fitted["_input"], fitted["n_features_in_"])
    check_rebuilds(fitted["net_"], fitted["backbone_"], shape, len(fitted["classes_"]))
    return document


def read_classifier(reader: Reader, document: dict[str, Any], cls: Any, device: str | None) -> Any:
    """Turn JSON back into a fitted classifier.

    Parameters
    ----------
    reader : Reader
    document : dict
        From :func:`write_classifier`.
    cls : type
        Class of the classifier.
    device : str or None

    Returns
    -------
    estimator : classifier
    """
    estimator = cls(**{key: reader.decode(node) for key, node in document["params"].items()})
    fitted, sizes = read_attributes(reader, document["fitted"], _ARRAYS, _OTHERS, _OPTIONAL)
    if not all(isinstance(row, dict) for row in fitted["history_"]):
        raise ValueError("history_ is no list of dict")
    fitted["_input"] = _read_input(reader, document["input"])
    shape = _row_shape(fitted["_input"], sizes["p"])
    if len(shape) not in (1, 3) or not all(type(size) is int for size in shape):
        raise ValueError(f"rows of shape {shape}")
    for key, value in fitted["_input"].moments.items():
        check_array(key, value, "f", "x", {"x": shape[0]})
    fitted["_index"] = read_row_index(reader, document["index"], sizes["n"])
    fitted["_defaults"] = image_defaults() if fitted["_input"].is_image else table_defaults()
    fitted["corrected_labels_"] = fitted["classes_"][fitted["_corrected"]]

    place = find_device(estimator.device, device)
    for role, node in document["components"].items():
        if role not in _ROLES:
            raise ValueError(f"it has the unknown component {role!r}")
        fitted[f"{role}_"] = _read_component(reader, node, role, place)
    fitted |= read_fitted_annotators(reader, document["annotators"], fitted, sizes, place)
    fitted["resolved_params_"] = {
        key: fitted[f"{key}_"] if key in _ROLES else reader.decode(node)
        for key, node in document["resolved"]
    }
    fitted["net_"] = read_net(
        reader,
        document["net"],
        fitted["backbone_"],
        shape,
        sizes["C"],
        str(place),
        fitted["history_"],
    )
    vars(estimator).update(fitted)
    return estimator


def _row_shape(opened: TableInput | ImageInput, n_features: int) -> tuple[int, ...]:
    """Shape of one row as the network gets it: (n_features,) or (C, H, W)."""
    return tuple(opened.shape) if isinstance(opened, ImageInput) else (n_features,)


def _write_params(writer: Writer, params: Mapping[str, Any]) -> dict[str, Any]:
    params = dict(params)
    if params["callbacks"]:
        warnings.warn(
            f"callbacks={params['callbacks']!r} cannot be saved without code and are left out",
            NoisyLabelWarning,
            # Past the writer of the state and `save`.
            stacklevel=5,
        )
        params["callbacks"] = None
    return {
        key: _write_backbone(writer, value) if key == "backbone" else writer.encode(value, key)
        for key, value in params.items()
    }


def _write_backbone(writer: Writer, backbone: Any) -> Any:
    """Write a backbone of the package; one of the user's by name, to ask for it."""
    try:
        return writer.encode(backbone, "backbone")
    except TypeError:
        return {"given": type(backbone).__name__}


def _write_component(writer: Writer, component: Any, role: str) -> dict[str, Any]:
    """Write a component and the learned state that is needed after the fit."""
    if role == "backbone":
        return {"is": _write_backbone(writer, component)}
    node = {"is": writer.encode(component, role)}
    if role == "selector" and hasattr(component, "mixture_"):
        node["mixture"] = writer.encode(component.mixture_, "selector_.mixture_")
    if hasattr(component, "state_dict"):
        state = component.state_dict()
        if "optimizer" in state:
            # The moments are twice the size of the weights.
            state = {**state, "optimizer": {**state["optimizer"], "state": {}}}
        node["state"] = writer.encode(
            {k: dict(v) if isinstance(v, dict) else v for k, v in state.items()}, f"{role}_"
        )
    return node


def _read_component(reader: Reader, node: dict[str, Any], role: str, device: Any) -> Any:
    component = reader.decode(node["is"])
    expected = {"selector": "select", "hallucinator": "hallucinate", "neighbors": "kneighbors"}
    if role in expected and not hasattr(component, expected[role]):
        raise ValueError(f"{component!r} is no {role}")
    if "mixture" in node:
        component.mixture_ = reader.decode(node["mixture"])
    if "state" in node:
        component.load_state_dict(reader.decode(node["state"]), device)
    return component


def _write_input(writer: Writer, opened: TableInput | ImageInput) -> dict[str, Any]:
    node: dict[str, Any] = {
        key: writer.encode(value, f"scale.{key}") for key, value in opened.moments.items()
    }
    if isinstance(opened, ImageInput):
        node["image"] = {key: writer.encode(value, key) for key, value in opened.state.items()}
    return node


def _read_input(reader: Reader, node: dict[str, Any]) -> TableInput | ImageInput:
    mean, scale = reader.decode(node["mean"]), reader.decode(node["scale"])
    if "image" not in node:
        return TableInput.restore(mean, scale)
    state = {key: reader.decode(value) for key, value in node["image"].items()}
    return ImageInput.restore(mean, scale, state)
