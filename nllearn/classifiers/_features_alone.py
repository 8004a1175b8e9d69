"""The witnesses on the network's features alone: of images, and of tables larger than memory.

Such features follow the labels that the network learnt from, so how often witnesses agree in
them says little; how far they are believed is fixed here by measurement instead.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional as F

from nllearn._judgement import row_blocks
from nllearn.functional.correction import fuse_with_given
from nllearn.functional.kernel_ridge import leave_one_out_block, ridge_system
from nllearn.functional.transition import estimate_transition
from nllearn.functional.witnesses import combine_witnesses, leave_one_out_scores
from nllearn.training import Ledger

__all__ = ["fuse_by_features", "scores_in_blocks", "unit_rows_in_blocks"]

# Weights of the two witnesses, and how much softer they are taken once T is known. Fixed
# by measurement over symmetric, part-dependent and human noise (docs/benchmarks).
_SCORE_WEIGHT, _VOTE_WEIGHT, _SOFTER = 6.0, 1.2, 0.75
# Rows at a time, where all of them would not fit; and the ridges of the leave-one-out scores.
_BLOCK = 65_536
_RIDGES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0)


def fuse_by_features(
    unit: torch.Tensor, log_votes: torch.Tensor, ledger: Ledger, *, in_blocks: bool
) -> tuple[torch.Tensor, np.ndarray]:
    """Regress on the features, estimate T, and fuse with the given labels.

    Parameters
    ----------
    unit : float32 Tensor of shape (n, d)
        Unit rows of the features.
    log_votes : Tensor of shape (n, n_classes)
        Of the neighbours.
    ledger : Ledger
    in_blocks : bool
        A second copy of the rows would not fit in memory.

    Returns
    -------
    distributions : float32 Tensor of shape (n, n_classes)
    transition : float64 ndarray of shape (n_classes, n_classes)
    """
    given, n_classes, weight = ledger.given, ledger.n_classes, ledger.row_weight
    if in_blocks:
        scores = scores_in_blocks(unit, given, weight)
    else:
        scores = leave_one_out_scores(unit, F.one_hot(given, n_classes).float(), weight)
    witness = combine_witnesses(
        scores, log_votes, score_weight=_SCORE_WEIGHT, vote_weight=_VOTE_WEIGHT
    )
    transition = estimate_transition(
        witness.exp().cpu().numpy(),
        given.cpu().numpy(),
        sample_weight=weight.cpu().numpy(),
        trusted=ledger.trusted.cpu().numpy(),
    )
    fused = fuse_with_given(
        _SOFTER * witness,
        given,
        torch.as_tensor(transition, dtype=torch.float32, device=given.device),
    )
    fused[ledger.trusted] = F.one_hot(given[ledger.trusted], n_classes).float()
    return fused, transition


def unit_rows_in_blocks(features: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
    """As :func:`centred_unit_rows`, holding nothing of the size of the result but itself."""
    total = torch.zeros(features.shape[1], dtype=torch.float64)
    for some in active.split(_BLOCK):
        total += features[some].float().sum(0)
    mean = (total / len(active)).float()
    unit = torch.empty(features.shape)
    for rows in row_blocks(len(features), _BLOCK):
        unit[rows] = F.normalize(features[rows].float() - mean, dim=1)
    return unit


def scores_in_blocks(
    unit: torch.Tensor, given: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """As :func:`leave_one_out_scores` of one-hot labels, without a second copy of the rows."""
    n_fitted = int((weights > 0).sum())
    weights = weights * (n_fitted / weights.sum().clamp_min(1e-12))

    def pairs() -> Iterator[tuple[slice, torch.Tensor]]:
        return ((rows, unit[rows]) for rows in row_blocks(len(unit), _BLOCK))

    system = ridge_system(pairs, weights, given)
    mean = system.target_mean

    def left_out(rows: slice, axes: torch.Tensor, ridge: float) -> torch.Tensor:
        return leave_one_out_block(axes, system, given[rows], weights[rows], ridge)

    errors = torch.zeros(len(_RIDGES), dtype=torch.float64)
    for rows, x in pairs():
        axes = system.axes(x)
        wanted = F.one_hot(given[rows], len(mean)).float() - mean
        for i, ridge in enumerate(_RIDGES):
            error = (left_out(rows, axes, ridge) - wanted).square_().sum(1)
            errors[i] += (weights[rows] * error).sum()
    best = _RIDGES[int(errors.argmin())]

    scores = torch.empty(len(unit), len(mean))
    own = mean * n_fitted
    top = 0.0
    for rows, x in pairs():
        share = weights[rows].unsqueeze(1)
        others = own - share * F.one_hot(given[rows], len(mean)).float()
        others /= (n_fitted - share).clamp_min(1e-6)
        scores[rows] = left_out(rows, system.axes(x), best) + (others - 1.0 / len(mean))
        top += float((weights[rows] * scores[rows].max(1).values).sum())
    return scores / max(top / n_fitted, 1e-6)
