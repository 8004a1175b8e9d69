"""A fitted classifier as a document with tensors, and back."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nllearn._validation import resolve_device
from nllearn.classifiers import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.classifiers._base import BaseNoisyLabelClassifier
from nllearn.classifiers._inputs import ImageInput, TableInput
from nllearn.classifiers._parameters import image_defaults, table_defaults
from nllearn.classifiers._scale import ColumnScale
from nllearn.exceptions import NoisyLabelWarning
from nllearn.images import ChannelScale
from nllearn.persistence._container import read_container, write_container
from nllearn.persistence._index import read_index, write_index
from nllearn.persistence._network import check_rebuilds, read_net, write_net
from nllearn.persistence._values import Reader, Writer

__all__ = ["load", "row_shape", "save"]

_ESTIMATORS: dict[str, Any] = {
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
    "_num_workers",
    "shape",
    "array_shape",
)


def save(
    estimator: BaseNoisyLabelClassifier, path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Save a fitted classifier to one file that holds data and never code.

    The file is a safetensors file: every array is a tensor, everything else is JSON in
    its metadata, and a checksum covers both. It holds the parameters, all that fit left,
    the index of the training rows and the network. A network of your own is held as its
    weights alone; :func:`load` then asks for the module. Left out are the callbacks and
    the rows inside the neighbour search, which nothing uses after fit, and the state of
    the optimisers.

    Parameters
    ----------
    estimator : AnchorHallucinationClassifier or MixNNClassifier
        Fitted.
    path : str or path
        The file appears there when it is whole.
    overwrite : bool, default=False
        Whether a file that is there may be replaced.

    Raises
    ------
    TypeError
        For a parameter that cannot be saved without code, such as a function as
        `augmentation` or a selector of your own. The message names it.
    FileExistsError
        If there is a file and `overwrite` is False.
    ValueError
        If parameters of the backbone were changed after fit.

    Warns
    -----
    NoisyLabelWarning
        For callbacks, and for an index that a file cannot hold, such as a MultiIndex:
        ``label_issues`` of the loaded classifier then numbers the rows.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from nllearn import MixNNClassifier
    >>> from nllearn.persistence import load, save
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MixNNClassifier(max_epochs=3, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(clf, Path(folder) / "iris.safetensors")
    ...     again = load(Path(folder) / "iris.safetensors")
    >>> bool((again.predict_proba(X) == clf.predict_proba(X)).all())
    True
    """
    name = type(estimator).__name__
    if _ESTIMATORS.get(name) is not type(estimator):
        raise TypeError(
            f"estimator is a {name}; only {' and '.join(sorted(_ESTIMATORS))} can be saved, keep "
            "others with pickle"
        )
    check_is_fitted(estimator, "net_")
    writer = Writer()
    document = {
        "class": name,
        "params": _write_params(writer, estimator),
        "fitted": {
            key: writer.encode(getattr(estimator, key), key)
            for key in (*_ARRAYS, *_OTHERS)
            if hasattr(estimator, key) or key not in _OPTIONAL
        },
        "input": _write_input(writer, estimator._input),
        "index": _write_index(writer, estimator._index),
        "components": {
            role: _write_component(writer, getattr(estimator, f"{role}_"), role)
            for role in _ROLES
            if hasattr(estimator, f"{role}_")
        },
        "resolved": _write_resolved(writer, estimator),
        "net": write_net(writer, estimator.net_),
    }
    check_rebuilds(
        estimator.net_, estimator.backbone_, row_shape(estimator), len(estimator.classes_)
    )
    write_container(Path(path), document, writer.tensors, overwrite=overwrite)


def load(path: str | os.PathLike[str], *, backbone: Any = None, device: str | None = None) -> Any:
    """Load a classifier that :func:`save` wrote.

    Nothing in the file can run code: classes are looked up by name in a fixed table, and
    there is no pickle. What does not add up is refused.

    Parameters
    ----------
    path : str or path
        The file.
    backbone : nn.Module or object with ``build``, optional
        For a classifier that was fitted with a backbone of your own, and for no other:
        the same one, trained or not. A module is copied.
    device : str, optional
        Torch device of the network. None takes the classifier's parameter `device`, and
        the CPU where torch does not see that.

    Returns
    -------
    estimator : AnchorHallucinationClassifier or MixNNClassifier
        On the CPU it predicts to the last bit as before.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        If the file is damaged, was changed, is of another version, names an unknown class
        or does not fit together; or if a backbone is missing or not needed.

    Examples
    --------
    >>> from nllearn.persistence import load
    >>> load("absent.safetensors")
    Traceback (most recent call last):
    FileNotFoundError: there is no file 'absent.safetensors'
    """
    path = Path(path)
    try:
        document, tensors = read_container(path)
        reader = Reader(tensors, backbone)
        estimator = _read_estimator(reader, document, device)
        if reader.unread:
            raise ValueError(f"it has the unknown tensors {reader.unread[:5]}")
        if backbone is not None and not reader.asked_for_backbone:
            raise ValueError(
                f"backbone={backbone!r} has no effect, since the file describes its network; "
                "leave backbone out"
            )
    except FileNotFoundError:
        raise
    except KeyError as error:
        raise ValueError(f"cannot load {str(path)!r}: it lacks {error}") from error
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        IndexError,
        MemoryError,
        RecursionError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(f"cannot load {str(path)!r}: {error}") from error
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


