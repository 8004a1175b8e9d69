"""Noise generators for experiments with known truth.

Every ``make_..._noise`` function takes clean labels and gives noisy ones, in the same dtype and
order. How much noise came out is told by `nllearn.metrics.realized_noise`.
"""

from __future__ import annotations

from ._class_noise import (
    make_asymmetric_noise,
    make_pairflip_noise,
    make_symmetric_noise,
    make_transition_noise,
)
from ._instance_noise import make_classification_noise, make_part_dependent_noise

__all__ = [
    "make_asymmetric_noise",
    "make_classification_noise",
    "make_pairflip_noise",
    "make_part_dependent_noise",
    "make_symmetric_noise",
    "make_transition_noise",
]
