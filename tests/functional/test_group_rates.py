"""Noise rates of groups against scipy's and a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from nllearn.functional.group_rates import noise_rates_by_group


def test_interval_by_integration():
    quality, codes = np.array([1.0, 0.5, 0.25, 1.0, 0.0, 0.9]), np.array([1, 0, 0, 2, 3, 1])
    counts, rates, low, high = noise_rates_by_group(quality, codes, 0.8)
    for k in range(4):
        own = quality[codes == k].tolist()
        wrong = sum(1 - q for q in own)
        right = len(own) - wrong
        assert counts[k] == len(own) and rates[k] == pytest.approx(wrong / len(own))

        def density(p, a=wrong + 0.5, b=right + 0.5):
            return p ** (a - 1) * (1 - p) ** (b - 1)

        whole = quad(density, 0, 1)[0]
        assert low[k] <= rates[k] <= high[k]
        if 0 < rates[k] < 1:
            assert quad(density, 0, low[k])[0] / whole == pytest.approx(0.1, abs=1e-4)
            assert quad(density, high[k], 1)[0] / whole == pytest.approx(0.1, abs=1e-4)
    assert low[2] == 0 and high[3] == 1


@pytest.mark.parametrize("sharp", [0.3, 3.0, 30.0])
def test_the_interval_holds_the_rate(sharp):
    # Calibrated qualities of all kinds: unsure ones (3 and 30), nearly certain ones (0.3).
    rng = np.random.default_rng(0)
    held = []
    for _ in range(400):
        quality = rng.beta(0.8 * sharp, 0.2 * sharp, size=60)
        _, _, low, high = noise_rates_by_group(quality, np.zeros(60, dtype=int), 0.9)
        wrong = (rng.random(60) > quality).mean()
        held.append(low[0] <= wrong <= high[0])
    assert np.mean(held) > 0.88
