"""Cleaning labels on fixed embeddings or tables, without training a network."""

from nllearn.cleaning._cleaned_classifier import CleanedClassifier
from nllearn.cleaning._label_cleaner import LabelCleaner
from nllearn.cleaning._without_rows import find_label_issues

__all__ = ["CleanedClassifier", "LabelCleaner", "find_label_issues"]
