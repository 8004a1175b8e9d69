"""Folds for cross-validation that no class is too small for."""

from __future__ import annotations

import numpy as np

__all__ = ["stratified_folds"]


def stratified_folds(codes: np.ndarray, n_splits: int, rng: np.random.RandomState) -> np.ndarray:
    """Number of the fold of every row: shuffled, and each class spread evenly over the folds.

    A class of fewer rows than folds is in some of them only. The classes go on where the one
    before ended, so that the folds have equal sizes.

    Parameters
    ----------
    codes : int ndarray of shape (n,)
    n_splits : int
    rng : RandomState

    Returns
    -------
    folds : int64 ndarray of shape (n,)
        In [0, n_splits).

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.functional.folds import stratified_folds
    >>> folds = stratified_folds(np.array([0, 0, 1, 1]), 2, np.random.RandomState(0))
    >>> sorted(folds[:2].tolist()), sorted(folds[2:].tolist())
    ([0, 1], [0, 1])
    """
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    folds = np.empty(len(codes), dtype=np.int64)
    folds[order] = np.arange(len(codes)) % n_splits
    return folds
