"""What every estimator offers after ``fit``: issues, review page, decisions, audit, file."""

from __future__ import annotations

import os
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nllearn._doc_links import DocLinkMixin
from nllearn._frames import from_pandas, library_of, to_pandas
from nllearn._torch_state import on_cpu, torch_state
from nllearn._validation import check_same_rows

if TYPE_CHECKING:
    import pandas as pd

    from nllearn.audit import Audit, AuditedLabels
    from nllearn.file_format import Writer
    from nllearn.inspection import ReviewPage

__all__ = ["LabelIssuesMixin", "TrainingRows"]


@dataclass(frozen=True)
class TrainingRows:
    """What a fitted estimator knows about its n training rows, in their order.

    Attributes
    ----------
    given, corrected, predicted : int64 ndarray of shape (n,)
        Labels as positions in ``classes_``. The predicted one takes no account of the
        given one.
    predicted_proba : float32 ndarray of shape (n,)
        Probability of the predicted label.
    evidence : dict of str to ndarray of shape (n,)
        Further columns of the table of issues.
    index : Index or None
        That of X, where it had one.
    predicted_by : str
        What the prediction comes from, for the review page.
    network_proba : float32 ndarray of shape (n, n_classes) or None
        Of the network alone; None where none was trained.
    """

    given: np.ndarray
    corrected: np.ndarray
    predicted: np.ndarray
    predicted_proba: np.ndarray
    evidence: dict[str, np.ndarray]
    index: Any
    predicted_by: str
    network_proba: np.ndarray | None = None

    @property
    def losses(self) -> np.ndarray | None:
        """Loss of the network against the given labels, float64 of shape (n,), or None."""
        if self.network_proba is None:
            return None
        own = self.network_proba[np.arange(len(self.given)), self.given].astype(float)
        return -np.log(np.maximum(own, 1e-12))


