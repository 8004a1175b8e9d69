"""Which rows are easy: from losses and given labels to a mask and a clean probability."""

from nllearn.selectors._balanced import ClassBalancedSelector
from nllearn.selectors._base import BaseSelector, Selection
from nllearn.selectors._purity import PuritySelector
from nllearn.selectors._threshold import ThresholdSelector

__all__ = [
    "BaseSelector",
    "ClassBalancedSelector",
    "PuritySelector",
    "Selection",
    "ThresholdSelector",
]
