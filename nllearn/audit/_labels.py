"""Labels that an audit checks, and the rows drawn for a person to look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from nllearn.functional.audit import (
    allocate_sample,
    draw_sample,
    quality_strata,
    sampling_density,
)

__all__ = ["AuditedLabels", "draw_audit_sample"]


@dataclass(frozen=True, eq=False)
class AuditedLabels:
    """What an audit needs to know about n labels.

    Parameters
    ----------
    given, corrected : int64 ndarray of shape (n,)
        Positions in `classes`.
    quality : float ndarray of shape (n,)
        Claimed probability that the given label is right.
    classes : ndarray of shape (n_classes,)
    corrected_proba : float ndarray of shape (n,), optional
        Claimed probability of the corrected label.
    boundary_quality : float ndarray of shape (n,), optional
        The quality if noise lies at the class boundary.
    """

    given: np.ndarray
    corrected: np.ndarray
    quality: np.ndarray
    classes: np.ndarray
    corrected_proba: np.ndarray | None = None
    boundary_quality: np.ndarray | None = None

    @property
    def changed(self) -> np.ndarray:
        """Rows whose corrected label differs from the given one, bool of shape (n,)."""
        return self.corrected != self.given

    @cached_property
    def density(self) -> np.ndarray:
        """Share of a sample that is drawn from every row, float64 of shape (n,)."""
        return sampling_density(self.quality, self.changed, self.boundary_quality)

    @cached_property
    def strata(self) -> np.ndarray:
        """Stratum of every row, by rising quality, int64 of shape (n,)."""
        return quality_strata(self.quality, self.changed, self.density)


def draw_audit_sample(audited: AuditedLabels, n: int, *, random_state: Any = None) -> np.ndarray:
    """Draw the rows to look at.

    Parameters
    ----------
    audited : AuditedLabels
        Of all rows.
    n : int
        From 1 to the number of rows.
    random_state : int, RandomState or None, default=None
        Draws the rows.

    Returns
    -------
    rows : int64 ndarray of shape (n,)
        In random order.

    Raises
    ------
    ValueError
        For another n.
    """
    n_rows = len(audited.given)
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 1 <= n <= n_rows:
        raise ValueError(f"n={n!r} must be a whole number from 1 to the number of rows, {n_rows}")
    counts = allocate_sample(audited.density, audited.strata, int(n))
    return draw_sample(audited.strata, counts, check_random_state(random_state))
