"""Tables from plain arrays; imported by the classifiers' methods when they are called."""

from nllearn.inspection._issues import label_issue_table

__all__ = ["label_issue_table"]
