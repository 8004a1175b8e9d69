"""What happens to rows whose label is an issue: relabel them, drop them, or both."""

from __future__ import annotations

import numpy as np

__all__ = ["apply_action", "keep_every_class"]


def apply_action(
    action: str,
    confidence: float,
    issue: np.ndarray,
    given: np.ndarray,
    corrected: np.ndarray,
    distributions: np.ndarray,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Decide which rows stay, and under which label.

    Parameters
    ----------
    action : {"relabel", "drop", "relabel_or_drop"}
    confidence : float
        Least probability of a corrected label with "relabel_or_drop".
    issue : bool ndarray of shape (n,)
    given, corrected : int64 ndarray of shape (n,)
    distributions : ndarray of shape (n, n_classes)

    Returns
    -------
    labels : int64 ndarray of shape (n_kept,)
    kept : int64 ndarray of shape (n_kept,) or None
        Numbers of the rows; None where all stay by the nature of the action.
    """
    relabelled = np.where(issue, corrected, given)
    if action == "relabel":
        return relabelled, None
    if action == "drop":
        kept = np.flatnonzero(~issue)
        return given[kept], kept
    unsure = distributions[np.arange(len(given)), corrected] < confidence
    # An issue by its quality alone has no better label.
    kept = np.flatnonzero(~(issue & (unsure | (corrected == given))))
    return relabelled[kept], kept


def keep_every_class(
    labels: np.ndarray, kept: np.ndarray, given: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the rows of classes without any row their given labels back.

    Parameters
    ----------
    labels : int64 ndarray of shape (n,)
        After cleaning.
    kept : bool ndarray of shape (n,)
        Rows that stay.
    given : int64 ndarray of shape (n,)

    Returns
    -------
    labels : int64 ndarray of shape (n,)
    kept : bool ndarray of shape (n,)
        Every given label is among ``labels[kept]``.
    restored : int64 ndarray of shape (n_restored,)
        The classes, sorted.
    """
    restored = np.empty(0, dtype=np.int64)
    # Rows that go back may have been the last ones of another class.
    while len(lost := np.setdiff1d(given, labels[kept])):
        restored = np.union1d(restored, lost)
        back = np.isin(given, restored)
        labels, kept = np.where(back, given, labels), kept | back
    return labels, kept, restored
