"""The label model: from predictions and given labels to the posterior of every true label.

Every row's label is predicted from the other rows. The share of predictions that is right is
estimated from how often predictors agree, the noise from predictions and given labels
together. Bayes' rule then gives the posterior. The label cleaner works on the user's rows, the
classifiers on the user's rows and the network's features together.
"""

from nllearn.label_model._annotator_labels import ReadAnnotators, read_annotators
from nllearn.label_model._annotators import (
    consensus_posterior,
    estimate_annotator_posterior,
)
from nllearn.label_model._boundary_noise import fit_boundary_noise
from nllearn.label_model._data import AnnotatorLabels, NoisyLabels
from nllearn.label_model._estimate import estimate_label_posterior
from nllearn.label_model._noise import fit_noise
from nllearn.label_model._noise_model import NoiseModel
from nllearn.label_model._result import AnnotatorEstimates, LabelPosterior
from nllearn.label_model._unit_rows import RowScaling, choose_scaling
from nllearn.label_model._warnings import warn_of_doubt, warn_of_lost_classes

__all__ = [
    "AnnotatorEstimates",
    "AnnotatorLabels",
    "LabelPosterior",
    "NoiseModel",
    "NoisyLabels",
    "ReadAnnotators",
    "RowScaling",
    "choose_scaling",
    "consensus_posterior",
    "estimate_annotator_posterior",
    "estimate_label_posterior",
    "fit_boundary_noise",
    "fit_noise",
    "read_annotators",
    "warn_of_doubt",
    "warn_of_lost_classes",
]
