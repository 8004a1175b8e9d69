"""The classes that a file may name: those of the package, and torch's optimisers."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch
from sklearn.base import BaseEstimator

from nllearn import hallucinators, neighbors, networks, selectors
from nllearn._views import ImageViews
from nllearn.networks._lr_schedules import CosineAnnealing, StepDecay, WarmRestarts

__all__ = ["component_classes", "optimizer_classes"]


@functools.cache
def component_classes() -> dict[str, type]:
    """Backbones, selectors, hallucinators, searches, views and learning-rate schedules, by name.

    A name in a file is only ever looked up here, never imported.

    Returns
    -------
    classes : dict of str to type
    """
    components = {
        name: value
        for room in (networks, selectors, hallucinators, neighbors)
        for name, value in vars(room).items()
        if name in room.__all__
        and inspect.isclass(value)
        and issubclass(value, BaseEstimator)
        and not name.startswith("Base")
    }
    others = (CosineAnnealing, ImageViews, StepDecay, WarmRestarts)
    return components | {each.__name__: each for each in others}


@functools.cache
def optimizer_classes() -> dict[str, Any]:
    """Optimisers of ``torch.optim``, by name.

    Returns
    -------
    classes : dict of str to type
    """
    return {
        name: value
        for name, value in vars(torch.optim).items()
        if inspect.isclass(value)
        and issubclass(value, torch.optim.Optimizer)
        and value is not torch.optim.Optimizer
    }
