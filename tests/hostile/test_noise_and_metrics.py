"""Noise generators and scores under any labels, rates, rows and weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nllearn import datasets, metrics

CASES = int(60 * settings.default.max_examples / 50)
N = 12
RNG = np.random.default_rng(0)
CODES = np.arange(N) % 3
ROWS = RNG.normal(size=(N, 3))

LABELS = {
    "int": CODES,
    "list": CODES.tolist(),
    "uint64": np.array([2**64 - 1, 0, 1] * 4, dtype=np.uint64),
    ">i4": CODES.astype(">i4"),
    "float16": CODES.astype(np.float16),
    "fractions": CODES + 0.5,
    "bool": CODES > 0,
    "text": np.array(list("abc") * 4),
    "object": np.array(["", "b", "é日"] * 4, dtype=object),
    "bytes": np.array([b"a", b"b", b"c"] * 4),
    "mixed": [1, "a", 2] * 4,
    "mixed object": np.array([1, "a", 2] * 4, dtype=object),
    "None": None,
    "with None": [None, "a", "b"] * 4,
    "nan": np.array([np.nan, 1, 2] * 4),
    "inf": np.array([np.inf, 1, 2] * 4),
    "complex": CODES * 1j,
    "dates": CODES.astype("M8[D]"),
    "NaT": np.array(["NaT", "2020-01-02", "2020-01-03"] * 4, dtype="M8[D]"),
    "two columns": np.eye(3)[CODES],
    "scalar": 3,
    "empty": [],
    "short": CODES[:4],
    "one class": np.zeros(N, dtype=int),
    "all different": np.arange(N),
    "category": pd.Series(list("abc") * 4, dtype="category"),
    "Int64": pd.Series([1, 2, 3] * 4, dtype="Int64"),
    "Int64 with NA": pd.Series([1, None, 3] * 4, dtype="Int64"),
    "string": pd.Series(list("abc") * 4, dtype="string"),
    "string with NA": pd.Series(["a", None, "c"] * 4, dtype="string"),
    "repeated index": pd.Series(CODES, index=[0] * N),
    "frame": pd.DataFrame({"a": CODES}),
    "word": "abc",
    "dict": {"a": 1},
    "pairs": [(1, 2)] * N,
    "huge": [10**30, 1, 2] * 4,
    "objects": [object() for _ in range(N)],
    "structured": np.zeros(N, dtype=[("a", "i4")]),
    "periods": pd.Series(pd.period_range("2020", periods=N)),
    "read-only": np.broadcast_to(CODES, (N,)),
}
TABLES = {
    "float64": ROWS,
    "list": ROWS.tolist(),
    "int": (ROWS * 10).astype(int),
    "float16": ROWS.astype(np.float16),
    ">f8": ROWS.astype(">f8"),
    "bool": ROWS > 0,
    "object": ROWS.astype(object),
    "text": ROWS.astype(str),
    "complex": ROWS * 1j,
    "dates": ROWS.astype("i8").astype("M8[s]"),
    "nan": np.where(ROWS > 1, np.nan, ROWS),
    "inf": np.where(ROWS > 1, np.inf, ROWS),
    "1e38": ROWS * 1e38,
    "denormal": ROWS * 1e-310,
    "constant": np.ones((N, 3)),
    "1-D": ROWS[:, 0],
    "3-D": RNG.normal(size=(N, 3, 3)),
    "no columns": ROWS[:, :0],
    "no rows": ROWS[:0],
    "short": ROWS[:5],
    "frame": pd.DataFrame(ROWS),
    "frame with NA": pd.DataFrame({"a": pd.array([1, None] * 6, dtype="Int64"), "b": 1.0}),
    "None": None,
    "ragged": [[1.0, 2.0], [3.0]] * 6,
    "masked": np.ma.masked_greater(ROWS, 1),
    "reversed": ROWS[::-1, ::-1],
    "bytes": (np.abs(ROWS) * 20).astype(np.uint8),
}
RATES = (0, 0.3, 1, 0.999999, 1e-300, -0.1, 1.1, np.nan, np.inf, None, "0.3", True, [0.3], 1j)


def values(table):
    """A value of a table, by its name."""
    return st.sampled_from(sorted(table)).map(table.get)


def often(usual, table):
    """Mostly the usual value."""
    return st.one_of(st.just(usual), values(table))


@pytest.mark.parametrize(
    "name", ["make_symmetric_noise", "make_pairflip_noise", "make_asymmetric_noise"]
)
@settings(max_examples=CASES)
@given(y=values(LABELS), rate=st.one_of(st.just(0.3), st.sampled_from(RATES)))
def test_class_noise(name, y, rate, end_of):
    noisy, error = end_of(lambda: getattr(datasets, name)(y, noise_rate=rate, random_state=0))
    assert error is not None or is_noisy_copy(noisy, y)


@pytest.mark.parametrize("name", ["make_part_dependent_noise", "make_classification_noise"])
@settings(max_examples=max(1, CASES // 2))
@given(X=often(ROWS, TABLES), y=often(CODES, LABELS), rate=st.sampled_from([0.3, 1.0, 2.0]))
def test_instance_noise(name, X, y, rate, end_of):
    noisy, error = end_of(lambda: getattr(datasets, name)(X, y, noise_rate=rate, random_state=0))
    assert error is not None or is_noisy_copy(noisy, y)


def is_noisy_copy(noisy, y):
    """Of the length, dtype and classes of y."""
    values, given = np.asarray(noisy), np.asarray(y)
    assert len(values) == len(given) and values.dtype == given.dtype
    assert set(values.tolist()) <= set(given.tolist())
    return True


@settings(max_examples=CASES)
@given(
    T=st.one_of(
        st.sampled_from([None, "a", [[1]], [[1, 0, 0], [1, 0], [0]], np.eye(3).astype(str)]),
        st.builds(
            lambda kind, factor: (np.full((3, 3), 1 / 3) * factor).astype(kind),
            st.sampled_from([float, np.longdouble, complex, object]),
            st.sampled_from([1.0, -1.0, 0.0, 2.0, 1e308, np.nan, np.inf]),
        ),
    ),
    y=often(CODES, LABELS),
)
def test_transition_noise(T, y, end_of):
    noisy, error = end_of(
        lambda: datasets.make_transition_noise(y, transition_matrix=T, random_state=0)
    )
    assert error is not None or is_noisy_copy(noisy, y)


SCORES = {
    "realized_noise": (CODES, CODES),
    "label_accuracy": (CODES, CODES),
    "correction_report": (CODES, CODES, CODES),
    "selection_precision": (CODES, CODES, CODES > 0),
    "selection_recall": (CODES, CODES, CODES > 0),
    "detection_auroc": (CODES, CODES, np.linspace(0, 1, N)),
    "detection_average_precision": (CODES, CODES, np.linspace(0, 1, N)),
    "quality_calibration_error": (CODES, CODES, np.linspace(0, 1, N)),
}


@pytest.mark.parametrize("name", SCORES)
@settings(max_examples=CASES)
@given(place=st.integers(-2, 2), odd=values(LABELS), weight=often(None, LABELS))
def test_scores(name, place, odd, weight, end_of):
    args = list(SCORES[name])
    if place == -2:
        args[:2] = [odd, odd]
    elif 0 <= place < len(args):
        args[place] = odd
    score, error = end_of(lambda: getattr(metrics, name)(*args, sample_weight=weight))
    if error is None:
        if isinstance(score, tuple):
            rate, T = score
            score = {"rate": rate} | dict(enumerate(T.ravel().tolist()))
        numbers = score.values() if isinstance(score, dict) else [score]
        shares = np.array([v for v in numbers if isinstance(v, float)])
        # A score without a denominator is nan; all others are shares.
        assert ((shares >= 0) & (shares <= 1 + 1e-12) | np.isnan(shares)).all()
