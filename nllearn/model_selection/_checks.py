"""Checks of labels and matrices; labels as column numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from nllearn._labels import columns_by_class, label_arrays, label_index

__all__ = [
    "check_classes",
    "check_distributions",
    "check_quality",
    "check_transition",
    "codes_of",
]

# Loose enough for float16.
_SUM_TOLERANCE = 1e-2


def check_classes(classes: Any) -> np.ndarray:
    """Check the labels of columns: different from each other, at least two."""
    (known,) = label_arrays(classes=classes)
    if not label_index(known).is_unique or len(known) < 2:
        raise ValueError(
            f"classes={known.tolist()[:20]} must be at least two labels, each named once, in the "
            "order of the columns"
        )
    return known


def codes_of(labels: np.ndarray, classes: np.ndarray, *, name: str | None = None) -> np.ndarray:
    """Position of each label in `classes`, -1 for unknown ones; an error with a `name`."""
    if _is_text(labels) != _is_text(classes):
        raise ValueError(
            f"labels {labels[:3].tolist()} and {classes[:3].tolist()} are compared; text and "
            "numbers are never equal, so convert one side, for example with y.astype(str)"
        )
    codes = label_index(classes).get_indexer(label_index(labels))
    unknown = codes < 0
    if name is not None and unknown.any():
        strange = sorted(set(labels[unknown].tolist()), key=str)[:5]
        raise ValueError(
            f"{name} has labels that are not in classes: {strange}; known are "
            f"{classes[:20].tolist()}"
        )
    return codes


def _is_text(labels: np.ndarray) -> bool:
    return labels.dtype.kind in "US" or (
        labels.dtype == object and isinstance(labels[0], str | bytes)
    )


def check_quality(label_quality: Any, n_rows: int) -> np.ndarray:
    """Check one probability per row."""
    quality = np.asarray(label_quality, dtype=np.float64)
    if quality.shape != (n_rows,):
        raise ValueError(
            f"label_quality has shape {quality.shape}; expected one number per row, ({n_rows},)"
        )
    if not np.isfinite(quality).all():
        raise ValueError(
            f"label_quality is {quality[~np.isfinite(quality)][0]} in row "
            f"{np.isfinite(quality).argmin()}; give that row a number in [0, 1]"
        )
    if quality.min() < 0 or quality.max() > 1 + 1e-6:
        raise ValueError(
            f"label_quality runs from {quality.min():g} to {quality.max():g}; probabilities in "
            "[0, 1] are expected, high for labels that are likely right"
        )
    return quality


def check_distributions(name: str, values: Any, n_rows: int, classes: np.ndarray) -> np.ndarray:
    """Check rows of probabilities; columns that are named by the classes are put in their order."""
    rows, n_classes = np.asarray(columns_by_class(name, values, classes)), len(classes)
    if rows.shape != (n_rows, n_classes):
        raise ValueError(
            f"{name} has shape {rows.shape}; expected ({n_rows}, {n_classes}), one row per label "
            "and one column per class"
        )
    if rows.dtype.kind not in "fiub" or not np.isfinite(rows).all() or rows.min() < 0:
        raise ValueError(f"{name} must hold finite numbers that are not negative")
    sums = rows.sum(1, dtype=np.float64)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > _SUM_TOLERANCE:
        raise ValueError(
            f"row {worst} of {name} sums to {sums[worst]:.6g}; every row must sum to 1"
        )
    return rows


def check_transition(transition_matrix: Any, n_classes: int) -> np.ndarray:
    """Check a transition matrix, and catch one that is transposed where that shows."""
    matrix = np.asarray(transition_matrix, dtype=np.float64)
    if matrix.shape != (n_classes, n_classes):
        raise ValueError(
            f"transition_matrix has shape {matrix.shape}; expected ({n_classes}, {n_classes}), "
            "one row and one column per class"
        )
    if not np.isfinite(matrix).all() or matrix.min() < 0:
        raise ValueError("transition_matrix must hold finite numbers that are not negative")
    sums = matrix.sum(1)
    if np.abs(sums - 1).max() > _SUM_TOLERANCE:
        hint = (
            "; its columns do, so pass its transpose"
            if np.abs(matrix.sum(0) - 1).max() <= _SUM_TOLERANCE
            else ""
        )
        raise ValueError(
            f"row {np.abs(sums - 1).argmax()} of transition_matrix sums to "
            f"{sums[np.abs(sums - 1).argmax()]:.6g}; rows are true classes and must sum to 1{hint}"
        )
    return matrix
