"""Labels to class codes and back, and the checks that all noise generators share."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from nllearn._frames import like, to_pandas
from nllearn._labels import label_values
from nllearn._validation import check_rows

# Rows of X are converted to float64 in blocks of about this size, so that a large uint8 image
# set is never held a second time in float64.
_CHUNK_BYTES = 2**23


@dataclass(frozen=True)
class Labels:
    """Labels as codes 0..n_classes-1, with what is needed to give them back as they came.

    Parameters
    ----------
    classes : ndarray or pandas ExtensionArray of shape (n_classes,)
        Sorted distinct labels in the dtype of the input.
    codes : ndarray of shape (n,), intp
        Position of each row's label in `classes`.
    series : pandas Series or None
        The input when it was a Series; gives index and name back.
    given : any
        The input itself, whose library the labels are given back in.
    """

    classes: Any
    codes: np.ndarray
    series: pd.Series | None
    given: Any = None

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    def decode(self, codes: np.ndarray) -> np.ndarray | pd.Series:
        """Labels for `codes`, as a new array or Series in the dtype of the input."""
        values = self.classes.take(codes)
        if self.series is not None:
            values = pd.Series(values, index=self.series.index, name=self.series.name)
        return like(values, self.given)


def read_labels(y: ArrayLike | pd.Series) -> Labels:
    """Check `y` and encode it by its own sorted distinct labels.

    Parameters
    ----------
    y : array-like or Series of shape (n,), any sortable dtype
        Labels.

    Returns
    -------
    Labels

    Raises
    ------
    ValueError
        If `y` is not one-dimensional, has missing values, mixes types that cannot be sorted,
        or has fewer than two classes.
    """
    given, y = y, to_pandas(y)
    values = label_values("y", y)
    try:
        distinct, first_row, codes = np.unique(values, return_index=True, return_inverse=True)
    except TypeError:
        raise ValueError(
            "y mixes label types that cannot be sorted, for example str and int; "
            "labels must be of one type. Convert them first, for example with y.astype(str)."
        ) from None
    if len(distinct) < 2:
        found = f"only {distinct[0]!r}" if len(distinct) else "no rows"
        raise ValueError(
            f"y holds {found}; label noise needs at least 2 classes. "
            "Add noise before selecting or splitting rows."
        )
    if isinstance(y, pd.Series):
        # The rows themselves carry dtypes that numpy has no name for (categories, nullable).
        return Labels(y.array.take(first_row), codes, y, given)
    return Labels(distinct, codes, None)


def read_integer_labels(y: ArrayLike | pd.Series, n_classes: int, *, mapping: str) -> Labels:
    """Check that `y` holds integers in 0..n_classes-1 and take them as codes.

    Unlike `read_labels`, classes that have no row in `y` keep their place.

    Parameters
    ----------
    y : array-like or Series of shape (n,), integer dtype
        Labels.
    n_classes : int
        Number of classes of the data set.
    mapping : str
        Name of the mapping that asks for these labels, for the error text.

    Returns
    -------
    Labels

    Raises
    ------
    ValueError
        If `y` has another dtype or a label outside the range.
    """
    given, y = y, to_pandas(y)
    values = label_values("y", y)
    rule = f"mapping={mapping!r} needs integer labels 0..{n_classes - 1}"
    y_dtype = getattr(y, "dtype", values.dtype)
    fix = "Give your own mapping as a dict {label: wrong label}."
    if isinstance(y, pd.Series) and pd.api.types.is_integer_dtype(y.dtype):
        # Nullable integers arrive as objects. A categorical dtype is not taken: it may lack the
        # class that a label flips to.
        values = y.to_numpy(dtype=np.int64)
    if values.dtype.kind not in "iu" or isinstance(y_dtype, pd.CategoricalDtype):
        raise ValueError(f"{rule}; y has dtype {y_dtype}. {fix}")
    outside = (values < 0) | (values >= n_classes)
    if outside.any():
        raise ValueError(f"{rule}; y holds {values[outside][0]}. {fix}")
    if isinstance(y, pd.Series):
        classes = pd.Series(np.arange(n_classes)).astype(y.dtype).array
        return Labels(classes, values.astype(np.intp), y, given)
    return Labels(np.arange(n_classes).astype(values.dtype), values.astype(np.intp), None)


def check_noise_rate(noise_rate: Any) -> float:
    """Give `noise_rate` back as a float after checking that it is a share in [0, 1]."""
    is_number = isinstance(noise_rate, numbers.Real) and not isinstance(noise_rate, bool)
    if not is_number or not 0.0 <= float(noise_rate) <= 1.0:
        raise ValueError(
            f"noise_rate={noise_rate!r}; it must be a number in [0, 1]. "
            "Give a share of the rows, for example 0.2 for 20 %."
        )
    return float(noise_rate)


def n_of(noise_rate: float, n: int) -> int:
    """int(noise_rate * n), not thrown off by rounding (0.29 * 100 is 28.999... in floats)."""
    return math.floor(noise_rate * n + 1e-9)


def check_rng(random_state: int | np.random.RandomState | None) -> np.random.RandomState:
    """scikit-learn's `check_random_state`, except that None does not use the global state."""
    if random_state is None:
        return np.random.RandomState()
    return check_random_state(random_state)


