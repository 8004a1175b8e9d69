"""Tables of every library as a DataFrame, and sequences of every library by position."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from nllearn._frames import to_pandas
from nllearn._validation import is_tensor, refuse_tensor

__all__ = ["as_frame", "items_of"]


def as_frame(name: str, table: Any, *, max_columns: int | None = None) -> pd.DataFrame:
    """Turn a table into a DataFrame.

    Parameters
    ----------
    name : str
        For the message.
    table : DataFrame, Series, array, sparse matrix, tensor, dict, or table of polars or pyarrow
    max_columns : int, optional
        Columns that are needed; others may be left out.

    Returns
    -------
    frame : DataFrame
        The object itself where it is one.

    Raises
    ------
    ValueError
        If it has more than two dimensions, or is no table at all.
    """
    table = to_pandas(table)
    if isinstance(table, pd.DataFrame):
        return table
    if isinstance(table, pd.Series):
        return table.to_frame()
    if sparse.issparse(table) and table.ndim == 2:
        # Dense columns of a wide matrix need not fit in memory.
        return pd.DataFrame(sparse.csc_array(table)[:, :max_columns].toarray())
    if isinstance(table, dict):
        return pd.DataFrame(table)
    if is_tensor(table):
        refuse_tensor(name, table)
    is_rows = isinstance(table, list) and table and all(isinstance(row, dict) for row in table)
    array = table if is_rows else np.asarray(table)
    if is_rows or array.dtype.names or array.ndim in (1, 2):
        return pd.DataFrame(array)
    raise ValueError(
        f"{name} is a {type(table).__name__} of shape {array.shape}; pass a DataFrame or an array "
        "of shape (n, d)"
    )


def items_of(name: str, values: Any, what: str) -> Any:
    """Turn a sequence of any library into one that gives an item per row, by position.

    Parameters
    ----------
    name : str
        For the message.
    values : sequence, Series, array, tensor, Dataset, or column of polars or pyarrow
    what : str
        Of what it is a sequence; for the message.

    Returns
    -------
    items : object with a length and rows by number

    Raises
    ------
    ValueError
        If it has no rows by number.
    """
    values = to_pandas(values)
    if isinstance(values, pd.DataFrame) and values.shape[1] == 1:
        values = values.iloc[:, 0]
    no_rows = isinstance(values, str | bytes | os.PathLike | dict | set | pd.DataFrame)
    if no_rows or not hasattr(values, "__len__") or not hasattr(values, "__getitem__"):
        raise ValueError(
            f"{name} is a {type(values).__name__}; pass a sequence of {what}, one per row"
        )
    # Series of pandas find rows by index, and arrays of pyarrow hold objects of its own.
    for method in ("to_pylist", "to_list"):
        if hasattr(values, method):
            return getattr(values, method)()
    return values
