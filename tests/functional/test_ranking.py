"""Ranks within groups against sorting each group by itself."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from nllearn.functional.ranking import sort_within_groups


@given(n=st.integers(0, 30), seed=st.integers(0, 2**16), descending=st.booleans())
def test_ranks_by_loops(n, seed, descending):
    rng = np.random.default_rng(seed)
    values, groups = rng.integers(0, 5, n), rng.choice([0, 2, 3], n)
    order, rank = sort_within_groups(
        torch.from_numpy(values), torch.from_numpy(groups), descending=descending
    )
    expected = []
    for group in (0, 2, 3):
        rows = [i for i in range(n) if groups[i] == group]
        # Python sorts stably, also by negated values.
        rows.sort(key=lambda i: -values[i] if descending else values[i])
        expected += list(zip(rows, range(len(rows)), strict=True))
    assert list(zip(order.tolist(), rank.tolist(), strict=True)) == expected
