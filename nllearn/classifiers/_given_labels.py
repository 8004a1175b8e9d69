"""The labels that fit gets, one per row or several, and what weighs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nllearn._validation import at_mean_one, check_trusted, check_weights, read_sample_weight
from nllearn.classifiers._skipped_images import weight_without
from nllearn.label_model import AnnotatorLabels, ReadAnnotators, consensus_posterior

__all__ = ["GivenLabels", "check_given_labels"]


@dataclass(frozen=True)
class GivenLabels:
    """Labels of the rows, checked.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Labels, sorted.
    codes : int64 ndarray of shape (n,)
        Positions of the given labels in the classes; of several annotators the label that they
        give together.
    targets : float32 ndarray of shape (n, n_classes) or None
        What the network learns first, where that is not the given label.
    weight, loss_weight : float32 ndarray of shape (n,)
        Of the rows, and of their loss.
    trusted : bool ndarray of shape (n,)
    annotators : ReadAnnotators or None
    """

    classes: np.ndarray
    codes: np.ndarray
    targets: np.ndarray | None
    weight: np.ndarray
    loss_weight: np.ndarray
    trusted: np.ndarray
    annotators: ReadAnnotators | None

    def of_annotators(self) -> AnnotatorLabels | None:
        """Labels of several annotators for the label model."""
        if self.annotators is None:
            return None
        codes, n_classes = self.annotators.codes, len(self.classes)
        return AnnotatorLabels(codes, n_classes, self.weight.astype(np.float64), self.trusted)


def check_given_labels(
    y: np.ndarray,
    annotators: ReadAnnotators | None,
    sample_weight: Any,
    trusted: Any,
    class_weight: Any,
    skipped: Mapping[int, str],
) -> GivenLabels:
    """Check what stands beside the labels, and number the classes.

    Rows without a label of any annotator take no part in training, as those of weight 0.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Labels; of several annotators any.
    annotators : ReadAnnotators or None
    sample_weight, trusted, class_weight
        As they were passed.
    skipped : mapping of int to str
        Rows whose image cannot be read, and why.

    Raises
    ------
    ValueError
        For bad weights or masks, and where fewer than two rows are left.
    """
    trusted = check_trusted(trusted, len(y))
    sample_weight = weight_without(sample_weight, y, skipped)
    if annotators is None:
        classes, codes = np.unique(y, return_inverse=True)
        targets = None
    else:
        classes = annotators.classes
        if len(classes) < 2:
            raise ValueError(
                f"y has 1 class, {classes.tolist()[0]!r}; labels of several annotators need two"
            )
        trusted = annotators.trusted_rows(trusted)
        sample_weight = read_sample_weight(sample_weight, y)
        sample_weight[~annotators.labelled_rows(sample_weight)] = 0.0
        sample_weight = at_mean_one(sample_weight)
        labels = AnnotatorLabels(annotators.codes, len(classes), sample_weight, trusted)
        targets = consensus_posterior(labels).astype(np.float32)
        codes = targets.argmax(1)
    weight, loss_weight = check_weights(sample_weight, class_weight, y, classes, codes)
    return GivenLabels(classes, codes, targets, weight, loss_weight, trusted, annotators)
