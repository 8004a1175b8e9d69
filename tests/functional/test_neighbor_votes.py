"""Votes of the neighbours against loops."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from nllearn.functional.neighbor_votes import log_shares, neighbor_shares


@given(seed=st.integers(0, 1000), k=st.integers(1, 6), soft=st.booleans())
def test_votes_by_loops(seed, k, soft):
    rng = np.random.default_rng(seed)
    n, n_classes = 9, 4
    cosine = -np.sort(-rng.uniform(-1, 1, (n, k)), axis=1)
    near, codes = rng.integers(0, n, (n, k)), rng.integers(0, n_classes, n)
    labels = np.eye(n_classes)[codes]
    if soft:
        labels = rng.dirichlet(np.ones(n_classes), n)
    weights = rng.uniform(0, 2, n)
    got = neighbor_shares(
        torch.from_numpy(cosine).float(),
        torch.from_numpy(near),
        torch.from_numpy(labels).float() if soft else torch.from_numpy(codes),
        n_classes,
        torch.from_numpy(weights).float(),
    )
    for i in range(n):
        votes = np.full(n_classes, 0.5 / n_classes)
        for j in range(k):
            strength = np.exp(5 * (cosine[i, j] - cosine[i, 0]))
            votes += weights[near[i, j]] * strength * labels[near[i, j]]
        share = votes / votes.sum()
        np.testing.assert_allclose(got[i], share, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(log_shares(got)[i], np.log(share + 1e-3), rtol=1e-4, atol=1e-5)
