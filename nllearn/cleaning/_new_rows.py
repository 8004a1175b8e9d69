"""Predictions and label quality of rows that fit has not seen."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from nllearn._frames import to_pandas
from nllearn._labels import check_labels
from nllearn._torch_state import LEAST_WORK, torch_state
from nllearn._validation import check_rows
from nllearn.cleaning._fitted import FittedPredictors
from nllearn.cleaning._inputs import check_pred_probs, find_codes, log_probabilities

__all__ = ["NewRowsMixin"]


class NewRowsMixin:
    """Labels and qualities of new rows, by the predictors that fit kept.

    The estimator has `classes_`, `n_jobs`, `n_landmarks` and `predictors`, and sets the attributes
    below in ``fit``.
    """

    _predictors: FittedPredictors
    _given: np.ndarray
    _without_rows: bool
    classes_: np.ndarray
    n_jobs: Any
    n_landmarks: int
    predictors: Any

    def score_labels(self, X_new: Any, y_new: Any) -> np.ndarray:
        """Quality of the given labels of rows that fit has not seen.

        Parameters
        ----------
        X_new : array-like of shape (m, n_features)
            Rows with the columns that fit saw; of a fit without X predictions of shape
            (m, n_classes).
        y_new : array-like of shape (m,)
            Their given labels, from ``classes_``.

        Returns
        -------
        quality : float32 ndarray of shape (m,)
            Probability that each label is right, under the noise of the fitted labels.

        Raises
        ------
        ValueError
            For a label that fit has not seen, or after :meth:`compact`.
        """
        self._check_can_score("score_labels")
        X_new = self._check_new_rows(X_new)
        y_new = check_labels(to_pandas(y_new))
        X_new, y_new = validate_data(
            self, X_new, y_new, dtype="numeric", accept_sparse="csr", reset=False
        )
        with self._threads(X_new.shape):
            return self._predictors.label_quality(X_new, find_codes(y_new, self.classes_))

    def label_proba(self, X_new: Any) -> np.ndarray:
        """Probability of every label for rows that have none.

        Predictions of neighbours, regressions and forest, as in `predicted_proba` of
        :meth:`label_issues`. For a row that has a label :meth:`score_labels` uses it too; a
        classifier to keep is better trained on the cleaned labels.

        Parameters
        ----------
        X_new : array-like of shape (m, n_features)
            Rows with the columns that fit saw; of a fit without X predictions of shape
            (m, n_classes).

        Returns
        -------
        proba : float32 ndarray of shape (m, n_classes)
            Columns in the order of ``classes_``; rows sum to one.

        Raises
        ------
        ValueError
            After :meth:`compact`.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from nllearn import LabelCleaner
        >>> X, y = load_iris(return_X_y=True)
        >>> cleaner = LabelCleaner(random_state=0).fit(X[10:], y[10:])
        >>> cleaner.classes_[cleaner.label_proba(X[:3]).argmax(1)].tolist()
        [0, 0, 0]
        """
        self._check_can_score("label_proba")
        X_new = self._check_new_rows(X_new)
        X_new = validate_data(self, X_new, dtype="numeric", accept_sparse="csr", reset=False)
        with self._threads(X_new.shape):
            return self._predictors.label_proba(X_new)

    def compact(self) -> Any:
        """Drop the float16 rows of the training data, the largest thing that fit keeps.

        :meth:`label_issues` works as before, :meth:`score_labels` and
        :meth:`label_proba` no longer.

        Returns
        -------
        self : object
        """
        check_is_fitted(self, "label_quality_")
        self._predictors = dataclasses.replace(self._predictors, X_unit=None)
        return self

    def _check_can_score(self, method: str) -> None:
        """Refuse to compare new rows with rows that are gone."""
        check_is_fitted(self, "label_quality_")
        if self._predictors.X_unit is None:
            raise ValueError(f"compact() dropped the rows that {method} compares with; fit again")
        if self._predictors.regression is None:
            raise ValueError(
                f"{method} needs the regressions, which predictors={self.predictors!r} leaves out; "
                "add 'kernel_ridge' and fit again"
            )

    def _check_new_rows(self, X_new: Any) -> Any:
        """New rows of a kind that can be read; of a fit without rows the logarithms."""
        X_new = to_pandas(X_new)
        check_rows(X_new)
        if not self._without_rows:
            return X_new
        return log_probabilities(check_pred_probs(X_new, len(X_new), self.classes_))

    def _threads(self, shape: tuple[int, ...]) -> Any:
        """Threads for new rows of a shape beside the fitted ones."""
        n = len(self._given)
        small = float(shape[0]) * (n * shape[1] + self.n_landmarks**2) < LEAST_WORK
        return torch_state(self.n_jobs, is_small=small)
