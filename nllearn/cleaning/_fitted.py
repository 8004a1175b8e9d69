"""What a fitted cleaner offers: the table of issues, scores of new rows, and files."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted, validate_data

from nllearn._labels import check_labels
from nllearn._torch_state import LEAST_WORK, torch_state
from nllearn._validation import check_rows
from nllearn.classifiers._review import ReviewMethods
from nllearn.classifiers._saving import SaveMethod
from nllearn.functional.blocks import row_blocks
from nllearn.functional.mixup import smooth_over_neighbors
from nllearn.functional.similarity import cosine_topk
from nllearn.label_model import NoiseModel, RowScaling, log_neighbor_shares, log_prototype_fit
from nllearn.predictors import KernelRidge, NeighborGraph

__all__ = ["FittedMethods"]


class FittedMethods(SaveMethod, ReviewMethods):
    """Methods of the cleaner after ``fit``; the class itself has the rest."""

    threshold: float | None
    budget: float | None
    n_jobs: int | None
    n_landmarks: int
    classes_: np.ndarray
    label_quality_: np.ndarray
    label_distributions_: np.ndarray
    resolved_params_: dict[str, Any]
    _given: np.ndarray
    _corrected: np.ndarray
    _predicted: np.ndarray
    _predicted_proba: np.ndarray
    _evidence: dict[str, np.ndarray]
    _named: np.ndarray
    _index: Any
    _scale: RowScaling
    _unit: torch.Tensor | None
    _fits: list[KernelRidge]
    _noise: NoiseModel
    _n_neighbors: int
    _vote_labels: torch.Tensor
    _vote_weights: torch.Tensor

    # What predicts `predicted_label`, in the words of the review page.
    _predicted_by = "all predictors"

    @property
    def _features(self) -> np.ndarray | None:
        """Unit rows, float16 of shape (n, d), for maps and similarities; None after compact."""
        unit = getattr(self, "_unit", None)
        return None if unit is None else unit.cpu().numpy()

    def _issues(self, threshold: float | None) -> np.ndarray:
        """Mark the label issues, within the budget."""
        issue = self._corrected != self._given
        if threshold is not None:
            issue = issue | (self.label_quality_ < threshold)
        if self.budget is None:
            return issue
        allowed = self.budget
        if not isinstance(allowed, Integral):
            allowed = int(np.floor(allowed * len(issue)))
        worst = np.flatnonzero(issue)
        worst = worst[np.argsort(self.label_quality_[worst], kind="stable")][: int(allowed)]
        within = np.zeros_like(issue)
        within[worst] = True
        return within

    def label_issues(self, threshold: float | None = None) -> Any:
        """Table of the training rows: which labels are issues, and why.

        Parameters
        ----------
        threshold : float in [0, 1], optional
            In place of the parameter `threshold`.

        Returns
        -------
        table : DataFrame
            One row per training row, with the index of X where it had one:
            `is_label_issue`, `label_quality`, `given_label`, `corrected_label`,
            `predicted_label`, `predicted_proba` (these two without the given label), then
            evidence: `decided_by` (the predictors that give the corrected label), vote
            shares of the given and the corrected label among all neighbours and among the
            easy ones, `is_easy`, and `neighbor_rows`, the numbers of the nearest rows.
        """
        check_is_fitted(self, "label_quality_")
        from nllearn.inspection import label_issue_table

        threshold = self.threshold if threshold is None else threshold
        if threshold is not None and not isinstance(threshold, Real):
            raise ValueError(f"threshold={threshold!r} must be None or a number in [0, 1]")
        table = label_issue_table(
            classes=self.classes_,
            given=self._given,
            corrected=self._corrected,
            quality=self.label_quality_,
            # Replaced below: of predictions without the given label one class alone is kept.
            network_proba=self.label_distributions_,
            evidence={**self._evidence, "neighbor_rows": _as_objects(self._named)},
            index=self._index,
            threshold=threshold,
        )
        table["is_label_issue"] = self._issues(threshold)
        table["predicted_label"] = self.classes_[self._predicted]
        table["predicted_proba"] = self._predicted_proba
        return table

    def score_labels(self, X_new: Any, y_new: Any) -> np.ndarray:
        """Quality of the given labels of rows that fit has not seen.

        Parameters
        ----------
        X_new : array-like of shape (m, n_features)
            Rows with the columns that fit saw.
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
        check_rows(X_new)
        y_new = check_labels(y_new)
        X_new, y_new = validate_data(
            self, X_new, y_new, dtype="numeric", accept_sparse="csr", reset=False
        )
        return self._score(X_new, self._codes_of(y_new))

    def label_proba(self, X_new: Any) -> np.ndarray:
        """Probability of every label for rows that have none.

        Predictions of neighbours and regressions, as in `predicted_proba` of
        :meth:`label_issues`. For a row that has a label :meth:`score_labels` uses it too; a
        classifier to keep is better trained on the cleaned labels.

        Parameters
        ----------
        X_new : array-like of shape (m, n_features)
            Rows with the columns that fit saw.

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
        check_rows(X_new)
        X_new = validate_data(self, X_new, dtype="numeric", accept_sparse="csr", reset=False)
        with self._threads(len(self._given), X_new.shape):
            scores, votes = self._predict_new(X_new)
            return self._noise.predict_proba(scores, votes).cpu().numpy()

    def compact(self) -> Any:
        """Drop the float16 rows of the training data, the largest thing that fit keeps.

        :meth:`label_issues` works as before, :meth:`score_labels` and
        :meth:`label_proba` no longer.

        Returns
        -------
        self : object
        """
        check_is_fitted(self, "label_quality_")
        self._unit = None
        return self

    def _check_can_score(self, method: str) -> None:
        """Refuse to compare new rows with rows that are gone."""
        check_is_fitted(self, "label_quality_")
        if self._unit is None:
            raise ValueError(f"compact() dropped the rows that {method} compares with; fit again")

    def _codes_of(self, labels: np.ndarray) -> np.ndarray:
        """Positions in ``classes_``; a label that is not there is an error."""
        import pandas as pd

        codes = pd.Index(self.classes_).get_indexer(pd.Index(labels)).astype(np.int64)
        if (codes < 0).any():
            unknown = pd.unique(pd.Series(labels[codes < 0]))[:5].tolist()
            raise ValueError(
                f"y_new has labels that fit has not seen: {unknown}; known are "
                f"{self.classes_[:20].tolist()}"
            )
        return codes

    def _score(self, X_new: Any, codes: np.ndarray) -> np.ndarray:
        """Quality of labels, as positions in ``classes_``, of checked new rows."""
        with self._threads(len(self._given), X_new.shape):
            scores, votes = self._predict_new(X_new)
            given = torch.from_numpy(codes).to(scores.device)
            posterior = self._noise.posterior(scores, votes, given)
            return posterior.gather(1, given.unsqueeze(1)).squeeze(1).cpu().numpy()

    def _threads(self, n: int, shape: tuple[int, ...]) -> Any:
        """Threads for new rows of a shape beside n fitted ones."""
        small = float(shape[0]) * (n * shape[1] + self.n_landmarks**2) < LEAST_WORK
        return torch_state(self.n_jobs, is_small=small)

    def _predict_new(self, X_new: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores of the regressions and log votes of the neighbours, for checked new rows."""
        assert self._unit is not None
        X_unit = self._scale.apply(X_new, self._unit.device)
        similarities, indices = cosine_topk(X_unit, self._unit, self._n_neighbors)
        smoothed = torch.cat(
            [
                smooth_over_neighbors(X_unit[rows], indices[rows], self._unit)
                for rows in row_blocks(len(X_unit))
            ]
        )
        scores = (self._fits[0].predict(X_unit) + self._fits[1].predict(smoothed)) / 2
        graph = NeighborGraph(similarities, indices)
        one, two = (
            log_neighbor_shares(graph, labels, len(self.classes_), weights)
            for labels, weights in zip(self._vote_labels, self._vote_weights, strict=True)
        )
        return scores, 0.5 * (log_prototype_fit(one, self._noise.prototypes) + two)


def _as_objects(rows: np.ndarray) -> np.ndarray:
    """One list of row numbers per cell."""
    cells = np.empty(len(rows), dtype=object)
    cells[:] = rows.tolist() if rows.shape[1] != 1 else [[row] for row in rows[:, 0].tolist()]
    return cells
