"""Weighted shares of rows."""

from __future__ import annotations

import numpy as np

__all__ = ["share_of"]


def share_of(mask: np.ndarray, weight: np.ndarray) -> float:
    """Weighted share of True; nan if the weights sum to zero."""
    total = weight.sum()
    return float(weight[mask].sum() / total) if total > 0 else float("nan")
