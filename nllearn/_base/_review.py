"""The review page, decisions, a model card, and a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nllearn._base._audit import AuditMixin
from nllearn._frames import library_of, to_pandas
from nllearn._torch_state import torch_state

if TYPE_CHECKING:
    from nllearn.audit import Audit
    from nllearn.inspection import ReviewPage

__all__ = ["LabelIssuesMixin"]


class LabelIssuesMixin(AuditMixin):
    """Issues, noise by group, the audit, the review page, decisions, and a file."""

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
            The same for tables; beside `images` or `texts` its cells stand below these.
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
        from nllearn.inspection import known_noise_rate, write_review_page

        rows = self.training_rows()
        self._check_order(rows, images=images, texts=texts, table=table, names=names)
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
                noise_rate=known_noise_rate(self),
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
            If the decisions belong to other data, or `refit` comes without `X` or with several
            annotators.
        """
        check_is_fitted(self, "label_quality_")
        from nllearn.inspection import apply_decisions_to

        labels, decided = apply_decisions_to(self, decisions, undecided=undecided)
        if not refit:
            return labels
        if self._annotators is not None:
            raise ValueError(
                "refit=True takes one label per row; with several annotators fit again on their "
                "columns and one more, which holds the decided labels"
            )
        if X is None:
            raise ValueError("refit=True needs X: fit keeps no copy of the rows")
        self._check_order(self.training_rows(), X=to_pandas(X))
        known = np.where(decided, labels, self.classes_[self.training_rows().given])
        library = self.frame_library_
        self.fit(X, known, trusted=decided)
        # The decided labels are an array, whatever the given ones were.
        self.frame_library_ = library_of(X, default=library)
        return np.where(decided | (undecided == "given"), known, self.corrected_labels_)

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
                "reads no other; keep it with pickle"
            )
        writer = Writer()
        document = {"class": name, **self._write_state(writer)}
        if self.table_reading_ is not None:
            document["table"] = writer.encode(self.table_reading_, "table_reading_")
        if self.frame_library_ is not None:
            document["frame_library"] = self.frame_library_
        write_container(Path(path), document, writer.tensors, overwrite=overwrite)
