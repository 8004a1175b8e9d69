"""Labels in every container and of every type: the same classes, or the same clear error."""

from __future__ import annotations

import datetime
import decimal
import enum

import numpy as np
import pandas as pd
import pytest

from nllearn import LabelCleaner, MixNNClassifier
from nllearn._labels import check_labels, label_index

WORDS = ["x", "y", "z", None] * 10


def containers(values):
    """The values in every container that is installed."""
    pyarrow = pytest.importorskip("pyarrow")
    arrow = pyarrow.array(values)
    found = {
        "list": values,
        "array": np.array(values, dtype=object),
        "Series": pd.Series(values, dtype=object, index=range(5, len(values) + 5)),
        "Index": pd.Index(values, dtype=object),
        "frame": pd.DataFrame({"label": pd.Series(values, dtype=object)}),
        "Categorical": pd.Series(values).astype("category"),
        "pyarrow": pyarrow.array(values),
        "chunks": pyarrow.chunked_array([values[:7], values[7:]]),
        "codes": pyarrow.array(values).dictionary_encode(),
        "ArrowDtype": pd.Series(arrow, dtype=pd.ArrowDtype(arrow.type)),
    }
    try:
        import polars
    except ImportError:
        return found
    found["polars"] = polars.Series(values)
    if isinstance(values[0], str):
        found["polars categories"] = polars.Series(values, dtype=polars.Categorical)
    return found


@pytest.mark.parametrize(
    "values",
    [WORDS, [1, 2, None, 3] * 10, [True, False, True, None] * 10, [2**60, 2**60 + 1, None]],
)
def test_a_missing_label_is_told_for_every_container(values):
    row = values.index(None)
    for name, labels in containers(values).items():
        with pytest.raises(ValueError, match=rf"missing label.*first in row {row}"):
            check_labels(labels)
        X = np.random.default_rng(0).normal(size=(len(values), 3))
        for estimator in (LabelCleaner(), MixNNClassifier(max_epochs=3)):
            with pytest.raises(ValueError, match=rf"missing label.*first in row {row}"):
                estimator.fit(X, labels), name


@pytest.mark.parametrize("values", [["x", "y"] * 10, [2**60, 2**60 + 1] * 10, [True, False] * 10])
def test_labels_are_the_same_from_every_container(values):
    for name, labels in containers(values).items():
        found = np.asarray(check_labels(labels)).ravel()
        assert found.tolist() == values, name


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([True, False] * 20, dtype=object), "b"),
        (pd.Series([1, 2, 3, 4] * 10, dtype=object), "i"),
        (pd.Series([1.0, 2.0] * 20, dtype=object), "f"),
        (pd.Series([True, False] * 20, dtype=object).astype("category"), "b"),
        ([np.bool_(True), np.bool_(False)] * 20, "b"),
        (np.array([np.int8(1), np.int64(2)] * 20, dtype=object), "i"),
        (pd.Series(pd.array([1, 2] * 20, dtype="Int64")).astype(object), "i"),
    ],
)
def test_objects_get_the_type_that_they_have(values, kind):
    X = np.eye(2)[np.arange(40) % 2] * 4 + np.random.default_rng(0).normal(size=(40, 2))
    cleaner = LabelCleaner(random_state=0).fit(X, values)
    assert cleaner.classes_.dtype.kind == kind
    assert MixNNClassifier(max_epochs=3).fit(X, values).classes_.dtype.kind == kind


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([decimal.Decimal(1), decimal.Decimal(2)], "type Decimal, such as '1'"),
        ([Colour.RED, Colour.BLUE], "type Colour"),
        ([datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)], "type date, such as '2024-01-01'"),
        (np.array([True, 2], dtype=object), "mixes bools and numbers"),
        (np.array([2**70, 1], dtype=object), "beyond 64 bits, such as 1180591620717411303424"),
        (np.array(["a", 1], dtype=object), "mixes text"),
    ],
)
def test_labels_of_other_types_are_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        LabelCleaner().fit(np.eye(2), values)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", "i2", "u8"])
def test_label_index_finds_numbers_of_every_width(dtype):
    labels = np.array([1, 2, 3], dtype=dtype)
    assert label_index(labels).get_indexer(label_index(labels[::-1])).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    "y",
    [
        np.arange(12),
        ["a", "b"] * 6,
        np.array(["é", "日本"] * 6),
        np.array([True, False] * 6),
        np.eye(3),
        [(1, 2)] * 12,
        [],
        None,
        "word",
    ],
)
def test_other_labels_pass_as_they_are(y):
    assert check_labels(y) is y
