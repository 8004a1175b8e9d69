"""What X may be, and how the rows of a table reach the network: at fit and at predict."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import column_or_1d, validate_data
from torch.utils.data import Dataset

from nllearn._labels import check_labels
from nllearn._validation import check_not_sparse, check_rows, refuse_overflow
from nllearn.classifiers._image_input import is_small
from nllearn.functional.blocks import ROUNDING, column_moments, row_blocks, standardized_rows
from nllearn.images import (
    ArrayRecords,
    DatasetRecords,
    FetchedRecords,
    ImageRecords,
    PathRecords,
    dataset_labels,
    is_path_like_column,
)
from nllearn.training import Source, TensorSource
from nllearn.training._free_memory import free_bytes
from nllearn.training._sources import ArraySource

__all__ = ["ColumnStandardizer", "TableInput", "check_input", "is_input_used"]

# A standardised copy of a table may take so much of the free memory, else its rows are read
# and standardised batch by batch.
_SHARE_FOR_TABLE = 0.4
# Numbers in a table that the label model uses beside the features of the network (its copies
# take some GB), and in one whose mean and deviation are taken in one pass.
_MOST_INPUT, _MOST_IN_ONE_PASS = 1 << 28, 1 << 27
_HOW_TO_SKIP = "; mend these images, leave them out, or set on_bad_image='skip'"
# Rows far outside what fit saw are clipped here, in deviations, and not at infinity.
FARTHEST = 1e4


def check_input(estimator: Any, X: Any, y: Any) -> tuple[Any, np.ndarray, Any]:
    """Check X and y for ``fit`` and tell what X is.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` and, for frames, ``feature_names_in_``.
    X : array-like, list of paths or Dataset
    y : array-like of shape (n,) or None
        None is allowed for a Dataset alone.

    Returns
    -------
    X : ndarray of shape (n, d) or ImageRecords
    y : ndarray of shape (n,)
    index : Index or None
        That of X, where it has one.

    Raises
    ------
    ValueError, TypeError
        For what is neither a table nor images, or does not match y.
    """
    check_not_sparse(X)
    check_rows(X)
    y = check_labels(y)
    index = getattr(X, "index", None) if hasattr(X, "iloc") else None
    if isinstance(X, Dataset):
        items = DatasetRecords(X, estimator.image_layout)
        return _check_fetched(estimator, items, dataset_labels(X) if y is None else y, None)
    if getattr(X, "ndim", 1) == 1 and is_path_like_column(X):
        if y is None:
            raise ValueError(
                f"{type(estimator).__name__} requires y to be passed with a list of image files; "
                "nllearn.datasets.load_image_folder reads labels from folders or a CSV file"
            )
        files = PathRecords(list(X), estimator.decode_size, n_jobs=estimator.n_jobs)
        return _check_fetched(estimator, files, y, index)
    X, y = validate_data(estimator, X, y, dtype="numeric", ensure_min_samples=2, allow_nd=True)
    if X.ndim == 2:
        return X, y, index
    return ArrayRecords(X, estimator.image_layout), y, index


def _check_fetched(
    estimator: Any, records: FetchedRecords, y: Any, index: Any
) -> tuple[ImageRecords, np.ndarray, Any]:
    """Check labels, as scikit-learn does beside arrays, and then every image."""
    y = column_or_1d(y, warn=True)
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError("Input y contains NaN or infinity")
    if len(y) != len(records):
        raise ValueError(f"X has {len(records)} images and y has {len(y)} labels")
    if len(y) < 2:
        raise ValueError(f"Found array with {len(y)} sample(s), n_samples=2 is required")
    estimator.n_features_in_ = records.shape[0]
    records.check_all(
        keep=is_small(records), skip=estimator.on_bad_image == "skip", hint=_HOW_TO_SKIP
    )
    return records, y, index


def is_input_used(X: Any) -> bool:
    """Whether the label model uses the rows themselves: those of a table that is not too large.

    This depends on the kind and the size of X alone, so it is the same on every machine.
    """
    return isinstance(X, np.ndarray) and X.size <= _MOST_INPUT


class ColumnStandardizer:
    """Columns at mean 0 and deviation 1 over the rows of weight above zero.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows to learn them from; large ones are read a few rows at a time.
    seen : bool ndarray of shape (n,)
        Which of them count.

    Raises
    ------
    ValueError
        If a column's values are too large to be standardised.
    """

    def __init__(self, X: np.ndarray, seen: np.ndarray):
        with np.errstate(over="ignore", invalid="ignore"):
            if X.size > _MOST_IN_ONE_PASS:
                self.mean, scale = column_moments(X, seen.astype(np.float64))
            else:
                rows = X if seen.all() else X[seen]
                self.mean = np.asarray(np.mean(rows, axis=0, dtype=np.float64))
                scale = np.std(rows, axis=0, dtype=np.float64)
        refuse_overflow(X, scale)
        # Rounding leaves a tiny spread on constant columns, and on those that a rotation emptied;
        # it must not be blown up.
        constant = scale <= np.maximum(1e-10 * np.abs(self.mean), ROUNDING * scale.max(initial=0.0))
        self.scale = np.where(constant, 1.0, scale)

    @classmethod
    def restore(cls, mean: np.ndarray, scale: np.ndarray) -> ColumnStandardizer:
        """A standardizer with known moments, float64 of shape (d,)."""
        known = cls.__new__(cls)
        known.mean, known.scale = mean, scale
        return known

    def apply(self, X: np.ndarray) -> torch.Tensor:
        """Standardise rows into a float32 copy, in blocks.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Of any numeric dtype; not changed.

        Returns
        -------
        rows : float32 Tensor of shape (n, d)
        """
        out = np.empty(X.shape, dtype=np.float32)
        for rows in row_blocks(len(X)):
            out[rows] = standardized_rows(X, rows, self.mean, self.scale, FARTHEST)
        return torch.from_numpy(out)


class TableInput:
    """Tables and embeddings: columns at mean 0 and deviation 1.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    seen : bool ndarray of shape (n,)
        Rows that the scale of the columns is computed from.
    """

    is_image = False

    def __init__(self, X: np.ndarray, seen: np.ndarray):
        self._scale = ColumnStandardizer(X, seen)

    def source(self, X: np.ndarray, device: torch.device) -> Source:
        """Rows of a checked table, standardised: on the device, or batch by batch."""
        if _table_fits(X, torch.device("cpu")) and _table_fits(X, device):
            return TensorSource(self._scale.apply(X).to(device))
        return ArraySource(X, device, self._scale.apply)

    def new_source(self, estimator: Any, X: Any, device: torch.device) -> Source:
        """Rows that are predicted."""
        check_not_sparse(X)
        check_rows(X)
        X = validate_data(estimator, X, dtype="numeric", reset=False)
        # Slices are standardised and go to the device one by one.
        return ArraySource(X, device, self._scale.apply)

    @property
    def moments(self) -> dict[str, np.ndarray]:
        """Mean and scale of every column, float64 of shape (d,)."""
        return {"mean": self._scale.mean, "scale": self._scale.scale}

    @classmethod
    def restore(cls, mean: np.ndarray, scale: np.ndarray) -> TableInput:
        """An input with known moments, which the constructor would learn from rows."""
        opened = cls.__new__(cls)
        vars(opened).update(_scale=ColumnStandardizer.restore(mean, scale))
        return opened


def _table_fits(X: np.ndarray, device: torch.device) -> bool:
    """Whether a float32 copy of the table leaves enough of the device's memory."""
    return 4 * X.size <= _SHARE_FOR_TABLE * free_bytes(device)
