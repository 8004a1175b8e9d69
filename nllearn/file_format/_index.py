"""The index of the training rows as JSON and tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nllearn.file_format._values import Reader, Writer

__all__ = ["read_index", "write_index"]


def write_index(writer: Writer, index: Any) -> Any:
    """Turn an index into JSON.

    Parameters
    ----------
    writer : Writer
    index : Index or None
        Whole numbers, floats, bool, text, datetimes with or without time zone,
        or timedeltas. The frequency of datetimes is not kept.

    Returns
    -------
    node : any

    Raises
    ------
    TypeError
        For any other index, such as a MultiIndex.
    """
    if index is None:
        return None
    kind = type(index)
    if kind is pd.RangeIndex:
        values: Any = [index.start, index.stop, index.step]
    elif kind is pd.DatetimeIndex:
        values = writer.encode(index.asi8.view(f"M8[{index.unit}]"), "index")
    elif kind in (pd.Index, pd.TimedeltaIndex):
        values = index.to_numpy()
        if isinstance(index.dtype, pd.StringDtype):
            values = values.astype(object)
        elif not isinstance(index.dtype, np.dtype):
            raise TypeError(f"index of dtype {index.dtype}")
        values = writer.encode(values, "index")
    else:
        raise TypeError(f"{kind.__name__}")
    node = [kind.__name__, str(index.dtype), values, writer.encode(index.name, "index.name")]
    if not isinstance(index.dtype, np.dtype) and _spelled(node[1]) != index.dtype:
        raise TypeError(f"index of dtype {index.dtype!r}")
    return node


def _spelled(dtype: str) -> Any:
    """Dtype of pandas by its name, None for an unknown one."""
    try:
        return pd.api.types.pandas_dtype(dtype)
    except (TypeError, ValueError, KeyError):
        return None


def read_index(reader: Reader, node: Any) -> Any:
    """Turn JSON back into an index.

    Parameters
    ----------
    reader : Reader
    node : any

    Returns
    -------
    index : Index or None

    Raises
    ------
    ValueError, TypeError
        For what :func:`write_index` does not make.
    """
    if node is None:
        return None
    kind, dtype, values, name = node
    name = reader.decode(name)
    if kind == "RangeIndex":
        start, stop, step = values
        return pd.RangeIndex(start, stop, step, name=name)
    if kind not in ("Index", "DatetimeIndex", "TimedeltaIndex"):
        raise ValueError(f"{kind!r} as an index")
    values = reader.decode(values)
    if kind == "DatetimeIndex" and isinstance(_spelled(dtype), pd.DatetimeTZDtype):
        return pd.DatetimeIndex(values, tz="UTC", name=name).tz_convert(_spelled(dtype).tz)
    return pd.Index(values, dtype=dtype, name=name)
