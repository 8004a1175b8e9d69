"""Both classifiers and the cleaner under any rows, labels, weights and masks."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

# Until every estimator asks check_rows and check_labels, some cases may fail.

SCALE = settings.default.max_examples / 50
CASES = int(60 * SCALE)

SIZES = (0, 1, 2, 3, 7, 12, 24)
BIG = (1e-320, 1e-300, 1e-45, 1e-30, 1e20, 1e38, 1e100, 1e200, 1e308)
X_KINDS = (
    *("float64", "float32", "float16", "int8", "uint64", "bool", ">f8", ">i4", "longdouble"),
    *("object", "object of text", "complex64", "U4", "S4", "structured", "ragged", "None"),
    *("nan", "inf", "huge value", "scaled", "constant", "duplicated", "one column", "wide"),
    *("read-only", "reversed", "fortran", "broadcast", "list", "no columns", "1-D", "3-D", "5-D"),
    *("frame", "frame of two dtypes", "nullable frame", "frame with a gap", "frame of text"),
    *("repeated columns", "mixed names", "multi-index", "repeated index", "series", "sparse"),
)
Y_KINDS = (
    *("int64", "int8", "uint64", ">i4", "float64", "bool", "text", "object text", "categorical"),
    *("empty text", "unicode", "one class", "one row of a class", "all different", "negative"),
    *("fractions", "inf", "complex128", "bytes", "two columns", "one column", "0-D", "series"),
    *("short", "long", "huge integers", "objects", "pairs", "None", "string series", "read-only"),
    *("-0.0 and 0.0", "blanks"),
)
WEIGHT_KINDS = (
    *("None", "ones", "random", "zeros", "one row", "two rows", "negative", "nan", "inf"),
    *("1e300", "1e-300", "wide range", "text", "short", "column", "scalar", "ints", "complex128"),
    *("object", "series", "bool", "dict"),
)
TRUSTED_KINDS = (
    *("None", "none of them", "some", "all", "0 and 1", "row numbers", "text", "nan", "short"),
    *("column", "scalar", "object", "object with None", "series", "complex128", "dict"),
)


def make_X(kind, n, rng, power):
    """Rows of a kind."""
    X = rng.normal(size=(n, 3))
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        match kind:
            case "object of text":
                return np.array([["a", 1, None]] * n, dtype=object).reshape(n, 3)
            case "structured":
                return np.zeros((n, 2), dtype=[("a", "f4"), ("b", "f4")])
            case "ragged":
                return [[1.0], [2.0, 3.0]] * (n // 2 + 1)
            case "None":
                return None
            case "nan" | "inf" | "huge value":
                value = {"nan": np.nan, "inf": -np.inf}.get(kind, power)
                X[n // 2 : n // 2 + 1, 1] = value
                return X.astype(np.float32) if power in (1e38, 1e-45) else X
            case "scaled":
                return X * power
            case "constant":
                return np.full((n, 3), power)
            case "duplicated":
                return np.repeat(X[: max(1, n // 3)], 4, axis=0)[:n]
            case "one column":
                return X[:, :1]
            case "wide":
                return rng.normal(size=(n, 200))
            case "read-only":
                X.flags.writeable = False
                return X
            case "reversed":
                return np.repeat(X, 2, axis=1)[::-1, ::-2]
            case "fortran":
                return np.asfortranarray(X)
            case "broadcast":
                return np.broadcast_to(rng.normal(size=3), (n, 3))
            case "list":
                return X.tolist()
            case "no columns":
                return X[:, :0]
            case "1-D" | "3-D" | "5-D":
                return rng.normal(size=(n, 2, 3, 2, 2)[: int(kind[0])])
            case "frame":
                return frame
            case "frame of two dtypes":
                return frame.assign(d=np.arange(n), e=np.arange(n) % 2 == 0)
            case "nullable frame":
                return frame.round().astype("Int64")
            case "frame with a gap":
                gaps = frame.astype("Float64")
                gaps.iloc[n // 2 : n // 2 + 1, 0] = pd.NA
                return gaps
            case "frame of text":
                return frame.assign(d="text")
            case "repeated columns":
                return frame.set_axis(["a", "a", "b"], axis=1)
            case "mixed names":
                return frame.set_axis(["a", 1, "b"], axis=1)
            case "multi-index":
                index = pd.MultiIndex.from_arrays([np.arange(n), np.arange(n)[::-1]])
                columns = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])
                return pd.DataFrame(X, index=index, columns=columns)
            case "repeated index":
                return frame.set_axis([0] * n, axis=0)
            case "series":
                return frame["a"]
            case "sparse":
                return sparse.csr_matrix(X)
            case _:
                return (X * 10).astype(kind)


def make_y(kind, n, rng):
    """Labels of a kind."""
    codes = rng.integers(0, 3, n) if n > 3 else np.arange(n)

    def words(*names):
        return np.array(names, dtype=object)[codes]

    match kind:
        case "text":
            return words("a", "b", "c").astype(str)
        case "object text":
            return words("a", "b", "c")
        case "categorical":
            return pd.Series(words("a", "b", "c"), dtype="category")
        case "string series":
            return pd.Series(words("a", "b", "c"), dtype="str")
        case "empty text":
            return words("", "b", " ")
        case "unicode":
            return words("é", "日本", "😀\u202e")
        case "one class":
            return np.zeros(n, dtype=int)
        case "one row of a class":
            return (np.arange(n) == 0).astype(int)
        case "all different":
            return rng.permutation(n)
        case "negative":
            return words(-1, -(2**63), 0).astype(np.int64)
        case "fractions":
            return codes + 0.5
        case "inf":
            return np.where(codes == 1, np.inf, codes)
        case "bytes":
            return words(b"a", b"b", b"c").astype(bytes)
        case "two columns":
            return np.eye(3)[codes][:, :2]
        case "one column":
            return codes[:, None]
        case "0-D":
            return 3
        case "series":
            return pd.Series(codes, index=np.arange(n)[::-1])
        case "short":
            return codes[:-1]
        case "long":
            return np.r_[codes, codes, 0]
        case "huge integers":
            return words(10**30, 1, 2)
        case "objects":
            return [object() for _ in range(n)]
        case "pairs":
            return [(1, 2)] * n
        case "None":
            return None
        case "read-only":
            codes.flags.writeable = False
            return codes
        case "-0.0 and 0.0":
            return words(-0.0, 0.0, 1.0).astype(float)
        case "blanks":
            return words("a", "a ", " a")
        case _:
            return codes.astype(kind)


def make_weight(kind, n, rng):
    """Weights of a kind."""
    w = rng.uniform(0.5, 2, n)
    few = {"one row": 1, "two rows": 2}
    match kind:
        case "None":
            return None
        case "ones" | "zeros":
            return np.full(n, float(kind == "ones"))
        case "random":
            return np.where(rng.uniform(size=n) < 0.3, 0, w)
        case "one row" | "two rows":
            return np.where(np.arange(n) < few[kind], w, 0)
        case "negative":
            return -w
        case "nan" | "inf":
            return np.where(np.arange(n) == n // 2, float(kind), w)
        case "1e300" | "1e-300":
            return w * float(kind)
        case "wide range":
            return np.geomspace(1e-300, 1e300, n)
        case "text":
            return ["a"] * n
        case "short":
            return w[:-1]
        case "column":
            return w[:, None]
        case "scalar":
            return 2.0
        case "ints":
            return np.full(n, 2**62)
        case "series":
            return pd.Series(w, index=np.arange(n)[::-1])
        case "dict":
            return {"a": 1.0}
        case _:
            return w.astype(kind)


def make_trusted(kind, n, rng):
    """Masks of a kind."""
    some = rng.uniform(size=n) < 0.4
    match kind:
        case "None":
            return None
        case "none of them" | "all":
            return np.full(n, kind == "all")
        case "0 and 1":
            return some.astype(int)
        case "row numbers":
            return np.arange(n) + 2
        case "text":
            return ["True"] * n
        case "nan":
            return np.where(some, np.nan, 1.0)
        case "short":
            return some[:-1]
        case "column":
            return some[:, None]
        case "scalar":
            return True
        case "object with None":
            return np.where(some, some, None)
        case "series":
            return pd.Series(some)
        case "dict":
            return {0: True}
        case "some":
            return some
        case _:
            return some.astype(kind)


def often(usual, kinds):
    """Mostly a usual kind, so that one odd argument is tried beside good ones."""
    return st.one_of(st.sampled_from(usual), st.sampled_from(kinds))


def copy_of(value):
    """What an argument holds, to tell whether a call changes it."""
    return value.copy() if hasattr(value, "copy") else value


def assert_unchanged(value, before):
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(value, before)
    elif isinstance(value, pd.Series):
        pd.testing.assert_series_equal(value, before)
    elif isinstance(value, np.ndarray):
        plain = value.dtype != object
        assert value.tobytes() == before.tobytes() if plain else repr(value) == repr(before)


@pytest.mark.parametrize("kind", ["ah", "mixnn", "cleaner"])
@settings(max_examples=CASES)
@given(
    n=st.one_of(st.just(12), st.sampled_from(SIZES)),
    X_kind=often(["float64", "frame"], X_KINDS),
    y_kind=often(["int64", "text"], Y_KINDS),
    weight_kind=often(["None"], WEIGHT_KINDS),
    trusted_kind=often(["None"], TRUSTED_KINDS),
    power=st.sampled_from(BIG),
    seed=st.integers(0, 9),
)
def test_fit(
    kind, n, X_kind, y_kind, weight_kind, trusted_kind, power, seed, make, end_of, check_fitted
):
    rng = np.random.default_rng(seed)
    X, y = make_X(X_kind, n, rng, power), make_y(y_kind, n, rng)
    weight, trusted = make_weight(weight_kind, n, rng), make_trusted(trusted_kind, n, rng)
    before = [copy_of(value) for value in (X, y, weight, trusted)]
    est, error = end_of(lambda: make(kind).fit(X, y, sample_weight=weight, trusted=trusted))
    if error is None:
        check_fitted(est, X, y, trusted)
    for value, was in zip((X, y, weight, trusted), before, strict=True):
        assert_unchanged(value, was)


@pytest.mark.parametrize("kind", ["ah", "mixnn", "cleaner"])
@settings(max_examples=max(1, CASES // 2))
@given(X_kind=st.sampled_from(X_KINDS), power=st.sampled_from(BIG), n=st.sampled_from(SIZES))
def test_new_rows(kind, X_kind, power, n, make, end_of, fitted):
    """Rows that come after fit: probabilities, or one clear error."""
    X, est = make_X(X_kind, n, np.random.default_rng(0), power), fitted[kind]
    if isinstance(X, pd.DataFrame):
        X = X.to_numpy()  # names of columns, where fit had none, are scikit-learn's warning
    if kind == "cleaner":
        quality, _ = end_of(lambda: est.score_labels(X, np.arange(n) % 3))
        assert quality is None or ((quality >= 0) & (quality <= 1)).all()
        return
    proba, _ = end_of(lambda: est.predict_proba(X))
    if proba is not None:
        assert np.isfinite(proba).all() and np.isin(est.predict(X), est.classes_).all()
        np.testing.assert_allclose(proba.sum(1), 1.0, atol=1e-6)


@pytest.fixture(scope="module")
def fitted(make, rows):
    """Each estimator, fitted to twelve rows."""
    return {kind: make(kind).fit(*rows) for kind in ("ah", "mixnn", "cleaner")}


@pytest.mark.parametrize("kind", ["ah", "mixnn", "cleaner"])
def test_two_hundred_classes_on_210_rows(kind, make, end_of, check_fitted):
    X = np.random.default_rng(0).normal(size=(210, 3))
    y = np.arange(210) % 200
    est, error = end_of(lambda: make(kind).fit(X, y))
    assert error is None
    check_fitted(est, X, y)


def graph_of(kind, n, rng):
    """Neighbour graphs of a kind."""
    near = np.array([[(i + j) % n for j in (1, 2, 3)] for i in range(n)])
    match kind:
        case "pair":
            return rng.uniform(size=near.shape), near
        case "sparse":
            return sparse.csr_matrix(np.where(rng.uniform(size=(n, n)) < 0.3, 1.0, 0.0))
        case "itself":
            return np.tile(np.arange(3), (n, 1))
        case "outside":
            return near + n
        case "below":
            return -near
        case "short":
            return near[:-1]
        case "1-D":
            return near[:, 0]
        case "no columns":
            return near[:, :0]
        case "ragged":
            return [[1], [2, 3]] * n
        case "repeated":
            return np.repeat(near[:, :1], 4, axis=1)
        case "text":
            return "graph"
        case "dict":
            return {0: [1]}
        case _:
            return near.astype(kind)


def probs_of(kind, n, rng):
    """Probabilities of three classes, of a kind."""
    probs = rng.dirichlet(np.ones(3), n)
    match kind:
        case "one-hot":
            return np.eye(3)[np.arange(n) % 3]
        case "logits":
            return rng.normal(size=(n, 3))
        case "nan" | "inf":
            return np.where(probs > 0.5, float(kind), probs)
        case "1e300":
            return probs * 1e300
        case "two classes":
            return probs[:, :2]
        case "frame":
            return pd.DataFrame(probs)
        case "text":
            return np.full((n, 3), "a")
        case "list":
            return probs.tolist()
        case "dict":
            return {}
        case _:
            return probs.astype(kind)


GRAPHS = (
    *("int64", "uint8", "float64", "object", "bool", "pair", "sparse", "itself", "outside"),
    *("below", "short", "1-D", "no columns", "repeated", "text", "dict"),
)
PROBS = (
    *("float64", "float32", "float16", "int64", "one-hot", "logits", "nan", "inf"),
    *("two classes", "text", "list", "dict"),
)


@settings(max_examples=CASES)
@given(
    graph=st.sampled_from(["None", *GRAPHS]),
    probs=st.sampled_from(["None", *PROBS]),
    seed=st.integers(0, 9),
)
def test_graphs_and_probabilities(graph, probs, seed, make, end_of, check_fitted, rows):
    X, y = rows
    rng = np.random.default_rng(seed)
    given_graph = None if graph == "None" else graph_of(graph, len(X), rng)
    given_probs = None if probs == "None" else probs_of(probs, len(X), rng)
    est, error = end_of(
        lambda: make("cleaner").fit(X, y, pred_probs=given_probs, neighbor_graph=given_graph)
    )
    if error is None:
        check_fitted(est, X, y)
    else:
        assert "neighbor_graph" in str(error) or "pred_probs" in str(error)