# -- parts of the document


def _write_params(writer: Writer, estimator: Any) -> dict[str, Any]:
    params = estimator.get_params(deep=False)
    if params["callbacks"]:
        warnings.warn(
            f"callbacks={params['callbacks']!r} cannot be saved without code and are left out",
            NoisyLabelWarning,
            stacklevel=3,
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


def _write_resolved(writer: Writer, estimator: Any) -> list[Any]:
    """Write what every None became; components and optimisers of the user's by name."""
    found = []
    for key, value in estimator.resolved_params_.items():
        if key in _ROLES:
            found.append([key, None])
            continue
        try:
            node = writer.encode(value, f"resolved_params_[{key!r}]")
        except TypeError:
            node = getattr(value, "__name__", type(value).__name__)
        found.append([key, node])
    return found


def _write_index(writer: Writer, index: Any) -> Any:
    try:
        return write_index(writer, index)
    except TypeError as error:
        warnings.warn(
            f"the index of the training rows cannot be saved ({error}): label_issues() of the "
            "loaded classifier numbers the rows instead; X.reset_index() before fit avoids this",
            NoisyLabelWarning,
            stacklevel=3,
        )
        return None


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
        table._scale = ColumnScale.__new__(ColumnScale)
        table._scale.mean, table._scale.scale = mean, scale
        return table
    image = ImageInput.__new__(ImageInput)
    vars(image).update({key: reader.decode(node["image"][key]) for key in _IMAGE_INPUT})
    image._seen = np.empty(0, dtype=np.int64)
    image._scale = ChannelScale.__new__(ChannelScale)
    image._scale.mean, image._scale.scale = mean, scale
    return image


# -- the whole, and what must fit together


def _read_estimator(reader: Reader, document: Any, device: str | None) -> Any:
    if not isinstance(document, dict):
        raise ValueError(f"its description is a {type(document).__name__}, not an object")
    if document["class"] not in _ESTIMATORS:
        raise ValueError(
            f"its class {document['class']!r} is none of {sorted(_ESTIMATORS)}, and no other is "
            "ever loaded"
        )
    params = {key: reader.decode(node) for key, node in document["params"].items()}
    estimator = _ESTIMATORS[document["class"]](**params)
    fitted = document["fitted"]
    if unknown := sorted(fitted.keys() - _ARRAYS.keys() - _OTHERS.keys()):
        raise ValueError(f"it has the unknown attribute {unknown[0]!r}")
    if missing := sorted({*_ARRAYS, *_OTHERS}.difference(fitted, _OPTIONAL)):
        raise ValueError(f"it lacks the attribute {missing[0]!r}")
    for key, node in fitted.items():
        setattr(estimator, key, reader.decode(node))
    estimator._input = _read_input(reader, document["input"])
    _check_fitted(estimator)
    estimator._index = read_index(reader, document["index"])
    if estimator._index is not None and len(estimator._index) != len(estimator._given):
        raise ValueError(f"its index has {len(estimator._index)} rows, not {len(estimator._given)}")
    estimator._defaults = image_defaults() if estimator._input.is_image else table_defaults()
    estimator.corrected_labels_ = estimator.classes_[estimator._corrected]

    place = _find_device(estimator.device, device)
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


def _find_device(parameter: Any, asked: str | None) -> Any:
    """Device that was asked for, else the parameter's, else the CPU."""
    if asked is not None:
        return resolve_device(asked)
    try:
        return resolve_device(parameter)
    except ValueError:
        return resolve_device("cpu")


def _check_fitted(estimator: Any) -> None:
    """Refuse fitted attributes that do not fit together."""
    for key, kind in _OTHERS.items():
        if not isinstance(getattr(estimator, key), kind):
            raise ValueError(f"{key} is a {type(getattr(estimator, key)).__name__}")
    if not all(isinstance(row, dict) for row in estimator.history_):
        raise ValueError("history_ is no list of dict")
    sizes = {
        "n": len(estimator._given),
        "C": len(estimator.classes_),
        "p": estimator.n_features_in_,
    }
    arrays = {key: getattr(estimator, key) for key in _ARRAYS if hasattr(estimator, key)}
    if arrays["_features"] is None:
        del arrays["_features"]
    for key, array in arrays.items():
        _check_array(key, array, *_ARRAYS[key], sizes)
    for key, array in estimator._evidence.items():
        _check_array(f"_evidence[{key!r}]", array, "", "n", sizes)
    for key in ("_given", "_corrected"):
        codes = arrays[key]
        if len(codes) and not (0 <= codes.min() and codes.max() < sizes["C"]):
            raise ValueError(f"{key} has codes outside the {sizes['C']} classes")
    shape = row_shape(estimator)
    if len(shape) not in (1, 3) or not all(type(size) is int for size in shape):
        raise ValueError(f"rows of shape {shape}")
    for key in ("mean", "scale"):
        _check_array(key, getattr(estimator._input._scale, key), "f", "x", {"x": shape[0]})


def _check_array(key: str, array: Any, kind: str, axes: str, sizes: dict[str, int]) -> None:
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
