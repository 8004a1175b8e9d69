"""Which rows are easy: eq. 1, the purity rule and the threshold against loops."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.base import clone

from nllearn.functional.loss_mixture import small_loss_posterior
from nllearn.selectors import (
    BaseSelector,
    ClassBalancedSelector,
    PuritySelector,
    Selection,
    ThresholdSelector,
)

SELECTORS = [ClassBalancedSelector(), PuritySelector(), ThresholdSelector()]
every_selector = pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)

# Few distinct losses make ties; class numbers have gaps.
tables = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 10), st.sampled_from([0.0, 0.1, 0.1, 3.0])),
        st.sampled_from([0, 1, 2, 5]),
    ),
    min_size=1,
    max_size=40,
).map(lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True)))


def two_clusters(n_per_class, noisy_share, seed=0):
    """Losses and labels with a given share of large losses in every class."""
    rng = np.random.default_rng(seed)
    losses, labels = [], []
    for label, (n, share) in enumerate(zip(n_per_class, noisy_share, strict=True)):
        n_noisy = round(n * share)
        losses += [rng.gamma(2.0, 0.1, n - n_noisy), rng.normal(4.0, 0.5, n_noisy)]
        labels += [label] * n
    order = rng.permutation(len(labels))
    return np.concatenate(losses)[order], np.array(labels)[order]


def rows_by_loss(losses, labels, label):
    """Rows of one class, smallest loss first, row order on ties."""
    return sorted((i for i in range(len(labels)) if labels[i] == label), key=lambda i: losses[i])


def slow_balanced(losses, labels, fraction, weights=None):
    weights = weights or [1.0] * len(losses)
    quota = math.ceil(Fraction(str(fraction)) * len(labels) / len(set(labels)))
    quota = quota * sum(weights) / len(weights)
    easy = set()
    for label in set(labels):
        seen = 0.0
        for i in rows_by_loss(losses, labels, label):
            if seen < quota - 1e-6:  # the row at which the quota is reached still counts
                easy.add(i)
            seen += weights[i]
    return [i in easy for i in range(len(labels))]


def slow_purity(losses, labels, clean_proba, purity, weights=None):
    weights = weights or [1.0] * len(losses)
    easy = set()
    for label in set(labels):
        own = rows_by_loss(losses, labels, label)
        best = 1
        for m in range(1, len(own) + 1):
            clean = sum(weights[i] * float(clean_proba[i]) for i in own[:m])
            if clean / sum(weights[i] for i in own[:m]) >= purity - 1e-6:
                best = m
        easy.update(own[:best])
    return [i in easy for i in range(len(labels))]


def slow_threshold(losses, labels, clean_proba, threshold):
    cleanest = {rows_by_loss(losses, labels, label)[0] for label in set(labels)}
    return [clean_proba[i] > threshold or i in cleanest for i in range(len(labels))]


@given(tables, st.sampled_from([0.1, 0.3, 0.5, 0.6, 0.9, 1.0]))
def test_balanced_selector_equals_equation_1(table, fraction):
    losses, labels = table
    selection = ClassBalancedSelector(fraction).select(losses, labels)
    assert selection.easy.dtype == bool
    assert selection.easy.tolist() == slow_balanced(losses.tolist(), labels.tolist(), fraction)


def test_a_quota_that_is_whole_is_not_raised():
    # 200 rows, 55 %, two classes: 55 rows each, though 200 * 0.55 / 2 rounds to more.
    losses, labels = np.linspace(0, 1, 200), np.arange(200) % 2
    easy = ClassBalancedSelector(0.55).select(losses, labels).easy
    assert np.bincount(labels[easy]).tolist() == [55, 55]


def test_a_class_smaller_than_its_quota_is_taken_whole_and_not_made_up_for():
    losses, labels = two_clusters([200, 90, 10], [0.2, 0.2, 0.5])
    easy = ClassBalancedSelector(0.6).select(losses, labels).easy
    assert np.bincount(labels[easy]).tolist() == [60, 60, 10]


def test_ties_of_the_posterior_are_broken_by_the_loss():
    losses, labels = two_clusters([100, 100], [0.3, 0.3])
    selection = ClassBalancedSelector(0.2).select(losses, labels)
    for label in (0, 1):
        own = np.flatnonzero(labels == label)
        saturated = own[selection.clean_proba[own] == selection.clean_proba.max()]
        assert len(saturated) > 20  # ties beyond the quota
        kept = own[selection.easy[own]]
        assert sorted(kept) == sorted(own[np.argsort(losses[own])[:20]])


@given(tables, st.sampled_from([0.5, 0.8, 0.9, 0.99, 1.0]))
def test_purity_selector_equals_its_rule(table, purity):
    losses, labels = table
    selection = PuritySelector(purity).select(losses, labels)
    expected = slow_purity(losses.tolist(), labels.tolist(), selection.clean_proba, purity)
    assert selection.easy.tolist() == expected


def test_purity_takes_few_rows_of_a_class_that_is_mostly_wrong():
    losses, labels = two_clusters([200, 200], [0.1, 0.8])
    pure = PuritySelector(0.9).select(losses, labels).easy
    balanced = ClassBalancedSelector(0.6).select(losses, labels).easy
    wrong = losses > 2
    assert wrong[balanced & (labels == 1)].mean() > 0.5
    for label in (0, 1):
        assert wrong[pure & (labels == label)].mean() < 0.15
    assert 30 < pure[labels == 1].sum() < 60 and pure[labels == 0].sum() > 150


def test_rows_that_are_all_at_one_are_all_kept_by_the_strictest_purity():
    losses = np.full(3000, 0.3)
    assert PuritySelector(1.0).select(losses, np.arange(3000) % 3).easy.all()


@given(tables, st.sampled_from([0.0, 0.5, 0.99]))
def test_threshold_selector_equals_its_rule(table, threshold):
    losses, labels = table
    selection = ThresholdSelector(threshold).select(losses, labels)
    expected = slow_threshold(losses.tolist(), labels.tolist(), selection.clean_proba, threshold)
    assert selection.easy.tolist() == expected


def test_threshold_keeps_the_cleanest_row_of_a_class_of_large_losses():
    losses, labels = two_clusters([100, 20], [0.1, 1.0])
    selection = ThresholdSelector(0.5).select(losses, labels)
    kept = np.flatnonzero(selection.easy & (labels == 1))
    own = np.flatnonzero(labels == 1)
    assert kept.tolist() == [own[np.argmin(losses[own])]]


# Weights


@given(tables, st.sampled_from([0.1, 0.3, 0.6, 1.0]), st.integers(0, 2**16))
def test_weights_count_in_the_quota(table, fraction, seed):
    losses, labels = table
    weights = np.random.default_rng(seed).integers(1, 5, len(losses)) / 2
    easy = ClassBalancedSelector(fraction).select(losses, labels, weights).easy
    expected = slow_balanced(losses.tolist(), labels.tolist(), fraction, weights.tolist())
    assert easy.tolist() == expected


@given(tables, st.sampled_from([0.5, 0.8, 0.9]), st.integers(0, 2**16))
def test_weights_count_in_the_purity(table, purity, seed):
    losses, labels = table
    weights = np.random.default_rng(seed).uniform(0.2, 3, len(losses))
    selection = PuritySelector(purity).select(losses, labels, weights)
    expected = slow_purity(
        losses.tolist(), labels.tolist(), selection.clean_proba, purity, weights.tolist()
    )
    assert selection.easy.tolist() == expected


@every_selector
@pytest.mark.parametrize("value", [1.0, 0.1, 250.0])
def test_equal_weights_are_no_weights(selector, value):
    losses, labels = two_clusters([70, 40, 20], [0.2, 0.4, 0.6])
    plain = selector.select(losses, labels)
    weighted = selector.select(losses, labels, np.full(len(losses), value))
    np.testing.assert_array_equal(weighted.easy, plain.easy)
    np.testing.assert_array_equal(weighted.clean_proba, plain.clean_proba)


@every_selector
@pytest.mark.parametrize("seed", range(3))
def test_weights_empty_no_class(selector, seed):
    rng = np.random.default_rng(seed)
    losses, labels = two_clusters([30, 30, 30], [0.1, 0.9, 1.0], seed)
    easy = selector.select(losses, labels, rng.uniform(0.1, 2, 90)).easy
    for label in range(3):
        assert easy[rows_by_loss(losses, labels, label)[0]]


# What all selectors promise


@every_selector
@given(table=tables)
def test_every_present_class_keeps_its_cleanest_row(selector, table):
    losses, labels = table
    selection = selector.select(losses, labels)
    for label in set(labels.tolist()):
        assert selection.easy[rows_by_loss(losses, labels, label)[0]]


@every_selector
def test_clean_probability_is_the_posterior_of_the_mixture(selector):
    losses, labels = two_clusters([60, 60], [0.3, 0.3])
    selection = selector.select(losses, labels)
    posterior, mixture = small_loss_posterior(losses)
    assert isinstance(selection, Selection)
    assert selection.clean_proba.dtype == np.float32
    np.testing.assert_array_equal(selection.clean_proba, posterior)
    for name, values in mixture.items():
        np.testing.assert_array_equal(selector.mixture_[name], values)


@every_selector
@given(
    table=tables,
    scale=st.sampled_from([0.01, 3.0, 1000.0]),
    shift=st.sampled_from([-5.0, 0.0, 7.0]),
)
def test_shift_and_scale_of_the_losses_do_not_matter(selector, table, scale, shift):
    losses, labels = table
    # A spread near the smallest one that is told apart would be on both sides of it.
    assume(np.ptp(losses) == 0 or np.ptp(losses) > 1e-2)
    plain = selector.select(losses, labels)
    moved = selector.select(scale * losses + shift, labels)
    np.testing.assert_allclose(moved.clean_proba, plain.clean_proba, atol=1e-3)


@pytest.mark.parametrize("fraction", [0.2, 0.6])
def test_balanced_rows_are_the_same_after_any_rising_map(fraction):
    losses, labels = two_clusters([80, 50, 20], [0.2, 0.4, 0.6])
    selector = ClassBalancedSelector(fraction)
    expected = selector.select(losses, labels).easy
    for moved in (100 * losses, losses + 3, np.sqrt(losses)):
        np.testing.assert_array_equal(selector.select(moved, labels).easy, expected)


@every_selector
@pytest.mark.parametrize("value", [0.0, 1e6])
def test_equal_losses_cannot_be_split(selector, value):
    selection = selector.select(np.full(12, value), np.arange(12) % 3)
    assert selector.mixture_ is None
    assert (selection.clean_proba == 1).all()
    if isinstance(selector, ClassBalancedSelector):
        # The quota still holds; ties go by row order.
        assert selection.easy.tolist() == [True] * 9 + [False] * 3
    else:
        assert selection.easy.all()


@every_selector
def test_one_outlier_alone_is_unclean(selector):
    losses = np.r_[np.full(99, 0.1), 1e8]
    labels = np.arange(100) % 2
    selection = selector.select(losses, labels)
    assert selection.clean_proba[99] < 0.01
    assert (selection.clean_proba[:99] > 0.99).all()
    # One wrong row in fifty is pure enough for the purity selector.
    assert selection.easy[99] == isinstance(selector, PuritySelector)


@every_selector
@pytest.mark.parametrize("n", [1, 2])
def test_one_and_two_rows(selector, n):
    selection = selector.select(np.array([0.1, 2.0])[:n], np.arange(n))
    assert selection.easy.all()  # each is the cleanest of its class


@every_selector
def test_lists_and_single_precision_are_accepted(selector):
    losses, labels = two_clusters([30, 30], [0.3, 0.3])
    losses = losses.astype(np.float32)
    expected = selector.select(losses, labels)
    made = selector.select(losses.tolist(), labels.astype(np.int32).tolist())
    np.testing.assert_array_equal(made.easy, expected.easy)
    np.testing.assert_array_equal(made.clean_proba, expected.clean_proba)


@every_selector
@pytest.mark.parametrize(
    ("losses", "labels", "told"),
    [
        ([0.1, 0.2], [0], r"\(2,\).*\(1,\)"),
        ([[0.1], [0.2]], [[0], [1]], r"\(2, 1\).*must be \(n,\)"),
        ([0.1, np.nan, np.inf], [0, 0, 1], "2 losses are not finite"),
    ],
)
def test_wrong_losses_are_refused(selector, losses, labels, told):
    with pytest.raises(ValueError, match=told):
        selector.select(losses, labels)


@pytest.mark.parametrize(
    ("selector", "told"),
    [
        (ClassBalancedSelector(0.0), r"easy_fraction=0\.0 must be in \(0, 1\]"),
        (ClassBalancedSelector(1.5), r"easy_fraction=1\.5"),
        (PuritySelector(0.0), r"purity=0\.0 must be in \(0, 1\]"),
        (PuritySelector(1.01), r"purity=1\.01"),
        (ThresholdSelector(1.0), r"threshold=1\.0 must be in \[0, 1\)"),
        (ThresholdSelector(-0.1), r"threshold=-0\.1"),
        (ClassBalancedSelector(float("nan")), "easy_fraction=nan"),
    ],
)
def test_parameters_out_of_range_are_named(selector, told):
    with pytest.raises(ValueError, match=told):
        selector.select([0.1, 0.2], [0, 1])


def test_a_selector_without_a_rule_says_so():
    class Forgetful(BaseSelector):
        pass

    with pytest.raises(TypeError, match="Forgetful does not define _choose"):
        Forgetful().select([0.1, 0.2], [0, 1])


def test_a_selector_of_ones_own_fills_one_room():
    class Odd(BaseSelector):
        def _choose(self, clean_proba, losses, labels, weights):
            return np.arange(len(labels)) % 2 == 1

    assert Odd().select([0.1, 0.2, 0.3], [0, 1, 0]).easy.tolist() == [False, True, False]


@every_selector
def test_parameters_are_stored_as_given_and_cloned(selector):
    (name,) = selector.get_params()
    changed = clone(selector).set_params(**{name: 0.25})
    assert changed.get_params() == {name: 0.25}
    assert not hasattr(clone(changed), "mixture_")


@every_selector
def test_selection_changes_no_input_and_no_global_state(selector, global_random_state_untouched):
    losses, labels = two_clusters([40, 40], [0.3, 0.3])
    losses.flags.writeable = labels.flags.writeable = False
    selection = selector.select(losses, labels)
    np.testing.assert_array_equal(selection.easy, clone(selector).select(losses, labels).easy)
