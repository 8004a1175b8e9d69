"""Rows are found again by content, in every container, and others are refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.utils import _safe_indexing

from nllearn.model_selection._rows import RowTable, row_keys

RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(30, 7))
WORDS = [f"text {'x' * i}" for i in range(30)]

CONTAINERS = {
    "float64": NUMBERS,
    "float32": NUMBERS.astype(np.float32),
    "float16": NUMBERS.astype(np.float16),
    "fortran": np.asfortranarray(NUMBERS),
    "strided": np.repeat(NUMBERS, 2, axis=1)[:, ::2],
    "one odd byte": RNG.integers(0, 255, (30, 5), dtype=np.uint8),
    "bool": RNG.random((30, 12)) < 0.5,
    "images": RNG.integers(0, 255, (30, 4, 4, 3), dtype=np.uint8),
    "column": np.arange(30.0),
    "nan": np.where(NUMBERS > 1, np.nan, NUMBERS),
    "list of lists": [[i, i / 2 if i > 20 else 1] for i in range(30)],
    "list of texts": WORDS,
    "texts": np.array(WORDS),
    "object table": np.array([[w, i] for i, w in enumerate(WORDS)], dtype=object),
    "frame": pd.DataFrame(NUMBERS, index=np.arange(30) * 3).add_prefix("c"),
    "mixed frame": pd.DataFrame(
        {"n": np.arange(30), "w": WORDS, "c": pd.Categorical(["a", "b", "c"] * 10)}
    ),
    "csr": sparse.csr_matrix(NUMBERS * (NUMBERS > 0)),
    "csr array": sparse.csr_array(NUMBERS * (NUMBERS > 0)),
}


@pytest.mark.parametrize("X", CONTAINERS.values(), ids=CONTAINERS)
def test_a_fold_finds_its_rows(X):
    y = np.tile(["a", "b"], 15)
    values = RNG.random((30, 2)).astype(np.float32)
    table = RowTable(X, y, values)
    for fold in (np.array([3]), np.array([20, 4, 4, 11]), np.arange(30)[::-1]):
        found = table.look_up(_safe_indexing(X, fold), y[fold])
        np.testing.assert_array_equal(found, values[fold])
    assert len(np.unique(row_keys(X))) == 30


def test_rows_that_differ_in_bits_that_cancel():
    """Signs, exchanged columns and exchanged halves make another row."""
    row = RNG.normal(size=(1, 6))
    others = np.concatenate([row, -row, row[:, ::-1], np.abs(row), row * 2, np.roll(row, 1)])
    for dtype in (np.float64, np.float32, np.float16):
        assert len(np.unique(row_keys(others.astype(dtype)))) == 6
    assert len(np.unique(row_keys(sparse.csr_matrix(others)))) == 6
    signs = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], dtype=float)
    assert len(np.unique(row_keys(signs))) == 8
    assert len(np.unique(row_keys(sparse.csr_matrix(signs)))) == 8
    # A column number and a value that change places.
    swapped = sparse.csr_matrix([[0, 2, 0], [0, 0, 1]])
    assert len(np.unique(row_keys(swapped))) == 2


def test_many_rows_have_different_keys():
    X = np.stack(np.meshgrid(np.arange(200), np.arange(200)), -1).reshape(-1, 2)
    for rows in (X, X.astype(np.float32), pd.DataFrame(X), sparse.csr_matrix(X)):
        assert len(np.unique(row_keys(rows))) == 40_000


def test_blocks_do_not_matter(monkeypatch):
    whole = row_keys(NUMBERS)
    monkeypatch.setattr("nllearn.model_selection._rows._BLOCK", 40)
    np.testing.assert_array_equal(row_keys(NUMBERS), whole)


def test_keys_are_the_same_in_another_process():
    code = (
        "import numpy as np, pandas as pd; from nllearn.model_selection._rows import row_keys; "
        "print(row_keys(np.arange(6.0).reshape(2, 3)).tolist(), "
        "row_keys(pd.DataFrame({'a': ['x', 'y']})).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = (
        row_keys(np.arange(6.0).reshape(2, 3)).tolist(),
        row_keys(pd.DataFrame({"a": ["x", "y"]})).tolist(),
    )
    assert done.stdout.strip() == f"{here[0]} {here[1]}"


def test_equal_rows_share_the_mean_and_labels_part_them():
    X = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [3.0, 4.0]])
    y = np.array([0, 0, 1, 1])
    table = RowTable(X, y, np.array([0.0, 0.5, 0.9, 0.3]))
    np.testing.assert_allclose(table.look_up(X, y), [0.25, 0.25, 0.9, 0.3])


def test_other_rows_labels_and_dtypes_are_refused():
    y = np.tile([0, 1], 15)
    table = RowTable(NUMBERS, y, np.ones(30))
    other = NUMBERS.copy()
    other[4, 2] += 1
    with pytest.raises(ValueError, match="1 of 30 rows, the first in position 4"):
        table.look_up(other, y)
    with pytest.raises(ValueError, match=r"30 of 30 rows.*the same container, dtype"):
        table.look_up(NUMBERS.astype(np.float32), y)
    with pytest.raises(ValueError, match="30 of 30 rows"):
        table.look_up(NUMBERS, 1 - y)
    with pytest.raises(ValueError, match=r"not in classes: \[2\]"):
        table.look_up(NUMBERS, y + 1)
    with pytest.raises(ValueError, match="X has 30 rows and y has 29"):
        table.look_up(NUMBERS, y[1:])
    with pytest.raises(ValueError, match="X is a int"):
        row_keys(3)
