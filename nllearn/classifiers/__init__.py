"""The public classifiers."""

from nllearn.classifiers._anchor_hallucination import AnchorHallucinationClassifier
from nllearn.classifiers._mixnn import MixNNClassifier

__all__ = ["AnchorHallucinationClassifier", "MixNNClassifier"]
