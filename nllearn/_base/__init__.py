"""What every estimator offers after ``fit``: issues, audit, review page, decisions, file."""

from nllearn._base._review import LabelIssuesMixin
from nllearn._base._training_rows import TrainingRows

__all__ = ["LabelIssuesMixin", "TrainingRows"]
