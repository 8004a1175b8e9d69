"""Scores that compare with the true labels.

This is the only module of the package that is given clean labels. Nothing in training or label
cleaning imports it. In every function rows are matched by position (the index of a Series is
not read), labels may be of any dtype, and a score whose denominator is empty is nan.
"""

from nllearn.metrics._accuracy import correction_report, label_accuracy, realized_noise
from nllearn.metrics._quality import (
    detection_auroc,
    detection_average_precision,
    quality_calibration_error,
)
from nllearn.metrics._selection import selection_precision, selection_recall

__all__ = [
    "correction_report",
    "detection_auroc",
    "detection_average_precision",
    "label_accuracy",
    "quality_calibration_error",
    "realized_noise",
    "selection_precision",
    "selection_recall",
]
