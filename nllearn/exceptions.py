"""Errors and warnings of our own; scikit-learn's are used where they exist."""

from __future__ import annotations

__all__ = ["MissingExtraError", "NoisyLabelWarning", "TrainingDivergedError"]


class NoisyLabelWarning(UserWarning):
    """A property of the data or the fit that the user should check."""


class MissingExtraError(ImportError):
    """An optional dependency is absent; the message names the extra to install."""


class TrainingDivergedError(ValueError, FloatingPointError):
    """The loss became NaN or infinite; the message names the epoch and the learning rate.

    A ValueError, because a parameter or the data must change.
    """
