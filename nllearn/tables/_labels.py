"""The label column: which rows have a label, which classes there are, how they are spelled."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nllearn.tables._description import NA_WORDS
from nllearn.tables._errors import TableError, column_list, count_of
from nllearn.tables._numbers import NumberFormat, read_numbers
from nllearn.tables._reading import Table
from nllearn.tables._text import plain_values

__all__ = ["LabelColumn", "missing_error", "read_flips", "read_labels"]


@dataclass(frozen=True)
class LabelColumn:
    """The given labels of a table.

    Attributes
    ----------
    name : str
        The column.
    values : ndarray of shape (n_rows,)
        Labels; rows marked in `missing` hold whatever stands for a gap.
    missing : ndarray of bool of shape (n_rows,)
        Rows without a label.
    missing_words : dict of str to int
        How the gaps are written in the file, and how often.
    notes : tuple of str
        What a user should know before trusting the classes.
    """

    name: str
    values: NDArray[Any]
    missing: NDArray[np.bool_]
    missing_words: dict[str, int]
    notes: tuple[str, ...] = ()

    @property
    def given(self) -> NDArray[Any]:
        """Labels of the rows that have one, in row order."""
        return _compact(self.values[~self.missing])


def read_labels(
    table: Table,
    name: str,
    *,
    keep_na_words: bool = False,
    given: NDArray[np.bool_] | None = None,
    one_of_several: bool = False,
) -> LabelColumn:
    """Read the label column and check that it holds classes.

    A label is missing where the cell is blank or holds a word for a gap (``NA``, ``NaN``,
    ``None``, ``null`` and the like in text files).

    The classes of a text file are the texts in it: ``7``, ``007`` and ``7.0`` are three. Only
    where all are whole numbers in their plain form, or all are ``True`` and ``False``, they are
    such values, which are written with the same letters. So a class always leaves the program as
    it came in.

    Parameters
    ----------
    table : Table
        The table.
    name : str
        The label column.
    keep_na_words : bool, default=False
        Count words such as ``NA`` and ``None`` as classes; only a blank cell is then missing.
    given : ndarray of bool of shape (n_rows,), optional
        Rows that have a label, where that is known already.
    one_of_several : bool, default=False
        The column is of one annotator, who may have used one class, or each of them once.

    Returns
    -------
    LabelColumn

    Raises
    ------
    TableError
        If the column holds dates, lists or fractions, has fewer than two classes, or so many
        that it cannot be a label.
    """
    column = table.frame[name] if table.cells is None else table.cells[name]
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if given is None:
        blank = column.map(lambda value: isinstance(value, str) and not value.strip())
        missing = (column.isna() | blank.fillna(False)).to_numpy(dtype=bool)
        if table.cells is not None and not keep_na_words:
            missing = missing | column.isin(NA_WORDS).to_numpy()
    else:
        missing = ~given
    labelled = column[~missing]
    if len(labelled) == 0:
        raise TableError(f"--label: every row of column {name!r} is without a label")
    words: dict[str, int] = {}
    if table.cells is None:
        _check_kind(name, labelled)
        labelled = _whole(labelled)
    else:
        _refuse_fractions(name, labelled, table.reading.numbers.get(name))
        labelled = plain_values(labelled)
        counts = column[missing].value_counts()
        words = {str(word): int(count) for word, count in counts.items()}
    values = column.to_numpy(dtype=object, copy=True)
    values[~missing] = labelled.to_numpy(dtype=object)
    classes = labelled.unique()
    if not one_of_several:
        _check_count(name, len(classes), len(labelled))
    notes = _look_alikes(name, [str(value) for value in classes])
    return LabelColumn(name, values, missing, words, notes)


def missing_error(labels: LabelColumn) -> TableError:
    """Build the error for rows without a label, with the ways out."""
    words = ", ".join(f"{word!r} x {count}" for word, count in labels.missing_words.items())
    cells = f" (cells: {words})" if words else ""
    # A blank cell is a gap whatever the user says.
    keep = any(word.strip() for word in labels.missing_words)
    return TableError(
        f"{int(labels.missing.sum())} of {len(labels.missing)} rows have no label in column "
        f"{labels.name!r}{cells}. Add --missing-labels drop to leave them out, or "
        "--missing-labels predict to have them filled"
        + (", or --keep-na-words if these words are classes" if keep else "")
    )


def read_flips(pairs: Sequence[str], labels: LabelColumn) -> dict[Any, Any]:
    """Read FROM=TO pairs, with the classes as the file spells them."""
    by_word = {str(label): label for label in dict.fromkeys(labels.given.tolist())}
    flips: dict[Any, Any] = {}
    for pair in pairs:
        source, mark, target = pair.partition("=")
        if not mark:
            raise TableError(f"--flip: {pair!r} is not FROM=TO")
        for word in (source, target):
            if word not in by_word:
                raise TableError(
                    f"--flip: {word!r} is not a class; the classes are {column_list([*by_word])}"
                )
        flips[by_word[source]] = by_word[target]
    return flips


def _compact(values: NDArray[Any]) -> NDArray[Any]:
    """Give bools and numbers their own dtype; leave text as objects."""
    compact = np.array(values.tolist())
    same = len(values) > 0 and compact.dtype.kind in "biuf"
    # np.array turns [True, 2] into numbers: a mixed column stays as it is.
    return compact if same and len({isinstance(v, bool) for v in values}) == 1 else values


def _check_kind(name: str, given: pd.Series[Any]) -> None:
    scalars = given.map(lambda value: isinstance(value, str | bool | int | float | np.generic))
    if pd.api.types.is_datetime64_any_dtype(given.dtype) or not bool(scalars.all()):
        raise TableError(
            f"--label: column {name!r} holds {given.dtype} values; "
            "classes are text, whole numbers or true/false"
        )
    if pd.api.types.is_float_dtype(given.dtype):
        broken = given[given % 1 != 0]
        if len(broken):
            raise _fractions(name, f"{broken.iloc[0]:g}")
    kinds = set(given.map(lambda value: isinstance(value, str)))
    if len(kinds) > 1:
        raise TableError(f"--label: column {name!r} mixes text and numbers; make all of them text")


def _refuse_fractions(name: str, cells: pd.Series[Any], form: NumberFormat | None) -> None:
    """Refuse text in which every cell is a number and some are fractions."""
    if form is None or cells.str.contains(r"[^\W\deE_]").any():
        return  # with a unit they may well be classes: 0.5 l, 1.5 l
    numbers = read_numbers(cells, form)
    # Whole numbers beyond the largest double are infinite, and equal their floor too.
    broken = np.flatnonzero(numbers != np.floor(numbers))
    if len(broken) and np.isfinite(numbers).all():
        raise _fractions(name, cells.iloc[broken[0]])


def _fractions(name: str, example: Any) -> TableError:
    return TableError(
        f"--label: column {name!r} holds fractions or infinities (for example "
        f"{example}), so it looks like a measurement; classes are text, whole "
        "numbers or true/false"
    )


def _whole(labels: pd.Series[Any]) -> pd.Series[Any]:
    """Turn floats, which whole numbers become where a label is missing, back."""
    if pd.api.types.is_float_dtype(labels.dtype) and (labels.abs() <= 2**53).all():
        return labels.astype(np.int64)
    return labels


def _check_count(name: str, n_classes: int, n_given: int) -> None:
    if n_classes < 2:
        raise TableError(
            f"--label: column {name!r} has only one class; two or more classes are needed"
        )
    # In a handful of rows a class may well stand alone; an id never repeats.
    most = n_given / 2 if n_given >= 20 else n_given - 1
    if n_classes > max(2, most):
        raise TableError(
            f"--label: column {name!r} has {n_classes} different values in "
            f"{count_of(n_given, 'row')}; a label column repeats each of its classes"
        )


def _look_alikes(name: str, classes: list[str]) -> tuple[str, ...]:
    """Name classes that a reader would take for one: nearly always a slip."""
    groups: dict[Any, list[str]] = {}
    for word in classes:
        groups.setdefault(_bare(word), []).append(word)
    twins = [word for group in groups.values() if len(group) > 1 for word in group]
    if not twins:
        return ()
    return (
        f"column {name!r}: {column_list(twins)} differ only in case, blanks, Unicode form or the "
        "spelling of a number, and count as different classes; give those that are one class one "
        "spelling",
    )


def _bare(word: str) -> Any:
    """What is left of a word without case, blanks, invisible letters and Unicode forms."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    seen = "".join(letter for letter in folded if unicodedata.category(letter) != "Cf")
    seen = unicodedata.normalize("NFKC", " ".join(seen.split()))
    # Whole numbers exactly: a float would make neighbours beyond 2**53 equal.
    if re.fullmatch(r"[+-]?[0-9]{1,300}(\.0*)?", seen):
        return int(seen.split(".")[0])
    try:
        return float(seen)
    except ValueError:
        return seen
