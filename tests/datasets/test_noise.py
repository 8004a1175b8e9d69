"""The noise generators: definitions against slow loops, rates, dtypes, seeds, errors."""

import math
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from sklearn.linear_model import LogisticRegression, SGDClassifier

from nllearn.datasets import (
    _instance_noise,
    _labels,
    make_asymmetric_noise,
    make_classification_noise,
    make_pairflip_noise,
    make_part_dependent_noise,
    make_symmetric_noise,
    make_transition_noise,
)

VARIANTS = ["per_class_raw", "per_class_standardized", "shared_raw", "shared_standardized"]


def off_diagonal(rate, n_classes):
    """T of symmetric noise."""
    T = np.full((n_classes, n_classes), rate / (n_classes - 1))
    np.fill_diagonal(T, 1 - rate)
    return T


def part_dependent(variant):
    return lambda X, y, rate, seed: make_part_dependent_noise(
        X, y, noise_rate=rate, variant=variant, random_state=seed
    )


# Every generator under one signature. All of these flip with rate 1 every row, save one.
GENERATORS = {
    "symmetric": lambda X, y, rate, seed: make_symmetric_noise(
        y, noise_rate=rate, random_state=seed
    ),
    "symmetric, own class": lambda X, y, rate, seed: make_symmetric_noise(
        y, noise_rate=rate, include_own_class=True, random_state=seed
    ),
    "pairflip": lambda X, y, rate, seed: make_pairflip_noise(y, noise_rate=rate, random_state=seed),
    "asymmetric": lambda X, y, rate, seed: make_asymmetric_noise(
        y, noise_rate=rate, random_state=seed
    ),
    "asymmetric, per class": lambda X, y, rate, seed: make_asymmetric_noise(
        y, noise_rate=rate, per_class=True, random_state=seed
    ),
    "transition": lambda X, y, rate, seed: make_transition_noise(
        y, transition_matrix=off_diagonal(rate, len(set(y))), random_state=seed
    ),
    **{variant: part_dependent(variant) for variant in VARIANTS},
    "classification": lambda X, y, rate, seed: make_classification_noise(
        X, y, noise_rate=rate, n_epochs=2, random_state=seed
    ),
}
generators = pytest.mark.parametrize("make", GENERATORS.values(), ids=GENERATORS)


def blobs(n=120, n_classes=3, d=4, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.arange(n) % n_classes)
    return rng.normal(size=(n, d)) + codes[:, None], codes


def assert_share(found, expected, n, sigmas=5):
    """The share of n independent rows, within `sigmas` standard deviations."""
    tolerance = sigmas * math.sqrt(max(expected * (1 - expected), 1e-12) / n)
    assert abs(found - expected) <= tolerance, f"{found} is not {expected} +- {tolerance}"


# What all generators promise


LABEL_KINDS = {
    "int64 10 20 30": lambda c: np.array([10, 20, 30])[c],
    "uint8": lambda c: c.astype(np.uint8),
    "float": lambda c: c.astype(np.float32),
    "str": lambda c: np.array(["bird", "cat", "longest name"])[c],
    "object": lambda c: np.array(["bird", "cat", "longest name"], dtype=object)[c],
    "list": lambda c: np.array(["bird", "cat", "longest name"])[c].tolist(),
    "tuple of int": lambda c: tuple(c.tolist()),
    "series int": lambda c: pd.Series(c * 7, index=np.arange(len(c))[::-1] + 5, name="y"),
    "series str": lambda c: pd.Series(np.array(["a", "b", "c"])[c], index=[f"r{i}" for i in c]),
    "series category": lambda c: pd.Series(
        pd.Categorical.from_codes(c + 1, ["unused", "A", "B", "C"]), name=("two", "parts")
    ),
    "series Int64": lambda c: pd.Series(c, dtype="Int64"),
    "series string": lambda c: pd.Series(np.array(["a", "b", "c"])[c], dtype="string"),
}


@generators
@pytest.mark.parametrize("kind", LABEL_KINDS)
def test_labels_come_back_as_they_came(make, kind):
    X, codes = blobs(60)
    y = LABEL_KINDS[kind](codes)
    noisy = make(X, y, 0.4, 0)
    expected = LABEL_KINDS[kind](make(X, codes, 0.4, 0))  # only the names of classes differ
    if isinstance(y, pd.Series):
        if kind != "series str":  # its index is made from the codes
            pd.testing.assert_series_equal(noisy, expected)
        assert noisy.index.equals(y.index) and noisy.name == y.name and noisy.dtype == y.dtype
        assert noisy.tolist() == expected.tolist()
    else:
        assert type(noisy) is np.ndarray and noisy.dtype == np.asarray(y).dtype
        np.testing.assert_array_equal(noisy, np.asarray(expected))


