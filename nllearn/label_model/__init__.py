"""The label model: from predictions and given labels to the posterior of every true label.

Every row's label is predicted from the other rows. The share of predictions that is right is
estimated from how often predictors agree, the noise from predictions and given labels
together. Bayes' rule then gives the posterior. The label cleaner works on the user's rows, the
classifiers on the user's rows and the network's features together.
"""

from nllearn.label_model._calibration import (
    ExpectedAccuracy,
    accuracy_with_trusted,
    mix_by_agreement,
)
from nllearn.label_model._data import NoisyLabels
from nllearn.label_model._estimate import PosteriorSettings, estimate_label_posterior
from nllearn.label_model._lost_classes import warn_of_lost_classes
from nllearn.label_model._noise import (
    NoiseEstimate,
    NoiseModel,
    easiest_per_class,
    fit_class_conditional,
    log_neighbor_shares,
)
from nllearn.label_model._posterior import LabelPosterior
from nllearn.label_model._prototypes import (
    PrototypeChoice,
    is_identity,
    log_prototype_fit,
    refine_with_prototypes,
)
from nllearn.label_model._scaling import RowScaling, choose_scaling

__all__ = [
    "ExpectedAccuracy",
    "LabelPosterior",
    "NoiseEstimate",
    "NoiseModel",
    "NoisyLabels",
    "PosteriorSettings",
    "PrototypeChoice",
    "RowScaling",
    "accuracy_with_trusted",
    "choose_scaling",
    "easiest_per_class",
    "estimate_label_posterior",
    "fit_class_conditional",
    "is_identity",
    "log_neighbor_shares",
    "log_prototype_fit",
    "mix_by_agreement",
    "refine_with_prototypes",
    "warn_of_lost_classes",
]
