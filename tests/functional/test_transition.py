"""The transition matrix: found again where it is known, and its formula by loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaln

from nllearn.functional.transition import (
    estimate_transition,
    expected_transition,
    noise_rate,
    prior_strength,
    scale_noise,
    symmetric_transition,
)

PAIR_FLIP = np.eye(4) * 0.7 + np.roll(np.eye(4), 1, axis=1) * 0.3
ASYMMETRIC = np.array(
    [[0.6, 0.4, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.1, 0.0, 0.9, 0.0], [0.0, 0.0, 0.3, 0.7]]
)
KNOWN = {
    "no noise": np.eye(4),
    "symmetric": symmetric_transition(4, 0.3),
    "pair flip": PAIR_FLIP,
    "asymmetric": ASYMMETRIC,
}


def draw(probs, rng):
    """One column number for every row of probabilities."""
    return (probs.cumsum(1) > rng.random((len(probs), 1))).argmax(1)


def noisy_rows(transition, n=6000, seed=0):
    """Calibrated probabilities, true labels drawn from them, given labels drawn from T."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(len(transition), 0.1), n)
    true = draw(probs, rng)
    return probs, true, draw(transition[true], rng)


def slow_transition(probs, given, weight=None, trusted=None, kappa=10.0, rounds=50):
    """The expectation maximisation of the docstring, row by row."""
    n, n_classes = probs.shape
    weight = np.ones(n) if weight is None else weight / weight.mean()
    T = [
        [0.7 if k == j else 0.3 / (n_classes - 1) for j in range(n_classes)]
        for k in range(n_classes)
    ]
    for _ in range(rounds):
        counts = [[0.0] * n_classes for _ in range(n_classes)]
        for i in range(n):
            joint = [float(probs[i, k]) * T[k][given[i]] for k in range(n_classes)]
            q = [j / sum(joint) for j in joint]
            if trusted is not None and trusted[i]:
                q = [float(k == given[i]) for k in range(n_classes)]
            for k in range(n_classes):
                counts[k][given[i]] += weight[i] * q[k]
        total = sum(map(sum, counts))
        rate = min(max(1 - sum(counts[k][k] for k in range(n_classes)) / total, 1e-3), 1 - 1e-3)
        change = 0.0
        for k in range(n_classes):
            mass = kappa + sum(counts[k])
            for j in range(n_classes):
                spread = 1 - rate if k == j else rate / (n_classes - 1)
                updated = (kappa * spread + counts[k][j]) / mass
                change, T[k][j] = max(change, abs(updated - T[k][j])), updated
        if change < 1e-4:
            break
    return np.array(T)


@given(st.integers(1, 6), st.floats(0, 1))
def test_symmetric_transition_equals_its_definition(n_classes, rate):
    T = symmetric_transition(n_classes, rate)
    assert T.shape == (n_classes, n_classes)
    np.testing.assert_allclose(T.sum(1), 1.0)
    for k in range(n_classes):
        for j in range(n_classes):
            if n_classes == 1:
                assert T[k, j] == 1.0
            else:
                assert T[k, j] == (1 - rate if k == j else rate / (n_classes - 1))


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_matrix_is_found_again(name):
    probs, _, given_labels = noisy_rows(KNOWN[name])
    found = estimate_transition(probs, given_labels)
    np.testing.assert_allclose(found.sum(1), 1.0)
    np.testing.assert_allclose(found, KNOWN[name], atol=0.04)


def test_single_precision_probabilities_give_the_same_matrix():
    probs, _, given_labels = noisy_rows(PAIR_FLIP, 500)
    found = estimate_transition(probs.astype(np.float32), given_labels)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, estimate_transition(probs, given_labels), atol=1e-5)


