"""Constraints and defaults of the parameters that both classifiers share."""

from __future__ import annotations

import functools
import numbers
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval, StrOptions

from nllearn.neighbors import DescentNeighbors, ExactNeighbors
from nllearn.selectors import ClassBalancedSelector, PuritySelector, ThresholdSelector

__all__ = ["neighbor_builders", "resolve_optimizer", "selector_builders", "shared_constraints"]

# Rows above which the approximate search is faster, its compilation included: a fit makes
# about eight searches.
_EXACT_ROWS_CPU = 30_000
_EXACT_ROWS_GPU = 500_000

# Name -> optimiser, learning rate while lr is None, further settings.
_OPTIMIZERS: dict[str, tuple[Any, float, dict[str, Any]]] = {
    "adamw": (torch.optim.AdamW, 1e-3, {}),
    "sgd": (torch.optim.SGD, 0.02, {"momentum": 0.9, "nesterov": True}),
}


def resolve_optimizer(optimizer: Any) -> tuple[Any, Any, float, dict[str, Any]]:
    """Name, class, learning rate while lr is None, and settings of an optimiser.

    A class of the user's gets its own defaults and 0.001.
    """
    name = "adamw" if optimizer is None else optimizer
    return (name, *_OPTIMIZERS.get(name, (name, 1e-3, {})))


@functools.cache
def shared_constraints() -> dict[str, list[Any]]:
    """Constraints in the form of scikit-learn's ``_parameter_constraints``."""
    epochs_or_share = [Interval(Integral, 0, None, closed="left"), _share()]
    return {
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "warmup_epochs": epochs_or_share,
        "refresh_every": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "lr": [Interval(Real, 0, None, closed="neither"), None],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "optimizer": [StrOptions(set(_OPTIMIZERS)), callable, None],
        "augmentation": [StrOptions({"weak", "strong"}), callable, None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "backbone": [object, None],
        "selector": [object, None],
        "neighbors": [object, None],
        "device": [str],
        "callbacks": [list, tuple, None],
        "net_params": [dict, None],
        "verbose": [Interval(Integral, 0, None, closed="left"), bool],
        "random_state": ["random_state"],
    }


def _share() -> Interval:
    """A share of the epochs: a float in (0, 1)."""
    return Interval(numbers.Real, 0, 1, closed="neither")


def selector_builders(easy_fraction: float | None = None) -> dict[str, Callable[[], Any]]:
    """Selectors by name; `easy_fraction` is for the class-balanced one."""
    fraction = {} if easy_fraction is None else {"easy_fraction": easy_fraction}
    return {
        "balanced": lambda: ClassBalancedSelector(**fraction),
        "purity": PuritySelector,
        "threshold": ThresholdSelector,
    }


def neighbor_builders(n_rows: int, device: torch.device, seed: int) -> dict[str, Callable[[], Any]]:
    """Neighbour searches by name; "auto" goes by the number of rows and the device."""
    most = _EXACT_ROWS_CPU if device.type == "cpu" else _EXACT_ROWS_GPU

    def descent() -> DescentNeighbors:
        return DescentNeighbors(random_state=seed)

    return {
        "auto": ExactNeighbors if n_rows <= most else descent,
        "exact": ExactNeighbors,
        "descent": descent,
    }
