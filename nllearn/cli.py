"""The command ``nllearn``: clean the labels of a table, add noise to one, show a demonstration.

The subcommands only read, call the package and write. Libraries are imported inside them, so
that ``nllearn --help`` answers at once. Exit codes: 0 done, 2 bad input with one line on stderr,
130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from nllearn import __version__
from nllearn._review_commands import add_review_commands, refuse_existing, write_page
from nllearn.exceptions import MissingExtraError

if TYPE_CHECKING:
    from nllearn.tables import LabelColumn, Table

__all__ = ["main"]

# Name on the command line -> class, and its method for rows without a label.
METHODS = {
    "cleaner": ("LabelCleaner", "label_proba"),
    "ah": ("AnchorHallucinationClassifier", "predict_proba"),
    "mixnn": ("MixNNClassifier", "predict_proba"),
}
# What a cell of the --trusted column may hold; a gap is not trusted.
TRUE_WORDS, FALSE_WORDS = ("true", "yes", "1", "1.0"), ("false", "no", "0", "0.0", "")
# Name on the command line -> generator in nllearn.datasets, and whether it looks at the features.
NOISE_TYPES = {
    "symmetric": ("make_symmetric_noise", False),
    "pairflip": ("make_pairflip_noise", False),
    "asymmetric": ("make_asymmetric_noise", False),
    "part-dependent": ("make_part_dependent_noise", True),
    "classification": ("make_classification_noise", True),
}


class CommandError(ValueError):
    """Options that do not fit together; the message is one line for the user."""


class _Parser(argparse.ArgumentParser):
    """A parser that tells a mistake in one line, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``nllearn``. None takes those of the process.

    Returns
    -------
    int
        0 done, 2 bad input, 130 interrupted.
    """
    try:
        args = _build_parser().parse_args(argv)
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            if args.quiet:
                warnings.simplefilter("ignore")
            args.run(args)
        sys.stdout.flush()
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    except KeyboardInterrupt:
        print("nllearn: interrupted, nothing was written", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of the screen output left, as `| head` does. Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError, MissingExtraError) as error:
        print(f"nllearn: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except MemoryError as error:
        why = f" ({error})" if str(error) else ""
        print(f"nllearn: error: there is not enough memory{why}", file=sys.stderr)
        return 2
    return 0


def _build_parser() -> _Parser:
    parser = _Parser(prog="nllearn", description="Learning with noisy labels.")
    parser.add_argument("--version", action="version", version=f"nllearn {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    clean = commands.add_parser(
        "clean",
        help="find and correct wrong labels of a table",
        description="Find and correct wrong labels. Writes the table with a corrected label, the "
        "quality of the given label and a prediction that ignores it for every row. The given "
        "labels stay as they are.",
    )
    clean.set_defaults(run=_clean)
    _add_table_options(clean)
    _add_column_options(clean)
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
        "--epochs", type=_number(int, 3), metavar="N", help="of a classifier; default: automatic"
    )
    clean.add_argument(
        "--trusted",
        metavar="COLUMN",
        help="rows where this column is true, yes or 1 have a label that is known to be right; "
        "nothing else is learnt from it",
    )
    clean.add_argument(
        "--threshold",
        type=_number(float, 0.0, 1.0),
        metavar="Q",
        help="also mark rows whose label_quality is below Q as label issues",
    )
    clean.add_argument(
        "--budget",
        type=_budget,
        metavar="N",
        help="mark at most N rows as label issues, those of the lowest quality; with a point, as "
        "in 0.05, it is a share of the rows (only with --method cleaner)",
    )
    clean.add_argument("--device", default="auto", help="cpu, cuda, ... (default: %(default)s)")
    clean.add_argument("--report", metavar="PAGE.html", help="also write the review page")
    clean.add_argument("--save", metavar="MODEL", help="also save the fitted model")

    noise = commands.add_parser(
        "noise",
        help="write a copy of a table with label noise, for experiments",
        description="Write a copy of a table with label noise. Rows without a label stay as they "
        "are.",
    )
    noise.set_defaults(run=_noise)
    _add_table_options(noise)
    _add_column_options(noise)
    noise.add_argument("--type", choices=tuple(NOISE_TYPES), default="symmetric", dest="kind")
    noise.add_argument(
        "--rate", type=_number(float, 0.0, 1.0), required=True, help="share of wrong labels"
    )
    noise.add_argument(
        "--flip",
        action="append",
        default=[],
        metavar="FROM=TO",
        help="asymmetric noise: which class turns into which (repeatable; default: each class "
        "into the next)",
    )
    noise.add_argument(
        "--keep-true", action="store_true", help="keep the true labels in the column true_label"
    )

    add_review_commands(commands, _say)

    demo = commands.add_parser(
        "demo",
        help="the methods against a plain network, on images of digits with 40 %% wrong labels",
        description="Train a plain network, the same on labels that LabelCleaner cleaned, and both "
        "methods on images of handwritten digits with 40 %% part-dependent label noise. Compare "
        "them on clean test images.",
    )
    demo.set_defaults(run=_demo)
    demo.add_argument("--epochs", type=_number(int, 3), default=None, metavar="N")
    _add_run_options(demo)
    return parser


def _add_table_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", metavar="TABLE", help=".csv, .tsv, .parquet or .npz")
    parser.add_argument("--label", metavar="COLUMN", help="the label column (.npz: default y)")
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help=".csv, .tsv, .parquet or .npz"
    )
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    parser.add_argument("--encoding", default="utf-8", help="of a text table (default: utf-8)")
    parser.add_argument(
        "--keep-na-words",
        action="store_true",
        help="the words NA, None, null, ... in the label column are classes, not gaps",
    )
    _add_run_options(parser)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=_number(int, 0, 2**32 - 1), default=0, metavar="N")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _add_column_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to learn from (each option may be repeated)")
    for flags, words in {
        ("--text",): "free text",
        ("--categorical",): "categories, also when they are numbers",
        ("--numeric",): "numbers, also when they look like an id; dates count days",
        ("--drop", "--id"): "leave the column out (it is still written)",
    }.items():
        group.add_argument(*flags, action="append", default=[], metavar="COLUMN", help=words)
    group.add_argument(
        "--embeddings", metavar="FILE.npy", help="vectors of the rows, in the order of the table"
    )


def _number(kind: type, low: float, high: float = float("inf")) -> Callable[[str], Any]:
    """Make an argparse type that checks a range; NaN fails it."""

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            upper = f" and at most {high:g}" if high < float("inf") else ""
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {what} of at least {low:g}{upper}")
        return value

    return parse


def _budget(text: str) -> int | float:
    """Read a number of rows, or a share of them: 1 is a row, 1.0 is all rows."""
    with contextlib.suppress(ValueError):
        if (rows := int(text)) >= 1:
            return rows
    with contextlib.suppress(ValueError):
        if "." in text and 0 < (share := float(text)) <= 1:
            return share
    raise argparse.ArgumentTypeError(
        f"{text!r} is neither a whole number of at least 1 nor a share such as 0.05"
    )


def _clean(args: argparse.Namespace) -> None:
    """Read, learn, write, sum up."""
    import numpy as np
    import pandas as pd

    from nllearn.tables import (
        RESULT_COLUMNS,
        check_output,
        missing_error,
        refuse_taken,
        result_columns,
        summary_lines,
        write_table,
    )

    _check_method(args)
    check_output(args.output, args.table, force=args.force)
    for extra in (args.report, args.save):
        if extra:
            refuse_existing(extra, force=args.force)
    table, labels = _read(args)
    refuse_taken(table, RESULT_COLUMNS)
    embeddings = _embeddings(args.embeddings, table.n_rows) if args.embeddings else None
    n_missing = int(labels.missing.sum())
    if n_missing and args.missing_labels == "error":
        raise missing_error(labels)
    given, known = labels.given, ~labels.missing
    trusted = None if args.trusted is None else _trusted(table, args.trusted)[known]
    if n_missing and args.missing_labels == "drop":
        table, embeddings = table.select(known), None if embeddings is None else embeddings[known]
        known = np.ones(table.n_rows, dtype=bool)
    X = _features(args, table, labels.name, embeddings, aside=args.trusted)
    if X.ndim > 2 and args.method == "cleaner":
        raise CommandError(
            f"the rows are images of shape {X.shape[1:]}, and --method cleaner needs a table or "
            "embeddings; use --method ah or mixnn, or add --embeddings FILE.npy"
        )
    _say(
        args,
        f"learning from a table of {len(given)} x {X[0].size}, {len(np.unique(given))} classes",
    )

    estimator = _make_estimator(
        args.method,
        epochs=args.epochs,
        budget=args.budget,
        seed=args.seed,
        device=args.device,
        verbose=int(sys.stderr.isatty() and not args.quiet),
    )
    with _interrupts():
        # All rows as they are: a memmap is not copied.
        rows = X if known.all() else X[known]
        if not known.all() and X.ndim == 2:
            # The index carries the rows' numbers in the table to the review page and back.
            rows = pd.DataFrame(rows, index=np.flatnonzero(known))
        estimator.fit(rows, given, **({} if trusted is None else {"trusted": trusted}))
    issues = estimator.label_issues(threshold=args.threshold)
    proba = None if known.all() else getattr(estimator, METHODS[args.method][1])(X[~known])
    columns = result_columns(issues, known, classes=estimator.classes_, proba=proba)
    spelling = {name: labels.spelling for name in ("corrected_label", "predicted_label")}
    write_table(table, columns, args.output, spelling=spelling, force=args.force)
    for line in summary_lines(issues, labels, estimator.noise_rate_):
        _say(args, line)
    if n_missing:
        how = "left out" if args.missing_labels == "drop" else "filled with the prediction"
        _say(args, f"rows without a label  {n_missing}, {how}")
    _say(args, f"written: {args.output}")
    if args.report:
        shown = args.text[0] if len(args.text) == 1 else None
        rows = table.frame[known]
        # With the threshold, so that page and table mark the same rows.
        options = {"threshold": args.threshold, "overwrite": args.force}
        write_page(estimator, rows, args.report, text=shown, **options)
        _say(args, f"written: {args.report}")
    if args.save:
        estimator.save(args.save, overwrite=args.force)
        _say(args, f"written: {args.save}")


def _noise(args: argparse.Namespace) -> None:
    """Read, draw, write."""
    import numpy as np
    import pandas as pd

    from nllearn import datasets
    from nllearn.tables import (
        TRUE_LABEL,
        check_output,
        read_flips,
        refuse_taken,
        write_table,
    )

    check_output(args.output, args.table, force=args.force)
    if args.flip and args.kind != "asymmetric":
        raise CommandError(f"--flip has no effect with --type {args.kind}; use --type asymmetric")
    generator, needs_features = NOISE_TYPES[args.kind]
    for name in ("text", "categorical", "numeric", "drop", "embeddings"):
        if getattr(args, name) and not needs_features:
            raise CommandError(
                f"--{name} has no effect with --type {args.kind}, which looks at labels alone"
            )
    table, labels = _read(args)
    refuse_taken(table, (TRUE_LABEL,) if args.keep_true else ())
    options: dict[str, Any] = {"noise_rate": args.rate, "random_state": args.seed}
    if args.flip:
        options["mapping"] = read_flips(args.flip, labels)
    given, known = labels.given, ~labels.missing
    inputs: tuple[Any, ...] = (given,)
    if needs_features:
        rows = _embeddings(args.embeddings, table.n_rows) if args.embeddings else None
        inputs = (_features(args, table, labels.name, rows)[known], given)
    noisy = getattr(datasets, generator)(*inputs, **options)

    column = labels.values.copy()
    column[known] = noisy.tolist()
    columns = {labels.name: pd.Series(column, dtype=object).infer_objects()}
    if args.keep_true:
        columns[TRUE_LABEL] = pd.Series(labels.values, dtype=object).infer_objects()
    write_table(
        table,
        pd.DataFrame(columns),
        args.output,
        spelling=dict.fromkeys(columns, labels.spelling),
        force=args.force,
    )
    changed = int(np.sum(noisy != given))
    _say(args, f"{changed} of {len(given)} labels changed ({changed / len(given):.1%})")
    _say(args, f"written: {args.output}")


def _demo(args: argparse.Namespace) -> None:
    from nllearn._demo import run_demo

    run_demo(
        seed=args.seed,
        epochs=args.epochs,
        verbose=int(sys.stderr.isatty() and not args.quiet),
        say=lambda line: _say(args, line),
    )


def _check_method(args: argparse.Namespace) -> None:
    """Refuse options that the method would not look at."""
    if args.epochs is not None and args.method == "cleaner":
        raise CommandError(
            "--epochs has no effect with --method cleaner, which trains no network; use --method "
            "ah or mixnn"
        )
    if args.budget is not None and args.method != "cleaner":
        raise CommandError(
            f"--budget has no effect with --method {args.method}; use --method cleaner"
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


def _trusted(table: Table, name: str) -> Any:
    """Read the column that says which labels are known to be right."""
    import numpy as np

    from nllearn.tables._errors import unknown_column

    if name not in table.frame.columns:
        raise unknown_column(name, table.names, option="--trusted")
    column = table.frame[name]
    trusted = np.zeros(table.n_rows, dtype=bool)
    for row, (value, is_gap) in enumerate(zip(column.tolist(), column.isna(), strict=True)):
        word = "" if is_gap else str(value).strip().lower()
        if word not in (*TRUE_WORDS, *FALSE_WORDS):
            raise CommandError(
                f"--trusted: row {row} of column {name!r} holds {value!r}; use true or false, yes "
                "or no, 1 or 0, or nothing"
            )
        trusted[row] = word in TRUE_WORDS
    return trusted


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


def _read(args: argparse.Namespace) -> tuple[Table, LabelColumn]:
    """Read the table and its label column."""
    from nllearn.tables import read_labels, read_table

    if args.label is None and not args.table.lower().endswith(".npz"):
        known = ", ".join(map(repr, read_table(args.table, encoding=args.encoding).names[:30]))
        raise CommandError(f"name the label column with --label; the table has {known}")
    name = "y" if args.label is None else args.label
    table = read_table(args.table, label=name, encoding=args.encoding)
    labels = read_labels(table, name, keep_na_words=args.keep_na_words)
    _say(args, f"{args.table}: {table.n_rows} rows, {len(table.names)} columns")
    for note in labels.notes:
        _say(args, f"note: {note}")
    return table, labels


def _features(
    args: argparse.Namespace,
    table: Table,
    label: str,
    embeddings: Any,
    aside: str | None = None,
) -> Any:
    """Plan the columns, show the plan, compute the matrix; `aside` is not learnt from."""
    import numpy as np

    from nllearn.tables import feature_matrix, plan_columns, plan_text

    plans = plan_columns(
        table,
        label,
        text=args.text,
        categorical=args.categorical,
        numeric=args.numeric,
        drop=args.drop if aside is None or aside in args.drop else [*args.drop, aside],
    )
    for line in plan_text(plans):
        _say(args, f"  {line}")
    if embeddings is not None:
        _say(args, f"  {args.embeddings}: {embeddings.shape[1]} numbers per row")
    if isinstance(embeddings, np.memmap) and not any(plan.used for plan in plans):
        return _finite_rows(embeddings, args.embeddings)
    return feature_matrix(table, plans, embeddings=embeddings, random_state=args.seed)


def _embeddings(path: str, n_rows: int) -> Any:
    """Read vectors of the rows; a file of float32 is mapped, so that it need not fit in memory."""
    import numpy as np

    from nllearn.tables import read_embeddings

    # What cannot be mapped is read, or refused with the reason, by read_embeddings.
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        is_plain = isinstance(array, np.memmap) and array.dtype == np.float32
        if path.endswith(".npy") and is_plain and array.ndim == 2 and array.shape[1]:
            if len(array) == n_rows:
                return array
    return read_embeddings(path, n_rows)


def _finite_rows(array: Any, path: str) -> Any:
    """Refuse values that are not finite, block by block."""
    import numpy as np

    for start in range(0, len(array), 65_536):
        bad = np.flatnonzero(~np.isfinite(array[start : start + 65_536]).all(axis=1))
        if len(bad):
            raise CommandError(
                f"--embeddings: {path} holds NaN or infinite values (first: row {start + bad[0]}); "
                "fill or remove them"
            )
    return array


def _say(args: argparse.Namespace, line: str) -> None:
    if not args.quiet:
        print(line, flush=True)


def _show_warning(
    message: Warning | str, category: type[Warning], *args: Any, **kwargs: Any
) -> None:
    if not issubclass(category, UserWarning):
        return  # news for developers
    print(f"nllearn: warning: {' '.join(str(message).split())}", file=sys.stderr)
