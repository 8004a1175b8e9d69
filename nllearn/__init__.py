"""Learn from labels that are partly wrong, through the scikit-learn API.

One ``fit(X, y_noisy)`` leaves a classifier that is robust to the noise and the
cleaned labels with a quality score per row. The data flow, one line per stage::

    X, y      -> training.collect    -> logits, features, loss of every row
    losses    -> selectors           -> easy rows, clean probability
    features  -> neighbors (MixNN), hallucinators (Anchor Hallucination)
                                     -> corrected targets
    targets   -> training.SampleState     -> what the next epoch mixes and learns from
    network + given labels           -> label_distributions_, label_quality_

The names below are imported when they are first used, so ``import nllearn``
costs milliseconds.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0.dev0"

_HOMES = {
    "AnchorHallucinationClassifier": "nllearn.classifiers",
    "CleanedClassifier": "nllearn.cleaning",
    "LabelCleaner": "nllearn.cleaning",
    "find_label_issues": "nllearn.cleaning",
    "MixNNClassifier": "nllearn.classifiers",
    "load": "nllearn.persistence",
}

__all__ = [
    "AnchorHallucinationClassifier",
    "CleanedClassifier",
    "LabelCleaner",
    "MixNNClassifier",
    "__version__",
    "find_label_issues",
    "load",
    "presets",
]


def __getattr__(name: str) -> Any:
    if name == "presets":
        return importlib.import_module("nllearn.presets")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'nllearn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
