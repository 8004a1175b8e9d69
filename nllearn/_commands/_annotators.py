"""``nllearn clean`` where several annotators labelled the rows: in columns, or in a long table."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nllearn._commands._files import check_written
from nllearn._commands._options import CommandError, reading_of, say
from nllearn._commands._review import write_page
from nllearn._commands._rows import embeddings_of, features_of, plans_of

if TYPE_CHECKING:
    from nllearn.tables import Table

__all__ = ["clean_annotated", "label_columns"]


def label_columns(args: argparse.Namespace) -> list[str] | None:
    """Names of several label columns, or of the one of a long table; None for one label per row.

    A column whose own name has a comma is one column.
    """
    if args.annotator is not None or args.item is not None:
        if args.annotator is None or args.item is None or args.label is None:
            raise CommandError(
                "a long table needs --item COLUMN (the row that was labelled), --annotator COLUMN "
                "(who did) and --label COLUMN (what was said)"
            )
        return [args.label]
    if args.label is None or "," not in args.label:
        return None
    from nllearn.tables import read_table

    known = read_table(args.table, **reading_of(args)).names
    return None if args.label in known else [name.strip() for name in args.label.split(",")]


def clean_annotated(args: argparse.Namespace, names: list[str], estimator: Any) -> float:
    """Read, learn from the labels of all annotators, write one line per row, sum up.

    Parameters
    ----------
    args : Namespace
    names : list of str
        From :func:`label_columns`.
    estimator : LabelCleaner

    Returns
    -------
    rate : float
        Estimated share of wrong labels.
    """
    import numpy as np
    import pandas as pd

    from nllearn.tables import (
        RESULT_COLUMNS,
        check_output,
        read_table,
        refuse_taken,
        summary_lines,
        write_table,
    )

    _refuse_options(args)
    check_output(args.output, args.table, force=args.force)
    written = {"--output": args.output, "--report": args.report}
    check_written(
        written, {"the table": args.table, "--embeddings": args.embeddings}, force=args.force
    )
    table = read_table(args.table, label=names[0], **reading_of(args))
    say(args, f"{args.table}: {table.n_rows} rows, {len(table.names)} columns")
    aside = list(names)
    if args.annotator is None:
        labels = _columns(table, names)
    else:
        table, labels = _long(args, table)
        aside += [args.annotator, args.item]
    added = [*RESULT_COLUMNS, *(f"quality of {name}" for name in labels.columns)]
    refuse_taken(table, added)
    args.drop = [*args.drop, *(name for name in aside[1:] if name not in args.drop)]
    embeddings = embeddings_of(args.embeddings, table.n_rows) if args.embeddings else None
    plans = plans_of(args, table, names[0])
    X = features_of(args, table, plans, embeddings)
    say(
        args,
        f"learning from a table of {table.n_rows} x {X.shape[1]}, {int(labels.notna().sum().sum())}"
        f" labels of {labels.shape[1]} annotators",
    )
    estimator.fit(pd.DataFrame(X, index=np.arange(table.n_rows)), labels)
    rows = estimator.row_issues(threshold=args.threshold)
    columns = rows[list(RESULT_COLUMNS)].copy()
    columns.loc[rows["n_labels"] == 0, "label_quality"] = np.nan
    for a, name in enumerate(labels.columns):
        columns[f"quality of {name}"] = estimator.label_quality_[:, a]
    write_table(table, columns, args.output, force=args.force)

    for line in summary_lines(rows, estimator.noise_rate_):
        say(args, line)
    order = np.argsort(-estimator.annotator_quality_, kind="stable")
    say(args, "annotators, and the share of their labels that is right")
    for a in order[:20]:
        say(args, f"  {labels.columns[a]}  {estimator.annotator_quality_[a]:.0%}")
    for a, b in np.argwhere(np.triu(estimator.annotator_dependence_, 1) > 0.5)[:5]:
        share = estimator.annotator_dependence_[a, b]
        say(
            args,
            f"note: {labels.columns[a]} and {labels.columns[b]} share {share:.0%} of their "
            "labels beyond chance; one may copy the other",
        )
    n_missing = int((rows["n_labels"] == 0).sum())
    if n_missing:
        say(args, f"rows without a label  {n_missing}, filled with the prediction")
    say(args, f"written: {args.output}")
    if args.report:
        options = {"threshold": args.threshold, "overwrite": args.force, "audit": args.audit}
        write_page(estimator, table.written, args.report, **options)
        say(args, f"written: {args.report}")
    return float(estimator.noise_rate_)


def _refuse_options(args: argparse.Namespace) -> None:
    """Refuse what several annotators have no use for."""
    for name in ("trusted", "save", "id"):
        if getattr(args, name) is not None:
            raise CommandError(
                f"--{name} is for one label per row; with several annotators use LabelCleaner in "
                "Python"
            )
    if args.missing_labels != "error":
        raise CommandError(
            "--missing-labels is for one label per row; with several annotators rows without a "
            "label are filled with the prediction"
        )
    if args.method != "cleaner":
        raise CommandError(
            f"--method {args.method} takes one label per row; leave --method out for several "
            "annotators"
        )


def _columns(table: Table, names: list[str]) -> Any:
    """Labels of one column per annotator, gaps as None."""
    import pandas as pd

    from nllearn.tables import read_labels
    from nllearn.tables._errors import unknown_column

    found = {}
    for name in names:
        if name not in table.frame.columns:
            raise unknown_column(name, table.names, option="--label")
        column = read_labels(
            table, name, keep_na_words=table.reading.keep_na_words, one_of_several=True
        )
        values = column.values.astype(object)
        values[column.missing] = None
        found[name] = values
    if len(found) < len(names):
        raise CommandError(f"--label names a column twice: {', '.join(names)}")
    return _of_one_kind(pd.DataFrame(found, dtype=object))


def _long(args: argparse.Namespace, table: Table) -> tuple[Table, Any]:
    """First line of every item, and labels with one column per annotator."""
    import numpy as np
    import pandas as pd

    from nllearn.tables import read_labels
    from nllearn.tables._errors import unknown_column

    for option in ("item", "annotator", "label"):
        if getattr(args, option) not in table.frame.columns:
            raise unknown_column(getattr(args, option), table.names, option=f"--{option}")
    cells = table.written
    column = read_labels(table, args.label, keep_na_words=table.reading.keep_na_words)
    items, _ = pd.factorize(cells[args.item].astype(str))
    people, names = pd.factorize(cells[args.annotator].astype(str), sort=True)
    if len(names) < 2:
        raise CommandError(f"--annotator: column {args.annotator!r} names one annotator only")
    twice = (
        pd.Series(list(zip(items, people, strict=True))).duplicated().to_numpy() & ~column.missing
    )
    if twice.any():
        row = int(twice.argmax())
        raise CommandError(
            f"row {row} labels item {cells[args.item].iloc[row]!r} by "
            f"{cells[args.annotator].iloc[row]!r} a second time; keep one label of each"
        )
    for option in ("item", "annotator"):
        name = getattr(args, option)
        blank = (cells[name].isna() | (cells[name].astype(str).str.strip() == "")).to_numpy()
        if blank.any():
            raise CommandError(
                f"--{option}: row {int(blank.argmax())} of column {name!r} is blank ({blank.sum()} "
                "rows are); fill in the name, or leave these rows out"
            )
    values = np.full((items.max() + 1, len(names)), None, dtype=object)
    known = ~column.missing
    values[items[known], people[known]] = column.values[known]
    first = np.zeros(table.n_rows, dtype=bool)
    first[np.unique(items, return_index=True)[1]] = True
    table = table.select(first)
    table = replace(table, reading=replace(table.reading, n_rows=table.n_rows))
    return table, _of_one_kind(pd.DataFrame(values, columns=names, dtype=object))


def _of_one_kind(labels: Any) -> Any:
    """Labels as text where the columns hold several kinds."""
    kinds = {type(value) for value in labels.to_numpy().ravel() if value is not None}
    if len(kinds) < 2:
        return labels
    return labels.map(lambda value: None if value is None else str(value))
