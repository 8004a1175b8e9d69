"""Noise generators for experiments with known truth, and loaders of data sets with noisy labels.

Every ``make_..._noise`` function takes clean labels and gives noisy ones, in the same dtype and
order. `nllearn.metrics.realized_noise` measures the resulting noise.

Every ``fetch_...`` function downloads what is missing, checks it, and keeps it in the folder that
`get_data_home` names. Every ``load_...`` function reads local files. Both give a
`sklearn.utils.Bunch`.
"""

from __future__ import annotations

from ._annotators import make_annotator_labels
from ._cifar import fetch_cifar10, fetch_cifar100
from ._cifar_human import fetch_cifar10n, fetch_cifar100n
from ._class_noise import (
    make_asymmetric_noise,
    make_pairflip_noise,
    make_symmetric_noise,
    make_transition_noise,
)
from ._clothing1m import load_clothing1m
from ._download import get_data_home
from ._image_folder import load_image_folder
from ._instance_noise import make_classification_noise, make_part_dependent_noise
from ._noise_files import load_noise_file
from ._webvision import load_webvision

__all__ = [
    "fetch_cifar10",
    "fetch_cifar10n",
    "fetch_cifar100",
    "fetch_cifar100n",
    "get_data_home",
    "load_clothing1m",
    "load_image_folder",
    "load_noise_file",
    "load_webvision",
    "make_annotator_labels",
    "make_asymmetric_noise",
    "make_classification_noise",
    "make_pairflip_noise",
    "make_part_dependent_noise",
    "make_symmetric_noise",
    "make_transition_noise",
]
