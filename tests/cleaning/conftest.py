"""Small data with known label noise."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def blobs():
    """Rows, true labels and labels of which a fifth are wrong: (X, y, y_noisy)."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(4), 60)
    X = rng.normal(size=(240, 6)) + 3.0 * rng.normal(size=(4, 6))[y]
    noisy = y.copy()
    wrong = rng.choice(240, 48, replace=False)
    noisy[wrong] = (y[wrong] + rng.integers(1, 4, 48)) % 4
    order = rng.permutation(240)
    return X[order].astype(np.float32), y[order], noisy[order]
