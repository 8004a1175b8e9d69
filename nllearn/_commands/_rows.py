"""Rows of a table: its labels, and the numbers to learn from."""

from __future__ import annotations

import argparse
import contextlib
import warnings
from typing import TYPE_CHECKING, Any

from nllearn._commands._options import CommandError, reading_of, say

if TYPE_CHECKING:
    from nllearn.tables import ColumnPlan, LabelColumn, Table

__all__ = ["embeddings_of", "features_of", "plans_of", "read_rows"]


def read_rows(args: argparse.Namespace) -> tuple[Table, LabelColumn]:
    """Read the table and its label column."""
    from nllearn.tables import read_labels, read_table, sheet_hint

    if args.label is None and not args.table.lower().endswith(".npz"):
        table = read_table(args.table, **reading_of(args))
        known = ", ".join(map(repr, table.names[:30]))
        hint = sheet_hint(table)
        raise CommandError(f"name the label column with --label; the table has {known}{hint}")
    name = "y" if args.label is None else args.label
    table = read_table(args.table, label=name, **reading_of(args))
    labels = read_labels(table, name, keep_na_words=table.reading.keep_na_words)
    say(args, f"{args.table}: {table.n_rows} rows, {len(table.names)} columns")
    if table.reading.sheet is None and table.other_sheets:
        say(args, f"note: {args.table}{sheet_hint(table)}")
    for note in labels.notes:
        say(args, f"note: {note}")
    return table, labels


def plans_of(
    args: argparse.Namespace,
    table: Table,
    label: str,
    *,
    id: str | None = None,
    trusted: str | None = None,
) -> list[ColumnPlan]:
    """Plan the columns and show the plan."""
    from nllearn.tables import plan_columns, plan_text

    plans = plan_columns(
        table,
        label,
        text=args.text,
        categorical=args.categorical,
        numeric=args.numeric,
        drop=args.drop,
        id=id,
        trusted=None if trusted in args.drop else trusted,
    )
    for line in plan_text(plans):
        say(args, f"  {line}")
    return plans


def features_of(
    args: argparse.Namespace,
    table: Table,
    plans: list[ColumnPlan],
    embeddings: Any,
) -> Any:
    """Compute the matrix to learn from."""
    import numpy as np

    from nllearn.tables import feature_matrix

    if embeddings is not None:
        say(args, f"  {args.embeddings}: {embeddings.shape[1]} numbers per row")
    if isinstance(embeddings, np.memmap) and not any(plan.used for plan in plans):
        return _finite_rows(embeddings, args.embeddings)
    return feature_matrix(table, plans, embeddings=embeddings, random_state=args.seed)


def embeddings_of(path: str, n_rows: int) -> Any:
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
