"""The audit of the labels that an estimator was fitted on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from nllearn._base._issue_tables import IssueTablesMixin
from nllearn._validation import check_same_rows

if TYPE_CHECKING:
    from nllearn.audit import Audit, AuditedLabels

__all__ = ["AuditMixin"]


class AuditMixin(IssueTablesMixin):
    """A sample to look at, and what the answers show."""

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

        found = audit_labels(self.audited_labels(), rows, right, confidence_level=confidence_level)
        check_same_rows(pd.Series(0, index=np.asarray(rows)), to="rows", right=right)
        return found

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
