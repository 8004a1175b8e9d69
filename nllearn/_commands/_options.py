"""What the commands share: the parser, its options, what is said on the screen."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

__all__ = [
    "CommandError",
    "Parser",
    "add_column_options",
    "add_page_audit",
    "add_reading_options",
    "add_run_options",
    "add_table_options",
    "budget_of",
    "leave_screen",
    "number",
    "reading_of",
    "refuse_reading_options",
    "say",
]

# What the options of add_reading_options say, by the names of `Reading`.
_READING = ("encoding", "separator", "sheet", "decimal", "thousands", "keep_na_words")


class CommandError(ValueError):
    """Options that do not fit together; the message is one line for the user."""


class Parser(argparse.ArgumentParser):
    """A parser that tells a mistake in one line, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Add the table, its label column and the output."""
    parser.add_argument(
        "table", metavar="TABLE", help=".csv, .tsv, .jsonl (also with .gz), .parquet, .xlsx or .npz"
    )
    parser.add_argument("--label", metavar="COLUMN", help="the label column (.npz: default y)")
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="a name with one of these endings"
    )
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    add_reading_options(parser)
    add_run_options(parser)


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add what says how a table is read."""
    group = parser.add_argument_group("how the table is read (each is found out by default)")
    group.add_argument("--encoding", help="of a text table (default: utf-8, or as the file says)")
    group.add_argument(
        "--separator", type=_separator, metavar="MARK", help="between cells: , ; | or tab"
    )
    group.add_argument("--sheet", metavar="NAME", help="of an Excel file (default: the first)")
    group.add_argument("--decimal", choices=(".", ","), help="mark before decimals, as in 3,5")
    group.add_argument(
        "--thousands",
        choices=(".", ",", " ", "'"),
        help="mark between thousands, as in 1.337,43",
    )
    group.add_argument(
        "--keep-na-words",
        action="store_true",
        default=None,
        help="the words NA, None, null, ... in the label column are classes, not gaps",
    )


def reading_of(args: argparse.Namespace) -> dict[str, Any]:
    """What the user says of how the table is read, by the names of `Reading`."""
    paths = [str(getattr(args, name, None) or "") for name in ("table", "source")]
    if args.sheet is not None and not any(path.lower().endswith(".xlsx") for path in paths):
        raise CommandError(f"--sheet has no effect on {paths[0]}, which is no Excel file")
    return {name: value for name in _READING if (value := getattr(args, name)) is not None}


def refuse_reading_options(args: argparse.Namespace, where: str) -> None:
    """Refuse what the user says of how a table is read where none is."""
    for name in _READING:
        if getattr(args, name) is not None:
            raise CommandError(f"--{name.replace('_', '-')} has no effect {where}")


def _separator(text: str) -> str:
    """Read a separator; a shell hardly lets a tab through."""
    mark = {"tab": "\t", "\\t": "\t"}.get(text.lower(), text)
    if len(mark) != 1 or mark in '"\r\n':
        raise argparse.ArgumentTypeError(
            f"{text!r} is not one mark; use for example ';', '|' or tab"
        )
    return mark


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the seed and ``--quiet``."""
    parser.add_argument("--seed", type=number(int, 0, 2**32 - 1), default=0, metavar="N")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def add_column_options(parser: argparse.ArgumentParser) -> None:
    """Add what says how columns are learnt from."""
    group = parser.add_argument_group("what to learn from (each option may be repeated)")
    for flags, words in {
        ("--text",): "free text",
        ("--categorical",): "categories, also when they are numbers",
        ("--numeric",): "numbers, also when they look like an id; dates count days",
        ("--drop",): "leave the column out (it is still written)",
    }.items():
        group.add_argument(*flags, action="append", default=[], metavar="COLUMN", help=words)
    group.add_argument(
        "--embeddings", metavar="FILE.npy", help="vectors of the rows, in the order of the table"
    )


def add_page_audit(parser: argparse.ArgumentParser) -> None:
    """Add the size of the audit on the review page."""
    parser.add_argument(
        "--audit",
        type=number(int, 1),
        metavar="N",
        help="the review page also asks about N rows drawn at random, and says how many labels "
        "are wrong with an interval that narrows; 30 is good",
    )


def number(kind: type, low: float, high: float = float("inf")) -> Callable[[str], Any]:
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


def budget_of(text: str) -> int | float:
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


def say(args: argparse.Namespace, line: str) -> None:
    """Print a line unless the command is quiet."""
    if args.quiet:
        return
    try:
        print(line, flush=True)
    except BrokenPipeError:
        leave_screen()


def leave_screen() -> None:
    """Go on without the screen, whose reader left, as `| head` does."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
