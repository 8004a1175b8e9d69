"""A splitter whose validation folds hold labels that are likely right."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.model_selection import BaseCrossValidator, StratifiedGroupKFold
from sklearn.utils import check_random_state
from sklearn.utils.validation import _num_samples

from nllearn._labels import label_arrays
from nllearn.exceptions import NoisyLabelWarning
from nllearn.model_selection._checks import check_quality

__all__ = ["CleanValidationSplit"]


class CleanValidationSplit(BaseCrossValidator):
    """Cross-validation that validates on labels that are likely right, and trains on all.

    The `share` of rows of every class with the highest label quality is split over the
    validation folds, at least one row per class, so a rare class is never lost. The other rows
    are in every training fold. Rows are shuffled, and every class is spread evenly over the
    folds. With any scoring, scikit-learn's own included, a search then compares
    predictions with labels that are likely right.

    Parameters
    ----------
    n_splits : int, default=5
        Folds, at least 2.
    label_quality : array-like of shape (n,), float in [0, 1]
        Probability that each given label is right, in the order of the rows of the search,
        such as ``label_quality_`` of a cleaner or classifier fitted to all rows.
    labels : array-like of shape (n,), optional
        Labels to balance and stratify by, such as ``corrected_labels_``. None takes the y
        that is split.
    share : float in (0, 1], default=0.5
        Share of the rows of every class that validate. A low share has fewer wrong labels,
        but fewer and easier rows.
    random_state : int, RandomState or None, default=None
        Deals the rows to the folds. With an int every call gives the same folds.

    Raises
    ------
    ValueError
        For bad parameters; in ``split``, for another number of rows than `label_quality`
        has, or fewer validation rows or groups than folds.

    Warns
    -----
    NoisyLabelWarning
        If a class has one row, which stays in training.

    Notes
    -----
    Rows with a likely right label are easier than the others, so scores are too high and
    fit for comparing models only.

    With `groups`, all rows of the groups in a validation fold leave its training fold. A
    class that is in one group only is then absent from one training fold.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from nllearn import LabelCleaner
    >>> from nllearn.datasets import make_symmetric_noise
    >>> from nllearn.model_selection import CleanValidationSplit
    >>> X, y = load_iris(return_X_y=True)
    >>> y_noisy = make_symmetric_noise(y, noise_rate=0.2, random_state=0)
    >>> cleaner = LabelCleaner(random_state=0).fit(X, y_noisy)
    >>> cv = CleanValidationSplit(label_quality=cleaner.label_quality_, random_state=0)
    >>> train, test = next(cv.split(X, y_noisy))
    >>> len(train), len(test), float((y == y_noisy)[test].mean())
    (135, 15, 1.0)
    >>> model = DecisionTreeClassifier(random_state=0)
    >>> search = GridSearchCV(model, {"max_depth": [2, None]}, cv=cv).fit(X, y_noisy)
    >>> search.best_params_
    {'max_depth': 2}
    """

    # scikit-learn reads this where metadata routing is on.
    __metadata_request__split = {"groups": True}

    def __init__(
        self,
        n_splits: int = 5,
        *,
        label_quality: Any,
        labels: Any = None,
        share: float = 0.5,
        random_state: Any = None,
    ):
        _check_settings(n_splits, share)
        self.n_splits = n_splits
        self.label_quality = check_quality(label_quality, _num_samples(label_quality))
        self.labels = labels
        if labels is not None:
            label_arrays(label_quality=self.label_quality, labels=labels)
        self.share = share
        check_random_state(random_state)
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Number of folds.

        Parameters
        ----------
        X : any
            Ignored.
        y : any
            Ignored.
        groups : any
            Ignored.

        Returns
        -------
        n_splits : int
        """
        return int(self.n_splits)

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Give the rows of each fold.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            Rows, in the order of `label_quality`.
        y : array-like of shape (n,), optional
            Given labels; without effect where `labels` is set.
        groups : array-like of shape (n,), optional
            Rows of one group are never on both sides.

        Yields
        ------
        train : int64 ndarray
            Row numbers of the training fold, ascending.
        test : int64 ndarray
            Row numbers of the validation fold, ascending.
        """
        n = _num_samples(X)
        if n != len(self.label_quality):
            raise ValueError(
                f"X has {n} rows and label_quality has {len(self.label_quality)}; the splitter "
                "is for the very rows that the quality was estimated for. Inside another "
                "cross-validation, make it anew from the outer training rows"
            )
        strata = self.labels if self.labels is not None else y
        if strata is None:
            raise ValueError("y is None and the splitter has no labels; pass y or labels=")
        (labels,) = label_arrays(**{"y" if self.labels is None else "labels": strata})
        if len(labels) != n:
            raise ValueError(f"X has {n} rows and y has {len(labels)}; they must be equal")
        classes, codes = np.unique(labels, return_inverse=True)
        rng = check_random_state(self.random_state)
        chosen = self._choose(codes, classes, rng)
        rows = np.arange(n)
        if groups is None:
            self._check_enough(len(chosen), "validation rows")
            for fold in range(self.n_splits):
                # Neighbours in `chosen` are of one class and go to different folds.
                test = np.sort(chosen[fold :: self.n_splits])
                yield np.delete(rows, test), test
            return
        members = np.asarray(groups)
        if members.shape != (n,):
            raise ValueError(f"groups has shape {members.shape}; expected one per row, ({n},)")
        for test in self._deal_groups(chosen, codes, members, rng):
            yield rows[~np.isin(members, members[test])], test

    def _choose(self, codes: np.ndarray, classes: np.ndarray, rng: Any) -> np.ndarray:
        """Rows that validate, class after class, shuffled within each."""
        # Ties in quality are broken by chance, not by the order of the rows.
        order = rng.permutation(len(codes))
        ranked = order[np.lexsort((-self.label_quality[order], codes[order]))]
        sizes = np.bincount(codes)
        quota = np.maximum(1, np.rint(self.share * sizes))
        quota[sizes == 1] = 0
        if (sizes == 1).any():
            warnings.warn(
                f"{np.sum(sizes == 1)} classes have one row, which stays in training and never "
                f"validates: {classes[sizes == 1][:5].tolist()}",
                NoisyLabelWarning,
                stacklevel=3,
            )
        rank = np.arange(len(codes)) - (np.cumsum(sizes) - sizes)[codes[ranked]]
        best = ranked[rank < quota[codes[ranked]]]
        return best[np.lexsort((rng.permutation(len(best)), codes[best]))]

    def _deal_groups(
        self, chosen: np.ndarray, codes: np.ndarray, groups: np.ndarray, rng: Any
    ) -> list[np.ndarray]:
        """Whole groups to the folds, the classes as even as can be."""
        self._check_enough(len(np.unique(groups[chosen])), "groups with validation rows")
        dealer = StratifiedGroupKFold(self.n_splits, shuffle=True, random_state=rng)
        with warnings.catch_warnings():
            # A class with fewer rows than folds: its quota is meant.
            warnings.simplefilter("ignore", UserWarning)
            dealt = list(dealer.split(chosen, codes[chosen], groups[chosen]))
        return [np.sort(chosen[test]) for _, test in dealt]

    def _check_enough(self, found: int, what: str) -> None:
        if found < self.n_splits:
            raise ValueError(
                f"there are {found} {what} for n_splits={self.n_splits}; lower n_splits, or "
                f"raise share={self.share}"
            )


def _check_settings(n_splits: Any, share: Any) -> None:
    """Check the numbers, both at once."""
    problems = []
    if not isinstance(n_splits, Integral) or isinstance(n_splits, bool) or n_splits < 2:
        problems.append(f"n_splits={n_splits!r} must be an int of at least 2")
    if not isinstance(share, Real) or isinstance(share, bool) or not 0 < float(share) <= 1:
        problems.append(f"share={share!r} must be a float in (0, 1]")
    if problems:
        raise ValueError("; ".join(problems))
