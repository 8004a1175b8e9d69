"""The table of label issues, and noise by group."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nllearn._base._training_rows import TrainingRows
from nllearn._doc_links import DocLinkMixin
from nllearn._frames import from_pandas, library_of, to_pandas
from nllearn._torch_state import on_cpu
from nllearn._validation import check_same_rows

if TYPE_CHECKING:
    import pandas as pd

    from nllearn.file_format import Writer

__all__ = ["IssueTablesMixin"]


class IssueTablesMixin(DocLinkMixin, metaclass=ABCMeta):
    """The table of label issues, and noise by group.

    An estimator defines ``training_rows``, ``training_features`` and ``_write_state``; one
    whose parameters say which rows are issues has `threshold` and `budget`. Beyond these the
    methods read public fitted attributes alone: ``classes_``, ``label_quality_``,
    ``label_distributions_``, ``corrected_labels_``, ``transition_matrix_``, ``noise_rate_``
    and, where there is one, ``history_``.
    """

    fit: Callable[..., Any]
    n_jobs: int | None
    threshold: float | None = None
    budget: float | None = None
    # What is known of several annotators, once fit got their labels.
    _annotators: Any = None
    # How the command line read the table of fit; a file keeps it, so that the review reads the
    # same rows in the same way.
    table_reading_: dict[str, Any] | None = None
    # Library of the frames that fit got, in which tables are given; None for pandas.
    frame_library_: str | None = None
    classes_: np.ndarray
    label_quality_: np.ndarray
    label_distributions_: np.ndarray
    corrected_labels_: np.ndarray
    transition_matrix_: np.ndarray
    noise_rate_: float

    # -- what an estimator defines

    @abstractmethod
    def training_rows(self) -> TrainingRows:
        """Labels, predictions and evidence of the training rows.

        Returns
        -------
        rows : TrainingRows
            Arrays by name: `given`, `corrected`, `predicted` (positions in ``classes_``),
            `predicted_proba`, `evidence`, `index`, `network_proba` and `losses` (None without a
            network), `predicted_by`.
        """

    @abstractmethod
    def training_features(self) -> np.ndarray | None:
        """Features of the training rows, for maps and similarities.

        Returns
        -------
        features : float16 ndarray of shape (n_samples, d) or None
            None after ``compact()``.
        """

    @abstractmethod
    def _write_state(self, writer: Writer) -> dict[str, Any]:
        """Parameters and fitted attributes as JSON, with the tensors in the writer."""

    def _find_issues(self, rows: TrainingRows, threshold: float | None) -> np.ndarray:
        """Mark the label issues, bool of shape (n,)."""
        from nllearn.inspection import mark_label_issues

        return mark_label_issues(
            rows.given,
            rows.corrected,
            self._row_quality(rows),
            threshold=self.threshold if threshold is None else threshold,
            budget=self.budget,
        )

    # -- what every estimator offers

    def __getstate__(self) -> dict[str, Any]:
        # A pickle of a fit on a GPU loads where there is none.
        state: dict[str, Any] = on_cpu(super().__getstate__())  # type: ignore[misc]
        return state

    def label_issues(self, threshold: float | None = None) -> Any:
        """Table of the training rows: which labels are issues, and why.

        Parameters
        ----------
        threshold : float in [0, 1], optional
            Rows whose quality is below it are issues too. Without it, and without the
            parameter `threshold` of a label cleaner, issues are the rows whose corrected
            label differs from the given one.

        Returns
        -------
        table : DataFrame
            Of polars or pyarrow where X of ``fit`` was, or y where X was no frame; else of
            pandas, with the index of X where it had one. One row per training row (of several
            annotators one row per label, with the column `annotator` first; before it `row`, the
            number of the row, where tables have no index):
            `is_label_issue`, `label_quality`, `given_label`, `corrected_label`,
            `predicted_label`, `predicted_proba` (these two without the given label: of the
            network alone, or of the cleaner's predictors), then evidence columns.
            Where the neighbours vote: `neighbor_share_given` and `neighbor_share_corrected`.
            From a classifier: `clean_proba`, `is_easy`, `nearest_row` and `target_changed_at`.
            From a label cleaner: `decided_by` (the predictors that give the corrected label),
            `boundary_quality` (the quality if noise at the class boundary is assumed; only where
            that was left open), `duplicate_group` (number of the group of rows that are the same
            or nearly so, -1 for none), `duplicates_disagree` (its labels differ), and
            `neighbor_rows`, the numbers of the nearest rows.

        Raises
        ------
        ValueError
            If the threshold is outside [0, 1].
        """
        check_is_fitted(self, "label_quality_")
        if self._annotators is None:
            return self.row_issues(threshold)
        table = self._annotators.issue_table(
            self.training_rows(),
            self.label_quality_,
            self.classes_,
            self.threshold if threshold is None else threshold,
            self.budget,
        )
        return from_pandas(table, self.frame_library_, index="row")

    def _row_quality(self, rows: TrainingRows) -> np.ndarray:
        """Probability that the given label of every row is right, float32 of shape (n,)."""
        return self.label_distributions_[np.arange(len(rows.given)), rows.given]

    def row_issues(self, threshold: float | None = None) -> Any:
        """Table with one row per training row, also where several annotators labelled it.

        Parameters
        ----------
        threshold : float in [0, 1], optional
            As for :meth:`label_issues`.

        Returns
        -------
        table : DataFrame
            As that of :meth:`label_issues` of one label per row. Of several annotators the given
            label is the one that they give together, and `n_labels` and columns such as
            `label by bob` tell who gave which.
        """
        check_is_fitted(self, "label_quality_")
        return from_pandas(self._row_table(threshold), self.frame_library_)

    @staticmethod
    def _check_order(rows: TrainingRows, **named: Any) -> None:
        """Refuse what has the training rows in another order, by their index."""
        import pandas as pd

        if rows.index is not None:
            check_same_rows(pd.Series(0, index=rows.index), to="label_issues()", **named)

    def _row_table(self, threshold: float | None) -> pd.DataFrame:
        """Table of :meth:`row_issues` as one of pandas."""
        from nllearn.inspection import label_issue_table

        rows = self.training_rows()
        return label_issue_table(
            classes=self.classes_,
            is_issue=self._find_issues(rows, threshold),
            quality=self._row_quality(rows),
            given=rows.given,
            corrected=rows.corrected,
            predicted=rows.predicted,
            predicted_proba=rows.predicted_proba,
            evidence=rows.evidence,
            index=rows.index,
        )

    def noise_by(self, groups: Any, *, confidence: float = 0.95) -> Any:
        """Estimated share of wrong labels in groups of the training rows.

        Tells which source, annotator or batch has more wrong labels than others. One noise model
        serves all rows, so that the rates of groups are drawn towards the overall one.

        Parameters
        ----------
        groups : array-like of shape (n_samples,)
            Group of every training row, such as its source. Missing values are a group.
        confidence : float in (0, 1), default=0.95
            Probability that an interval should hold the rate. It covers the chance of which rows
            and labels there are, not an error of the estimate as a whole.

        Returns
        -------
        table : DataFrame
            One row per group, its name the index, the highest rate first: `n_rows`,
            `noise_rate`, `low` and `high`. Of polars or pyarrow where the groups are, or X of
            ``fit`` was; the name is then the first column, called as the groups are or `group`.

        Raises
        ------
        ValueError
            If there is not one group per training row, or the confidence is outside (0, 1).

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_digits
        >>> from nllearn import LabelCleaner
        >>> X, y = load_digits(return_X_y=True)
        >>> source = np.where(np.arange(len(y)) % 3 == 0, "web", "clinic")
        >>> y_noisy = np.where(source == "web", (y + np.arange(len(y)) % 2) % 10, y)
        >>> table = LabelCleaner(random_state=0).fit(X, y_noisy).noise_by(source)
        >>> list(table.index), table["noise_rate"].round(1).tolist()
        (['web', 'clinic'], [0.5, 0.0])
        """
        check_is_fitted(self, "label_quality_")
        import pandas as pd

        from nllearn.functional.group_rates import noise_rates_by_group

        library = library_of(groups, default=self.frame_library_)
        groups, n = to_pandas(groups), len(self.label_quality_)
        if np.shape(groups)[:1] != (n,) or np.ndim(groups) != 1:
            raise ValueError(
                f"groups has shape {np.shape(groups)}; expected one group per training row, ({n},)"
            )
        if not (isinstance(confidence, Real) and 0.0 < float(confidence) < 1.0):
            raise ValueError(f"confidence={confidence!r} must be a number between 0 and 1")
        rows = self.training_rows()
        self._check_order(rows, groups=groups)
        codes, names = pd.factorize(pd.Series(groups), sort=True, use_na_sentinel=False)
        counts, rates, low, high = noise_rates_by_group(
            self._row_quality(rows), codes, float(confidence)
        )
        table = pd.DataFrame(
            {"n_rows": counts, "noise_rate": rates, "low": low, "high": high},
            index=pd.Index(names, name=getattr(groups, "name", None)),
        )
        # By position: the groups may be called as a column is.
        table = table.iloc[np.argsort(-rates, kind="stable")]
        return from_pandas(table, library, index=str(table.index.name or "group"))
