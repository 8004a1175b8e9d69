"""Model selection without clean labels: scorers and a splitter for noisy validation labels.

Every object works in scikit-learn's searches (``scoring=``, ``cv=``), over any classifier. What
they use about the noise comes from a `LabelCleaner` or a classifier fitted once to all rows, which
no candidate of the search can change. No clean label is needed anywhere.
"""

from nllearn.model_selection._estimates import (
    expected_accuracy,
    forward_log_likelihood,
    weighted_accuracy,
)
from nllearn.model_selection._scorers import (
    ExpectedAccuracyScorer,
    ForwardScorer,
    WeightedAccuracyScorer,
)
from nllearn.model_selection._splitter import CleanValidationSplit

__all__ = [
    "CleanValidationSplit",
    "ExpectedAccuracyScorer",
    "ForwardScorer",
    "WeightedAccuracyScorer",
    "expected_accuracy",
    "forward_log_likelihood",
    "weighted_accuracy",
]
