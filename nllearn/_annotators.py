"""Annotators of a fitted estimator: attributes, the table of labels, a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nllearn.file_format import (
    Reader,
    Writer,
    check_array,
    check_codes,
    read_dataclass,
    write_dataclass,
)
from nllearn.functional.transition import noise_rate
from nllearn.label_model import AnnotatorEstimates, ReadAnnotators

__all__ = [
    "FittedAnnotators",
    "fitted_annotators",
    "read_fitted_annotators",
    "set_annotators",
    "write_fitted_annotators",
]

# Annotators whose labels the review page shows.
_MOST_SHOWN = 20
# What a fit with several annotators leaves beside the rest.
_ATTRIBUTES = (
    "annotators_",
    "annotator_quality_",
    "annotator_transition_matrices_",
    "annotator_agreement_",
    "annotator_dependence_",
)
# Name of the dataclass in a file, for tensors and errors.
_NAME = "annotators"


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
        rows: Any,
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
            Of the estimator; the budget counts labels.

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


def fitted_annotators(labels: ReadAnnotators, found: AnnotatorEstimates) -> FittedAnnotators:
    """Join the labels and what was estimated.

    Parameters
    ----------
    labels : ReadAnnotators
    found : AnnotatorEstimates
    """
    names = labels.names
    if names.dtype.kind not in "iuU":
        names = np.array([str(name) for name in names.tolist()], dtype=object)
    return FittedAnnotators(
        names, labels.codes, found.quality, found.transitions, found.agreement, found.dependence
    )


def set_annotators(estimator: Any, annotators: FittedAnnotators | None, weight: np.ndarray) -> None:
    """Set what is known of the annotators, or take away what an earlier fit left.

    Parameters
    ----------
    estimator : estimator
        Its other fitted attributes are set; quality and noise rate become those of the labels.
    annotators : FittedAnnotators or None
    weight : ndarray of shape (n,)
    """
    fitted = vars(estimator)
    fitted["_annotators"] = annotators
    if annotators is None:
        for name in _ATTRIBUTES:
            fitted.pop(name, None)
        return
    fitted |= annotators.attributes(estimator.label_distributions_)
    fitted["_evidence"] |= annotators.evidence(estimator.classes_)
    known = annotators.codes >= 0
    label_weight = np.broadcast_to(weight[:, None], known.shape)[known]
    fitted["noise_rate_"] = noise_rate(fitted["label_quality_"][known], label_weight)


def write_fitted_annotators(writer: Writer, fitted: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Turn what is known of the annotators into JSON.

    Parameters
    ----------
    writer : Writer
    fitted : mapping of str to any
        Attributes that fit left, by name.

    Returns
    -------
    fitted : dict of str to any
        The same with one quality per row: that by annotator follows from the labels and the
        distributions.
    node : dict or None
        None where each row has one label.
    """
    annotators = fitted["_annotators"]
    if annotators is None:
        return fitted, None
    rows = np.arange(len(fitted["_given"]))
    quality = fitted["label_distributions_"][rows, fitted["_given"]]
    return {**fitted, "label_quality_": quality}, write_dataclass(writer, annotators, _NAME)


def read_fitted_annotators(
    reader: Reader, node: Any, fitted: dict[str, Any], sizes: dict[str, int], device: Any
) -> dict[str, Any]:
    """Attributes by name, from JSON; refuses annotators that do not fit the rows or the classes.

    Parameters
    ----------
    reader : Reader
    node : dict or None
        From :func:`write_fitted_annotators`.
    fitted : dict of str to any
        The other attributes.
    sizes : dict of str to int
        n rows and C classes.
    device : torch.device

    Returns
    -------
    attributes : dict of str to any
    """
    if node is None:
        return {"_annotators": None}
    annotators = read_dataclass(reader, FittedAnnotators, node, _NAME, device)
    sizes = {**sizes, "A": len(annotators.names)}
    shapes = {
        "names": ("", "A"),
        "codes": ("i", "nA"),
        "quality": ("f", "A"),
        "transitions": ("f", "ACC"),
        "agreement": ("f", "AA"),
        "dependence": ("f", "AA"),
    }
    for name, (kind, axes) in shapes.items():
        check_array(f"{_NAME}.{name}", getattr(annotators, name), kind, axes, sizes)
    if sizes["A"] < 2 or annotators.codes.min() < -1:
        raise ValueError(f"{_NAME} are fewer than 2, or have codes below -1")
    check_codes(f"{_NAME}.codes", np.maximum(annotators.codes, 0), sizes["C"])
    return {"_annotators": annotators, **annotators.attributes(fitted["label_distributions_"])}
