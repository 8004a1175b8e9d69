"""Noise rate of groups of rows, with intervals."""

from __future__ import annotations

import numpy as np
from scipy import stats

__all__ = ["noise_rates_by_group"]


def noise_rates_by_group(
    label_quality: np.ndarray, codes: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    r"""Estimated share of wrong labels in every group of rows.

    With n rows of mean quality q in a group, the rate is :math:`1 - q` and the interval holds the
    middle of

    .. math:: \mathrm{Beta}(n(1 - q) + 1/2,\; n q + 1/2)

    which is what n rows whose labels are known would tell (Jeffreys' interval). Whether a label
    is wrong has the variance :math:`q(1 - q)` over rows and their posteriors together, so this
    covers both chances, as far as the quality is calibrated.

    Parameters
    ----------
    label_quality : ndarray of shape (n,)
        Calibrated probability that each given label is right.
    codes : int ndarray of shape (n,)
        Group of every row, from 0; every number up to the largest occurs.
    confidence : float in (0, 1)
        Probability that an interval should hold the rate.

    Returns
    -------
    counts : int64 ndarray of shape (n_groups,)
    rates, low, high : float64 ndarray of shape (n_groups,)

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.functional.group_rates import noise_rates_by_group
    >>> quality, codes = np.array([0.9, 0.7, 0.1]), np.array([0, 0, 1])
    >>> counts, rates, low, high = noise_rates_by_group(quality, codes, 0.95)
    >>> counts.tolist(), rates.round(2).tolist()
    ([2, 1], [0.2, 0.9])
    """
    counts = np.bincount(codes)
    wrong = np.bincount(codes, weights=1.0 - np.asarray(label_quality, dtype=np.float64))
    wrong = wrong.clip(0.0, counts)
    tail = (1.0 - confidence) / 2.0
    low, high = stats.beta.ppf([[tail], [1.0 - tail]], wrong + 0.5, counts - wrong + 0.5)
    rates = wrong / counts
    # Jeffreys' interval may leave out a rate of 0 or 1 itself.
    return counts, rates, np.minimum(low, rates), np.maximum(high, rates)