def test_rows_of_weight_zero_do_not_count():
    probs, _, labels = noisy_rows(PAIR_FLIP)
    other_probs, _, other_labels = noisy_rows(ASYMMETRIC[::-1, ::-1], seed=1)
    weight = np.r_[np.full(len(labels), 2.5), np.zeros(len(other_labels))]
    both = np.r_[probs, other_probs], np.r_[labels, other_labels]
    found = estimate_transition(*both, sample_weight=weight)
    np.testing.assert_allclose(found, PAIR_FLIP, atol=0.04)
    # The same matrix whatever stands in those rows.
    shuffled = np.r_[labels, other_labels[::-1]]
    again = estimate_transition(both[0], shuffled, sample_weight=weight)
    np.testing.assert_allclose(again, found, atol=1e-12)


def test_weight_zero_equals_leaving_the_row_out():
    probs, _, labels = noisy_rows(PAIR_FLIP, 200)
    weight = np.r_[np.ones(60), np.zeros(140)]
    left_out = estimate_transition(probs[:60], labels[:60])
    found = estimate_transition(probs, labels, sample_weight=weight)
    np.testing.assert_allclose(found, left_out, atol=1e-6)


def test_the_scale_of_the_weights_does_not_matter():
    probs, _, labels = noisy_rows(ASYMMETRIC, 400)
    weight = np.random.default_rng(0).random(400)
    np.testing.assert_allclose(
        estimate_transition(probs, labels, sample_weight=weight),
        estimate_transition(probs, labels, sample_weight=1e3 * weight),
        atol=1e-9,
    )


def test_trusted_rows_speak_louder_than_the_network():
    probs, _, labels = noisy_rows(symmetric_transition(4, 0.5), 2000)
    rate = np.trace(estimate_transition(probs, labels)) / 4
    assert rate == pytest.approx(0.5, abs=0.05)
    known = estimate_transition(probs, labels, trusted=np.ones(2000, dtype=bool))
    np.testing.assert_allclose(known, np.eye(4), atol=0.01)


@pytest.mark.parametrize("case", ["plain", "weights", "trusted", "prior", "few classes seen"])
def test_the_estimate_equals_its_formula(case):
    rng = np.random.default_rng(3)
    probs, _, labels = noisy_rows(ASYMMETRIC, 60, seed=2)
    options = {}
    if case == "weights":
        options = {"sample_weight": rng.random(60)}
    elif case == "trusted":
        options = {"trusted": rng.random(60) < 0.3}
    elif case == "prior":
        options = {"prior_rows": 0.5}
    elif case == "few classes seen":
        labels = labels % 2
    expected = slow_transition(
        probs,
        labels,
        options.get("sample_weight"),
        options.get("trusted"),
        options.get("prior_rows", 10.0),
    )
    found = estimate_transition(probs, labels, **options)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@given(
    n=st.integers(1, 12),
    n_classes=st.integers(1, 4),
    one_hot=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_rows_always_sum_to_one(n, n_classes, one_hot, seed):
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(n_classes), n)
    if one_hot:  # a sure network that contradicts some labels
        probs = np.eye(n_classes)[probs.argmax(1)]
    weight = np.where(rng.random(n) < 0.3, 0.0, rng.random(n))
    trusted = rng.random(n) < 0.3
    T = estimate_transition(
        probs, rng.integers(0, n_classes, n), sample_weight=weight, trusted=trusted
    )
    assert T.shape == (n_classes, n_classes) and (T >= 0).all()
    np.testing.assert_allclose(T.sum(1), 1.0)


def test_a_class_without_rows_leans_on_the_others():
    probs, _, labels = noisy_rows(symmetric_transition(3, 0.3))
    probs = np.c_[probs, np.zeros(len(probs))]
    found = estimate_transition(probs, labels)
    assert found[3, 3] == pytest.approx(0.7, abs=0.05)
    assert found[3, :3] == pytest.approx([0.1] * 3, abs=0.02)


def test_the_inputs_are_not_changed():
    probs, _, labels = noisy_rows(PAIR_FLIP, 50)
    weight, trusted = np.full(50, 2.0), np.arange(50) < 5
    for array in (probs, labels, weight, trusted):
        array.flags.writeable = False
    estimate_transition(probs, labels, sample_weight=weight, trusted=trusted)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 10)), min_size=1, max_size=20))
