"""Checks of labels: those of a fit, and arrays of them that belong together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nllearn._frames import to_pandas
from nllearn._validation import is_tensor, refuse_tensor

__all__ = [
    "check_labels",
    "columns_by_class",
    "joint_codes",
    "label_arrays",
    "label_index",
    "label_values",
]


def check_labels(y: Any) -> Any:
    """Reject labels that are missing or cannot be distinguished, and unwrap nullable ones.

    Number of axes and length are left to scikit-learn's checks.

    Parameters
    ----------
    y : any
        None passes.

    Returns
    -------
    y : any
        As given; nullable whole numbers and bools as numpy's, tensors and numpy's
        variable-length strings as arrays.

    Raises
    ------
    ValueError
        For a missing label (None, NaN, NaT, NA or masked), text that is no Unicode, or a
        mixture of text and other labels.
    TypeError
        For tensors that numpy cannot read.

    Examples
    --------
    >>> from nllearn._labels import check_labels
    >>> check_labels(["cat", None, "dog"])
    Traceback (most recent call last):
    ValueError: y has 1 missing label(s) (None, NaN or NaT), the first in row 1; ...
    """
    if is_tensor(y):
        refuse_tensor("y", y)
        y = y.numpy()
    masked = isinstance(y, np.ma.MaskedArray) and np.ma.is_masked(y)
    if masked and y.ndim == 1:
        _refuse_missing(np.ma.getmaskarray(y))
    if isinstance(y, pd.DataFrame) and y.shape[1] == 1:
        # Still of two dimensions, so that scikit-learn says what it makes of them.
        return pd.DataFrame(np.asarray(check_labels(y.iloc[:, 0])), y.index, y.columns)
    values = _one_dimensional(y)
    if values is None or values.ndim != 1 or len(values) == 0:
        return y
    _refuse_missing(np.asarray(pd.isna(values)))
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        y = values = np.asarray(values)
        dtype = values.dtype
    if not isinstance(dtype, np.dtype) or dtype.kind in "OUT":
        _refuse_mixture(values)
    if isinstance(dtype, np.dtype):
        if dtype.kind == "O":
            typed = _typed_objects(values)
            # numpy gives a list its type by itself.
            return y if isinstance(y, list | tuple) else typed
        return np.array(values.tolist()) if dtype.kind == "T" else y
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_integer_dtype(dtype):
        plain = getattr(dtype, "numpy_dtype", None)
        return np.asarray(y, dtype=plain)
    return _typed_objects(np.asarray(values, dtype=object))


def label_index(labels: Any) -> pd.Index:
    """Labels as an index to find others in; pandas has none of half floats or foreign byte order.

    Parameters
    ----------
    labels : array-like of shape (n,)

    Returns
    -------
    index : Index

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn._labels import label_index
    >>> label_index(np.array([1, 2], dtype=np.float16)).get_indexer([2.0]).tolist()
    [1]
    """
    if not isinstance(labels, pd.Series | pd.Index):
        labels = np.asarray(labels)
    if getattr(labels.dtype, "kind", "") == "f":
        labels = np.asarray(labels, dtype=np.float64)
    elif isinstance(labels, np.ndarray):
        labels = labels.astype(labels.dtype.newbyteorder("="), copy=False)
    return pd.Index(labels)


def _one_dimensional(y: Any) -> Any:
    """Labels as something with a dtype, without respelling them; None for what has no such form."""
    if isinstance(y, np.ndarray | pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return y
    # pyarrow's arrays and polars' series; an array made of them would lose what is missing.
    for name in ("to_pylist", "to_list"):
        if not isinstance(y, list | tuple) and callable(getattr(y, name, None)):
            y = getattr(y, name)()
    if not isinstance(y, list | tuple):
        return np.asarray(y) if hasattr(y, "__array__") else None
    if not all(value is None or _is_single(value) for value in y):
        return None  # rows of several labels, and other input that is rejected by its shape
    values = np.empty(len(y), dtype=object)
    values[:] = y
    return values


def _is_single(value: Any) -> bool:
    """Whether a value is one label rather than several."""
    return np.isscalar(value) or not hasattr(value, "__len__")


def _typed_objects(values: Any) -> Any:
    """Give objects that are all bools, or all numbers, the dtype that they have by themselves.

    pandas leaves objects where a gap was dropped.
    """
    array = np.asarray(values, dtype=object)
    kinds = {_kind(value) for value in array}
    if kinds <= {"text"}:
        return values
    if len(kinds) == 1 and kinds <= {"bool", "number"}:
        typed = np.array(array.tolist())
        if typed.dtype.kind in "biuf":
            return typed
        raise ValueError(
            f"y holds whole numbers beyond 64 bits, such as {max(array, key=abs)}; convert labels "
            "to text, for example with [str(label) for label in y]"
        )
    if kinds == {"bool", "number"}:
        raise ValueError(
            "y mixes bools and numbers; labels must be of one type. Convert them first, for "
            "example with [int(label) for label in y]"
        )
    other = next(value for value in array if _kind(value) == "other")
    raise ValueError(
        f"y holds labels of type {type(other).__name__}, such as {str(other)!r}; labels are text, "
        "numbers or bools. Convert them first, for example with [str(label) for label in y]"
    )


def _kind(value: Any) -> str:
    if isinstance(value, str | bytes):
        return "text"
    if isinstance(value, bool | np.bool_):
        return "bool"
    return "number" if isinstance(value, int | float | np.integer | np.floating) else "other"


def label_arrays(**named: Any) -> list[np.ndarray]:
    """Check arrays of labels that are compared by position.

    Parameters
    ----------
    **named : array-like of shape (n,)
        Labels of any dtype, by the name that an error calls them.

    Returns
    -------
    arrays : list of ndarray of shape (n,)
        In the order of the arguments.

    Raises
    ------
    ValueError
        For labels that are not one-dimensional, missing, or text beside others; for arrays of
        unequal length, and for no labels at all.

    Examples
    --------
    >>> from nllearn._labels import label_arrays
    >>> label_arrays(y=["a", "b"], y_noisy=["a"])
    Traceback (most recent call last):
    ValueError: numbers of labels are {'y': 2, 'y_noisy': 1}; they must be equal and not 0.
    """
    arrays = {name: _label_array(name, labels) for name, labels in named.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"numbers of labels are {lengths}; they must be equal and not 0.")
    return list(arrays.values())


def joint_codes(**named: Any) -> list[np.ndarray]:
    """Codes of several label arrays over their joint sorted classes.

    Codes make every later comparison safe: numpy finds str and int unequal without a word, and
    scikit-learn's scores refuse some dtypes.
    """
    arrays = label_arrays(**named)
    if len({array.dtype.kind in "US" for array in arrays}) > 1:
        dtypes = {name: str(array.dtype) for name, array in zip(named, arrays, strict=True)}
        raise ValueError(
            f"label dtypes are {dtypes}; text and numbers are never equal. "
            "Convert one side, for example with y.astype(str)."
        )
    if {array.dtype.kind for array in arrays} == {"i", "u"}:
        # Together numpy makes them float, in which large numbers are equal.
        arrays = [array.astype(object) for array in arrays]
    try:
        _, codes = np.unique(np.concatenate(arrays), return_inverse=True)
    except TypeError as error:
        raise ValueError(
            f"labels cannot be sorted ({error}); give text, numbers or bools of one type, for "
            "example y.astype(str)."
        ) from error
    return np.split(codes, len(arrays))


def _refuse_missing(missing: np.ndarray) -> None:
    if missing.any():
        raise ValueError(
            f"y has {int(missing.sum())} missing label(s) (None, NaN or NaT), the first in row "
            f"{int(missing.argmax())}; every row needs a label: drop these rows, fit, and predict "
            "them"
        )


def _refuse_mixture(values: Any) -> None:
    """Text must be Unicode, and not be mixed with other labels, which numpy turns into text."""
    n_text = 0
    for row, value in enumerate(values):
        if not isinstance(value, str):
            continue
        n_text += 1
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError(
                f"the label {value!r} in row {row} of y is no Unicode text (a lone surrogate); "
                "read the labels with the right encoding"
            )
    if 0 < n_text < len(values):
        raise ValueError(
            f"y mixes text ({n_text} of {len(values)} labels) and other labels; labels must be of "
            "one type. Convert them first, for example with [str(label) for label in y]"
        )


def label_values(name: str, labels: Any) -> np.ndarray:
    """One label per row as an array that numpy has not respelled, none of them missing.

    Raises
    ------
    ValueError
        For another shape, records, and missing labels.
    """
    labels = to_pandas(labels)
    array = np.asarray(labels)
    if array.ndim != 1:
        raise ValueError(
            f"{name} has shape {array.shape}; labels must be one-dimensional, one per row. "
            "Give one column, for example y.ravel()."
        )
    if isinstance(labels, list | tuple) and array.dtype.kind in "US":
        # numpy turns ['a', 1] and ['a', nan] into strings without a word.
        if not all(isinstance(label, str | bytes) for label in labels):
            array = np.asarray(labels, dtype=object)
    if array.dtype.kind == "V":
        raise ValueError(f"{name} holds records of {array.dtype}; a label must be a single value")
    missing = pd.isna(array)
    if missing.any():
        raise ValueError(
            f"{name} has {missing.sum()} missing labels (None or NaN), the first in row "
            f"{missing.argmax()}; every row needs a label. Drop these rows first."
        )
    return array


def _label_array(name: str, labels: Any) -> np.ndarray:
    array = label_values(name, labels)
    if array.dtype == object:
        is_text = np.array([isinstance(label, str | bytes) for label in array], dtype=bool)
        if is_text.any() and not is_text.all():
            raise ValueError(
                f"{name} mixes text and other labels; labels must be of one type. "
                "Convert them first, for example with y.astype(str)."
            )
        plain = np.asarray(array.tolist())
        array = plain if plain.ndim == 1 else array
    return array


def columns_by_class(name: str, table: Any, classes: np.ndarray) -> Any:
    """Put columns that are named by the classes into their order.

    Parameters
    ----------
    name : str
        What an error calls the table.
    table : any
        Something other than a frame is returned as it is, and so is a frame whose columns count
        from 0 or are of another number than the classes.
    classes : ndarray of shape (n_classes,)
        Sorted.

    Returns
    -------
    table : any

    Raises
    ------
    ValueError
        For columns with other names.
    """
    names = getattr(table, "columns", None)
    if names is None:
        return table
    names = list(names)
    if names == list(range(len(names))) or len(names) != len(classes):
        # Columns that count from 0 have no names; another number of them is refused by shape.
        return table
    words = [str(value) for value in classes.tolist()]
    found = [str(column) for column in names]
    if found == [f"column_{i}" for i in range(len(names))]:
        return table  # polars counts in this way
    foreign = sorted(set(found) - set(words))
    if foreign or len(set(found)) < len(found):
        raise ValueError(
            f"{name} has the columns {names[:20]}, and {foreign[:5] or 'some'} are no classes "
            f"or come twice; the classes are {words[:20]}. Name the columns by the classes, or "
            f"pass {name}.to_numpy() with columns in the order of the sorted labels"
        )
    values = np.asarray(table)
    return values[:, [found.index(word) for word in words]]
