"""Constraints and defaults of the parameters that both classifiers share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval, StrOptions

from nllearn._validation import n_jobs_constraints
from nllearn._views import View, make_image_views, make_views
from nllearn.images import LAYOUTS
from nllearn.neighbors import DescentNeighbors, ExactNeighbors, is_exact_faster
from nllearn.selectors import ClassBalancedSelector, PuritySelector, ThresholdSelector

__all__ = [
    "InputDefaults",
    "image_defaults",
    "neighbor_builders",
    "resolve_optimizer",
    "selector_builders",
    "shared_constraints",
    "table_defaults",
]

# Name -> optimiser, settings.
_OPTIMIZERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "adamw": (torch.optim.AdamW, {}),
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
}


@dataclass(frozen=True)
class InputDefaults:
    """The values that replace None, by the kind of input.

    Parameters
    ----------
    is_image : bool
    most_rows_per_batch : int
        Bound while ``batch_size`` is None.
    lr : dict of str to float
        Learning rate by optimiser while ``lr`` is None.
    warmup_epochs : float
        Share of the fit while ``warmup_epochs`` is None.
    updates_posterior : bool
        Whether the last phase estimates the posterior at every refresh: features of images go on
        improving in it, those of tables hardly do.
    augmentation : str or None
        While ``augmentation`` is None.
    n_neighbors : int
        Neighbours that MixNN mixes into a row while ``n_neighbors`` is None: the mean of
        several embeddings is much like one, that of several images is not.
    neighbors : str
        Where MixNN looks for them while ``neighbors`` is None.
    """

    is_image: bool
    most_rows_per_batch: int
    lr: dict[str, float]
    warmup_epochs: float
    updates_posterior: bool
    augmentation: str | None
    n_neighbors: int
    neighbors: str

    def views(self, augmentation: Any) -> tuple[View | None, View | None]:
        """Views for targets and warm-up, and views that the network learns from."""
        make = make_image_views if self.is_image else make_views
        augmentation = self.augmentation if augmentation is None else augmentation
        view = make(augmentation)
        return (make("weak") if augmentation == "strong" else view), view

    def amp(self, device: torch.device) -> bool:
        """Whether bfloat16 is used: on images, where the hardware computes in it."""
        if not self.is_image:
            return False
        if device.type == "cuda":
            return torch.cuda.is_bf16_supported(including_emulation=False)
        return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001


def table_defaults() -> InputDefaults:
    """Defaults of tables and embeddings."""
    lr = {"adamw": 1e-3, "sgd": 0.02}
    return InputDefaults(False, 256, lr, 0.1, False, None, 5, "batch")


def image_defaults() -> InputDefaults:
    """Defaults of images."""
    lr = {"adamw": 2e-3, "sgd": 0.05}
    return InputDefaults(True, 128, lr, 0.3, True, "strong", 1, "auto")


def resolve_optimizer(
    optimizer: Any, default_lr: dict[str, float]
) -> tuple[Any, Any, float, dict[str, Any]]:
    """Name, class, learning rate while lr is None, and settings of an optimiser.

    A class of the user's gets its own defaults and 0.001.
    """
    name = "adamw" if optimizer is None else optimizer
    known = isinstance(name, str)
    kind, settings = _OPTIMIZERS[name] if known else (name, {})
    return name, kind, default_lr[name] if known else 1e-3, settings


@functools.cache
def shared_constraints() -> dict[str, list[Any]]:
    """Constraints in the form of scikit-learn's ``_parameter_constraints``."""
    epochs_or_share = [Interval(Integral, 0, None, closed="left"), _share()]
    return {
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "warmup_epochs": [*epochs_or_share, None],
        "refresh_every": [Interval(Integral, 1, None, closed="left"), None],
        "posterior_share": [Interval(Real, 0, 1, closed="left")],
        "boundary_noise": [StrOptions({"auto"}), bool],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        # Beyond it, float32 weights cannot hold a single step.
        "lr": [Interval(Real, 0, 1e30, closed="right"), None],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "optimizer": [StrOptions(set(_OPTIMIZERS)), callable, None],
        "augmentation": [StrOptions({"weak", "strong"}), callable, None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "backbone": [object, None],
        "selector": [object, None],
        "neighbors": [object, None],
        "image_layout": [StrOptions(set(LAYOUTS))],
        "decode_size": [Interval(Integral, 1, None, closed="left"), tuple, list, None],
        "on_bad_image": [StrOptions({"raise", "skip"})],
        "device": [str],
        "checkpoint_dir": [str, os.PathLike, None],
        "callbacks": [list, tuple, None],
        "net_params": [dict, None],
        "n_jobs": n_jobs_constraints(),
        "verbose": [Interval(Integral, 0, None, closed="left"), bool, None],
        "random_state": ["random_state"],
    }


def _share() -> Interval:
    """A share of the epochs: a float in (0, 1)."""
    return Interval(Real, 0, 1, closed="neither")


def selector_builders(easy_fraction: float | None = None) -> dict[str, Callable[[], Any]]:
    """Selectors by name; `easy_fraction` is for the class-balanced one."""
    fraction = {} if easy_fraction is None else {"easy_fraction": easy_fraction}
    return {
        "balanced": lambda: ClassBalancedSelector(**fraction),
        "purity": PuritySelector,
        "threshold": ThresholdSelector,
    }


def neighbor_builders(
    n_rows: int, n_columns: int, device: torch.device, seed: int
) -> dict[str, Callable[[], Any]]:
    """Neighbour searches by name; "auto" goes by the size of what is searched and the device.

    Features that a network learnt from the labels lie in clusters, so no look at them is needed.
    """

    def descent() -> DescentNeighbors:
        return DescentNeighbors(random_state=seed)

    return {
        "auto": ExactNeighbors if is_exact_faster(n_rows, n_columns, device) else descent,
        "exact": ExactNeighbors,
        "descent": descent,
    }
