"""``nllearn audit``: draw rows to look at, and say what the answers show."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nllearn._commands._options import (
    CommandError,
    add_reading_options,
    add_run_options,
    number,
    reading_of,
    say,
)
from nllearn._commands._review import refuse_existing, rows_of_fit

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nllearn.audit import Audit, AuditedLabels
    from nllearn.tables import Reading

__all__ = ["add_audit_command"]

# Columns of the sample; the answers go into the last.
SAMPLE_COLUMNS = ("row", "given_label", "true_label")
# Answers that name no class, unless a class is called so.
RIGHT, WRONG = "right", "wrong"


def add_audit_command(commands: Any) -> None:
    """Add the command to the parser.

    Parameters
    ----------
    commands : argparse's object of ``add_subparsers``
    """
    audit = commands.add_parser(
        "audit",
        help="how good the labels and their corrections are, from a few rows looked at",
        description="First draw rows with --sample and write the true label of each into the "
        "column true_label, or 'right' or 'wrong'. Then pass the file with --answers: noise rate, "
        "precision of the changes, a threshold for a wanted false discovery rate, and whether the "
        "changes help, each with its 95 %% interval.",
    )
    audit.set_defaults(run=_audit)
    audit.add_argument(
        "source",
        metavar="MODEL_OR_CLEANED",
        help="a saved model, or the table that `nllearn clean` wrote (with --label)",
    )
    audit.add_argument("--label", metavar="COLUMN", help="the label column of a cleaned table")
    what = audit.add_mutually_exclusive_group(required=True)
    what.add_argument("--sample", type=number(int, 1), metavar="N", help="draw N rows; 30 is good")
    what.add_argument(
        "--answers",
        metavar="SAMPLE.csv",
        help="the sample with answers, or what the review page exported (.json or .csv)",
    )
    audit.add_argument(
        "-o", "--out", "--output", dest="output", metavar="SAMPLE.csv", help="where --sample writes"
    )
    audit.add_argument(
        "--table", help="with a model: the rows that it was fitted on, to show in the sample"
    )
    audit.add_argument(
        "--fdr",
        type=number(float, 0.001, 0.999),
        default=0.1,
        metavar="Q",
        help="with --answers: share of right labels among the flagged ones that a threshold may "
        "have (default: %(default)s)",
    )
    audit.add_argument("--force", action="store_true", help="replace the sample if it exists")
    add_reading_options(audit)
    add_run_options(audit)


def _audit(args: argparse.Namespace) -> None:
    """Draw a sample, or sum up the answers."""
    if args.sample is not None:
        if args.output is None:
            raise CommandError("--sample needs --out SAMPLE.csv, the file to write")
        if Path(args.output).suffix.lower() not in (".csv", ".tsv"):
            raise CommandError(f"--out: {args.output} must end in .csv or .tsv")
        refuse_existing(args.output, force=args.force)
    audited, numbers, shown, reading = _read_source(args)
    if args.sample is None:
        _sum_up(args, audited, numbers)
        return

    from nllearn.audit import draw_audit_sample

    rows = draw_audit_sample(audited, args.sample, random_state=args.seed)
    _write_sample(args.output, audited, numbers, rows, shown, reading, force=args.force)
    say(args, f"written: {args.output}, {len(rows)} of {len(numbers)} rows")
    say(args, f"next: fill in true_label (a class, {RIGHT} or {WRONG}; from the top if not all)")


def _read_source(
    args: argparse.Namespace,
) -> tuple[AuditedLabels, np.ndarray, pd.DataFrame | None, Reading]:
    """Labels to audit, the rows' numbers in the table, what to show of them, how it was read."""
    from nllearn.tables._reading import ending_of

    if ending_of(args.source):
        return _read_cleaned(args)
    if args.label is not None:
        raise CommandError("--label has no effect with a saved model, which knows its labels")

    import numpy as np

    from nllearn.persistence import load

    try:
        estimator = load(args.source)
    except TypeError as error:
        raise CommandError(str(error)) from error
    audited = estimator.audited_labels()
    from nllearn.tables import Reading, read_table

    stored = estimator.table_reading_
    reading = Reading() if stored is None else Reading.from_dict(stored)
    # nllearn clean kept the numbers of the rows that have a label.
    numbers = np.arange(len(audited.given)) if reading.rows is None else np.asarray(reading.rows)
    if args.table is None:
        return audited, numbers, None, reading
    table = read_table(args.table, reading=reading, **reading_of(args))
    frame = rows_of_fit(table, reading, estimator, args.table)
    return audited, numbers, frame.reset_index(drop=True), table.reading


