"""Frames and columns of polars, pyarrow and others: pandas inside, their own kind outside.

A public method turns what it was passed into pandas once, with :func:`to_pandas`, and what it
returns back, with :func:`from_pandas` or :func:`like`. The code between handles pandas and
arrays alone. narwhals is imported where there is such a frame, and nowhere else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nllearn.exceptions import MissingExtraError

__all__ = ["check_library", "from_pandas", "library_of", "like", "to_pandas"]

# Libraries that results are given in, and the extra that brings each.
_EXTRAS = {"polars": "polars", "pyarrow": "table"}
# Libraries that narwhals reads. Frames of the last two have an index, so results stay pandas.
_LIBRARIES = (*_EXTRAS, "modin", "cudf")
_TYPES = ("DataFrame", "LazyFrame", "Series", "Table", "ChunkedArray")


def library_of(*values: Any, default: str | None = None) -> str | None:
    """Library that results are given in: that of the first frame or column among the values.

    Parameters
    ----------
    *values : any
        What was passed. Arrays, lists and None say nothing.
    default : str, optional
        Where none of them is a frame or a column.

    Returns
    -------
    library : {"polars", "pyarrow"} or None
        None stands for pandas.

    Examples
    --------
    >>> import pandas as pd, pyarrow as pa
    >>> from nllearn._frames import library_of
    >>> library_of([[1.0]], pa.table({"a": [1.0]})), library_of(pd.Series([1.0]), default="polars")
    ('pyarrow', None)
    """
    for value in values:
        if hasattr(value, "iloc"):
            return None
        if _is_foreign(value):
            return _root(value)
    return default


def check_library(library: Any) -> str | None:
    """Refuse a library that results are not given in, as a file that was changed may name."""
    if library is not None and library not in [*_EXTRAS]:
        raise ValueError(f"its frames are of {library!r}, not of {' or '.join(_EXTRAS)}")
    return library


def to_pandas(values: Any) -> Any:
    """Turn a frame or column of another library into that of pandas.

    Whole numbers and bools beside gaps get pandas' dtypes with gaps, so that large numbers stay
    exact. Categories become text. A column of arrays of one length becomes an array of shape
    (n, d).

    Parameters
    ----------
    values : any
        Frame, table, Series or chunked array of polars, pyarrow, modin or cudf. Anything else is
        returned as it is.

    Returns
    -------
    values : DataFrame, Series, ndarray or any

    Raises
    ------
    MissingExtraError
        If narwhals is not installed.
    TypeError
        For a lazy frame, which has no rows yet.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from nllearn._frames import to_pandas
    >>> to_pandas(pa.table({"a": [1, None], "b": [0.5, None]})).dtypes.astype(str).tolist()
    ['Int64', 'float64']
    """
    if not _is_foreign(values):
        return values
    if type(values).__name__ == "LazyFrame":
        raise TypeError("a LazyFrame of polars has no rows yet; pass frame.collect()")
    nw = _narwhals(_root(values))
    frame = nw.from_native(values, eager_only=True, allow_series=True)
    if frame.implementation.is_pandas_like():
        return frame.to_pandas()
    if isinstance(frame, nw.Series):
        column = _values(nw, frame)
        return column if np.ndim(column) == 2 else pd.Series(column, name=frame.name or None)
    columns = {name: _objects(_values(nw, frame[name])) for name in frame.columns}
    return pd.DataFrame(columns, index=range(len(frame)), copy=False)


def from_pandas(table: pd.DataFrame, library: str | None, *, index: str | None = None) -> Any:
    """Turn a table of results into that of another library.

    Parameters
    ----------
    table : DataFrame
    library : {"polars", "pyarrow"} or None
        None leaves the table as it is.
    index : str, optional
        Column that the index becomes, since these libraries have none; None drops it. A name
        that is taken gets an underscore.

    Returns
    -------
    table : frame of the library

    Raises
    ------
    MissingExtraError
        If narwhals or the library is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> from nllearn._frames import from_pandas
    >>> table = pd.DataFrame({"rate": [0.5, 0.25]}, index=["web", "clinic"])
    >>> from_pandas(table, "pyarrow", index="group").to_pylist()
    [{'group': 'web', 'rate': 0.5}, {'group': 'clinic', 'rate': 0.25}]
    """
    if library is None:
        return table
    columns = {str(name): _cells(column) for name, column in table.items()}
    if index is not None:
        while index in columns:
            index += "_"
        columns = {index: _cells(table.index.to_series()), **columns}
    nw = _narwhals(library)
    try:
        return nw.from_dict(columns, backend=library).to_native()
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the rows of fit were of {library}, so its tables are too: "
            f"pip install 'nllearn[{_EXTRAS[library]}]'"
        ) from error


def like(values: Any, given: Any) -> Any:
    """Give rows or labels in the library and the dtypes of those that were passed.

    Parameters
    ----------
    values : array, Series or DataFrame of n rows
    given : any
        What was passed. If it is no frame or column of polars or pyarrow, the values are
        returned as they are.

    Returns
    -------
    values : any

    Examples
    --------
    >>> import numpy as np, pyarrow as pa
    >>> from nllearn._frames import like
    >>> like(np.array([2, 1]), pa.chunked_array([[1, 2, 3]])).to_pylist()
    [2, 1]
    """
    library = library_of(given)
    if library is None:
        return values
    nw, array = _narwhals(library), np.asarray(values)
    frame = nw.from_native(given, eager_only=True, allow_series=True)
    if isinstance(frame, nw.Series):
        made = nw.new_series(frame.name, array.tolist(), backend=library)
        return made.cast(frame.dtype).to_native()
    # One column alone where the frame is one of labels.
    columns = {
        name: _cells(pd.Series(column))
        for name, column in zip(frame.columns, array.reshape(len(array), -1).T, strict=True)
    }
    casts = [nw.col(name).cast(dtype) for name, dtype in frame.schema.items()]
    return nw.from_dict(columns, backend=library).select(casts).to_native()


def _root(values: Any) -> str:
    return type(values).__module__.partition(".")[0]


def _is_foreign(values: Any) -> bool:
    """Whether it is a frame or column that narwhals reads and that is not pandas' own."""
    return _root(values) in _LIBRARIES and type(values).__name__ in _TYPES


