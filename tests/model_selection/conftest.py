"""Small data with known label noise."""

from __future__ import annotations

import numpy as np
import pytest

from nllearn.cleaning import LabelCleaner


@pytest.fixture(scope="session")
def trap():
    """Rows whose noise can be learned, and a cleaner of them: (X, y, y_noisy, cleaner).

    Two far classes; the given label is wrong where the last column is above 0.7. A deep tree
    predicts the noise itself, a stump the truth. The cleaner does not see that column.
    """
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 120)
    X = rng.normal(size=(240, 5)).astype(np.float32) * 0.5
    X[:, :4] += 2 * y[:, None]
    X[:, 4] = rng.random(240)
    noisy = np.where(X[:, 4] > 0.7, 1 - y, y)
    return X, y, noisy, LabelCleaner(random_state=0).fit(X[:, :4], noisy)
