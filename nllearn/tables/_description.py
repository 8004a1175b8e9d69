"""How a table was read: one description that the commands write, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nllearn.tables._errors import TableError
from nllearn.tables._numbers import NumberFormat

__all__ = ["NA_WORDS", "Reading"]

# What pandas takes for a gap in a text file; a blank cell is one too.
NA_WORDS = frozenset(
    ("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN")
    + ("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null")
)
_MARKS = {"decimal": (".", ","), "thousands": (".", ",", " ", "'")}


@dataclass(frozen=True)
class Reading:
    """How a table is read: what the user says before, and what was found after.

    `nllearn clean` stores it in the model, so that later commands read the same table in the same
    way and find the rows of the fit.

    Attributes
    ----------
    encoding : str or None
        Of a text file. None is UTF-8, or what a byte order mark says.
    separator : str or None
        Between the cells of a text file. None finds out.
    decimal, thousands : str or None
        Marks of numbers in text, for all columns. None finds out for each column.
    sheet : str or None
        Of an Excel file. None is the first.
    keep_na_words : bool
        The words ``NA``, ``None`` and the like in the label column are classes.
    numbers : dict of str to NumberFormat
        Found: the columns of text that hold numbers, and how they write them.
    label, id : str or None
        The label column, and the column that names the rows.
    text : tuple of str
        Columns that were learned from as text.
    n_rows : int or None
        Rows of the table.
    rows : ndarray of int64 or None
        Numbers of the rows that had a label, in the order of the fit. None is all.
    """

    encoding: str | None = None
    separator: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    sheet: str | None = None
    keep_na_words: bool = False
    numbers: dict[str, NumberFormat] = field(default_factory=dict)
    label: str | None = None
    id: str | None = None
    text: tuple[str, ...] = ()
    n_rows: int | None = None
    rows: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        for name, marks in _MARKS.items():
            value = getattr(self, name)
            if value is not None and value not in marks:
                known = ", ".join(map(repr, marks))
                raise TableError(f"--{name}: {value!r} is not one of {known}")
        if self.decimal is not None and self.decimal == self.thousands:
            raise TableError(
                f"--decimal and --thousands are both {self.decimal!r}; name two different marks"
            )
        if self.separator is not None and (len(self.separator) != 1 or self.separator in '"\r\n'):
            raise TableError(
                f"--separator: {self.separator!r} is not one character, such as ';', '|' or tab"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        stored = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**stored, "numbers": {name: asdict(form) for name, form in self.numbers.items()}}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Reading:
        """Read what :meth:`to_dict` wrote; entries of later versions are passed over."""
        known = {f.name: stored[f.name] for f in fields(cls) if f.name in stored}
        known["numbers"] = {
            name: NumberFormat(**form) for name, form in known.get("numbers", {}).items()
        }
        return cls(**known)
