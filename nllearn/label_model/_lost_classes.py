"""A warning of classes that disappear."""

from __future__ import annotations

import warnings

import numpy as np

from nllearn.exceptions import NoisyLabelWarning

__all__ = ["warn_of_lost_classes"]


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
