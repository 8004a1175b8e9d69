"""Checks of what a user passes to fit, and of the rows passed afterwards."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils.validation import column_or_1d
from torch.utils.data import Dataset

from nllearn._labels import check_labels, columns_by_class, label_index
from nllearn._validation import check_trusted, read_sample_weight
from nllearn.images import is_path_like_column
from nllearn.label_model import ReadAnnotators, read_annotators

__all__ = [
    "FitData",
    "align_predictions",
    "all_classes",
    "check_fit_data",
    "check_is_table",
    "check_pred_probs",
    "check_predictions_alone",
    "find_codes",
    "log_probabilities",
    "refuse_annotators",
    "row_index",
]

# Dense rows of a sparse matrix, in numbers: 8 GB of float32.
_LARGEST = 2_000_000_000
# Added to probabilities before the logarithm, so that a confident model's zeros are no outliers.
_FLOOR = 1e-3


@dataclass(frozen=True)
class FitData:
    """What the stages of a fit get, checked.

    Parameters
    ----------
    X : float ndarray, memmap or CSR matrix of shape (n, d)
    classes : ndarray of shape (n_classes,)
        Labels, sorted.
    codes : int64 ndarray of shape (n,)
        Positions of the given labels in the classes.
    weight : float64 ndarray of shape (n,)
        Mean of the rows above zero is 1.
    trusted : bool ndarray of shape (n,)
    pred_probs : float ndarray of shape (n, n_classes) or None
    neighbor_graph : int64 ndarray of shape (n, k) or None
    annotators : ReadAnnotators or None
        Where several annotators labelled the rows; the given label is then the one with most
        votes.
    """

    X: Any
    classes: np.ndarray
    codes: np.ndarray
    weight: np.ndarray
    trusted: np.ndarray
    pred_probs: np.ndarray | None
    neighbor_graph: np.ndarray | None
    annotators: ReadAnnotators | None = None


def check_fit_data(
    X: Any,
    y: np.ndarray | ReadAnnotators,
    *,
    sample_weight: Any = None,
    trusted: Any = None,
    pred_probs: Any = None,
    neighbor_graph: Any = None,
    classes: Any = None,
) -> FitData:
    """Check what stands beside checked rows and labels, and number the classes.

    Raises
    ------
    ValueError
        For a single class, too large sparse rows, a single row that takes part, and for bad
        weights, masks, probabilities or neighbours.
    """
    annotators = None
    if isinstance(y, ReadAnnotators):
        annotators = y = y.among(all_classes(y.classes, classes))
        classes, codes = y.classes, y.majority()
    else:
        classes = all_classes(np.unique(y), classes)
        codes = np.searchsorted(classes, y)
    if len(classes) < 2:
        raise ValueError(
            f"y has 1 class, {classes[0]!r}; at least 2 classes are needed to tell a wrong label"
        )
    X = check_sparse_size(X)
    n = len(codes)
    trusted = check_trusted(trusted, n)
    if annotators is not None:
        trusted = annotators.trusted_rows(trusted)
    weight = read_sample_weight(sample_weight, X)
    weight /= weight[weight > 0].mean()
    if np.count_nonzero(weight) < 2:
        raise ValueError(
            "sample_weight is above zero for 1 row only; at least 2 rows must take part"
        )
    if annotators is not None:
        annotators.labelled_rows(weight)
    return FitData(
        X,
        classes,
        codes.astype(np.int64),
        weight,
        trusted,
        check_pred_probs(pred_probs, n, classes),
        check_neighbor_graph(neighbor_graph, n),
        annotators,
    )


def refuse_annotators(y: Any) -> None:
    """Refuse labels of several annotators where a sampler gives labels back."""
    try:
        several = read_annotators(y) is not None
    except ValueError:
        # Such as one-hot labels, which imbalanced-learn reads as one label per row.
        return
    if several:
        raise ValueError(
            f"y has the shape {np.shape(y)}, and fit_resample takes one label per row; with "
            "several annotators call fit, and take corrected_labels_"
        )


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


def align_predictions(pred_probs: Any, rows: Any) -> Any:
    """Probabilities in the order of the rows, by the index of both.

    Parameters
    ----------
    pred_probs : any
        A DataFrame whose index holds every name of the rows once is put into their order; rows
        that are not asked for are left aside. Anything else is returned as it is, also what has
        an index that counts from 0, which says nothing.
    rows : any
        X, or y where there is no X.
    """
    if not (hasattr(pred_probs, "iloc") and hasattr(rows, "iloc")):
        return pred_probs
    index = pred_probs.index
    counts = index.equals(pd.RangeIndex(len(index)))
    if counts or not index.is_unique or not rows.index.isin(index).all():
        return pred_probs
    return pred_probs.loc[rows.index]


def check_pred_probs(pred_probs: Any, n_rows: int, classes: np.ndarray) -> np.ndarray | None:
    """Check out-of-sample probabilities: shape, range, sums."""
    if pred_probs is None:
        return None
    probs = _as_array("pred_probs", columns_by_class("pred_probs", pred_probs, classes))
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


def check_predictions_alone(y: Any, pred_probs: Any, classes: Any = None) -> np.ndarray:
    """Probabilities that take the place of the rows."""
    if pred_probs is None:
        raise ValueError(
            "X is None; pass the rows, or out-of-sample predictions as pred_probs, which then "
            "take their place"
        )
    annotators = read_annotators(y)
    if annotators is not None:
        n, found = len(annotators.codes), annotators.classes
    else:
        labels = column_or_1d(check_labels(y))
        n, found = len(labels), np.unique(labels)
    probs: Any = check_pred_probs(pred_probs, n, all_classes(found, classes))
    if (probs == probs[:1]).all():
        raise ValueError(
            "pred_probs is the same in every row, which tells nothing of a label; pass "
            "predictions of a model that was fitted on the rows"
        )
    return probs


def all_classes(found: np.ndarray, classes: Any) -> np.ndarray:
    """Sorted classes, those included that occur in no label; an error where a label is none."""
    if classes is None:
        return found
    named = np.unique(column_or_1d(check_labels(classes)))
    if (named.dtype.kind in "iufb") != (found.dtype.kind in "iufb"):
        raise ValueError(
            f"classes={named[:20].tolist()} and the labels {found[:20].tolist()} are of different "
            "kinds; pass both as numbers or both as text"
        )
    missing = found[label_index(named).get_indexer(label_index(found)) < 0]
    if len(missing):
        raise ValueError(
            f"y has the labels {missing[:5].tolist()}, which are not in "
            f"classes={named[:20].tolist()}; name all classes, or leave classes at None"
        )
    return named


def find_codes(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Positions of new labels in the classes; a label that is not there is an error."""
    codes = label_index(classes).get_indexer(label_index(labels)).astype(np.int64)
    if (codes < 0).any():
        unknown = pd.unique(pd.Series(labels[codes < 0]))[:5].tolist()
        raise ValueError(
            f"y_new has labels that fit has not seen: {unknown}; known are {classes[:20].tolist()}"
        )
    return codes


def log_probabilities(probs: Any) -> np.ndarray:
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
