"""``nllearn noise``: a copy of a table with label noise."""

from __future__ import annotations

import argparse
from typing import Any

from nllearn._commands._files import check_written
from nllearn._commands._options import (
    CommandError,
    add_column_options,
    add_table_options,
    number,
    say,
)
from nllearn._commands._rows import embeddings_of, features_of, plans_of, read_rows

__all__ = ["NOISE_TYPES", "add_noise_command"]

# Name on the command line -> generator in nllearn.datasets, and whether it looks at the features.
NOISE_TYPES = {
    "symmetric": ("make_symmetric_noise", False),
    "pairflip": ("make_pairflip_noise", False),
    "asymmetric": ("make_asymmetric_noise", False),
    "part-dependent": ("make_part_dependent_noise", True),
    "classification": ("make_classification_noise", True),
}


def add_noise_command(commands: Any) -> None:
    """Add the command to the parser.

    Parameters
    ----------
    commands : argparse's object of ``add_subparsers``
    """
    noise = commands.add_parser(
        "noise",
        help="write a copy of a table with label noise, for experiments",
        description="Write a copy of a table with label noise. Rows without a label stay as they "
        "are.",
    )
    noise.set_defaults(run=_noise)
    add_table_options(noise)
    add_column_options(noise)
    noise.add_argument("--type", choices=tuple(NOISE_TYPES), default="symmetric", dest="kind")
    noise.add_argument(
        "--rate", type=number(float, 0.0, 1.0), required=True, help="share of wrong labels"
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
    check_written({"--output": args.output}, {"--embeddings": args.embeddings}, force=args.force)
    if args.flip and args.kind != "asymmetric":
        raise CommandError(f"--flip has no effect with --type {args.kind}; use --type asymmetric")
    generator, needs_features = NOISE_TYPES[args.kind]
    for name in ("text", "categorical", "numeric", "drop", "embeddings"):
        if getattr(args, name) and not needs_features:
            raise CommandError(
                f"--{name} has no effect with --type {args.kind}, which looks at labels alone"
            )
    table, labels = read_rows(args)
    refuse_taken(table, (TRUE_LABEL,) if args.keep_true else ())
    options: dict[str, Any] = {"noise_rate": args.rate, "random_state": args.seed}
    if args.flip:
        options["mapping"] = read_flips(args.flip, labels)
    given, known = labels.given, ~labels.missing
    inputs: tuple[Any, ...] = (given,)
    if needs_features:
        rows = embeddings_of(args.embeddings, table.n_rows) if args.embeddings else None
        plans = plans_of(args, table, labels.name)
        inputs = (features_of(args, table, plans, rows)[known], given)
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
        force=args.force,
    )
    changed = int(np.sum(noisy != given))
    say(args, f"{changed} of {len(given)} labels changed ({changed / len(given):.1%})")
    say(args, f"written: {args.output}")
