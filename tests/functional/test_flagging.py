"""What a threshold flags, against plain loops."""

import math

import numpy as np
import pytest

from nllearn.functional.flagging import expected_precision


def slow(quality, threshold):
    flagged = [q for q in quality if q < threshold]
    wrong, all_wrong = sum(1 - q for q in flagged), sum(1 - q for q in quality)
    return (
        len(flagged),
        wrong / len(flagged) if flagged else math.nan,
        wrong / all_wrong if all_wrong else math.nan,
    )


@pytest.mark.parametrize(
    "quality",
    [np.random.default_rng(0).beta(0.5, 0.2, size=200), np.ones(5), np.zeros(3), np.array([0.5])],
)
def test_number_precision_and_share_found(quality):
    thresholds = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    found = np.array(expected_precision(quality, thresholds)).T
    np.testing.assert_allclose(found, [slow(quality, t) for t in thresholds], rtol=1e-12)


def test_a_row_at_the_threshold_is_not_flagged():
    n_flagged, _, _ = expected_precision(np.array([0.25, 0.5, 0.5]), np.array([0.5]))
    assert n_flagged.tolist() == [1]