@generators
@pytest.mark.parametrize("dtype", [bool, object])
def test_two_classes(make, dtype):
    X, codes = blobs(60, n_classes=2)
    noisy = make(X, codes.astype(bool).astype(dtype), 0.4, 0)
    assert noisy.dtype == dtype
    np.testing.assert_array_equal(noisy.astype(int), make(X, codes, 0.4, 0))


@generators
def test_seeds(make):
    X, y = blobs()
    np.testing.assert_array_equal(make(X, y, 0.3, 7), make(X, y, 0.3, 7))
    assert any((make(X, y, 0.3, 7) != make(X, y, 0.3, seed)).any() for seed in (8, 9, 10))
    rng = np.random.RandomState(7)
    first, second = make(X, y, 0.3, rng), make(X, y, 0.3, rng)
    np.testing.assert_array_equal(first, make(X, y, 0.3, 7))
    assert (first != second).any() or make is GENERATORS["classification"]


@generators
@pytest.mark.parametrize("seed", [0, None])
def test_global_state_is_left_alone(make, seed, global_random_state_untouched):
    make(*blobs(30), 0.3, seed)


@generators
def test_none_is_not_the_global_state(make):
    X, y = blobs()
    draws = []
    for _ in range(5):
        np.random.seed(0)  # noqa: NPY002
        draws.append(make(X, y, 0.5, None).tolist())
    assert draws.count(draws[0]) < 5


@generators
def test_input_is_unchanged_and_not_shared(make):
    X, y = blobs(60)
    X_before, y_before = X.copy(), y.copy()
    X.flags.writeable = y.flags.writeable = False
    for rate in (0.0, 0.5):
        noisy = make(X, y, rate, 0)
        assert not np.shares_memory(noisy, y)
        noisy[:] = 0
    np.testing.assert_array_equal(X, X_before)
    np.testing.assert_array_equal(y, y_before)
    series = pd.Series(y_before.copy())
    noisy = make(X, series, 0.5, 0)
    noisy.iloc[:] = 0
    np.testing.assert_array_equal(series, y_before)


@generators
def test_rate_zero_and_one(make):
    X, y = blobs(90)
    np.testing.assert_array_equal(make(X, y, 0.0, 0), y)
    if make is not GENERATORS["symmetric, own class"]:
        assert (make(X, y, 1.0, 0) != y).all()


@generators
@given(
    codes=st.lists(st.integers(0, 4), min_size=2, max_size=40).filter(lambda c: len(set(c)) > 1),
    rate=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_labels_stay_among_the_classes(make, codes, rate, seed):
    if make is GENERATORS["classification"]:
        return  # trains a network; has its own property tests
    y = np.array(codes)
    X = np.random.default_rng(0).normal(size=(len(y), 2))
    noisy = make(X, y, rate, seed)
    assert noisy.shape == y.shape and set(noisy.tolist()) <= set(codes)


@generators
@pytest.mark.parametrize("rate", [-0.1, 1.01, 20, float("nan"), float("inf"), "0.2", None, True])
def test_noise_rate_outside_its_range(make, rate):
    if make is GENERATORS["transition"]:
        return
    with pytest.raises(ValueError, match=r"noise_rate=.*\[0, 1\]"):
        make(*blobs(20), rate, 0)


@generators
@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1] * 6, "holds only .*at least 2 classes"),
        ([], "no rows; .*at least 2 classes"),
        ([[0], [1]] * 3, r"shape \(6, 1\).*one-dimensional"),
        (["a", None] * 3, "3 missing labels .* row 1"),
        ([0.0, 1.0, np.nan] * 2, "2 missing labels .* row 2"),
        (["a", np.nan] * 3, "3 missing labels .* row 1"),
        (pd.Series([1, None] * 3, dtype="Int64"), "3 missing labels"),
        (["a", 1] * 3, "mixes label types"),
        (np.array(["a", 1] * 3, dtype=object), "mixes label types"),
    ],
)
def test_labels_that_cannot_be_used(make, y, message):
    if make is GENERATORS["transition"]:
        make = lambda X, y, rate, seed: make_transition_noise(y, transition_matrix=np.eye(2))  # noqa: E731
    with pytest.raises(ValueError, match=message):
        make(np.zeros((6, 2)), y, 0.3, 0)


