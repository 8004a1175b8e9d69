"""Checks of what a user can pass beside X and y."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from scipy import sparse
from torch.utils.data import Dataset

from nllearn.images import is_path_like_column

__all__ = [
    "check_is_table",
    "check_neighbor_graph",
    "check_pred_probs",
    "check_sparse_size",
    "log_probabilities",
    "row_index",
]

# Dense rows of a sparse matrix, in numbers: 8 GB of float32.
_LARGEST = 2_000_000_000
# Added to probabilities before the logarithm, so that a confident model's zeros are no outliers.
_FLOOR = 1e-3


def check_is_table(X: Any) -> None:
    """Refuse images, paths, texts and None, which are no rows of numbers.

    Raises
    ------
    TypeError
        For None, a torch Dataset and a single path.
    ValueError
        For a column of paths or texts, and for arrays of images.
    """
    if X is None:
        raise TypeError(
            "X is None; fit_resample returns rows, so pass them. With predictions alone call "
            "fit(None, y, pred_probs=pred_probs)"
        )
    instead = (
        "; LabelCleaner takes a table of numbers: train AnchorHallucinationClassifier or "
        "MixNNClassifier on images, or pass embeddings of them, shape (n_samples, n_features)"
    )
    if isinstance(X, str | os.PathLike | Dataset):
        what = "a torch Dataset" if isinstance(X, Dataset) else f"one path, {os.fspath(X)!r}"
        raise TypeError(f"X is {what}{instead}")
    if is_path_like_column(X):
        raise ValueError(
            f"X is a column of {len(X)} texts or paths, the first {next(iter(X))!r}{instead}"
        )
    shape = getattr(X, "shape", ())
    if len(shape) in (3, 4):
        raise ValueError(
            f"Found array with dim {len(shape)}: X has shape {tuple(shape)}, as images have"
            f"{instead}"
        )


def check_pred_probs(pred_probs: Any, n_rows: int, classes: np.ndarray) -> np.ndarray | None:
    """Check out-of-sample probabilities: shape, range, sums."""
    if pred_probs is None:
        return None
    probs = _as_array("pred_probs", _by_class(pred_probs, classes))
    if probs.shape != (n_rows, len(classes)):
        raise ValueError(
            f"pred_probs has shape {probs.shape}; expected ({n_rows}, {len(classes)}), one row per "
            f"row of X and one column per class in the order of the sorted labels of y"
        )
    if probs.dtype.kind not in "fiu":
        raise ValueError(f"pred_probs has dtype {probs.dtype}; pass real numbers, such as float32")
    bad = np.flatnonzero(~np.isfinite(probs).all(axis=1))
    if len(bad):
        raise ValueError(
            f"row {bad[0]} of pred_probs is not finite (nor are {len(bad) - 1} others); replace "
            "NaN and infinity, for example by 1 / n_classes"
        )
    if probs.min() < 0:
        raise ValueError(
            f"pred_probs has values down to {probs.min():.3g}; probabilities are not negative, "
            "apply softmax to logits first"
        )
    with np.errstate(over="ignore"):
        sums = probs.sum(1, dtype=np.float64)
    worst = int(np.abs(sums - 1).argmax())
    # Loose enough for float16.
    if abs(sums[worst] - 1) > 1e-2:
        raise ValueError(
            f"row {worst} of pred_probs sums to {sums[worst]:.6g}; every row must sum to 1"
        )
    return probs


def _by_class(pred_probs: Any, classes: np.ndarray) -> Any:
    """Put columns that are named by the classes into their order; other names are an error."""
    names = getattr(pred_probs, "columns", None)
    if names is None:
        return pred_probs
    names = list(names)
    if names == list(range(len(names))) or len(names) != len(classes):
        # Columns that count from 0 have no names; another number of them is refused by shape.
        return pred_probs
    words = [str(value) for value in classes.tolist()]
    found = [str(name) for name in names]
    if found == [f"column_{i}" for i in range(len(names))]:
        return pred_probs  # polars counts in this way
    foreign = sorted(set(found) - set(words))
    if foreign or len(set(found)) < len(found):
        raise ValueError(
            f"pred_probs has the columns {names[:20]}, and {foreign[:5] or 'some'} are no classes "
            f"or come twice; the classes are {words[:20]}. Name the columns by the classes, or "
            "pass pred_probs.to_numpy() with columns in the order of the sorted labels"
        )
    values = np.asarray(pred_probs)
    return values[:, [found.index(word) for word in words]]


def log_probabilities(probs: np.ndarray) -> np.ndarray:
    """Rows made of predictions alone: their logarithms, which a linear model calls scores."""
    return np.log(probs.astype(np.float64) + _FLOOR)


def row_index(*tables: Any) -> Any:
    """Index of the first DataFrame or Series, or None."""
    return next((table.index for table in tables if hasattr(table, "iloc")), None)


def check_sparse_size(X: Any) -> Any:
    """Let sparse X pass where its rows fit in memory, which centring makes dense."""
    if not sparse.issparse(X):
        return X
    if X.shape[0] * X.shape[1] > _LARGEST:
        raise ValueError(
            f"X is sparse with shape {X.shape}, and its rows become dense when they are centred: "
            f"{X.shape[0] * X.shape[1] * 4 / 1e9:.0f} GB; put sklearn.decomposition.TruncatedSVD "
            "before the cleaner"
        )
    return X.tocsr()


def check_neighbor_graph(neighbor_graph: Any, n_rows: int) -> np.ndarray | None:
    """Row numbers of each row's neighbours, int64 of shape (n, k), from the forms users have."""
    if neighbor_graph is None:
        return None
    graph = neighbor_graph
    if sparse.issparse(graph):
        graph = _dense_indices(graph, n_rows)
    elif isinstance(graph, tuple | list) and len(graph) == 2 and np.ndim(graph[1]) == 2:
        graph = graph[1]  # (distances, indices), as kneighbors returns them
    graph = _as_array("neighbor_graph", graph)
    if (
        graph.ndim != 2
        or len(graph) != n_rows
        or graph.shape[1] == 0
        or graph.dtype.kind not in "iu"
    ):
        raise ValueError(
            f"neighbor_graph gives an array of shape {graph.shape} and dtype {graph.dtype}; "
            f"expected row numbers of shape ({n_rows}, k), the pair (distances, indices) that "
            f"kneighbors returns, or a sparse matrix of shape ({n_rows}, {n_rows})"
        )
    if graph.min() < 0 or graph.max() >= n_rows:
        raise ValueError(
            f"neighbor_graph has row numbers in [{graph.min()}, {graph.max()}]; "
            f"expected [0, {n_rows})"
        )
    own = np.flatnonzero((graph == np.arange(n_rows)[:, None]).any(1))
    if len(own):
        raise ValueError(
            f"neighbor_graph names row {own[0]} as its own neighbour (so do {len(own) - 1} other "
            "rows); leave the row itself out, as kneighbors() without X does"
        )
    return graph.astype(np.int64)


def _as_array(name: str, values: Any) -> np.ndarray:
    """As an array; rows of different lengths and objects that are no numbers get our error."""
    if sparse.issparse(values):
        return values.toarray()
    try:
        array = np.asarray(values)
        return array.astype(np.float64) if array.dtype == object else array
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} is no array of numbers ({error}); all its rows need the same length"
        ) from error


def _dense_indices(graph: Any, n_rows: int) -> np.ndarray:
    rows = sparse.csr_matrix(graph)
    counts = np.diff(rows.indptr)
    if rows.shape != (n_rows, n_rows) or len(counts) == 0 or counts.min() != counts.max():
        raise ValueError(
            f"neighbor_graph is a sparse matrix of shape {rows.shape} with {counts.min()} to "
            f"{counts.max()} entries per row; expected ({n_rows}, {n_rows}) and the same number of "
            "neighbours in each row, as kneighbors_graph gives"
        )
    return rows.indices.reshape(n_rows, -1)
