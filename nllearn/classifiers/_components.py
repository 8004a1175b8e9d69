"""From None, a name or an instance to a component; and calls to foreign ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from torch import nn

from nllearn._torch_state import float32_default
from nllearn.hallucinators import Anchors
from nllearn.networks import MLPBackbone, ResNetBackbone, SmallBackbone, adapt_module
from nllearn.selectors import BaseSelector, Selection

__all__ = ["STATE_METHODS", "build_module", "check_anchors", "resolve_component", "select_rows"]

# What a hallucinator has beside its own methods, so that a fit with checkpoints can go on.
STATE_METHODS = ("state_dict", "load_state_dict")


def resolve_component(
    estimator: Any,
    role: str,
    builders: Mapping[str, Callable[[], Any]],
    default: str,
    replaces: tuple[str, ...],
    methods: tuple[str, ...],
) -> Any:
    """Build a component by name, or take a copy of the user's instance.

    Parameters
    ----------
    estimator : estimator
    role : str
        Name of the parameter, such as "selector".
    builders : mapping of str to callable
        Makes the component of each name from the estimator's parameters.
    default : str
        Name that replaces None.
    replaces : tuple of str
        Parameters of the estimator that an instance makes void.
    methods : tuple of str
        What an instance must have.

    Returns
    -------
    component : object

    Raises
    ------
    ValueError
        For an unknown name, for an object without the methods, or when a void
        parameter was set.
    """
    value = getattr(estimator, role)
    name = default if value is None else value
    if isinstance(name, str):
        if name not in builders:
            raise ValueError(f"{role}={name!r} must be one of {sorted(builders)} or an instance")
        return builders[name]()
    missing = [method for method in methods if not callable(getattr(value, method, None))]
    if isinstance(value, type) or missing:
        lacks = (
            "a class"
            if isinstance(value, type)
            else f"without the method {' and '.join(map(repr, missing))}"
        )
        raise ValueError(
            f"{role}={value!r} is {lacks}; it must be None, one of {sorted(builders)} or an "
            f"instance with the methods {', '.join(methods)}"
        )
    defaults = inspect.signature(type(estimator)).parameters
    for parameter in replaces:
        setting = getattr(estimator, parameter)
        if setting != defaults[parameter].default:
            raise ValueError(
                f"{parameter}={setting!r} has no effect because {role} is an instance; "
                f"set {role}__{parameter}"
            )
    # safe=False copies objects that are no scikit-learn estimators.
    return clone(value, safe=False)


def build_module(backbone: Any, sample: torch.Tensor, n_classes: int) -> tuple[nn.Module, Any]:
    """Build the network from None, an object with ``build``, or a module.

    Parameters
    ----------
    backbone : None, object with ``build(input_shape, n_classes)`` or nn.Module
    sample : Tensor of shape (2, ...)
    n_classes : int

    Returns
    -------
    module : nn.Module
        On the device of `sample`.
    backbone : object
        What None became, or a copy of the parameter, for the fitted attribute.

    Raises
    ------
    ValueError
        If it is none of these or does not fit the data.
    """
    # A copy, as of every component: what fit leaves must not change with the parameter.
    backbone = _default_backbone(sample) if backbone is None else clone(backbone, safe=False)
    if isinstance(backbone, nn.Module):
        return adapt_module(backbone, sample, n_classes), backbone
    if not callable(getattr(backbone, "build", None)):
        raise ValueError(
            f"backbone={backbone!r} must be None, a torch module, or an object with "
            "build(input_shape, n_classes)"
        )
    with float32_default():
        module = backbone.build(tuple(sample.shape[1:]), n_classes)
    return adapt_module(module, sample, n_classes), backbone


def _default_backbone(sample: torch.Tensor) -> Any:
    """Network for tables, or for images: a small one where there is no GPU."""
    if sample.dim() == 2:
        return MLPBackbone()
    return SmallBackbone() if sample.device.type == "cpu" else ResNetBackbone()


def select_rows(
    selector: Any,
    losses: torch.Tensor,
    labels: torch.Tensor,
    weights: torch.Tensor,
    active: torch.Tensor,
) -> Selection:
    """Select among the active rows; the others are never easy and scored by their loss.

    Parameters
    ----------
    selector : object
        With ``select(losses, labels)``.
    losses : Tensor of shape (n,)
    labels : int64 Tensor of shape (n,)
    weights : Tensor of shape (n,)
    active : int64 Tensor of shape (m,)
        Rows of weight above zero.

    Returns
    -------
    selection : Selection
        Of all n rows.
    """
    chosen = _run_selector(selector, losses[active], labels[active], weights[active])
    if len(active) == len(losses):
        return chosen
    rows = active.cpu().numpy()
    easy = np.zeros(len(losses), dtype=bool)
    easy[rows] = chosen.easy
    known = losses[active].cpu().numpy()
    order = np.argsort(known, kind="stable")
    scored = np.interp(losses.cpu().numpy(), known[order], chosen.clean_proba[order])
    scored[rows] = chosen.clean_proba
    return Selection(easy, scored.astype(np.float32))


def _run_selector(
    selector: Any, losses: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor
) -> Selection:
    """Call a selector, ours or the user's, and check its result.

    If a class has no easy rows, its rows of smallest loss are made easy, a
    tenth of them: without any, the class would vanish from the corrected labels.

    Parameters
    ----------
    selector : object
        With ``select(losses, labels)``.
    losses : Tensor of shape (n,)
    labels : int64 Tensor of shape (n,)
    weights : Tensor of shape (n,)

    Returns
    -------
    selection : Selection

    Raises
    ------
    ValueError
        If the selection does not have one entry per row or leaves [0, 1].
    """
    loss, label = losses.cpu().numpy(), labels.cpu().numpy()
    if isinstance(selector, BaseSelector):
        chosen = selector.select(loss, label, weights.cpu().numpy())
    else:
        chosen = selector.select(loss, label)
    n = len(losses)
    if not (hasattr(chosen, "easy") and hasattr(chosen, "clean_proba")):
        raise ValueError(
            f"selector={selector!r} returned a {type(chosen).__name__}; select must return "
            f"nllearn.selectors.Selection(easy, clean_proba): bool and float, both of shape ({n},)"
        )
    easy = np.asarray(chosen.easy)
    try:
        clean_proba = np.asarray(chosen.clean_proba, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"selector={selector!r} returned a clean_proba that is no array of numbers: {error}"
        ) from error
    if easy.shape != (n,) or easy.dtype != bool or clean_proba.shape != (n,):
        raise ValueError(
            f"selector={selector!r} returned easy of shape {easy.shape} and dtype {easy.dtype} and "
            f"clean_proba of shape {clean_proba.shape}; expected bool ({n},) and ({n},)"
        )
    if not (np.isfinite(clean_proba).all() and clean_proba.min() >= 0 and clean_proba.max() <= 1):
        raise ValueError(f"selector={selector!r} returned a clean_proba outside [0, 1]")
    return Selection(_refill_classes(easy, loss, label), clean_proba)


def check_anchors(hallucinator: Any, anchors: Any, features: torch.Tensor) -> Anchors:
    """Check what a hallucinator returns.

    Parameters
    ----------
    hallucinator : object
    anchors : Anchors
    features : Tensor of shape (n, d)
        Those that it was given.

    Returns
    -------
    anchors : Anchors
        The same.

    Raises
    ------
    ValueError
        Names the object, what it returned and what was expected.
    """
    n, d = features.shape
    expected = (
        f"hallucinate must return nllearn.hallucinators.Anchors with features, a tensor of shape "
        f"(m, {d}), labels (m,) and parents (m, 2), row numbers below {n}"
    )
    parts: list[Any] = [getattr(anchors, name, None) for name in ("features", "labels", "parents")]
    if not all(isinstance(part, torch.Tensor) for part in parts):
        raise ValueError(
            f"hallucinator={hallucinator!r} returned a {type(anchors).__name__} with "
            f"{', '.join(type(part).__name__ for part in parts)} as its parts; {expected}"
        )
    made, labels, parents = parts
    m = len(labels) if labels.ndim else 0
    if made.shape != (m, d) or labels.ndim != 1 or parents.shape != (m, 2):
        raise ValueError(
            f"hallucinator={hallucinator!r} returned features of shape {tuple(made.shape)}, labels "
            f"{tuple(labels.shape)} and parents {tuple(parents.shape)}; {expected}"
        )
    if labels.is_floating_point() or parents.is_floating_point():
        raise ValueError(
            f"hallucinator={hallucinator!r} returned labels of {labels.dtype} and parents of "
            f"{parents.dtype}; both must be whole numbers"
        )
    if m and not (0 <= int(parents.min()) and int(parents.max()) < n):
        raise ValueError(
            f"hallucinator={hallucinator!r} returned parents in [{int(parents.min())}, "
            f"{int(parents.max())}]; {expected}"
        )
    if not bool(torch.isfinite(made).all()):
        raise ValueError(f"hallucinator={hallucinator!r} returned features that are not finite")
    return anchors


def _refill_classes(easy: np.ndarray, losses: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Give classes without easy rows a tenth of their rows back, of smallest loss."""
    present = np.bincount(labels) > 0
    empty = present & (np.bincount(labels, weights=easy, minlength=len(present)) == 0)
    if not empty.any():
        return easy
    easy = easy.copy()
    for label in np.flatnonzero(empty):
        rows = np.flatnonzero(labels == label)
        best = np.argsort(losses[rows], kind="stable")[: -(-len(rows) // 10)]
        easy[rows[best]] = True
    return easy
