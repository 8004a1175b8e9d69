"""Warnings of labels that cannot be known, and of classes that disappear."""

from __future__ import annotations

import logging
import warnings

import numpy as np

from nllearn.exceptions import NoisyLabelWarning

__all__ = ["warn_of_doubt", "warn_of_lost_classes"]

_LOG = logging.getLogger("nllearn")
# Checked rows that tell hard rows from wrong labels: of thirty at the boundary more than half are
# wrong in one case, hardly any in the other.
_N_CHECKED = 30


def warn_of_doubt(has_signal: bool, n_undecided: int, n_rows: int, stacklevel: int) -> None:
    """Warn where nothing can be told, and say how many rows are left undecided.

    Parameters
    ----------
    has_signal : bool
    n_undecided, n_rows : int
    stacklevel : int
        As for ``warnings.warn``, counted from the caller.
    """
    if not has_signal:
        warnings.warn(
            "the features tell nothing about the labels (out of sample, they are predicted no "
            "better than by the class frequencies): no label is changed",
            NoisyLabelWarning,
            stacklevel=stacklevel + 1,
        )
    elif n_undecided:
        _LOG.info(
            "%d of %d rows are near a class boundary, where hard rows and wrong labels look the "
            "same: their labels are kept. %d checked rows passed as trusted would decide",
            n_undecided,
            n_rows,
            min(_N_CHECKED, n_undecided),
        )


def warn_of_lost_classes(
    classes: np.ndarray, given: np.ndarray, corrected: np.ndarray, stacklevel: int
) -> None:
    """Name the classes that no row keeps or gets.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
    given, corrected : int64 ndarray of shape (n,)
        Positions in `classes`.
    stacklevel : int
        As for ``warnings.warn``, counted from the caller.
    """
    gone = np.setdiff1d(given, corrected)
    if len(gone):
        warnings.warn(
            f"no row keeps or gets the label(s) {classes[gone].tolist()} in "
            "corrected_labels_: look at these classes before you use it",
            NoisyLabelWarning,
            stacklevel=stacklevel + 1,
        )