# Symmetric


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_symmetric_without_own_class(rate):
    n, n_classes = 20_000, 5
    y = np.arange(n) % n_classes
    noisy = make_symmetric_noise(y, noise_rate=rate, random_state=0)
    assert_share((noisy != y).mean(), rate, n)
    for i in range(n_classes):
        for j in range(n_classes):
            expected = 1 - rate if i == j else rate / (n_classes - 1)
            assert_share((noisy[y == i] == j).mean(), expected, n / n_classes)


@pytest.mark.parametrize(
    ("rate", "true_rate"), [(0.2, 0.18), (0.5, 0.45), (0.8, 0.72), (0.9, 0.81)]
)
def test_symmetric_with_own_class(rate, true_rate):
    n, n_classes = 20_000, 10
    y = np.arange(n) % n_classes
    noisy = make_symmetric_noise(y, noise_rate=rate, include_own_class=True, random_state=0)
    assert_share((noisy != y).mean(), true_rate, n)
    for j in range(1, n_classes):
        assert_share((noisy[y == 0] == j).mean(), rate / n_classes, n / n_classes)


@given(n=st.integers(2, 200), rate=st.floats(0, 1), seed=st.integers(0, 1000))
def test_symmetric_with_own_class_visits_an_exact_number(n, rate, seed):
    # With as many classes as rows a redraw nearly always changes the label.
    y = np.arange(n)
    noisy = make_symmetric_noise(y, noise_rate=rate, include_own_class=True, random_state=seed)
    changed, visited = (noisy != y).sum(), int(rate * n + 1e-9)
    assert visited - 12 <= changed <= visited  # P(more than 12 own labels drawn) < 1e-9


def test_counts_do_not_suffer_from_float_rounding():
    assert int(0.29 * 100) == 28  # what the naive formula gives
    for percent in range(101):
        assert _labels.n_of(percent / 100, 100) == percent
    assert _labels.n_of(0.5, 5) == 2


def test_symmetric_draws_rows_independently_of_their_place():
    y = np.repeat([0, 1], 5000)
    noisy = make_symmetric_noise(y, noise_rate=0.4, include_own_class=True, random_state=0)
    for half in (slice(0, 5000), slice(5000, None)):
        assert_share((noisy != y)[half].mean(), 0.2, 5000)


# Pair flip


@pytest.mark.parametrize("rate", [0.1, 0.45])
def test_pairflip(rate):
    classes = np.array(["a", "b", "c", "d"])
    y = np.tile(classes, 5000)
    noisy = make_pairflip_noise(y, noise_rate=rate, random_state=0)
    following = {"a": "b", "b": "c", "c": "d", "d": "a"}
    for label in classes:
        assert_share((noisy[y == label] == following[label]).mean(), rate, 5000)
        assert_share((noisy[y == label] == label).mean(), 1 - rate, 5000)


# Asymmetric


