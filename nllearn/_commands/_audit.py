"""``nllearn audit``: draw rows to look at, and say what the answers show."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nllearn._commands._files import check_written, header_names
from nllearn._commands._options import (
    CommandError,
    add_reading_options,
    add_run_options,
    number,
    reading_of,
    refuse_reading_options,
    say,
)
from nllearn._commands._review import refuse_annotated, rows_of_fit
from nllearn._commands._sample import RIGHT, WRONG, read_answers, write_sample

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nllearn.audit import Audit, AuditedLabels
    from nllearn.tables import Reading

__all__ = ["add_audit_command"]


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
        "changes help, each with its 95 % interval.",
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
        read = {args.source: args.source, "--table": args.table}
        check_written({"--out": args.output}, read, force=args.force)
    audited, numbers, shown, reading = _read_source(args)
    if args.sample is None:
        _sum_up(args, audited, numbers, reading)
        return

    from nllearn.audit import draw_audit_sample

    rows = draw_audit_sample(audited, args.sample, random_state=args.seed)
    write_sample(args.output, audited, numbers, rows, shown, reading, force=args.force)
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
    if args.table is None:
        refuse_reading_options(args, "with a saved model and no --table")

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
    refuse_annotated(table.names, args.source)
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
    cells = table.written
    corrected = cells["corrected_label"].astype(str).to_numpy()[numbers]
    classes = np.unique(np.concatenate([words, corrected.astype(str)]))
    audited = AuditedLabels(
        given=np.searchsorted(classes, words),
        corrected=np.searchsorted(classes, corrected.astype(str)),
        quality=quality[numbers],
        classes=classes,
        boundary_quality=_boundary_quality(table.frame, numbers),
    )
    shown = cells.drop(columns=args.label)
    return audited, numbers, shown.iloc[numbers].reset_index(drop=True), table.reading


def _boundary_quality(frame: pd.DataFrame, numbers: np.ndarray) -> np.ndarray | None:
    """Quality if noise lies at the class boundary, where the cleaned table has it."""
    import pandas as pd

    from nllearn.tables import BOUNDARY_COLUMN

    if BOUNDARY_COLUMN not in frame.columns:
        return None
    values = pd.to_numeric(frame[BOUNDARY_COLUMN], errors="coerce").to_numpy(dtype=float)[numbers]
    return values if ((values >= 0) & (values <= 1)).all() else None


def _sum_up(
    args: argparse.Namespace, audited: AuditedLabels, numbers: np.ndarray, reading: Reading
) -> None:
    """Read the answers and print what they show."""
    import numpy as np

    from nllearn.audit import Audit
    from nllearn.inspection import threshold_lines

    audit = _audit_of_page(args.answers, audited)
    if audit is None:
        answers = read_answers(
            args.answers,
            audited.given,
            audited.classes,
            numbers,
            source=args.source,
            encodings=(args.encoding, reading.encoding),
        )
        rows, codes = np.array(list(answers)), np.array(list(answers.values()))
        audit = Audit(audited, rows, codes == audited.given[rows], codes)
    # Those are steps in Python; here trusted rows settle where noise lies.
    summary = [text for text in audit.summary(args.fdr) if not text.startswith("next: fit ")]
    for text in (*summary, *threshold_lines(audited.quality, audit=audit)):
        say(args, text)
    say(
        args,
        "next: nllearn apply ANSWERS --table CLEANED --label COLUMN -o FINAL writes these "
        "labels; nllearn clean FINAL --label final_label --trusted is_reviewed cleans again with "
        "them",
    )


def _audit_of_page(path: str, audited: AuditedLabels) -> Audit | None:
    """Audit of the decisions that the review page exported; None for another file."""
    import pandas as pd

    from nllearn.audit import audit_labels
    from nllearn.inspection import audit_answers

    if not path.lower().endswith(".json") and not {"decision", "audit"} <= header_names(path):
        return None
    given, corrected = (audited.classes[codes] for codes in (audited.given, audited.corrected))
    labels = pd.DataFrame({"given_label": given, "corrected_label": corrected})
    return audit_labels(audited, *audit_answers(labels, path))
