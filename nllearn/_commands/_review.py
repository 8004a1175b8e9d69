"""The commands ``nllearn report`` and ``nllearn apply``: what a person sees and decides."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from nllearn._commands._files import check_written
from nllearn._commands._options import (
    CommandError,
    add_page_audit,
    add_reading_options,
    reading_of,
    say,
)
from nllearn._commands._sample import is_sample, read_answers

if TYPE_CHECKING:
    import pandas as pd

    from nllearn.inspection import Decision
    from nllearn.tables import Reading, Table

__all__ = ["add_review_commands", "refuse_annotated", "rows_of_fit", "rows_shown", "write_page"]


def add_review_commands(commands: Any) -> None:
    """Add both commands to the parser.

    Parameters
    ----------
    commands : argparse's object of ``add_subparsers``
    """
    report = commands.add_parser(
        "report",
        help="write the review page of a saved model",
        description="Write one HTML file in which a person reviews the label issues of a model "
        "that `nllearn clean --save` or save() wrote.",
    )
    report.add_argument("model", metavar="MODEL", help="the saved model")
    report.add_argument(
        "--table",
        required=True,
        help="the table that the model was fitted on: what the page shows",
    )
    report.add_argument("-o", "--output", required=True, metavar="PAGE.html")
    report.add_argument(
        "--threshold",
        type=float,
        metavar="Q",
        help="also show rows whose label_quality is below Q, as nllearn clean --threshold does",
    )
    report.add_argument(
        "--by",
        metavar="COLUMN",
        help="also print the noise rate of every group of rows, such as their source",
    )
    add_page_audit(report)
    _add_page_options(report)
    report.set_defaults(run=_report)

    apply = commands.add_parser(
        "apply",
        help="write the final labels after a review",
        description="Write the cleaned table with the columns final_label and is_reviewed.",
    )
    apply.add_argument(
        "decisions",
        metavar="DECISIONS",
        help=".json or .csv that the review page exported, the JSON export of Label Studio, or "
        "the sample of `nllearn audit` with its answers",
    )
    apply.add_argument("--table", required=True, help="the table that `nllearn clean` wrote")
    apply.add_argument("--label", required=True, metavar="COLUMN", help="its label column")
    apply.add_argument("-o", "--output", required=True, metavar="OUT")
    apply.add_argument(
        "--undecided",
        choices=("corrected", "given"),
        default="corrected",
        help="label of rows that nobody decided (default: %(default)s)",
    )
    _add_common(apply)
    apply.set_defaults(run=_apply)


def _add_page_options(parser: argparse.ArgumentParser) -> None:
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--text", metavar="COLUMN", help="show this column as text")
    shown.add_argument("--images", metavar="COLUMN", help="show the image files of this column")
    parser.add_argument("--title", default="Label review")
    parser.add_argument("--max-rows", type=int, default=20_000, metavar="N")
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="replace the output if it exists")
    add_reading_options(parser)
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def write_page(estimator: Any, frame: Any, path: str, **options: Any) -> None:
    """Write the review page of an estimator with the rows of a frame.

    Parameters
    ----------
    estimator : fitted estimator
    frame : DataFrame
        The rows of ``fit``.
    path : str
    **options
        ``text`` and ``images``, names of columns or None; and anything of ``report``.
    """
    from nllearn.tables import WRITTEN_COLUMNS

    # What a cleaning suggested would lead in an audit, and that of an earlier one confuses.
    frame = frame.drop(columns=[name for name in frame.columns if name in WRITTEN_COLUMNS])
    text, images = options.pop("text", None), options.pop("images", None)
    for column in (text, images):
        if column is not None:
            check_column(frame, column, "to show")
    shown: dict[str, Any] = {"table": frame if frame.shape[1] else None}
    lead = text if images is None else images
    if lead is not None:
        others = frame.drop(columns=lead)
        shown = {"table": others if others.shape[1] else None}
        shown["texts" if images is None else "images"] = frame[lead].astype(str).tolist()
    estimator.report(path, **shown, **options)


def rows_shown(reading: Reading) -> dict[str, str]:
    """Say which column the page shows of every row: the text, where there is one such column."""
    return {"text": reading.text[0]} if len(reading.text) == 1 else {}


def _report(args: argparse.Namespace) -> None:
    from nllearn.persistence import load
    from nllearn.tables import Reading, read_table

    read = {"the model": args.model, "the table": args.table}
    check_written({"--output": args.output}, read, force=args.force)
    estimator = _or_one_line(lambda: load(args.model))
    stored = getattr(estimator, "table_reading_", None)
    reading = Reading() if stored is None else Reading.from_dict(stored)
    table = read_table(args.table, reading=reading, **reading_of(args))
    frame = rows_of_fit(table, reading, estimator, args.table)
    if args.by is not None:
        check_column(frame, args.by, "to group by")
    asked = {"text": args.text, "images": args.images}
    asked = {option: name for option, name in asked.items() if name is not None}
    _or_one_line(
        lambda: write_page(
            estimator,
            frame,
            args.output,
            **(asked or rows_shown(reading)),
            title=args.title,
            max_rows=args.max_rows,
            threshold=args.threshold,
            audit=args.audit,
            overwrite=args.force,
        )
    )
    if args.by is not None:
        say(args, _noise_lines(estimator.noise_by(frame[args.by]), args.by))
    say(args, f"written: {args.output}")


def refuse_annotated(names: Iterable[str], path: str) -> None:
    """Refuse a cleaned table of several annotators: its results are about what they say together.

    Parameters
    ----------
    names : iterable of str
        Columns of the table.
    path : str

    Raises
    ------
    CommandError
        If a column is the quality of one annotator's labels.
    """
    # A column of the user's own may be called so; of several annotators there are two or more.
    if sum(name.startswith("quality of ") for name in names) > 1:
        raise CommandError(
            f"{path} was cleaned from the labels of several annotators, and corrected_label is "
            "about all of them together: review and audit such labels in Python "
            "(LabelCleaner.report and apply_decisions)"
        )


def rows_of_fit(table: Table, reading: Reading, estimator: Any, path: str) -> Any:
    """Rows that a model was fitted on, as they are written, checked by the labels they have."""
    import numpy as np

    frame, n = table.written, len(estimator.label_quality_)
    if reading.rows is not None and len(frame) == reading.n_rows:
        frame = frame.iloc[reading.rows]
    if len(frame) != n:
        raise ValueError(
            f"{path} has {len(frame)} rows, but the model was fitted on {n}; pass the table of the "
            "fit, or its rows that have a label"
        )
    if reading.label in table.names:
        given = estimator.classes_[estimator.training_rows().given].astype(str)
        found = frame[reading.label].astype(str).to_numpy()
        other = np.flatnonzero(found != given)
        # Typed files may hold 1.0 where the model has 1.
        if table.cells is not None and len(other):
            row, here, there = frame.index[other[0]], str(found[other[0]]), str(given[other[0]])
            raise ValueError(
                f"{path}: row {row} has the label {here!r}, but the model was fitted with "
                f"{there!r} there ({len(other)} rows differ); pass the table of the fit with its "
                "rows in the same order"
            )
    return frame


def check_column(frame: Any, column: str, purpose: str) -> None:
    """Refuse a name that is no column of the table."""
    if column not in frame.columns:
        known = ", ".join(map(repr, frame.columns[:30]))
        raise ValueError(f"there is no column {column!r} {purpose}; the table has {known}")


def _noise_lines(table: Any, column: str) -> str:
    """The table of noise by group as text."""
    import pandas as pd

    shown = table.assign(
        noise_rate=[f"{rate:.1%}" for rate in table["noise_rate"]],
        interval=[
            f"{low:.1%} to {high:.1%}"
            for low, high in zip(table["low"], table["high"], strict=True)
        ],
    )
    shown = shown.set_axis(
        ["(blank)" if pd.isna(name) or name == "" else str(name) for name in table.index]
    )
    shown = shown[["n_rows", "noise_rate", "interval"]]
    shown.columns = ["rows", "wrong labels", "95 % interval"]
    return f"wrong labels by {column}:\n{shown.to_string()}"


def _apply(args: argparse.Namespace) -> None:
    import numpy as np
    import pandas as pd

    from nllearn.inspection import apply_decisions_to
    from nllearn.tables import (
        FINAL_COLUMNS,
        check_output,
        earlier_columns,
        is_true,
        read_labels,
        read_table,
        refuse_taken,
        write_table,
    )

    check_output(args.output, args.table, force=args.force)
    check_written({"--output": args.output}, {"the decisions": args.decisions}, force=args.force)
    table = read_table(args.table, label=args.label, **reading_of(args))
    if "corrected_label" not in table.names:
        raise ValueError(
            f"{args.table} has no column 'corrected_label'; pass the table that nllearn clean wrote"
        )
    refuse_annotated(table.names, args.table)
    earlier = earlier_columns(table, args.label)
    taken = [name for name in FINAL_COLUMNS if name not in earlier and name != args.label]
    refuse_taken(table, taken)
    # Cleaning gave a quality to every row that has a label, and to no other.
    scored = table.frame["label_quality"].notna() if "label_quality" in table.names else None
    labels = read_labels(
        table,
        args.label,
        keep_na_words=table.reading.keep_na_words,
        given=None if scored is None else scored.to_numpy(dtype=bool),
    )
    known = np.flatnonzero(~labels.missing)
    values = table.written["corrected_label"]
    corrected = _in_type_of(labels.given, values.to_numpy()[known])
    cleaned = pd.DataFrame({"given_label": labels.given, "corrected_label": corrected}, index=known)

    def decide() -> tuple[Any, Any]:
        decisions = args.decisions
        if is_sample(decisions):
            decisions = _decisions_of_sample(
                args, cleaned, table.reading, table.written.iloc[known]
            )
        return apply_decisions_to(cleaned, decisions, undecided=args.undecided)

    final, decided = _or_one_line(decide)
    is_corrected = args.undecided == "corrected"
    # Rows without a label keep what cleaning put there, or what stood there before.
    others = (values if is_corrected else table.written[args.label]).astype(object)
    columns = pd.DataFrame({"final_label": others.copy(), "is_reviewed": False})
    columns.loc[known, "final_label"] = pd.Series(final.tolist(), index=known, dtype=object)
    columns.loc[known, "is_reviewed"] = decided
    if "is_reviewed" in earlier:
        columns["is_reviewed"] |= is_true(table.frame["is_reviewed"])
    write_table(table, columns, args.output, force=args.force)
    different, n_decided = final != labels.given, int(decided.sum())
    say(args, f"{n_decided} labels decided by hand, {different.sum()} differ from the given ones")
    n_undecided = int((different & ~decided).sum())
    if n_undecided:
        say(
            args,
            f"note: {n_undecided} of these are suggestions that nobody decided; --undecided given "
            "keeps the given label there",
        )
    n_others = len(others) - len(known)
    if n_others:
        how = "filled with the prediction" if is_corrected else "left as they are"
        say(args, f"rows without a label  {n_others}, {how}")
    say(args, f"written: {args.output}")


def _decisions_of_sample(
    args: argparse.Namespace, cleaned: pd.DataFrame, reading: Reading, shown: pd.DataFrame
) -> list[Decision]:
    """Decisions about the rows that were looked at for an audit."""
    import numpy as np

    from nllearn.inspection import Decision
    from nllearn.tables import count_of

    given, corrected = (cleaned[name].astype(str).to_numpy() for name in cleaned.columns)
    classes = np.unique(np.concatenate([given, corrected]).astype(str))
    codes = np.searchsorted(classes, given.astype(str))
    answers = read_answers(
        args.decisions,
        codes,
        classes,
        cleaned.index.to_numpy(),
        source=args.table,
        encodings=(args.encoding, reading.encoding),
        shown=shown,
    )
    decisions = []
    for row, code in answers.items():
        action = "skip" if code < 0 else "reject" if code == codes[row] else "other"
        label = "" if code < 0 else str(classes[code])
        decisions.append(Decision(row, action, str(given[row]), label))
    n_unknown = sum(code < 0 for code in answers.values())
    if n_unknown:
        say(
            args,
            f"note: {count_of(n_unknown, 'label')} said to be wrong, without the true class; name "
            "it to have the row decided",
        )
    return decisions


def _in_type_of(given: Any, values: Any) -> Any:
    """Labels in the type of the given ones, by how they are written."""
    import numpy as np

    if given.dtype == object or given.dtype.kind in "US":
        spelled = {str(value): value for value in given.tolist()}
        return np.array([spelled.get(str(v), str(v)) for v in values.tolist()], dtype=object)
    if given.dtype.kind == "b":
        return np.array([str(value) == "True" for value in values.tolist()])
    # Whole numbers in text go through int: a float would round those beyond 2**53.
    return np.array([int(value) for value in values.tolist()], dtype=given.dtype)


def _or_one_line(call: Callable[[], Any]) -> Any:
    """Turn errors about files and types into the ones that the command tells in one line."""
    try:
        return call()
    except (OSError, TypeError) as error:
        raise ValueError(str(error)) from error