@given(
    codes=st.lists(st.integers(0, 4), min_size=2, max_size=80).filter(lambda c: len(set(c)) > 1),
    rate=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_asymmetric_counts_are_exact(codes, rate, seed):
    y = np.array(codes)
    present = sorted(set(codes))
    following = dict(zip(present, present[1:] + present[:1], strict=True))
    for per_class in (False, True):
        noisy = make_asymmetric_noise(y, noise_rate=rate, per_class=per_class, random_state=seed)
        changed = noisy != y
        assert all(noisy[i] == following[y[i]] for i in np.flatnonzero(changed))
        if per_class:
            for label in present:
                size = (y == label).sum()
                assert changed[y == label].sum() == math.floor(rate * size + 1e-9)
        else:
            assert changed.sum() == math.floor(rate * len(y) + 1e-9)


def test_asymmetric_rows_are_drawn_at_random():
    y = np.repeat([0, 1], 4000)
    for per_class in (False, True):
        noisy = make_asymmetric_noise(y, noise_rate=0.3, per_class=per_class, random_state=0)
        for quarter in np.split(noisy != y, 4):
            assert_share(quarter.mean(), 0.3, 2000)


def test_asymmetric_cifar10():
    slow = {0: 0, 1: 1, 2: 0, 3: 5, 4: 7, 5: 3, 6: 6, 7: 7, 8: 8, 9: 1}
    y = np.tile(np.arange(10, dtype=np.uint8), 1000)
    everything = make_asymmetric_noise(y, noise_rate=1.0, mapping="cifar10", random_state=0)
    assert everything.dtype == np.uint8
    assert everything.tolist() == [slow[label] for label in y]
    noisy = make_asymmetric_noise(y, noise_rate=0.4, mapping="cifar10", random_state=0)
    assert_share((noisy != y).mean(), 0.2, len(y))
    for label in range(10):
        expected = 0.4 if slow[label] != label else 0.0
        assert_share((noisy != y)[y == label].mean(), expected, 1000)


# The coarse label of each fine label, as CIFAR-100 itself stores them.
# fmt: off
CIFAR100_COARSE = [
    4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7,
    6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10,
    16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16,
    12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13,
]
# fmt: on


def test_asymmetric_cifar100_superclass():
    y = np.arange(100)
    noisy = make_asymmetric_noise(y, noise_rate=1.0, mapping="cifar100-superclass")
    for label in range(100):
        siblings = [
            other for other in range(100) if CIFAR100_COARSE[other] == CIFAR100_COARSE[label]
        ]
        assert len(siblings) == 5
        assert noisy[label] == siblings[(siblings.index(label) + 1) % 5]


def test_asymmetric_cifar100_blocks():
    y = pd.Series(np.arange(100), dtype="UInt8")
    noisy = make_asymmetric_noise(y, noise_rate=1.0, mapping="cifar100-blocks")
    assert noisy.dtype == "UInt8"
    assert noisy.tolist() == [5 * (i // 5) + (i % 5 + 1) % 5 for i in range(100)]


def test_asymmetric_named_mapping_reaches_classes_without_rows():
    noisy = make_asymmetric_noise(np.array([9, 9, 9]), noise_rate=1.0, mapping="cifar10")
    assert noisy.tolist() == [1, 1, 1]


def test_asymmetric_dict():
    y = pd.Series(["x", "y", "z"] * 1000)
    noisy = make_asymmetric_noise(
        y, noise_rate=0.3, mapping={"x": "z", "y": "z"}, per_class=True, random_state=0
    )
    assert set(noisy[y == "z"]) == {"z"}
    for label in "xy":
        assert (noisy[y == label] == "z").sum() == 300
        assert (noisy[y == label] == label).sum() == 700


@pytest.mark.parametrize(
    ("y", "mapping", "message"),
    [
        ([0, 1], "cifar11", "mapping='cifar11' is not known"),
        ([0, 1], {}, "at least one entry"),
        ([0, 1], [1, 0], "must be a dict"),
        ([0, 1], {0: 2}, "holds 2, which does not occur"),
        ([0, 1], {3: 0}, "holds 3, which does not occur"),
        ([0, 1], {0: 0}, "0 to itself"),
        (["cat", "dog"], "cifar10", r"integer labels 0..9; y has dtype"),
        ([0, 10], "cifar10", r"integer labels 0..9; y holds 10"),
        ([0, -1], "cifar100-blocks", r"integer labels 0..99; y holds -1"),
        (pd.Series([0, 9], dtype="category"), "cifar10", "y has dtype category"),
        ([0.0, np.nan], "cifar10", "missing labels"),
    ],
)
def test_asymmetric_errors(y, mapping, message):
    with pytest.raises(ValueError, match=message):
        make_asymmetric_noise(y, noise_rate=0.2, mapping=mapping, random_state=0)


# Transition matrix


def test_transition_frequencies():
    T = np.array([[0.7, 0.3, 0.0], [0.0, 0.5, 0.5], [0.1, 0.0, 0.9]])
    y = np.tile(["a", "b", "c"], 10_000)
    noisy = make_transition_noise(y, transition_matrix=T, random_state=0)
    for i, true in enumerate("abc"):
        for j, given_label in enumerate("abc"):
            assert_share((noisy[y == true] == given_label).mean(), T[i, j], 10_000)


def test_transition_permutation_matrix_is_followed_exactly():
    noisy = make_transition_noise([0, 1, 2, 0], transition_matrix=np.eye(3)[[2, 0, 1]])
    assert noisy.tolist() == [2, 0, 1, 2]


@given(
    rows=st.lists(
        st.lists(st.integers(0, 5), min_size=3, max_size=3).filter(any), min_size=1, max_size=30
    ),
    seed=st.integers(0, 1000),
)
def test_sample_rows_against_a_loop(rows, seed):
    P = np.array(rows, dtype=float)
    P /= P.sum(axis=1, keepdims=True)
    drawn = _labels.sample_rows(P, np.random.RandomState(seed))
    uniform = np.random.RandomState(seed).uniform(size=len(P))
    for p, u, column in zip(P, uniform, drawn, strict=True):
        total, expected = p[0], 0
        while total <= u and expected < 2:
            expected += 1
            total += p[expected]
        assert column == expected
        assert p[column] > 0


@pytest.mark.parametrize("uniform", [0.0, np.nextafter(1.0, 0.0)])
def test_sample_rows_never_draws_an_impossible_column(uniform):
    class Extreme:
        def uniform(self, size):
            return np.full(size, uniform)

    # The second row falls short of 1, as float32 tables do.
    P = np.array([[0.0, 0.4, 0.6, 0.0], [0.0, 0.5, 0.499999, 0.0]])
    drawn = _labels.sample_rows(P, Extreme())
    assert drawn.tolist() == ([1, 1] if uniform == 0 else [2, 2])


@pytest.mark.parametrize(
    ("T", "message"),
    [
        (np.eye(3), r"shape \(3, 3\); y has 2 classes"),
        ([0.5, 0.5], r"shape \(2,\)"),
        ([[1.1, -0.1], [0.0, 1.0]], "from -0.1 to 1.1"),
        ([[np.nan, 1.0], [0.0, 1.0]], "must be finite"),
        ([[0.9, 0.1], [0.3, 0.6]], "row 1 .*sums to 0.9"),
        ([[0.9, 0.3], [0.1, 0.7]], "transpose"),
    ],
)
def test_transition_errors(T, message):
    with pytest.raises(ValueError, match=message):
        make_transition_noise([0, 1, 0], transition_matrix=T)


# Part-dependent


def slow_part_dependent(X, codes, q, weights, standardize):
    """The definition, one row and one class at a time."""
    X = np.asarray(X, dtype=float)
    if standardize:
        spread = np.array([column.std() if column.std() > 0 else 1.0 for column in X.T])
        X = (X - X.mean(axis=0)) / spread
    n_classes = max(codes) + 1
    rows = []
    for x, code, rate in zip(X, codes, q, strict=True):
        scores = [sum(x[k] * weights[code][k][c] for k in range(len(x))) for c in range(n_classes)]
        top = max(s for c, s in enumerate(scores) if c != code)
        powers = [0.0 if c == code else math.exp(s - top) for c, s in enumerate(scores)]
        row = [rate * power / sum(powers) for power in powers]
        row[code] = 1 - rate
        rows.append(row)
    return np.array(rows)


@given(
    n=st.integers(3, 25),
    d=st.integers(1, 4),
    n_classes=st.integers(2, 3),
    scale=st.sampled_from([1.0, 255.0]),
    standardize=st.booleans(),
    chunk_rows=st.integers(1, 30),
    seed=st.integers(0, 1000),
)
def test_part_dependent_probabilities(n, d, n_classes, scale, standardize, chunk_rows, seed):
    rng = np.random.default_rng(seed)
    X = (scale * rng.uniform(size=(n, d))).astype(np.float32)
    X[:, 0] = 3.0  # a constant feature
    codes = rng.permutation(np.arange(n) % n_classes)
    q = rng.uniform(size=n)
    weights = rng.normal(size=(n_classes, d, n_classes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_labels, "_CHUNK_BYTES", 8 * d * chunk_rows)
        found = _instance_noise._part_dependent_probabilities(
            X, codes, q, lambda code: weights[code], standardize=standardize
        )
    expected = slow_part_dependent(X, codes, q, weights, standardize)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.9])
def test_flip_rates_follow_the_truncated_normal(rate):
    n = 20_000
    q = _instance_noise._draw_flip_rates(rate, n, np.random.RandomState(0))

    def density(x):
        return math.exp(-0.5 * ((x - rate) / 0.1) ** 2)

    mass = quad(density, 0, 1)[0]
    mean = quad(lambda x: x * density(x), 0, 1)[0] / mass
    variance = quad(lambda x: (x - mean) ** 2 * density(x), 0, 1)[0] / mass
    assert q.min() >= 0 and q.max() <= 1
    assert abs(q.mean() - mean) < 5 * math.sqrt(variance / n)
    assert q.std() == pytest.approx(math.sqrt(variance), rel=0.03)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("rate", [0.3, 0.6])
def test_part_dependent_rate(variant, rate):
    X, y = blobs(10_000, n_classes=4)
    noisy = make_part_dependent_noise(X, y, noise_rate=rate, variant=variant, random_state=0)
    assert_share((noisy != y).mean(), rate, len(y))
    for label in range(4):
        assert_share((noisy != y)[y == label].mean(), rate, 2500)


def test_shared_and_per_class_weights():
    # All rows are alike and softmax is hard: with one W all classes agree on the target.
    n_classes = 6
    y = np.arange(3000) % n_classes
    X = np.full((3000, 50), 255, dtype=np.uint8)
    targets = {}
    for variant in ("shared_raw", "per_class_raw"):
        noisy = make_part_dependent_noise(X, y, noise_rate=0.5, variant=variant, random_state=1)
        flipped_to = [set(noisy[(y == c) & (noisy != c)]) for c in range(n_classes)]
        assert all(len(to) == 1 for to in flipped_to)
        targets[variant] = [to.pop() for to in flipped_to]
    shared = targets["shared_raw"]
    sink = max(set(shared), key=shared.count)
    assert shared.count(sink) == n_classes - 1  # the sink itself flips to the second best
    assert len(set(targets["per_class_raw"])) > 2


def pixel_like(n=3000, n_classes=10, side=8, seed=0):
    """uint8 images: bright on average, smooth, with a little of their class in them."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    coarse = rng.normal(size=(n, 2, 2)) + rng.normal(scale=0.5, size=(n_classes, 2, 2))[y]
    images = np.kron(coarse, np.ones((1, side // 2, side // 2)))
    images = 120 + 35 * images + rng.normal(scale=10, size=images.shape)
    return np.clip(images, 0, 255).astype(np.uint8), y


def test_variants_differ_as_published():
    X, y = pixel_like()
    top_share, largest = {}, {}
    for variant in VARIANTS:
        shares, sizes = [], []
        for seed in range(5):
            noisy = make_part_dependent_noise(
                X, y, noise_rate=0.4, variant=variant, random_state=seed
            )
            for c in range(10):
                to = np.bincount(noisy[(y == c) & (noisy != c)], minlength=10)
                shares.append(to.max() / to.sum())
            sizes.append(np.bincount(noisy).max() / 300)
        top_share[variant], largest[variant] = np.mean(shares), np.mean(sizes)
    for weights in ("per_class", "shared"):
        assert top_share[f"{weights}_raw"] > 1.5 * top_share[f"{weights}_standardized"]
    assert largest["shared_raw"] > 1.3 * largest["per_class_raw"]
    assert largest["shared_raw"] > 2.0 > 1.5 > largest["per_class_standardized"]
    assert largest["shared_standardized"] > largest["per_class_standardized"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_features_in_other_forms(variant):
    X, y = pixel_like(400)
    settings = {"noise_rate": 0.4, "variant": variant, "random_state": 0}
    expected = make_part_dependent_noise(X, y, **settings)
    flat = X.reshape(400, -1)
    for other in (
        flat,
        flat.astype(np.float64),
        np.asfortranarray(flat.astype(np.float16)),
        pd.DataFrame(flat),
        pd.DataFrame(flat).astype("Float64"),
        flat.tolist(),
    ):
        np.testing.assert_array_equal(make_part_dependent_noise(other, y, **settings), expected)
    moved = make_part_dependent_noise(1000 + 3.7 * flat, y, **settings)
    assert np.array_equal(moved, expected) == variant.endswith("standardized")


def test_noise_depends_on_the_instance():
    # Large features make the targets hard: equal rows flip to one place, others elsewhere.
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(scale=255, size=(20, 30)), 100, axis=0)
    y = np.repeat(np.arange(20) % 4, 100)
    noisy = make_part_dependent_noise(X, y, noise_rate=0.5, variant="per_class_raw", random_state=0)
    targets = [set(noisy[i : i + 100]) - {y[i]} for i in range(0, 2000, 100)]
    assert all(len(to) == 1 for to in targets)
    of_class_zero = [to for i, to in enumerate(targets) if i % 4 == 0]
    assert len(set.union(*of_class_zero)) > 1


def test_part_dependent_memory():
    n, d, n_classes = 2000, 3072, 40
    X = np.random.default_rng(0).integers(0, 255, size=(n, d), dtype=np.uint8)
    y = np.arange(n) % n_classes
    tracemalloc.start()
    make_part_dependent_noise(X, y, noise_rate=0.4, random_state=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 36e6  # X alone in float64, and all W together, are 49 and 39 MB


def features_with(value, dtype=float):
    X = np.zeros((6, 2), dtype=dtype)
    X[3, 1] = value
    return X


@pytest.mark.parametrize("make", ["per_class_raw", "shared_standardized", "classification"])
@pytest.mark.parametrize(
    ("X", "message"),
    [
        (features_with(np.nan), "NaN or infinite values, the first in row 3"),
        (features_with(np.inf, np.float16), "NaN or infinite values, the first in row 3"),
        (pd.DataFrame({"a": [1, 2, None] * 2}, dtype="Int64"), "the first in row 2"),
        (np.zeros((5, 2)), r"shape \(5, 2\) for 6 labels"),
        (np.zeros(6), r"shape \(6,\)"),
        (np.zeros((6, 0)), r"shape \(6, 0\)"),
        (np.array([["a"]] * 6), "must be numeric"),
        (pd.DataFrame({"a": list("abcdef")}), "must be numeric"),
        (np.zeros((6, 2), dtype=complex), "must be numeric"),
    ],
)
def test_features_that_cannot_be_used(make, X, message):
    with pytest.raises(ValueError, match=message):
        GENERATORS[make](X, [0, 1, 0, 1, 0, 1], 0.3, 0)


def test_sparse_features():
    from scipy.sparse import csr_array

    with pytest.raises(ValueError, match="sparse"):
        make_part_dependent_noise(csr_array(np.eye(4)), [0, 1, 0, 1], noise_rate=0.2)


def test_unknown_variant():
    with pytest.raises(ValueError, match="variant='raw' is not known"):
        make_part_dependent_noise(np.zeros((2, 1)), [0, 1], noise_rate=0.2, variant="raw")


# Classification-based


def slow_classification(codes, probs, n_flips):
    """The definition, one row at a time."""
    candidates = []
    for row, (code, p) in enumerate(zip(codes, probs, strict=True)):
        wrong = [(-p[c], c) for c in range(len(p)) if c != code]
        strength, target = min(wrong)
        candidates.append((strength, row, target))
    noisy = list(codes)
    for _, row, target in sorted(candidates)[:n_flips]:
        noisy[row] = target
    return noisy


probability_tables = st.integers(2, 4).flatmap(
    lambda n_classes: st.lists(
        st.lists(st.integers(0, 4), min_size=n_classes, max_size=n_classes).filter(any),
        min_size=n_classes,
        max_size=25,
    )
)


@given(table=probability_tables, rate=st.floats(0, 1), seed=st.integers(0, 1000))
def test_classification_against_a_loop(table, rate, seed):
    probs = np.array(table, dtype=float)
    probs /= probs.sum(axis=1, keepdims=True)
    n, n_classes = probs.shape
    codes = np.random.default_rng(seed).permutation(np.arange(n) % n_classes)
    noisy = make_classification_noise(None, codes, noise_rate=rate, pred_probs=probs)
    n_flips = math.floor(rate * n + 1e-9)
    assert noisy.tolist() == slow_classification(codes, probs, n_flips)
    assert (noisy != codes).sum() == n_flips


def test_classification_ties_keep_the_order_of_rows():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=1000)
    probs = np.array([[0.6, 0.2, 0.2], [0.2, 0.2, 0.6], [0.4, 0.4, 0.2]])[
        rng.integers(3, size=1000)
    ]
    before = probs.copy()
    noisy = make_classification_noise(None, y, noise_rate=0.3, pred_probs=probs)
    assert noisy.tolist() == slow_classification(y, probs, 300)
    np.testing.assert_array_equal(probs, before)


def test_classification_order_of_rows_and_growing_rates():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.array(list("abcd") * 25))
    probs = rng.dirichlet(np.ones(4), size=100)

    def noisy(rate, rows=slice(None)):
        return make_classification_noise(None, y[rows], noise_rate=rate, pred_probs=probs[rows])

    order = rng.permutation(100)
    np.testing.assert_array_equal(noisy(0.3, order), noisy(0.3)[order])
    few, many = noisy(0.2), noisy(0.5)
    assert (many[few != y] == few[few != y]).all()


@pytest.mark.parametrize("n", [4, 30, 400])
def test_classification_default_model(n):
    # Class 2 is far away; 0 and 1 overlap.
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    X = rng.normal(size=(n, 2)) + np.array([[0, 0], [1, 0], [20, 20]])[y]
    noisy = make_classification_noise(X, y, noise_rate=0.25, random_state=0)
    assert (noisy != y).sum() == n // 4
    if n > 4:
        assert (noisy[y == 2] == 2).all() and set(noisy[y < 2]) == {0, 1}
    if n == 400:
        # The flipped rows of class 0 are those on the side of class 1.
        side = X[:, 0]
        assert side[(y == 0) & (noisy == 1)].mean() > side[(y == 0) & (noisy == 0)].mean() + 0.5


def test_classification_images():
    X, y = pixel_like(200, n_classes=4)
    noisy = make_classification_noise(X, y, noise_rate=0.2, n_epochs=2, random_state=0)
    flat = make_classification_noise(
        X.reshape(200, -1).astype(float), y, noise_rate=0.2, n_epochs=2, random_state=0
    )
    np.testing.assert_array_equal(noisy, flat)


class Recorder(SGDClassifier):
    """Counts its epochs; predicts what it was told for each of them."""

    tables = ()
    seen = ()

    def partial_fit(self, X, y, classes=None):
        type(self).seen = (*type(self).seen, (X.shape, y.tolist(), classes.tolist()))
        self.epoch_ = getattr(self, "epoch_", 0) + 1
        return self

    def predict_proba(self, X):
        return np.array(type(self).tables[self.epoch_ - 1])


def test_classification_averages_over_the_epochs():
    # The last epoch alone would flip row 0, the mean flips row 1.
    Recorder.tables = (
        [[1.0, 0.0], [0.1, 0.9], [0.0, 1.0]],
        [[0.4, 0.6], [0.6, 0.4], [0.0, 1.0]],
    )
    Recorder.seen = ()
    estimator = Recorder()
    noisy = make_classification_noise(
        np.zeros((3, 2, 2)), ["a", "a", "b"], noise_rate=0.34, estimator=estimator, n_epochs=2
    )
    assert noisy.tolist() == ["a", "b", "b"]
    assert list(Recorder.seen) == [((3, 4), [0, 0, 1], [0, 1])] * 2
    assert not hasattr(estimator, "epoch_") and estimator.random_state is None


def test_classification_with_an_estimator():
    X, y = blobs(90, seed=1)
    settings = {"noise_rate": 0.2, "n_epochs": 3, "random_state": 0}
    model = SGDClassifier(loss="log_loss")
    first = make_classification_noise(X, y, estimator=model, **settings)
    np.testing.assert_array_equal(
        first, make_classification_noise(X, y, estimator=model, **settings)
    )
    assert (first != y).sum() == 18 and not hasattr(model, "coef_")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pred_probs": np.full((4, 2), 0.5), "estimator": SGDClassifier()}, "both given"),
        ({"pred_probs": np.full((4, 3), 1 / 3)}, r"\(4, 3\); y has 4 rows and 2 classes"),
        ({"pred_probs": np.full((3, 2), 0.5)}, r"\(3, 2\)"),
        ({"pred_probs": np.array([[2.0, -1.0]] * 4)}, "from -1.0 to 2.0"),
        ({"pred_probs": np.array([[0.5, np.nan]] * 4)}, "finite"),
        ({"pred_probs": np.array([[0.5, 0.5]] * 3 + [[3, 2]])}, "row 3 .*sums to 5"),
        ({"estimator": LogisticRegression()}, "no partial_fit"),
        ({"estimator": SGDClassifier(loss="hinge")}, "no predict_proba"),
        ({"n_epochs": 0}, "n_epochs=0"),
    ],
)
def test_classification_errors(settings, message):
    X = np.arange(8.0).reshape(4, 2)
    with pytest.raises(ValueError, match=message):
        make_classification_noise(X, [0, 1, 0, 1], noise_rate=0.25, **settings)
