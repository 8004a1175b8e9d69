"""Tables for the command line: read a file, decide what each column is, write the result.

This is a side room: only the commands of ``nllearn.cli`` import it, and it imports no torch. ::

    read_table    file -> Table (values to work with, cells as they were written, how it was read)
    read_labels   Table -> LabelColumn (classes, gaps)
    plan_columns  Table -> one ColumnPlan per column (role and reason)
    feature_matrix  Table + plans -> dense float32 matrix
    write_table   Table + new columns -> file, whole or not at all
"""

from __future__ import annotations

from nllearn.tables._balance import balance_blocks, similarity_spread
from nllearn.tables._column_roles import ColumnPlan
from nllearn.tables._columns import TRUE_LABEL, plan_columns, plan_text
from nllearn.tables._dates import as_dates, date_order
from nllearn.tables._description import Reading
from nllearn.tables._errors import TableError, count_of
from nllearn.tables._features import build_transformer, feature_matrix, prepare_columns
from nllearn.tables._labels import LabelColumn, missing_error, read_flips, read_labels
from nllearn.tables._numbers import NumberFormat, is_number, read_numbers
from nllearn.tables._reading import Table, read_embeddings, read_table, sheet_hint
from nllearn.tables._results import (
    BOUNDARY_COLUMN,
    FINAL_COLUMNS,
    RESULT_COLUMNS,
    WRITTEN_COLUMNS,
    earlier_columns,
    is_true,
    result_columns,
    summary_lines,
    taken_over,
)
from nllearn.tables._writing import check_output, refuse_taken, write_table

__all__ = [
    "BOUNDARY_COLUMN",
    "FINAL_COLUMNS",
    "RESULT_COLUMNS",
    "TRUE_LABEL",
    "WRITTEN_COLUMNS",
    "ColumnPlan",
    "LabelColumn",
    "NumberFormat",
    "Reading",
    "Table",
    "TableError",
    "as_dates",
    "balance_blocks",
    "build_transformer",
    "check_output",
    "count_of",
    "date_order",
    "earlier_columns",
    "feature_matrix",
    "is_number",
    "is_true",
    "missing_error",
    "plan_columns",
    "plan_text",
    "prepare_columns",
    "read_embeddings",
    "read_flips",
    "read_labels",
    "read_numbers",
    "read_table",
    "refuse_taken",
    "result_columns",
    "sheet_hint",
    "similarity_spread",
    "summary_lines",
    "taken_over",
    "write_table",
]