def read_features(X: Any, n: int) -> np.ndarray:
    """Check `X` and give it as a (n, d) numeric array, without a copy where possible.

    Parameters
    ----------
    X : array-like of shape (n, ...), numeric
        Table, embeddings or images.
    n : int
        Number of labels.

    Returns
    -------
    ndarray of shape (n, d)

    Raises
    ------
    ValueError
        If `X` is sparse, not numeric, has fewer than two axes, another number of rows than
        `y`, no features, or values that are NaN or infinite.
    """
    if hasattr(X, "tocsr"):
        raise ValueError("X is a sparse matrix; it must be dense. Give X.toarray().")
    X = to_pandas(X)
    check_rows(X)
    values = np.asarray(X)
    if values.dtype == object and hasattr(X, "to_numpy"):
        try:
            # Nullable columns of a DataFrame arrive as objects.
            values = X.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            pass
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"X has dtype {values.dtype}; it must be numeric. "
            "Encode text and categories, and load image files, first."
        )
    if values.ndim < 2 or values.shape[0] != n or values.size == 0:
        raise ValueError(
            f"X has shape {values.shape} for {n} labels; it must have one row per label and at "
            "least one feature: (n, d), or (n, ...) for images."
        )
    flat = values.reshape(n, -1)
    if flat.dtype.kind == "f":
        for rows in row_chunks(np.arange(n), flat.shape[1]):
            finite = np.isfinite(flat[rows]).all(axis=1)
            if not finite.all():
                raise ValueError(
                    f"X has NaN or infinite values, the first in row {rows[finite.argmin()]}; "
                    "all values must be finite. Impute them or drop these rows."
                )
    return flat


def row_chunks(rows: np.ndarray, n_features: int) -> Iterator[np.ndarray]:
    """Split `rows` so that a float64 block of (rows, n_features) stays small."""
    step = max(1, _CHUNK_BYTES // (8 * n_features))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def sample_rows(probabilities: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Draw one column per row.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes), float64
        Non-negative; rows sum to 1 up to rounding.
    rng : RandomState
        Source of n uniform numbers.

    Returns
    -------
    ndarray of shape (n,), intp
        Column j of row i with probability ``probabilities[i, j]``.
    """
    cumulative = np.cumsum(probabilities, axis=1)
    # The row's own total, not 1: a rounding gap at the end must not fall to the last column.
    threshold = rng.uniform(size=len(probabilities)) * cumulative[:, -1]
    columns = (cumulative <= threshold[:, None]).sum(axis=1)
    return np.minimum(columns, probabilities.shape[1] - 1)
