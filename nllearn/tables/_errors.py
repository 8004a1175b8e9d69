"""The one error that bad tables raise, and the helper that names look-alikes."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Sequence

__all__ = ["TableError", "column_list", "count_of", "first_line", "option_for", "unknown_column"]


class TableError(ValueError):
    """A table, a column or an output file that cannot be used as asked.

    The message is one line for the person at the keyboard: the value, the rule and the fix.
    """


def column_list(names: Sequence[str], limit: int = 12) -> str:
    """Write column names for a message, at most `limit` of them."""
    shown = ", ".join(repr(str(name)) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def count_of(number: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun: ``1 row``, ``2 rows``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def option_for(flag: str, name: str) -> str:
    """Write an option with the name of a column as a shell needs it.

    Parameters
    ----------
    flag : str
        The option.
    name : str
        The column, which may hold blanks, quotes or a dash in front.

    Returns
    -------
    text : str

    Examples
    --------
    >>> from nllearn.tables._errors import option_for
    >>> [option_for("--drop", name) for name in ("price", "unit price", "-x")]
    ['--drop price', "--drop 'unit price'", '--drop=-x']
    """
    mark = "=" if name.startswith("-") else " "
    return f"{flag}{mark}{shlex.quote(name)}"


def unknown_column(name: str, names: Iterable[str], *, option: str) -> TableError:
    """Build the error for a column that the table does not have, with close matches first."""
    known = [str(known) for known in names]
    # Compare without case and outer blanks: " Label" for "label" is the usual slip.
    folded = {known_name.strip().casefold(): known_name for known_name in reversed(known)}
    close = difflib.get_close_matches(name.strip().casefold(), list(folded), n=3, cutoff=0.6)
    hint = f"Did you mean {column_list([folded[c] for c in close])}? " if close else ""
    split = "" if len(known) > 1 else ". If that is a whole line of text, name its --separator"
    return TableError(
        f"{option}: the table has no column {name!r}. {hint}Its columns: {column_list(known)}"
        f"{split}"
    )


def first_line(error: BaseException) -> str:
    """First line of what an error says, or its type."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