def test_noise_rate_is_the_mean_of_what_is_missing(rows):
    quality, weight = (np.array(column) for column in zip(*rows, strict=True))
    plain = sum(1 - q for q, _ in rows) / len(rows)
    weighted = sum(w * (1 - q) for q, w in rows) / sum(w for _, w in rows)
    assert noise_rate(quality) == pytest.approx(plain, abs=1e-9)
    assert noise_rate(quality, weight) == pytest.approx(weighted, abs=1e-9)


def test_noise_rate_is_a_plain_float_within_its_range():
    rate = noise_rate(np.full(5, 1.0000001, dtype=np.float32))
    assert type(rate) is float and rate == 0.0


def slow_evidence(counts, strength):
    n, c = counts.sum(), len(counts)
    rate = 1 - np.trace(counts) / n
    total = 0.0
    for k in range(c):
        total += gammaln(strength) - gammaln(strength + counts[k].sum())
        for j in range(c):
            a = strength * (1 - rate if j == k else rate / (c - 1))
            total += gammaln(a + counts[k, j]) - gammaln(a)
    return total


@pytest.mark.parametrize("pair", [False, True])
def test_strength_has_the_highest_evidence(pair):
    rng = np.random.default_rng(0)
    c = 10
    matrix = np.full((c, c), 0.3 / (c - 1))
    if pair:
        matrix = 0.3 * np.roll(np.eye(c), 1, 1)
    np.fill_diagonal(matrix, 0.7)
    counts = np.stack([rng.multinomial(300, row) for row in matrix]).astype(float)
    candidates = (10.0, 50.0, 250.0, 1250.0)
    best = prior_strength(torch.from_numpy(counts), candidates)
    assert best == max(candidates, key=lambda s: slow_evidence(counts, s))
    assert (best <= 10) if pair else (best >= 250)


def test_the_expected_transition_against_loops():
    rng = np.random.default_rng(0)
    q = rng.dirichlet(np.ones(3), 50)
    given, weight = rng.integers(0, 3, 50), rng.random(50)
    q[:, 2] = 0  # no row is of class 2
    expected = np.zeros((3, 3))
    for i in range(50):
        for true in range(3):
            expected[true, given[i]] += weight[i] * q[i, true]
    expected[:2] /= expected[:2].sum(1, keepdims=True)
    expected[2] = [0, 0, 1]
    np.testing.assert_allclose(expected_transition(q, given, weight), expected)


@given(st.integers(2, 6), st.floats(0.01, 0.95), st.integers(0, 2**31 - 1), st.booleans())
def test_scaled_noise_against_a_slow_search(n_classes, rate, seed, spared):
    rng = np.random.default_rng(seed)
    transition = rng.dirichlet(np.ones(n_classes) * 0.7, n_classes) + 1e-3
    share = rng.dirichlet(np.ones(n_classes)) + 1e-3
    if spared:
        transition[0] = np.eye(n_classes)[0]
    transition /= transition.sum(1, keepdims=True)
    before = transition.copy()
    found = scale_noise(transition, share, rate)
    assert (transition == before).all()
    np.testing.assert_allclose(found.sum(1), 1.0)
    share = share / share.sum()
    reachable = share[1:].sum() if spared else 1.0
    if rate >= reachable:
        assert (found == transition).all()
        return
    # Factor of the odds by halving its interval.
    low, high = 1e-12, 1e12
    noise = 1.0 - np.diagonal(transition)
    for _ in range(200):
        factor = np.sqrt(low * high)
        odds = [factor * p / (1.0 - p) for p in noise]
        scaled = [o / (1.0 + o) for o in odds]
        mean = sum(weight * p for weight, p in zip(share, scaled, strict=True))
        low, high = (factor, high) if mean < rate else (low, factor)
    for k in range(n_classes):
        for j in range(n_classes):
            if j != k and noise[k] > 1e-6:
                expected = transition[k, j] / noise[k] * scaled[k]
                np.testing.assert_allclose(found[k, j], expected, atol=1e-6)


def test_scaled_noise_of_no_noise_is_none():
    assert (scale_noise(np.eye(3), np.ones(3), 0.2) == np.eye(3)).all()
