"""``nllearn clean``: find and correct the wrong labels of a table."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any

from nllearn._commands._annotators import clean_annotated, label_columns
from nllearn._commands._files import check_written
from nllearn._commands._options import (
    CommandError,
    add_column_options,
    add_page_audit,
    add_table_options,
    budget_of,
    number,
    say,
)
from nllearn._commands._review import rows_shown, write_page
from nllearn._commands._rows import embeddings_of, features_of, plans_of, read_rows

if TYPE_CHECKING:
    from nllearn.tables import Table

__all__ = ["add_clean_command"]

# Name on the command line -> class, and its method for rows without a label.
METHODS = {
    "cleaner": ("LabelCleaner", "label_proba"),
    "ah": ("AnchorHallucinationClassifier", "predict_proba"),
    "mixnn": ("MixNNClassifier", "predict_proba"),
}


def add_clean_command(commands: Any) -> None:
    """Add the command to the parser.

    Parameters
    ----------
    commands : argparse's object of ``add_subparsers``
    """
    clean = commands.add_parser(
        "clean",
        help="find and correct wrong labels of a table",
        description="Find and correct wrong labels. Writes the table with a corrected label, the "
        "quality of the given label and a prediction that ignores it for every row. The given "
        "labels stay as they are.",
    )
    clean.set_defaults(run=_clean)
    add_table_options(clean)
    add_column_options(clean)
    group = clean.add_argument_group(
        "several annotators (also: --label a,b,c, one column for each)"
    )
    group.add_argument(
        "--item", metavar="COLUMN", help="of a long table: names the row that was labelled"
    )
    group.add_argument(
        "--annotator", metavar="COLUMN", help="of a long table: names who labelled it"
    )
    clean.add_argument(
        "--id",
        metavar="COLUMN",
        help="names the rows on the review page and in exports; nothing is learnt from it",
    )
    clean.add_argument(
        "--missing-labels",
        choices=("error", "drop", "predict"),
        default="error",
        help="rows without a label: stop (default), leave them out of the output, or fill "
        "corrected_label with the prediction",
    )
    clean.add_argument(
        "--method",
        choices=tuple(METHODS),
        default="cleaner",
        help="LabelCleaner, which trains no network; or a classifier: anchor hallucination or "
        "MixNN, also for images (default: %(default)s)",
    )
    clean.add_argument(
        "--epochs", type=number(int, 3), metavar="N", help="of a classifier; default: automatic"
    )
    clean.add_argument(
        "--trusted",
        metavar="COLUMN",
        help="rows where this column is true, yes or 1 have a label that is known to be right; "
        "nothing else is learnt from it",
    )
    clean.add_argument(
        "--threshold",
        type=number(float, 0.0, 1.0),
        metavar="Q",
        help="also mark rows whose label_quality is below Q as label issues",
    )
    clean.add_argument(
        "--budget",
        type=budget_of,
        metavar="N",
        help="mark at most N rows as label issues, those of the lowest quality; with a point, as "
        "in 0.05, it is a share of the rows (only with --method cleaner)",
    )
    clean.add_argument(
        "--fail-above",
        type=number(float, 0.0, 1.0),
        metavar="RATE",
        help="end with exit code 1 where the estimated noise rate is above RATE, after all is "
        "written; for checks of data that a machine runs",
    )
    clean.add_argument("--device", default="auto", help="cpu, cuda, ... (default: %(default)s)")
    clean.add_argument("--report", metavar="PAGE.html", help="also write the review page")
    add_page_audit(clean)
    clean.add_argument("--save", metavar="MODEL", help="also save the fitted model")


def _clean(args: argparse.Namespace) -> int:
    """Read, learn, write, sum up."""
    import numpy as np
    import pandas as pd

    from nllearn.inspection import known_noise_rate, threshold_lines
    from nllearn.tables import (
        BOUNDARY_COLUMN,
        RESULT_COLUMNS,
        check_output,
        earlier_columns,
        missing_error,
        refuse_taken,
        result_columns,
        summary_lines,
        taken_over,
        write_table,
    )

    _check_method(args)
    if args.audit is not None and args.report is None:
        raise CommandError("--audit has no effect without --report PAGE.html, whose rows it draws")
    several = label_columns(args)
    if several is not None:
        with _interrupts():
            return exit_code(args, clean_annotated(args, several, _estimator(args)))
    check_output(args.output, args.table, force=args.force)
    written = {"--output": args.output, "--report": args.report, "--save": args.save}
    check_written(
        written, {"the table": args.table, "--embeddings": args.embeddings}, force=args.force
    )
    table, labels = read_rows(args)
    earlier = earlier_columns(table, labels.name)
    added = (*RESULT_COLUMNS, BOUNDARY_COLUMN)
    refuse_taken(table, [name for name in added if name not in earlier])
    if earlier:
        say(
            args,
            f"note: the table was cleaned before; its columns {', '.join(earlier)} are left aside, "
            "and those that cleaning writes are written anew",
        )
    n_taken_over = taken_over(table, labels.name, args.trusted)
    if n_taken_over:
        say(
            args,
            f"note: {n_taken_over} labels are suggestions of the earlier cleaning that nobody "
            "reviewed, and this one can hardly tell whether they are right; nllearn apply "
            "--undecided given keeps the label that was given to them",
        )
    embeddings = embeddings_of(args.embeddings, table.n_rows) if args.embeddings else None
    n_missing = int(labels.missing.sum())
    if n_missing and args.missing_labels == "error":
        raise missing_error(labels)
    given, known = labels.given, ~labels.missing
    if args.audit is not None and args.audit > len(given):
        raise CommandError(f"--audit {args.audit}: there are {len(given)} rows with a label")
    trusted = None if args.trusted is None else _trusted(table, args.trusted)[known]
    if trusted is not None:
        say(args, f"known to be right     {int(trusted.sum())} of {len(trusted)} rows")
    names = None if args.id is None else _row_names(args, table)[known]
    reading = replace(table.reading, n_rows=table.n_rows, id=args.id, rows=np.flatnonzero(known))
    if n_missing and args.missing_labels == "drop":
        table, embeddings = table.select(known), None if embeddings is None else embeddings[known]
        known = np.ones(table.n_rows, dtype=bool)
    plans = plans_of(args, table, labels.name, id=args.id, trusted=args.trusted)
    reading = replace(reading, text=tuple(plan.name for plan in plans if plan.role == "text"))
    X = features_of(args, table, plans, embeddings)
    if X.ndim > 2 and args.method == "cleaner":
        raise CommandError(
            f"the rows are images of shape {X.shape[1:]}, and --method cleaner needs a table or "
            "embeddings; use --method ah or mixnn, or add --embeddings FILE.npy"
        )
    say(
        args,
        f"learning from a table of {len(given)} x {X[0].size}, {len(np.unique(given))} classes",
    )

    estimator = _estimator(args)
    with _interrupts():
        # All rows as they are: a memmap is not copied.
        rows = X if known.all() else X[known]
        if X.ndim == 2 and (names is not None or n_missing):
            # The index carries the names of the rows, or their numbers in the table.
            rows = pd.DataFrame(rows, index=reading.rows if names is None else names)
        estimator.fit(rows, given, **({} if trusted is None else {"trusted": trusted}))
    # Later commands read the table as this one did.
    estimator.table_reading_ = reading.to_dict()
    issues = estimator.label_issues(threshold=args.threshold)
    proba = None if known.all() else getattr(estimator, METHODS[args.method][1])(X[~known])
    columns = result_columns(issues, known, classes=estimator.classes_, proba=proba)
    write_table(table, columns, args.output, force=args.force)
    rate = known_noise_rate(estimator)
    for line in summary_lines(issues, rate):
        say(args, line)
    for line in threshold_lines(issues["label_quality"]):
        say(args, line)
    if estimator.n_undecided_:
        say(
            args,
            f"undecided             {estimator.n_undecided_} rows near a class boundary keep their "
            "label: those of low boundary_quality; check about thirty of them and name them with "
            "--trusted",
        )
    if n_missing:
        how = "left out" if args.missing_labels == "drop" else "filled with the prediction"
        say(args, f"rows without a label  {n_missing}, {how}")
    say(args, f"written: {args.output}")
    if args.report:
        # With the threshold, so that page and table mark the same rows.
        options = {"threshold": args.threshold, "overwrite": args.force, "audit": args.audit}
        write_page(estimator, table.written[known], args.report, **rows_shown(reading), **options)
        say(args, f"written: {args.report}")
    if args.save:
        estimator.save(args.save, overwrite=args.force)
        say(args, f"written: {args.save}")
    if not estimator.has_signal_:
        say(
            args,
            "no label was changed: the features tell nothing about the labels, which are predicted "
            "no better than by the class frequencies",
        )
    return exit_code(args, rate)


def exit_code(args: argparse.Namespace, rate: float | None) -> int:
    """Tell whether the noise rate is above the limit that the user set; None is unknown."""
    if args.fail_above is not None and rate is None:
        say(args, "note: the noise rate is unknown, so --fail-above was not checked")
    if args.fail_above is None or rate is None or rate <= args.fail_above:
        return 0
    say(args, f"failed: the noise rate is above {args.fail_above:.4g}, see --fail-above")
    return 1


def _check_method(args: argparse.Namespace) -> None:
    """Reject options that the method does not use."""
    if args.epochs is not None and args.method == "cleaner":
        raise CommandError(
            "--epochs has no effect with --method cleaner, which trains no network; use --method "
            "ah or mixnn"
        )
    if args.budget is not None and args.method != "cleaner":
        raise CommandError(
            f"--budget has no effect with --method {args.method}; use --method cleaner"
        )


def _estimator(args: argparse.Namespace) -> Any:
    """Build what the options ask for."""
    return _make_estimator(
        args.method,
        epochs=args.epochs,
        budget=args.budget,
        seed=args.seed,
        device=args.device,
        verbose=int(sys.stderr.isatty() and not args.quiet),
    )


def _make_estimator(
    method: str,
    *,
    epochs: int | None,
    budget: float | None,
    seed: int,
    device: str,
    verbose: int,
) -> Any:
    """Build the estimator; the one place where the command line names its parameters."""
    shared: dict[str, Any] = {"random_state": seed, "device": device, "verbose": verbose}
    if method == "cleaner":
        from nllearn.cleaning import LabelCleaner

        return LabelCleaner(budget=budget, **shared)
    from nllearn import classifiers

    return getattr(classifiers, METHODS[method][0])(max_epochs=epochs, **shared)


def _row_names(args: argparse.Namespace, table: Table) -> Any:
    """Read the column that names the rows, as it is written."""
    from nllearn.tables._errors import unknown_column

    if args.id not in table.frame.columns:
        raise unknown_column(args.id, table.names, option="--id")
    column = table.written[args.id]
    names = column.where(column.notna(), "").astype(str)
    n_twice = int(names.duplicated(keep=False).sum())
    if n_twice:
        say(args, f"note: {n_twice} rows share their name in column {args.id!r} with another row")
    return names.to_numpy(dtype=object)


def _trusted(table: Table, name: str) -> Any:
    """Read the column that says which labels are known to be right."""
    from nllearn.tables import is_true
    from nllearn.tables._errors import unknown_column

    if name not in table.frame.columns:
        raise unknown_column(name, table.names, option="--trusted")
    try:
        return is_true(table.frame[name])
    except ValueError as error:
        raise CommandError(f"--trusted: {error}") from error


@contextlib.contextmanager
def _interrupts() -> Iterator[None]:
    """Let Ctrl-C end the command: skorch takes it as the wish to stop training early."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set a handler
        return
    seen = []

    def remember(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if seen:
        raise KeyboardInterrupt