def _narwhals(library: str) -> Any:
    try:
        import narwhals.stable.v2 as nw
    except ImportError as error:
        raise MissingExtraError(
            f"frames of {library} need narwhals: pip install 'nllearn[polars]'"
        ) from error
    return nw


def _values(nw: Any, column: Any) -> Any:
    """Values of a column of narwhals as what pandas takes for a column."""
    dtype = column.dtype
    is_bool = dtype == nw.Boolean
    if dtype in (nw.Decimal, nw.Int128, nw.UInt128):
        return _objects(column.to_list())  # numpy has no such numbers
    if (is_bool or dtype.is_integer()) and column.null_count():
        return pd.array(column.to_list(), dtype="boolean" if is_bool else str(dtype))
    if is_bool or dtype.is_numeric() or dtype in (nw.Date, nw.Array):
        return column.to_numpy()
    if dtype in (nw.Datetime, nw.Duration):
        return pd.array(column.to_list())
    return _objects(column.to_list())


def _objects(values: Any) -> Any:
    """Lists and arrays of two dimensions as an array of objects; columns as they are."""
    if not isinstance(values, list) and np.ndim(values) == 1:
        return values
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


def _cells(column: pd.Series) -> Any:
    """Numbers and bools as an array, anything else as a list with None for gaps."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return column.to_numpy()
    return [
        None if pd.api.types.is_scalar(value) and pd.isna(value) else value
        for value in column.tolist()
    ]
