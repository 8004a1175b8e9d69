"""Cleaning labels on fixed embeddings or tables, without training a network."""

from nllearn.cleaning._label_cleaner import LabelCleaner

__all__ = ["LabelCleaner"]
