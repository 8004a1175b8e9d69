"""What a threshold of the label quality flags."""

from __future__ import annotations

import numpy as np

__all__ = ["expected_precision"]


def expected_precision(
    label_quality: np.ndarray, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Number of flagged labels and expected share of wrong ones among them.

    Flagged are the rows whose quality :math:`q_i` is below the threshold t. With
    :math:`F_t = \{i: q_i < t\}`, expected of the model that made the quality are

    .. math::

        \text{precision}(t) = \frac{1}{|F_t|} \sum_{i \in F_t} (1 - q_i), \qquad
        \text{found}(t) = \frac{\sum_{i \in F_t} (1 - q_i)}{\sum_i (1 - q_i)}

    Parameters
    ----------
    label_quality : float ndarray of shape (n,)
        Probability that each given label is right.
    thresholds : float ndarray of shape (k,)

    Returns
    -------
    n_flagged : int64 ndarray of shape (k,)
    precision : float64 ndarray of shape (k,)
        NaN where nothing is flagged.
    found : float64 ndarray of shape (k,)
        Share of all wrong labels that is flagged; NaN where no label is expected to be wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.functional.flagging import expected_precision
    >>> quality = np.array([0.9, 0.1, 0.3, 1.0])
    >>> n_flagged, precision, found = expected_precision(quality, np.array([0.2, 0.5]))
    >>> n_flagged.tolist(), precision.round(2).tolist(), found.round(2).tolist()
    ([1, 2], [0.9, 0.8], [0.53, 0.94])
    """
    ranked = np.sort(np.asarray(label_quality, dtype=np.float64))
    n_flagged = np.searchsorted(ranked, thresholds)
    wrong = np.append(0.0, np.cumsum(1.0 - ranked))
    with np.errstate(invalid="ignore"):
        precision, found = wrong[n_flagged] / n_flagged, wrong[n_flagged] / wrong[-1]
    return n_flagged.astype(np.int64), precision, found
