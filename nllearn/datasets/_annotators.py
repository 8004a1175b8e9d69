"""Labels of several annotators of known quality, also of some who copy or answer at random."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ._labels import Labels, check_rng, read_labels

__all__ = ["make_annotator_labels"]


def make_annotator_labels(
    y: ArrayLike | pd.Series,
    *,
    quality: ArrayLike,
    copies: Mapping[int, int] | None = None,
    copy_rate: float = 1.0,
    labels_per_row: int | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    """Make labels of several annotators.

    Parameters
    ----------
    y : array-like or Series of shape (n,), any label dtype
        Clean labels. Never modified.
    quality : array-like of shape (n_annotators,)
        Probability in [0, 1] that a label of each annotator is right; a wrong one is drawn evenly
        from the other classes. One over the number of classes answers at random.
    copies : mapping of int to int, optional
        Number of an annotator to the number of the one that it copies, as in ``{2: 0}``. A copied
        annotator copies nobody.
    copy_rate : float in [0, 1], default=1.0
        Share of the labels that are copied; the others have the quality of the annotator itself.
    labels_per_row : int, optional
        Each row is labelled by so many annotators, drawn evenly. None is all of them.
    random_state : int, RandomState or None, default=None
        Seed. None draws a fresh one; the global state of numpy is neither read nor set.

    Returns
    -------
    labels : ndarray of shape (n, n_annotators)
        In the dtype of `y`. With gaps numbers are floats and a gap is NaN; in other labels, which
        are objects then, it is None.

    Raises
    ------
    ValueError
        For qualities outside [0, 1], fewer than two annotators, annotators that do not exist, and
        labels as for :func:`make_symmetric_noise`.

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.datasets import make_annotator_labels
    >>> y = np.repeat(["cat", "dog", "fox"], 400)
    >>> labels = make_annotator_labels(y, quality=[0.9, 0.6], random_state=0)
    >>> (labels == y[:, None]).mean(0).round(1).tolist()
    [0.9, 0.6]
    """
    labels = read_labels(y)
    rng = check_rng(random_state)
    right, copies = _check_quality(quality), dict(copies or {})
    n, n_annotators, n_classes = len(labels.codes), len(right), labels.n_classes
    _check_copies(copies, copy_rate, n_annotators)
    steps = rng.randint(1, n_classes, size=(n, n_annotators))
    wrong = rng.uniform(size=(n, n_annotators)) >= right
    codes = (labels.codes[:, None] + wrong * steps) % n_classes
    copied = rng.uniform(size=(n, n_annotators)) < copy_rate
    for one, source in sorted(copies.items()):
        codes[:, one] = np.where(copied[:, one], codes[:, source], codes[:, one])
    if labels_per_row is None:
        return _decode(labels, codes, np.zeros(codes.shape, dtype=bool))
    if not (isinstance(labels_per_row, Integral) and 1 <= labels_per_row <= n_annotators):
        raise ValueError(
            f"labels_per_row={labels_per_row!r} must be None or a whole number from 1 to the "
            f"{n_annotators} annotators"
        )
    rank = rng.uniform(size=codes.shape).argsort(1).argsort(1)
    return _decode(labels, codes, rank >= labels_per_row)


def _check_quality(quality: ArrayLike) -> np.ndarray:
    right = np.asarray(quality, dtype=np.float64)
    if right.ndim != 1 or len(right) < 2 or not ((right >= 0) & (right <= 1)).all():
        raise ValueError(
            f"quality={quality!r} must hold a probability in [0, 1] for each of two annotators or "
            "more"
        )
    return right


def _check_copies(copies: dict[int, int], copy_rate: Any, n_annotators: int) -> None:
    for one, source in copies.items():
        known = all(isinstance(a, Integral) and 0 <= a < n_annotators for a in (one, source))
        if not known or one == source or source in copies:
            raise ValueError(
                f"copies={copies!r}: {one!r} cannot copy {source!r}; both are numbers from 0 to "
                f"{n_annotators - 1}, and who is copied copies nobody"
            )
    if not (isinstance(copy_rate, Real) and 0.0 <= float(copy_rate) <= 1.0):
        raise ValueError(f"copy_rate={copy_rate!r} must be a number in [0, 1]")


def _decode(labels: Labels, codes: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Labels by their codes, with gaps."""
    values = np.asarray(labels.classes)[codes]
    if not gaps.any():
        return values
    if values.dtype.kind in "iuf":
        return np.where(gaps, np.nan, values)
    values = values.astype(object)
    values[gaps] = None
    return values
