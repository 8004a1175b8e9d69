"""The command ``nllearn``: clean the labels of a table, add noise to one, show a demonstration.

The subcommands only read, call the package and write. Libraries are imported inside them, so
that ``nllearn --help`` answers at once. Exit codes: 0 done, 1 more noise than ``--fail-above``
allows, 2 bad input with one line on stderr, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from nllearn import __version__
from nllearn._commands._audit import add_audit_command
from nllearn._commands._clean import add_clean_command
from nllearn._commands._noise import add_noise_command
from nllearn._commands._options import Parser, add_run_options, leave_screen, number, say
from nllearn._commands._review import add_review_commands
from nllearn.exceptions import MissingExtraError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``nllearn``. None takes those of the process.

    Returns
    -------
    int
        0 done, 1 above the limit of ``--fail-above``, 2 bad input, 130 interrupted.
    """
    code = 0
    try:
        args = _build_parser().parse_args(argv)
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            if args.quiet:
                warnings.simplefilter("ignore")
            # A command that has found more than it was allowed to says so.
            code = args.run(args) or 0
        sys.stdout.flush()
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    except KeyboardInterrupt:
        print("nllearn: interrupted, nothing was written", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Python would complain at exit.
        leave_screen()
    except (ValueError, OSError, MissingExtraError) as error:
        print(f"nllearn: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except MemoryError as error:
        why = f" ({error})" if str(error) else ""
        print(f"nllearn: error: there is not enough memory{why}", file=sys.stderr)
        return 2
    return code


def _build_parser() -> Parser:
    parser = Parser(prog="nllearn", description="Learning with noisy labels.")
    parser.add_argument("--version", action="version", version=f"nllearn {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_clean_command(commands)
    add_noise_command(commands)
    add_review_commands(commands)
    add_audit_command(commands)
    demo = commands.add_parser(
        "demo",
        help="the methods against a plain network, on images of digits with 40 %% wrong labels",
        description="Train a plain network, the same on labels that LabelCleaner cleaned, and both "
        "methods on images of handwritten digits with 40 % part-dependent label noise. Compare "
        "them on clean test images.",
    )
    demo.set_defaults(run=_demo)
    demo.add_argument("--epochs", type=number(int, 3), default=None, metavar="N")
    add_run_options(demo)
    return parser


def _demo(args: argparse.Namespace) -> None:
    from nllearn._demo import run_demo

    run_demo(
        seed=args.seed,
        epochs=args.epochs,
        verbose=int(sys.stderr.isatty() and not args.quiet),
        say=lambda line: say(args, line),
    )


def _show_warning(
    message: Warning | str, category: type[Warning], *args: Any, **kwargs: Any
) -> None:
    if not issubclass(category, UserWarning):
        return  # news for developers
    print(f"nllearn: warning: {' '.join(str(message).split())}", file=sys.stderr)
