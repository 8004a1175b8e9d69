"""The sample of an audit: a table in which a person writes the true labels."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from nllearn._commands._files import header_names, refuse_existing
from nllearn._commands._options import CommandError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nllearn.audit import AuditedLabels
    from nllearn.tables import Reading

__all__ = ["RIGHT", "WRONG", "is_sample", "read_answers", "write_sample"]

# Columns of the sample; the answers go into the last.
SAMPLE_COLUMNS = ("row", "given_label", "true_label")
# Answers that name no class, unless a class is called so.
RIGHT, WRONG = "right", "wrong"


def is_sample(path: str) -> bool:
    """Tell by its header whether a file is the sample of an audit, and no file of decisions."""
    if not path.lower().endswith((".csv", ".tsv")):
        return False
    return {*SAMPLE_COLUMNS} <= header_names(path)


def write_sample(
    path: str,
    audited: AuditedLabels,
    numbers: np.ndarray,
    rows: np.ndarray,
    shown: pd.DataFrame | None,
    reading: Reading,
    *,
    force: bool,
) -> None:
    """Write the rows with an empty column. What cleaning suggests is not shown: it would lead.

    The spreadsheet that opened the table opens the sample: separator and encoding are the same.

    Parameters
    ----------
    path : str
    audited : AuditedLabels
    numbers : int64 ndarray of shape (n,)
        Of the rows in the table.
    rows : int64 ndarray of shape (m,)
        Of the sample, as positions in `numbers`.
    shown : DataFrame of n rows or None
        What to show of them.
    reading : Reading
        Of the table.
    force : bool
        Replace a file.
    """
    import pandas as pd

    from nllearn._atomic_write import atomic_write
    from nllearn.inspection import guard_cell
    from nllearn.tables import BOUNDARY_COLUMN, RESULT_COLUMNS, is_number

    def guarded(cell: Any) -> Any:
        # No spreadsheet runs a number.
        is_safe = not isinstance(cell, str) or is_number(cell.rstrip(" %"))
        return cell if is_safe else guard_cell(cell)

    sample = pd.DataFrame(
        {
            "row": numbers[rows],
            "given_label": [str(label) for label in audited.classes[audited.given[rows]]],
            "true_label": "",
        }
    )
    if shown is not None:
        free = shown.iloc[rows].reset_index(drop=True)
        hidden = {*SAMPLE_COLUMNS, *RESULT_COLUMNS, BOUNDARY_COLUMN, reading.label}
        free = free.drop(columns=[name for name in free.columns if name in hidden])
        sample = pd.concat([sample, free], axis=1)
    sample = sample.map(guarded)
    own = "," if reading.separator in (None, "\t") else reading.separator
    separator = "\t" if path.lower().endswith(".tsv") else own
    with atomic_write(path, lambda target: refuse_existing(str(target), force=force)) as temporary:
        sample.to_csv(
            temporary,
            sep=separator,
            encoding=reading.encoding or "utf-8",
            index=False,
            lineterminator="\n",
        )


def read_answers(
    path: str,
    given: np.ndarray,
    classes: np.ndarray,
    numbers: np.ndarray,
    *,
    source: str,
    encodings: tuple[str | None, str | None],
    shown: pd.DataFrame | None = None,
) -> dict[int, int]:
    """Read the answers from a sample that was filled in.

    Parameters
    ----------
    path : str
    given : int64 ndarray of shape (n,)
        Given labels as positions in `classes`.
    classes : ndarray of shape (n_classes,)
    numbers : int64 ndarray of shape (n,)
        Of the rows in the table.
    source : str
        What the rows come from, for errors.
    encodings : tuple of str or None
        What the user says, and that of the table. Without the first, UTF-8 is tried before the
        second.
    shown : DataFrame of n rows, optional
        The table, to tell that its rows are those that the sample shows.

    Returns
    -------
    answers : dict of int to int
        Position of a row -> its true label as a position in `classes`; -1 where the given one
        is wrong and no other was named.

    Raises
    ------
    CommandError
        For answers about other rows, or none.
    """
    from nllearn.inspection import unguard_cell

    cells = _read_cells(path, *encodings)
    if cells is None:
        raise CommandError(
            f"--answers: {path} must be the .csv or .tsv that --sample wrote, "
            "or what the review page exported"
        )
    lacking = [name for name in SAMPLE_COLUMNS if name not in cells.columns]
    if lacking:
        raise CommandError(f"--answers: {path} has no column {lacking[0]!r}")
    place = {int(number): position for position, number in enumerate(numbers)}
    code_of = {str(label): code for code, label in enumerate(classes)}
    true: dict[int, int] = {}
    lines = cells[list(SAMPLE_COLUMNS)].astype(str).itertuples(index=False)
    for line, (word, own, cell) in enumerate(lines, start=2):
        answer = unguard_cell(cell)
        if not answer.strip():
            continue
        where = f"{path}, line {line}"
        row = place.get(int(word)) if word.strip().isdecimal() else None
        if row is None or row in true:
            how = "comes twice" if row is not None else f"is no row of {source} with a label"
            raise CommandError(f"{where}: row {word!r} {how}")
        code = int(given[row])
        if _code_of(unguard_cell(own), code_of) != code:
            raise CommandError(
                f"{where}: the given label is {own!r}, but {source} has "
                f"{str(classes[code])!r}; the answers belong to other data"
            )
        true[row] = _answer(answer, code, code_of, where)
        if shown is not None and not _is_same_row(cells.iloc[line - 2], shown.iloc[row]):
            raise CommandError(
                f"{where}: row {word} of the sample is another one in {source}; the sample was "
                "drawn from a table with other rows, such as one before --missing-labels drop: "
                "draw it from this table"
            )
    if not true:
        raise CommandError(f"--answers: the column true_label of {path} is empty")
    return true


def _is_same_row(sampled: pd.Series, row: pd.Series) -> bool:
    """Whether at least half of the cells that both have are alike; a spreadsheet changes some."""
    from nllearn.inspection import unguard_cell

    def number(word: str) -> float | None:
        with contextlib.suppress(ValueError):
            return float(word.replace(",", "."))
        return None

    names = [name for name in sampled.index if name in row.index and name not in SAMPLE_COLUMNS]
    pairs = [(unguard_cell(str(sampled[name])).strip(), str(row[name]).strip()) for name in names]
    pairs = [(one, two) for one, two in pairs if one or two]
    alike = sum(one == two or number(one) == number(two) is not None for one, two in pairs)
    return 2 * alike >= len(pairs)


def _read_cells(path: str, asked: str | None, own: str | None) -> pd.DataFrame | None:
    """Cells of a sample. A spreadsheet may have saved it with another separator, which is found."""
    from nllearn.tables import TableError, read_table

    tried = [asked] if asked is not None else [None, own]
    for encoding in tried[:-1]:
        with contextlib.suppress(TableError):
            return read_table(path, label=SAMPLE_COLUMNS[-1], encoding=encoding).cells
    return read_table(path, label=SAMPLE_COLUMNS[-1], encoding=tried[-1]).cells


def _answer(word: str, given: int, code_of: dict[str, int], where: str) -> int:
    """Position of the true label in the classes; -1 for one that is wrong and not known."""
    found = _code_of(word, code_of)
    word = word.strip()
    if found is None:
        # A class may end in a blank; a blank that was typed may follow one that does not.
        found = _code_of(word, code_of)
    if found is not None:
        return found
    if word.lower() == RIGHT:
        return given
    if word.lower() == WRONG:
        return 1 - given if len(code_of) == 2 else -1
    known = ", ".join(map(repr, list(code_of)[:20]))
    raise CommandError(
        f"{where}: true_label is {word!r}; write one of the classes ({known}), {RIGHT}, {WRONG}, "
        "or nothing for a row that nobody looked at"
    )


def _code_of(word: str, code_of: dict[str, int]) -> int | None:
    """Position of a class by its text; a spreadsheet may have made 1.0 of 1."""
    if word in code_of:
        return code_of[word]
    with contextlib.suppress(ValueError):
        value = float(word)
        for name, code in code_of.items():
            with contextlib.suppress(ValueError):
                if float(name) == value:
                    return code
    return None
