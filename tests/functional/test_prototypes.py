"""Prototypes of the classes: loops, known answers, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given as given_values
from hypothesis import strategies as st

from nllearn.functional.prototypes import (
    class_prototypes,
    identity_prototypes,
    prototype_fit,
)
from nllearn.functional.transition import symmetric_transition


def drawn_matrix(seed, n_classes=5, stays=0.5):
    """A transition matrix whose diagonal is at least `stays`."""
    rng = np.random.default_rng(seed)
    matrix = (1 - stays) * rng.dirichlet(np.full(n_classes, 0.4), n_classes)
    return torch.tensor(matrix + stays * np.eye(n_classes))


def test_fits_by_loops():
    matrix = drawn_matrix(0)
    shares = torch.rand(7, 5, generator=torch.Generator().manual_seed(0))
    got = prototype_fit(shares, class_prototypes(matrix))
    rate = 1 - float(matrix.diagonal().mean())
    for i in range(7):
        for k in range(5):
            overlap = sum(float(shares[i, j]) * (float(matrix[k, j]) - rate / 4) for j in range(5))
            assert float(got[i, k]) == pytest.approx(overlap / (1 - rate - rate / 4), abs=1e-5)


@given_values(st.integers(2, 8), st.floats(0, 0.45), st.integers(0, 99))
def test_symmetric_noise_changes_nothing(n_classes, rate, seed):
    matrix = torch.tensor(symmetric_transition(n_classes, rate))
    rng = np.random.default_rng(seed)
    shares = torch.tensor(rng.dirichlet(np.ones(n_classes), 20), dtype=torch.float32)
    fits = prototype_fit(shares, class_prototypes(matrix))
    # But for a constant per row, which no comparison of classes sees.
    gained = fits - shares
    np.testing.assert_allclose(gained, gained[:, :1].expand_as(gained), atol=2e-5)


def test_a_matrix_that_tells_nothing_changes_nothing():
    for matrix in (torch.full((4, 4), 0.25), torch.tensor(symmetric_transition(3, 0.8))):
        prototypes = class_prototypes(matrix)
        torch.testing.assert_close(prototypes, identity_prototypes(len(matrix)))
    shares = torch.rand(5, 4)
    torch.testing.assert_close(prototype_fit(shares, identity_prototypes(4)), shares)


def votes_under(matrix, seed, n_votes=21, n=2000):
    """True classes of rows, and the shares of the labels that neighbours of each were given."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, len(matrix), n)
    counts = np.stack([rng.multinomial(n_votes, matrix[k].numpy()) for k in true])
    return true, torch.tensor(counts / n_votes, dtype=torch.float32)


def test_pair_flips_are_told_by_the_third_class():
    flips = torch.tensor(0.6 * np.eye(6) + 0.4 * np.roll(np.eye(6), 1, 1))
    true, shares = votes_under(flips, 0)
    by_largest = (shares.argmax(1).numpy() == true).mean()
    by_overlap = prototype_fit(shares, class_prototypes(flips)).argmax(1).numpy() == true
    assert by_largest < 0.85 and by_overlap.mean() > 0.99
