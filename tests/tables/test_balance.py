"""Text and vectors lead, the other columns count beside them, in whatever units they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nllearn import LabelCleaner
from nllearn.tables import Table, balance_blocks, feature_matrix, plan_columns, similarity_spread

N = 600


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(1, 60), st.floats(0.01, 100), st.integers(0, 99))
def test_the_spread_is_that_of_all_pairs(n, d, scale, seed):
    block = np.random.default_rng(seed).normal(size=(n, d)) * scale + 5
    centred = block - block.mean(0)
    slow = np.sqrt(np.mean([(a @ b) ** 2 for a in centred for b in centred]))
    assert similarity_spread(block) == pytest.approx(slow)
    assert similarity_spread(3 * block) == pytest.approx(9 * slow)


def test_blocks_have_their_spread_whatever_their_units():
    rng = np.random.default_rng(0)
    text, numbers = rng.normal(size=(N, 50)), rng.normal(size=(N, 3))
    for factor in (1, 100):
        blocks = balance_blocks({"t": text * factor, "e": text[:, :9]}, {"n": numbers, "c": text})
        unit = similarity_spread(text * factor)
        found = [similarity_spread(block) for block in blocks]
        np.testing.assert_allclose(found, [unit / 2, unit, unit])
        np.testing.assert_array_equal(blocks[1], text * factor)
    same = np.ones((N, 2))
    assert balance_blocks({"t": same}, {"n": same})[1] is same


def mixed(seed, *, speaks):
    """Vectors, numbers that say something of the class or nothing, true and given labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(6, size=N)
    vectors = (rng.normal(size=(6, 120)) * 0.38)[y] + 1.6 * rng.normal(size=(N, 120))
    table = {f"n{i}": y * speaks + 2 * rng.normal(size=N) for i in range(3)}
    table["flag"] = np.where(rng.random(N) < 0.5 + 0.2 * speaks * (y % 2 - 0.5), "yes", "no")
    given = np.where(rng.random(N) < 0.25, y ^ 1, y)
    return pd.DataFrame({**table, "label": given}), vectors.astype(np.float32), y


def labels_right(frame, y, vectors=None):
    table = Table(path="memory", frame=frame)
    X = feature_matrix(table, plan_columns(table, "label"), embeddings=vectors)
    cleaner = LabelCleaner(random_state=0).fit(X, frame["label"])
    return np.mean(cleaner.corrected_labels_ == y)


@pytest.mark.parametrize("speaks", [0, 1])
def test_more_columns_do_not_make_cleaning_worse(speaks):
    alone, joined = [], []
    for seed in range(3):
        frame, vectors, y = mixed(seed, speaks=speaks)
        alone.append(labels_right(frame[["label"]], y, vectors))
        joined.append(labels_right(frame, y, vectors))
    if speaks:
        assert np.mean(joined) > np.mean(alone) + 0.01
    else:
        assert np.mean(joined) > np.mean(alone) - 0.01


def test_numbers_and_categories_alone_are_as_before():
    frame, vectors, _ = mixed(0, speaks=1)
    table = Table(path="memory", frame=frame)
    X = feature_matrix(table, plan_columns(table, "label"))
    np.testing.assert_allclose(X[:, :3].std(axis=0), 1, atol=1e-4)
    E = feature_matrix(
        table, plan_columns(table, "label", drop=list("flag n0 n1 n2".split())), embeddings=vectors
    )
    np.testing.assert_array_equal(E, vectors)
