"""The noise rate that an estimator found, where it found one."""

from __future__ import annotations

from typing import Any

__all__ = ["known_noise_rate"]


def known_noise_rate(estimator: Any) -> float | None:
    """Noise rate of a fitted estimator; None where nothing tells it.

    Of one label per row nothing but the features tells the rate. Several annotators tell it by
    where they agree.

    Parameters
    ----------
    estimator : fitted estimator
        Has ``noise_rate_``.

    Returns
    -------
    rate : float in [0, 1] or None

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nllearn import LabelCleaner
    >>> from nllearn.inspection import known_noise_rate
    >>> cleaner = LabelCleaner(random_state=0).fit(*load_iris(return_X_y=True))
    >>> bool(known_noise_rate(cleaner) < 0.05)
    True
    """
    if getattr(estimator, "has_signal_", True) or hasattr(estimator, "annotators_"):
        return float(estimator.noise_rate_)
    return None
