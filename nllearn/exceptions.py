"""Errors and warnings of our own; scikit-learn's are used where they exist."""

from __future__ import annotations

__all__ = ["MissingExtraError", "NoisyLabelWarning"]


class NoisyLabelWarning(UserWarning):
    """Something about the data or the fit that the user should look at."""


class MissingExtraError(ImportError):
    """An optional dependency is absent; the message names the extra to install."""
