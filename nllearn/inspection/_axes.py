"""What all displays need: axes, and the given labels as codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nllearn._frames import to_pandas
from nllearn.exceptions import MissingExtraError

__all__ = ["axes_or_new", "given_codes"]


def axes_or_new(ax: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Figure and axes to draw on; new ones for None.

    Parameters
    ----------
    ax : matplotlib Axes or None
        To draw on.
    **kwargs
        For ``plt.subplots``.

    Returns
    -------
    figure : matplotlib Figure
    ax : matplotlib Axes

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingExtraError("plots need matplotlib: pip install 'nllearn[report]'") from error
    if ax is None:
        return plt.subplots(**kwargs)
    return ax.figure, ax


def given_codes(estimator: Any) -> np.ndarray:
    """Given labels of the training rows as positions in ``classes_``.

    Parameters
    ----------
    estimator : fitted classifier
        What ``fit`` left is plotted.

    Returns
    -------
    codes : int64 ndarray of shape (n,)
    """
    check_is_fitted(estimator)
    given = to_pandas(estimator.row_issues())["given_label"].to_numpy()
    return np.searchsorted(estimator.classes_, given)
