"""The review page of a fitted estimator, and the decisions that come back from it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nllearn._torch_state import torch_state

__all__ = ["ReviewMethods"]


class ReviewMethods:
    """Methods for estimators with ``label_issues()``."""

    fit: Callable[..., Any]
    n_jobs: int | None
    corrected_labels_: np.ndarray

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        images: Any = None,
        texts: Any = None,
        table: Any = None,
        threshold: float | None = None,
        max_rows: int = 20_000,
        title: str = "Label review",
        overwrite: bool = False,
    ) -> Path:
        """Write the review page: one HTML file that opens from disk without a network.

        Parameters
        ----------
        path : str or Path
            The HTML file.
        images : array-like of images or sequence of paths, optional
            What to show of every row, in the order of ``fit``, which keeps no X.
        texts : sequence of str, optional
            The same for texts.
        table : DataFrame or array, optional
            The same for tables. At most one of `images`, `texts` and `table`.
        threshold : float in [0, 1], optional
            Rows whose quality is below it are issues too.
        max_rows : int, default=20000
            Most issues in the list; those of the lowest quality are taken.
        title : str, default="Label review"
            Title of the page.
        overwrite : bool, default=False
            Replace an existing file.

        Returns
        -------
        path : Path

        Raises
        ------
        ValueError
            If the rows that are passed do not match those of ``fit``.
        FileExistsError
            If the file exists and `overwrite` is False.
        """
        check_is_fitted(self, "label_quality_")
        from nllearn.inspection import review_page_of

        with torch_state(self.n_jobs, is_small=False):
            return review_page_of(
                self,
                path,
                images=images,
                texts=texts,
                table=table,
                threshold=threshold,
                max_rows=max_rows,
                title=title,
                overwrite=overwrite,
            )

    def apply_decisions(
        self, decisions: Any, *, undecided: str = "corrected", refit: bool = False, X: Any = None
    ) -> np.ndarray:
        """Final labels after a review, and a fit with what was decided.

        Parameters
        ----------
        decisions : str, Path or iterable of Decision
            File that the review page exported, JSON or CSV.
        undecided : {"corrected", "given"}, default="corrected"
            Label of the rows that nobody decided.
        refit : bool, default=False
            Fit anew on the given labels with the decided ones in their place; decided
            rows are ``trusted``.
        X : array-like, optional
            The rows of the first fit; needed with `refit`, since fit keeps none.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            In the dtype of the labels that were fitted; with `refit` and
            ``undecided="corrected"`` those of the new fit.

        Raises
        ------
        ValueError
            If the decisions belong to other data, or `refit` comes without `X`.
        """
        check_is_fitted(self, "label_quality_")
        from nllearn.inspection import apply_decisions_to

        labels, decided = apply_decisions_to(self, decisions, undecided=undecided)
        if not refit:
            return labels
        if X is None:
            raise ValueError("refit=True needs X: fit keeps no copy of the rows")
        known, _ = apply_decisions_to(self, decisions, undecided="given")
        self.fit(X, known, trusted=decided)
        return np.where(decided | (undecided == "given"), known, self.corrected_labels_)