class LabelIssuesMixin(DocLinkMixin, metaclass=ABCMeta):
    """The table of label issues, noise by group, the review page, decisions, and a file.

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
            From every estimator: `neighbor_share_given` and `neighbor_share_corrected`. From a
            classifier: `clean_proba`, `is_easy`, `nearest_row` and `target_changed_at`. From a
            label cleaner: `decided_by` (the predictors that give the corrected label),
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
        codes, names = pd.factorize(pd.Series(groups), sort=True, use_na_sentinel=False)
        counts, rates, low, high = noise_rates_by_group(
            self._row_quality(self.training_rows()), codes, float(confidence)
        )
        table = pd.DataFrame(
            {"n_rows": counts, "noise_rate": rates, "low": low, "high": high},
            index=pd.Index(names, name=getattr(groups, "name", None)),
        )
        # By position: the groups may be called as a column is.
        table = table.iloc[np.argsort(-rates, kind="stable")]
        return from_pandas(table, library, index=str(table.index.name or "group"))

    def report(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        images: Any = None,
        texts: Any = None,
        table: Any = None,
        names: Any = None,
        threshold: float | None = None,
        audit: Any = None,
        max_rows: int = 20_000,
        title: str = "Label review",
        overwrite: bool = False,
    ) -> Path | ReviewPage:
        """Write the review page: one HTML file that opens from disk without a network.

        Without a path a notebook shows the page below the cell.

        Parameters
        ----------
        path : str, Path or None, default=None
            The HTML file. None writes none and returns the page, which the notebook then holds.
        images : array-like of images, sequence of paths or Dataset, optional
            What to show of every row, in the order of ``fit``, which keeps no X.
        texts : sequence of str, optional
            The same for texts.
        table : DataFrame or array, optional
            The same for tables. At most one of `images`, `texts` and `table`.
        names : sequence of str, optional
            What the rows are called, on the page and in the decisions. None takes the index
            of X, or the names of the image files.
        threshold : float in [0, 1], optional
            Rows whose quality is below it are issues too.
        audit : int or int array-like, optional
            So many rows of an audit are on the page too, drawn by :meth:`audit_sample` with
            ``random_state=0``; or the rows that it returned. Each answer on the page narrows the
            interval of the noise rate. See :func:`nllearn.inspection.audit_answers`.
        max_rows : int, default=20000
            Most issues in the list; those of the lowest quality are taken.
        title : str, default="Label review"
            Title of the page.
        overwrite : bool, default=False
            Replace an existing file.

        Returns
        -------
        path : Path or ReviewPage
            The page itself, where `path` is None.

        Raises
        ------
        ValueError
            If the rows that are passed do not match those of ``fit``.
        FileExistsError
            If the file exists and `overwrite` is False.
        """
        check_is_fitted(self, "label_quality_")
        from nllearn.inspection import write_review_page

        rows = self.training_rows()
        if rows.index is not None:
            import pandas as pd

            own = pd.Series(0, index=rows.index)
            shown = dict(images=images, texts=texts, table=table, names=names)
            check_same_rows(own, to="label_issues()", **shown)
        if audit is not None and np.ndim(audit) == 0:
            audit = self.audit_sample(audit, random_state=0)
        with torch_state(self.n_jobs, is_small=False):
            return write_review_page(
                path,
                issues=self._row_table(threshold),
                classes=self.classes_,
                features=self.training_features(),
                label_distributions=self.label_distributions_,
                network_proba=rows.network_proba,
                losses=rows.losses,
                history=getattr(self, "history_", None),
                transition_matrix=self.transition_matrix_,
                noise_rate=self.noise_rate_,
                predicted_by=rows.predicted_by,
                images=images,
                texts=texts,
                table=table,
                names=names,
                audit_rows=audit,
                audit_strata=None if audit is None else self.audited_labels().strata,
                max_rows=max_rows,
                title=title,
                overwrite=overwrite,
            )

    def model_card(
        self,
        path: str | os.PathLike[str],
        *,
        audit: Audit | None = None,
        title: str | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Write a model card: one Markdown file about this fit.

        Data, noise found, label accuracy by an audit if there was one, parameters, versions and
        limits; no row of the data.

        Parameters
        ----------
        path : str or Path
            The Markdown file.
        audit : Audit, optional
            What :meth:`audit` returned. Without it the card says that all figures are estimates.
        title : str, optional
            First line. None takes the name of the class.
        overwrite : bool, default=False
            Replace an existing file.

        Returns
        -------
        path : Path

        Raises
        ------
        ValueError
            If the audit is about another number of rows.
        FileExistsError
            If the file exists and `overwrite` is False.
        """
        check_is_fitted(self, "label_quality_")
        from nllearn.inspection import write_model_card

        return write_model_card(path, self, audit=audit, title=title, overwrite=overwrite)

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
        library = self.frame_library_
        self.fit(X, known, trusted=decided)
        # The decided labels are an array, whatever the given ones were.
        self.frame_library_ = library_of(X, default=library)
        return np.where(decided | (undecided == "given"), known, self.corrected_labels_)

    def audit_sample(self, n: int, *, random_state: Any = None) -> np.ndarray:
        """Draw training rows for a person to look at, chosen for what their labels decide.

        The rows are in four strata by label quality. A third of the sample is drawn uniformly, a
        third from the rows whose label was changed, a third where an answer tells most. See the
        how-to page about audits.

        Parameters
        ----------
        n : int
            From 1 to the number of rows; 30 is a good start, below 12 little is decided.
        random_state : int, RandomState or None, default=None
            Draws the rows.

        Returns
        -------
        rows : int64 ndarray of shape (n,)
            Numbers of training rows from 0, in random order: if only the first of them are looked
            at, those are a sample as well.

        Raises
        ------
        ValueError
            For another n.
        """
        from nllearn.audit import draw_audit_sample

        return draw_audit_sample(self.audited_labels(), n, random_state=random_state)

    def audit(self, rows: Any, right: Any, *, confidence_level: float = 0.95) -> Audit:
        """Say what the answers about a sample show about all labels.

        Parameters
        ----------
        rows : int array-like of shape (m,)
            Rows that :meth:`audit_sample` drew and that were looked at, each once. The rows of
            several draws may be joined.
        right : array-like of shape (m,)
            Bool: the given label is right. Otherwise the true labels, from ``classes_``, which
            say more where there are more than two classes.
        confidence_level : float in (0, 1), default=0.95
            Of every interval.

        Returns
        -------
        audit : Audit
            Noise rate, precision of the changes and of the flags at any threshold, a threshold
            for a wanted false discovery rate, whether the changes help; labels and mask for a fit
            with the answers.

        Raises
        ------
        ValueError
            For bad rows or answers.
        """
        from nllearn.audit import audit_labels

        return audit_labels(self.audited_labels(), rows, right, confidence_level=confidence_level)

    def audited_labels(self) -> AuditedLabels:
        """Labels and claims that an audit checks.

        Returns
        -------
        audited : AuditedLabels
        """
        check_is_fitted(self, "label_quality_")
        from nllearn.audit import AuditedLabels

        rows = self.training_rows()
        proba = self.label_distributions_[np.arange(len(rows.given)), rows.corrected]
        return AuditedLabels(
            given=rows.given,
            corrected=rows.corrected,
            quality=self._row_quality(rows),
            classes=self.classes_,
            corrected_proba=proba,
            boundary_quality=rows.evidence.get("boundary_quality"),
        )

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the fitted estimator to one file that holds data and no code.

        It is a safetensors file: every array is a tensor, everything else is JSON in its
        metadata, and a checksum covers both. It holds the parameters, all that fit left and
        the index of the training rows. A network of your own is held as its weights alone;
        :func:`nllearn.load` then asks for the module. Callbacks, the rows inside the neighbour
        search and the state of the optimisers are left out.

        Parameters
        ----------
        path : str or Path
            The file appears there when it is whole; :func:`nllearn.load` reads it.
        overwrite : bool, default=False
            Replace an existing file.

        Raises
        ------
        FileExistsError
            If the file exists and `overwrite` is False.
        TypeError
            If a parameter cannot be stored without code, such as a function as `augmentation`
            or a selector of your own; the message names it. Also for a class of your own,
            which :func:`nllearn.load` does not know.
        ValueError
            If parameters of the backbone were changed after fit.

        Warns
        -----
        NoisyLabelWarning
            For callbacks, and for an index that a file cannot hold, such as a MultiIndex:
            ``label_issues`` of the loaded estimator then numbers the rows.
        """
        check_is_fitted(self, "label_quality_")
        from nllearn.file_format import Writer, write_container

        name = type(self).__name__
        if not type(self).__module__.startswith("nllearn."):
            raise TypeError(
                f"estimator is a {name}; only the classes of nllearn can be saved, since load "
                "knows no other; keep it with pickle"
            )
        writer = Writer()
        document = {"class": name, **self._write_state(writer)}
        if self.table_reading_ is not None:
            document["table"] = writer.encode(self.table_reading_, "table_reading_")
        if self.frame_library_ is not None:
            document["frame_library"] = self.frame_library_
        write_container(Path(path), document, writer.tensors, overwrite=overwrite)
