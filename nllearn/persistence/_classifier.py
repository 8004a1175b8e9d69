"""A fitted classifier as a document with tensors, and back."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nllearn.classifiers import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.classifiers._base import BaseNoisyLabelClassifier
from nllearn.classifiers._parameters import image_defaults, table_defaults
from nllearn.classifiers._preprocessing import ColumnStandardizer, ImageInput, TableInput
from nllearn.exceptions import NoisyLabelWarning
from nllearn.images import ChannelStandardizer
from nllearn.persistence._attributes import (
    check_array,
    find_device,
    read_attributes,
    read_row_index,
    write_attributes,
    write_resolved,
    write_row_index,
)
from nllearn.persistence._network import check_rebuilds, read_net, write_net
from nllearn.persistence._values import Reader, Writer

__all__ = ["CLASSIFIERS", "read_classifier", "row_shape", "write_classifier"]

CLASSIFIERS: dict[str, Any] = {
    cls.__name__: cls for cls in (AnchorHallucinationClassifier, MixNNClassifier)
}
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
    "n_iter_": int,
    "history_": list,
    "skipped_images_": dict,
    "_batch_size": int,
    "_evidence": dict,
}
_OPTIONAL = ("feature_names_in_",)
# What an input of images is made of, its scale aside.
_IMAGE_INPUT = (
    "_layout_parameter",
    "_new_layout",
    "_decode_size",
    "_is_float",
    "_is_bytes",
    "_num_workers",
    "shape",
    "array_shape",
)


def write_classifier(writer: Writer, estimator: BaseNoisyLabelClassifier) -> dict[str, Any]:
    """Turn a fitted classifier into JSON.

    Parameters
    ----------
    writer : Writer
    estimator : classifier

    Returns
    -------
    document : dict
    """
    check_is_fitted(estimator, "net_")
    document = {
        "params": _write_params(writer, estimator),
        "fitted": write_attributes(writer, estimator, (*_ARRAYS, *_OTHERS), _OPTIONAL),
        "input": _write_input(writer, estimator._input),
        "index": write_row_index(writer, estimator._index),
        "components": {
            role: _write_component(writer, getattr(estimator, f"{role}_"), role)
            for role in _ROLES
            if hasattr(estimator, f"{role}_")
        },
        "resolved": write_resolved(writer, estimator, _ROLES),
        "net": write_net(writer, estimator.net_),
    }
    check_rebuilds(
        estimator.net_, estimator.backbone_, row_shape(estimator), len(estimator.classes_)
    )
    return document


def read_classifier(reader: Reader, document: dict[str, Any], device: str | None) -> Any:
    """Turn JSON back into a fitted classifier.

    Parameters
    ----------
    reader : Reader
    document : dict
        With ``class``, one of `CLASSIFIERS`.
    device : str or None

    Returns
    -------
    estimator : classifier
    """
    params = {key: reader.decode(node) for key, node in document["params"].items()}
    estimator = CLASSIFIERS[document["class"]](**params)
    read_attributes(reader, estimator, document["fitted"], _ARRAYS, _OTHERS, _OPTIONAL)
    if not all(isinstance(row, dict) for row in estimator.history_):
        raise ValueError("history_ is no list of dict")
    estimator._input = _read_input(reader, document["input"])
    shape = row_shape(estimator)
    if len(shape) not in (1, 3) or not all(type(size) is int for size in shape):
        raise ValueError(f"rows of shape {shape}")
    for key in ("mean", "scale"):
        check_array(key, getattr(estimator._input._scale, key), "f", "x", {"x": shape[0]})
    estimator._index = read_row_index(reader, document["index"], len(estimator._given))
    estimator._defaults = image_defaults() if estimator._input.is_image else table_defaults()
    estimator.corrected_labels_ = estimator.classes_[estimator._corrected]

    place = find_device(estimator.device, device)
    for role, node in document["components"].items():
        if role not in _ROLES:
            raise ValueError(f"it has the unknown component {role!r}")
        setattr(estimator, f"{role}_", _read_component(reader, node, role, place))
    estimator.resolved_params_ = {
        key: getattr(estimator, f"{key}_") if key in _ROLES else reader.decode(node)
        for key, node in document["resolved"]
    }
    estimator.net_ = read_net(
        reader,
        document["net"],
        estimator.backbone_,
        row_shape(estimator),
        len(estimator.classes_),
        str(place),
        estimator.history_,
    )
    return estimator


def row_shape(estimator: Any) -> tuple[int, ...]:
    """Shape of one row as the network gets it.

    Parameters
    ----------
    estimator : fitted estimator

    Returns
    -------
    shape : tuple of int
        ``(n_features,)`` or ``(C, H, W)``.
    """
    if estimator._input.is_image:
        return tuple(estimator._input.shape)
    return (estimator.n_features_in_,)


def _write_params(writer: Writer, estimator: Any) -> dict[str, Any]:
    params = estimator.get_params(deep=False)
    if params["callbacks"]:
        warnings.warn(
            f"callbacks={params['callbacks']!r} cannot be saved without code and are left out",
            NoisyLabelWarning,
            stacklevel=4,
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
    """Write a component and what it learnt, as far as that outlives the fit."""
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
    assert opened._scale is not None
    node: dict[str, Any] = {
        key: writer.encode(getattr(opened._scale, key), f"scale.{key}") for key in ("mean", "scale")
    }
    if isinstance(opened, ImageInput):
        node["image"] = {key: writer.encode(getattr(opened, key), key) for key in _IMAGE_INPUT}
    return node


def _read_input(reader: Reader, node: dict[str, Any]) -> TableInput | ImageInput:
    """Make an input anew; their constructors would learn from rows."""
    mean, scale = reader.decode(node["mean"]), reader.decode(node["scale"])
    if "image" not in node:
        table = TableInput.__new__(TableInput)
        table._scale = ColumnStandardizer.__new__(ColumnStandardizer)
        table._scale.mean, table._scale.scale = mean, scale
        return table
    image = ImageInput.__new__(ImageInput)
    vars(image).update({key: reader.decode(node["image"][key]) for key in _IMAGE_INPUT})
    image._seen = np.empty(0, dtype=np.int64)
    image._scale = ChannelStandardizer.__new__(ChannelStandardizer)
    image._scale.mean, image._scale.scale = mean, scale
    return image
