"""What a fitted cleaner knows of its annotators, and the table with one row per label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nllearn._base import TrainingRows
from nllearn.label_model import AnnotatorPosterior, ReadAnnotators

__all__ = ["ANNOTATOR_ATTRIBUTES", "FittedAnnotators", "fitted_annotators"]

# Annotators whose labels the review page shows.
_MOST_SHOWN = 20
# What a fit with several annotators leaves beside the rest.
ANNOTATOR_ATTRIBUTES = (
    "annotators_",
    "annotator_quality_",
    "annotator_transition_matrices_",
    "annotator_agreement_",
    "annotator_dependence_",
)


@dataclass(frozen=True)
class FittedAnnotators:
    """Labels of the annotators, and what was estimated of them.

    Parameters
    ----------
    names : ndarray of shape (n_annotators,)
    codes : int64 ndarray of shape (n, n_annotators)
        Positions in the classes; -1 where there is no label.
    quality : float64 ndarray of shape (n_annotators,)
    transitions : float64 ndarray of shape (n_annotators, n_classes, n_classes)
    agreement, dependence : float64 ndarray of shape (n_annotators, n_annotators)
    """

    names: np.ndarray
    codes: np.ndarray
    quality: np.ndarray
    transitions: np.ndarray
    agreement: np.ndarray
    dependence: np.ndarray

    def attributes(self, distributions: np.ndarray) -> dict[str, np.ndarray]:
        """Fitted attributes by name, with the quality of every label.

        Parameters
        ----------
        distributions : float32 ndarray of shape (n, n_classes)
        """
        quality = np.take_along_axis(distributions, np.maximum(self.codes, 0), axis=1)
        quality[self.codes < 0] = np.nan
        return {
            "label_quality_": quality,
            "annotators_": self.names,
            "annotator_quality_": self.quality,
            "annotator_transition_matrices_": self.transitions,
            "annotator_agreement_": self.agreement,
            "annotator_dependence_": self.dependence,
        }

    def evidence(self, classes: np.ndarray) -> dict[str, np.ndarray]:
        """Columns of the table of rows: how many labels there are, and who gave which.

        Of more than 20 annotators each has labelled few rows, and the page would be full of
        empty columns.
        """
        found: dict[str, np.ndarray] = {"n_labels": (self.codes >= 0).sum(1)}
        words = np.array([*(str(label) for label in classes.tolist()), ""], dtype=object)
        if len(self.names) <= _MOST_SHOWN:
            for name, codes in zip(self.names.tolist(), self.codes.T, strict=True):
                found[f"label by {name}"] = words[codes]
        return found

    def issue_table(
        self,
        rows: TrainingRows,
        quality: np.ndarray,
        classes: np.ndarray,
        threshold: float | None,
        budget: float | None,
    ) -> Any:
        """One row per label, by row and annotator.

        Parameters
        ----------
        rows : TrainingRows
        quality : float32 ndarray of shape (n, n_annotators)
        classes : ndarray of shape (n_classes,)
        threshold, budget
            Of the cleaner; the budget counts labels.

        Returns
        -------
        table : DataFrame
        """
        import pandas as pd

        from nllearn.inspection import label_issue_table, mark_label_issues

        row, annotator = np.nonzero(self.codes >= 0)
        given, corrected = self.codes[row, annotator], rows.corrected[row]
        own = quality[row, annotator]
        table = label_issue_table(
            classes=classes,
            is_issue=mark_label_issues(given, corrected, own, threshold=threshold, budget=budget),
            quality=own,
            given=given,
            corrected=corrected,
            predicted=rows.predicted[row],
            predicted_proba=rows.predicted_proba[row],
            evidence={"n_labels": rows.evidence["n_labels"][row]},
            index=pd.RangeIndex(len(self.codes))[row] if rows.index is None else rows.index[row],
        )
        table.insert(0, "annotator", self.names[annotator])
        return table


def fitted_annotators(labels: ReadAnnotators, found: AnnotatorPosterior) -> FittedAnnotators:
    """Join the labels and what was estimated.

    Parameters
    ----------
    labels : ReadAnnotators
    found : AnnotatorPosterior
    """
    names = labels.names
    if names.dtype.kind not in "iuU":
        names = np.array([str(name) for name in names.tolist()], dtype=object)
    return FittedAnnotators(
        names, labels.codes, found.quality, found.transitions, found.agreement, found.dependence
    )
