"""What fit must refuse by name before anything else looks at it, and what it must let in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

KINDS = ["ah", "mixnn", "cleaner"]
ROWS = {
    "dates": (lambda X: X.astype("i8").astype("M8[s]"), "X holds datetime64"),
    "durations": (lambda X: X.astype("i8").astype("m8[s]"), "X holds timedelta64"),
    "a column of dates": (
        lambda X: pd.DataFrame({"a": X[:, 0], "b": pd.date_range("2020", periods=len(X))}),
        "X holds datetime64",
    ),
    "text": (lambda X: pd.DataFrame({"a": X[:, 0], "b": "text"}), r"columns \['b'\] of X"),
    "categories": (
        lambda X: pd.DataFrame({"a": X[:, 0], "b": pd.Series(["x"] * 12, dtype="category")}),
        r"columns \['b'\] of X",
    ),
    "gradients": (lambda X: torch.tensor(X, requires_grad=True), "X is a tensor.*gradients"),
    "bfloat16": (lambda X: torch.tensor(X).bfloat16(), "X is a tensor of torch.bfloat16"),
    "masked": (lambda X: np.ma.masked_greater(X, 4), "masked entries"),
}
LABELS = {
    "None": ([None, "a", "b"] * 4, "4 missing .* first in row 0"),
    "None alone": ([None] * 12, "12 missing"),
    "nan": ([1.0, np.nan, 2.0] * 4, "4 missing .* first in row 1"),
    "nan among text": (np.array([np.nan, "a", "b"] * 4, dtype=object), "4 missing"),
    "NaT": (np.array(["NaT", "2020-01-02", "2020-01-03"] * 4, dtype="M8[D]"), "4 missing"),
    "NA": (pd.Series(["a", pd.NA, "b"] * 4, dtype="string"), "4 missing .* first in row 1"),
    "NA among integers": (pd.Series([1, None, 3] * 4, dtype="Int64"), "4 missing"),
    "masked": (np.ma.masked_equal(np.arange(12) % 3, 1), "4 missing .* first in row 1"),
    "mixed": ([1, "a", 2] * 4, "mixes text .4 of 12"),
    "mixed objects": (np.array([True, "a", 2] * 4, dtype=object), "mixes text"),
    "surrogates": (["a", "b", "\ud800"] * 4, "no Unicode text"),
}
UNWRAPPED = {
    "Int64": (pd.Series([1, 2, 3] * 4, dtype="Int64"), np.int64),
    "Int8": (pd.Series([1, 2, 3] * 4, dtype="Int8"), np.int8),
    "boolean": (pd.Series([True, False, True] * 4, dtype="boolean"), bool),
    "text of any length": (np.array(list("abc") * 4, dtype=np.dtypes.StringDType()), "<U1"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ROWS)
def test_fit_and_new_rows(kind, name, rows, make):
    change, words = ROWS[name]
    X, y = rows
    with pytest.raises((TypeError, ValueError), match=words):
        make(kind).fit(change(X), y)
    est = make(kind).fit(X, y)
    new = est.predict if hasattr(est, "predict") else lambda X: est.score_labels(X, y)
    with pytest.raises((TypeError, ValueError), match=words):
        new(change(X))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LABELS)
def test_labels_of_fit(kind, name, rows, make):
    with pytest.raises(ValueError, match=LABELS[name][1]):
        make(kind).fit(rows[0], LABELS[name][0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", UNWRAPPED)
def test_dtype_of_corrected_labels(kind, name, rows, make):
    y, dtype = UNWRAPPED[name]
    fitted = make(kind).fit(rows[0], y)
    assert fitted.corrected_labels_.dtype == fitted.classes_.dtype == dtype
    assert fitted.classes_.tolist() == sorted(set(y))


def test_the_cleaner_takes_what_has_a_method_called_index(rows, make):
    X, y = rows
    for same in (X.tolist(), torch.tensor(X)):
        assert make("cleaner").fit(same, y).label_issues().index.tolist() == list(range(12))


@pytest.mark.parametrize(
    "probs", [np.eye(3) * 1j, np.full((3, 3), 1e308)], ids=["complex", "overflow"]
)
def test_probabilities_of_the_cleaner(probs, rows, make, end_of):
    X, y = rows
    _, error = end_of(lambda: make("cleaner").fit(X, y, pred_probs=probs[y]))
    assert error is not None and "pred_probs" in str(error)


def test_probabilities_in_a_frame(rows, make, end_of):
    X, y = rows
    _, error = end_of(lambda: make("cleaner").fit(X, y, pred_probs=pd.DataFrame(np.eye(3)[y])))
    assert error is None


@pytest.mark.parametrize("kind", ["ah", "mixnn"])
@pytest.mark.parametrize("lr", [1e38, 1e300])
def test_a_learning_rate_beyond_float32(kind, lr, rows, make):
    with pytest.raises(ValueError, match="lr="):
        make(kind, lr=lr).fit(*rows)


@pytest.mark.parametrize("kind", ["ah", "mixnn", "cleaner"])
@pytest.mark.parametrize("value", [1e308, -1.7e308, np.finfo(float).max])
@pytest.mark.parametrize("constant", [True, False])
def test_columns_near_the_largest_number(kind, value, constant, rows, make, end_of):
    """Their sum overflows, although no value does."""
    X, y = rows
    X = X.copy()
    X[:, 0] = value
    X[::2, 0] *= 1.0 if constant else -1.0
    _, error = end_of(lambda: make(kind).fit(X, y))
    assert error is not None and "too large to be standardised" in str(error)
