"""What the parameters of the label cleaner may be."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from nllearn._validation import n_jobs_constraints

__all__ = ["CONSTRAINTS"]

CONSTRAINTS: dict[str, list[Any]] = {
    "action": [StrOptions({"relabel", "drop", "relabel_or_drop"})],
    "confidence": [Interval(Real, 0, 1, closed="both")],
    "threshold": [Interval(Real, 0, 1, closed="both"), None],
    "budget": [
        Interval(Integral, 1, None, closed="left"),
        Interval(Real, 0, 1, closed="right"),
        None,
    ],
    "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
    "n_landmarks": [Interval(Integral, 2, None, closed="left")],
    "boundary_noise": [StrOptions({"auto"}), bool],
    # Its entries are checked one by one.
    "predictors": [list, tuple, None],
    "neighbors": [StrOptions({"auto", "exact", "descent"}), HasMethods("kneighbors"), None],
    "device": [str],
    "n_jobs": n_jobs_constraints(),
    "verbose": ["verbose", None],
    "random_state": ["random_state"],
}
