"""Checks of rows and of what is passed beside them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

if TYPE_CHECKING:
    import torch

__all__ = [
    "as_float64",
    "check_not_sparse",
    "check_numbers",
    "check_rows",
    "check_same_rows",
    "check_trusted",
    "is_tensor",
    "refuse_overflow",
    "refuse_tensor",
]


def check_not_sparse(X: Any) -> None:
    """Reject sparse input with a message that names the fix.

    Parameters
    ----------
    X : any

    Raises
    ------
    TypeError
        If X is a sparse matrix or array.
    """
    if sparse.issparse(X):
        raise TypeError(
            f"X is a sparse {type(X).__name__} of shape {X.shape}, but dense data is required: "
            "put sklearn.decomposition.TruncatedSVD before the estimator, or pass X.toarray() "
            "if it fits in memory"
        )


def check_rows(X: Any) -> None:
    """Refuse kinds of X that would be read wrongly, or fail far from here.

    Shape, NaN and infinity are left to scikit-learn's checks.

    Parameters
    ----------
    X : any

    Raises
    ------
    TypeError
        For tensors that numpy cannot read.
    ValueError
        For dates, durations and columns of text, and for a masked array with masked entries.

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn._validation import check_rows
    >>> check_rows(np.zeros((3, 2), dtype="M8[D]"))
    Traceback (most recent call last):
    ValueError: X holds datetime64[D]; X must be numeric: convert dates to days, ...
    """
    if is_tensor(X):
        refuse_tensor("X", X)
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            f"X is a masked array with {int(np.ma.count_masked(X))} masked entries, which would "
            "be taken for values; fill them with X.filled(...), or drop these rows"
        )
    if isinstance(X, pd.DataFrame):
        others = X.select_dtypes(exclude="number")
        text = [name for name, column in others.items() if _is_text(column)]
        if text:
            raise ValueError(
                f"the columns {text[:10]} of X hold text; X must be numeric: encode them, for "
                "example with sklearn.preprocessing.OneHotEncoder, or leave them out"
            )
    dtypes = X.dtypes.tolist() if isinstance(X, pd.DataFrame) else [getattr(X, "dtype", None)]
    for dtype in dtypes:
        if getattr(dtype, "kind", None) in ("M", "m"):
            raise ValueError(
                f"X holds {dtype}; X must be numeric: convert dates to days, for example with "
                "(X - X.min()) / np.timedelta64(1, 'D'), or leave them out"
            )


def _is_text(column: pd.Series) -> bool:
    """Whether a column is text, also as categories, and as objects as before pandas 3."""
    values: Any = column
    if isinstance(column.dtype, pd.CategoricalDtype):
        values = column.dtype.categories
    if values.dtype == object:
        return pd.api.types.infer_dtype(values, skipna=True) == "string"
    return isinstance(values.dtype, pd.StringDtype)


def is_tensor(values: Any) -> bool:
    """Whether it is a tensor, without importing torch."""
    # Whoever has a tensor has imported torch; whoever has none should not wait for it.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)


def refuse_tensor(name: str, tensor: torch.Tensor) -> None:
    """Refuse a tensor that numpy cannot read."""
    unreadable = str(tensor.dtype) == "torch.bfloat16"
    if tensor.requires_grad or tensor.device.type != "cpu" or unreadable:
        raise TypeError(
            f"{name} is a tensor of {tensor.dtype} on {tensor.device}"
            f"{' that requires gradients' if tensor.requires_grad else ''}, which numpy cannot "
            f"read; pass {name}.detach().float().cpu()"
        )


def as_float64(name: str, values: Any) -> np.ndarray:
    """Numbers as a float64 array; complex and non-numeric values raise an error.

    Parameters
    ----------
    name : str
        For the message.
    values : array-like

    Returns
    -------
    numbers : float64 ndarray

    Raises
    ------
    ValueError
        Names the argument and what it holds.
    """
    try:
        array = np.asarray(values)
        if array.dtype.kind in "biuf" or array.dtype == object:
            with np.errstate(over="ignore"):
                return array.astype(np.float64)
        found: Any = array.dtype
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        found = error
    raise ValueError(f"{name} must hold real numbers; found {found}")


def check_trusted(trusted: Any, n_rows: int) -> np.ndarray:
    """Check the mask of rows whose label is known to be right.

    Parameters
    ----------
    trusted : array-like of bool of shape (n,) or None
    n_rows : int

    Returns
    -------
    trusted : bool ndarray of shape (n,)
        All False for None.

    Raises
    ------
    ValueError
        If it is not one bool per row.
    """
    if trusted is None:
        return np.zeros(n_rows, dtype=bool)
    mask = np.asarray(trusted)
    if mask.shape != (n_rows,):
        raise ValueError(f"trusted has shape {mask.shape}; expected one bool per row, ({n_rows},)")
    whole = mask.dtype == bool or (
        np.isin(mask, [0, 1]).all()
        if mask.dtype != object
        else all(isinstance(value, bool | np.bool_) for value in mask)
    )
    if not whole:
        raise ValueError(
            f"trusted has dtype {mask.dtype} with values other than True and False; pass a "
            "bool mask, not row numbers"
        )
    return mask.astype(bool)


def check_same_rows(X: Any, /, *, to: str = "X", **named: Any) -> None:
    """Refuse what has the rows of X in another order, by their index.

    An index that counts from 0 says nothing, and passes. A scaler in a pipeline makes an array of
    a frame; then the index of the labels says how the rows are called. Probabilities, which come
    from another program, are refused with an index of other rows too.

    Parameters
    ----------
    X : any
    to : str, default="X"
        What an error calls it.
    **named : any
        By the name that an error calls it; what has no index is not looked at.

    Raises
    ------
    ValueError
        Names the argument and the first row.

    Examples
    --------
    >>> import pandas as pd
    >>> from nllearn._validation import check_same_rows
    >>> check_same_rows(pd.DataFrame({"a": [1, 2]}), y=pd.Series(["x", "y"], index=[1, 0]))
    Traceback (most recent call last):
    ValueError: y has the rows of X in another order: row 0 of y is called 1; pass y.loc[X.index]...
    """
    reference = X
    if not hasattr(X, "iloc") and hasattr(named.get("y"), "iloc"):
        reference, to = named["y"], "y"
    has_names = hasattr(reference, "iloc")
    for name, values in named.items():
        if not hasattr(values, "iloc") or not len(values):
            continue
        index = values.index
        counted = pd.RangeIndex(len(index))
        own = reference.index if has_names else counted
        if index.equals(counted) or index.equals(own) or not (has_names or name == "pred_probs"):
            continue
        same = len(own) == len(index) and not len(own.symmetric_difference(index))
        if same:
            row = int(np.flatnonzero(np.asarray(index != own))[0])
            # An array has no names to bring the others in line with.
            sort = f"{name}.loc[{to}.index]" if has_names else f"{name}.sort_index()"
            raise ValueError(
                f"{name} has the rows of {to} in another order: row {row} of {name} is called "
                f"{index[row]}; pass {sort}, or {name}.to_numpy() if the order is "
                "right and the index is not"
            )
        if name == "pred_probs" and not own.equals(counted):
            raise ValueError(
                f"the index of {name} is not that of {to} (its first row is called {index[0]}, "
                f"that of {to} {own[0]}); pass {name}.loc[{to}.index], or {name}.to_numpy() if the "
                f"rows are those of {to}"
            )


def check_numbers(name: str, values: Any, n: int) -> np.ndarray:
    """Check one finite number per row."""
    array = as_float64(name, values)
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}; it must be ({n},), one per row.")
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} has NaN or infinite values, the first in row "
            f"{np.isfinite(array).argmin()}; all must be finite. Drop these rows."
        )
    return array


def refuse_overflow(X: np.ndarray, scale: np.ndarray) -> None:
    """Reject columns whose spread float32 cannot hold.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    scale : ndarray of shape (d,)
        Standard deviation of each column.

    Raises
    ------
    ValueError
        Names the first such column.
    """
    bad = np.flatnonzero(~np.isfinite(scale))
    if len(bad):
        raise ValueError(
            f"column {bad[0]} of X has values too large to be standardised (up to "
            f"{np.abs(X[:, bad[0]]).max():.3g}); rescale it"
        )
