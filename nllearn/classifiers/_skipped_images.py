"""Rows whose image cannot be read: no part in the fit, and their given label is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nllearn._validation import read_sample_weight

__all__ = ["keep_given_labels", "weight_without"]


def weight_without(sample_weight: Any, y: np.ndarray, skipped: Mapping[int, str]) -> Any:
    """Sample weight with 0 for rows that are left out.

    Parameters
    ----------
    sample_weight : array-like of shape (n,) or None
    y : ndarray of shape (n,)
    skipped : mapping of int to str
        Rows, and why.

    Returns
    -------
    sample_weight : array-like of shape (n,) or None
        As given, where nothing is left out.

    Raises
    ------
    ValueError
        If fewer than two rows are left.
    """
    if not skipped:
        return sample_weight
    weight = read_sample_weight(sample_weight, y)
    weight[list(skipped)] = 0.0
    if np.count_nonzero(weight) < 2:
        raise ValueError(
            f"{len(skipped)} of {len(y)} images cannot be read, and fewer than 2 rows are left; "
            f"the first: {next(iter(skipped.values()))}"
        )
    return weight


def keep_given_labels(
    fitted: dict[str, Any], skipped: Mapping[int, str], trusted: np.ndarray, weight: np.ndarray
) -> None:
    """Put what is known of a given label alone in the place of what a blank image gave.

    Each row gets the mean distribution of the rows with its given label that take part. Its
    given label is never changed, since there is no evidence against it: where another class has a
    larger mean, the given one is raised to it. Without such rows the given label
    is taken for right.

    Parameters
    ----------
    fitted : dict of str to object
        Per-row results, by attribute; changed in place.
    skipped : mapping of int to str
    trusted : bool ndarray of shape (n,)
    weight : ndarray of shape (n,)
    """
    rows = np.array([row for row in skipped if not trusted[row]], dtype=np.int64)
    given, evidence = fitted["_given"], fitted["_evidence"]
    distributions, clean = fitted["label_distributions_"], fitted["clean_proba_"]
    for label in np.unique(given[rows]):
        mine = rows[given[rows] == label]
        known = np.flatnonzero((given == label) & (weight > 0))
        mean = np.eye(distributions.shape[1], dtype=np.float64)[label]
        predicted, mean_clean = mean, 1.0
        if len(known):
            share = weight[known] / weight[known].sum()
            mean = share @ distributions[known].astype(np.float64)
            mean[label] = mean.max()
            mean /= mean.sum()
            predicted, mean_clean = share @ fitted["_network_proba"][known], share @ clean[known]
        distributions[mine] = mean
        fitted["_network_proba"][mine] = predicted
        clean[mine] = mean_clean
    fitted["label_quality_"][rows] = distributions[rows, given[rows]]
    fitted["_corrected"][rows] = given[rows]
    everything = np.fromiter(skipped, dtype=np.int64)
    fitted["_features"][everything] = 0
    evidence["clean_proba"] = clean
    evidence["is_easy"][everything] = False
    evidence["nearest_row"][everything] = everything
    for name in ("neighbor_share_given", "neighbor_share_corrected"):
        evidence[name][everything] = 0.0