def _read_cleaned(
    args: argparse.Namespace,
) -> tuple[AuditedLabels, np.ndarray, pd.DataFrame, Reading]:
    """The same from the table that ``nllearn clean`` wrote."""
    import numpy as np
    import pandas as pd

    from nllearn.audit import AuditedLabels
    from nllearn.tables import read_labels, read_table

    table = read_table(args.source, label=args.label, **reading_of(args))
    lacking = [name for name in ("corrected_label", "label_quality") if name not in table.names]
    if lacking:
        raise CommandError(
            f"{args.source} has no column {lacking[0]!r}; pass the table that nllearn clean wrote, "
            "or a saved model"
        )
    if args.label is None:
        raise CommandError(f"name the label column of {args.source} with --label")
    quality = pd.to_numeric(table.frame["label_quality"], errors="coerce").to_numpy(dtype=float)
    # Cleaning gave a quality to every row that has a label, and to no other.
    labels = read_labels(
        table,
        args.label,
        keep_na_words=table.reading.keep_na_words,
        given=table.frame["label_quality"].notna().to_numpy(dtype=bool),
    )
    numbers = np.flatnonzero(~labels.missing)
    if not ((quality[numbers] >= 0) & (quality[numbers] <= 1)).all():
        raise CommandError(
            f"{args.source}: label_quality must be between 0 and 1 in every row that has a label"
        )
    words = np.array([str(value) for value in labels.given])
    cells = table.frame if table.cells is None else table.cells
    corrected = cells["corrected_label"].astype(str).to_numpy()[numbers]
    classes = np.unique(np.concatenate([words, corrected.astype(str)]))
    audited = AuditedLabels(
        given=np.searchsorted(classes, words),
        corrected=np.searchsorted(classes, corrected.astype(str)),
        quality=quality[numbers],
        classes=classes,
    )
    shown = cells.drop(columns=args.label)
    return audited, numbers, shown.iloc[numbers].reset_index(drop=True), table.reading


def _write_sample(
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
    """
    import pandas as pd

    from nllearn._atomic_write import atomic_write
    from nllearn.inspection import guard_cell
    from nllearn.tables import RESULT_COLUMNS, is_number

    def guarded(cell: Any) -> Any:
        # No spreadsheet runs a number.
        return guard_cell(cell) if isinstance(cell, str) and not is_number(cell) else cell

    sample = pd.DataFrame(
        {
            "row": numbers[rows],
            "given_label": [str(label) for label in audited.classes[audited.given[rows]]],
            "true_label": "",
        }
    )
    if shown is not None:
        free = shown.iloc[rows].reset_index(drop=True)
        hidden = {*SAMPLE_COLUMNS, *RESULT_COLUMNS}
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


def _sum_up(args: argparse.Namespace, audited: AuditedLabels, numbers: np.ndarray) -> None:
    """Read the answers and print what they show."""
    from nllearn.inspection import threshold_lines

    audit = _audit_of_page(args.answers, audited)
    if audit is None:
        audit = _audit_of_sample(args, audited, numbers)
    for text in (*audit.summary(args.fdr), *threshold_lines(audited.quality, audit=audit)):
        say(args, text)


def _audit_of_page(path: str, audited: AuditedLabels) -> Audit | None:
    """Audit of the decisions that the review page exported; None for another file."""
    import pandas as pd

    from nllearn.audit import audit_labels
    from nllearn.inspection import audit_answers

    if not path.lower().endswith(".json"):
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            if not {"decision", "audit"} <= set(file.readline().strip().split(",")):
                return None
    given, corrected = (audited.classes[codes] for codes in (audited.given, audited.corrected))
    labels = pd.DataFrame({"given_label": given, "corrected_label": corrected})
    return audit_labels(audited, *audit_answers(labels, path))


def _audit_of_sample(
    args: argparse.Namespace, audited: AuditedLabels, numbers: np.ndarray
) -> Audit:
    """Audit of the sample that was written with --sample and filled in."""
    import numpy as np

    from nllearn.audit import Audit
    from nllearn.inspection import unguard_cell
    from nllearn.tables import read_table

    # A spreadsheet may have saved the answers with another separator, which is found.
    encoding = {} if args.encoding is None else {"encoding": args.encoding}
    cells = read_table(args.answers, label="true_label", **encoding).cells
    if cells is None:
        raise CommandError(
            f"--answers: {args.answers} must be the .csv or .tsv that --sample wrote, "
            "or what the review page exported"
        )
    lacking = [name for name in SAMPLE_COLUMNS if name not in cells.columns]
    if lacking:
        raise CommandError(f"--answers: {args.answers} has no column {lacking[0]!r}")
    place = {int(number): position for position, number in enumerate(numbers)}
    code_of = {str(label): code for code, label in enumerate(audited.classes)}
    true: dict[int, int] = {}  # position among the rows -> position in the classes
    lines = cells[list(SAMPLE_COLUMNS)].astype(str).itertuples(index=False)
    for line, (word, given, cell) in enumerate(lines, start=2):
        answer = unguard_cell(cell.strip())
        if not answer:
            continue
        where = f"{args.answers}, line {line}"
        row = place.get(int(word)) if word.strip().isdecimal() else None
        if row is None or row in true:
            how = "comes twice" if row is not None else f"is no row of {args.source} with a label"
            raise CommandError(f"{where}: row {word!r} {how}")
        code = int(audited.given[row])
        if _code_of(unguard_cell(given), code_of) != code:
            raise CommandError(
                f"{where}: the given label is {given!r}, but {args.source} has "
                f"{str(audited.classes[code])!r}; the answers belong to other data"
            )
        true[row] = _answer(answer, code, code_of, where)
    if not true:
        raise CommandError(f"--answers: the column true_label of {args.answers} is empty")
    rows, codes = np.array(list(true)), np.array(list(true.values()))
    return Audit(audited, rows, codes == audited.given[rows], codes)


def _answer(word: str, given: int, code_of: dict[str, int], where: str) -> int:
    """Position of the true label in the classes; -1 for one that is wrong and not known."""
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
