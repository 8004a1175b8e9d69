"""From the fitted network and the book to the cleaned labels and their quality."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from nllearn.classifiers._components import find_neighbors
from nllearn.exceptions import NoisyLabelWarning
from nllearn.functional.correction import fuse_with_given
from nllearn.functional.geometry import (
    centred_unit_rows,
    cosine_topk,
    leading_directions,
    unit_rows,
)
from nllearn.functional.kernel_ridge import leave_one_out_block, ridge_moments, ridge_system
from nllearn.functional.transition import estimate_transition, noise_rate
from nllearn.functional.witnesses import (
    combine_witnesses,
    leave_one_out_scores,
    neighbor_log_votes,
)
from nllearn.neighbors import BaseNeighbors
from nllearn.selectors import Selection
from nllearn.training import FeatureBank, Ledger

__all__ = ["Conclusion", "Verdict", "conclude", "warn_of_lost_classes", "weigh_evidence"]

# Weights of the two witnesses, and how much softer they are taken once T is known. Fixed
# by measurement over symmetric, part-dependent and human noise (docs/benchmarks).
_SCORE_WEIGHT, _VOTE_WEIGHT, _SOFTER = 6.0, 1.2, 0.75
_N_WITNESSES = 50
# In features with more directions than this share of the rows the network has learnt the labels
# by heart, and the witnesses, fitted there, know no better. Below a hundred rows that is left as
# it is: of so few nobody can say which label is wrong.
_ROWS_PER_DIRECTION, _LEAST_ROWS = 4, 100
# Rows at a time, where all of them would not fit; and the ridges of the leave-one-out scores.
_BLOCK = 65_536
_RIDGES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True)
class Conclusion:
    """What fit leaves, in positions of ``classes_``; n rows each."""

    given: np.ndarray
    corrected: np.ndarray
    label_distributions: np.ndarray
    label_quality: np.ndarray
    clean_proba: np.ndarray
    network_proba: np.ndarray
    features: np.ndarray
    noise_rate: float
    transition: np.ndarray
    evidence: dict[str, np.ndarray]


@dataclass(frozen=True)
class Verdict:
    """What the witnesses and the given labels say together."""

    distributions: torch.Tensor
    transition: np.ndarray
    log_votes: torch.Tensor
    nearest: torch.Tensor


def weigh_evidence(
    features: torch.Tensor, ledger: Ledger, active: torch.Tensor, neighbors: Any
) -> Verdict:
    """Ask the witnesses in feature space, estimate T, and fuse with the given labels.

    Where there are a hundred rows, but fewer than four for each direction of the features,
    the witnesses see the leading directions alone.

    Parameters
    ----------
    features : Tensor of shape (n, d)
        Of the network. Float16 are read from a file, and the work is done in blocks.
    ledger : Ledger
    active : int64 Tensor of shape (m,)
        Rows of weight above zero.
    neighbors : search

    Returns
    -------
    verdict : Verdict
    """
    given, n_classes, weight = ledger.given, ledger.n_classes, ledger.row_weight
    in_blocks = features.dtype == torch.float16
    if in_blocks:
        unit = _unit_rows_in_blocks(features, active)
    else:
        unit, _ = centred_unit_rows(features, active)
    n_directions = max(len(active) // _ROWS_PER_DIRECTION, n_classes)
    if len(active) >= _LEAST_ROWS and n_directions < unit.shape[1]:
        unit = unit_rows(leading_directions(unit, n_directions, active))
    log_votes, nearest = _ask_neighbors(unit, given, n_classes, neighbors, weight, active)
    if in_blocks:
        if isinstance(neighbors, BaseNeighbors):
            # Its rows and its index are the largest things in memory.
            neighbors.forget()
        scores = _scores_in_blocks(unit, given, weight)
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
    return Verdict(fused, transition, log_votes, nearest)


def conclude(
    bank: FeatureBank,
    selection: Selection,
    ledger: Ledger,
    active: torch.Tensor,
    neighbors: Any,
) -> Conclusion:
    """Sum up the fitted network and the book.

    Parameters
    ----------
    bank : FeatureBank
        Of the fitted network.
    selection : Selection
        Against the given labels.
    ledger : Ledger
    active : int64 Tensor of shape (m,)
        Rows of weight above zero.
    neighbors : search

    Returns
    -------
    conclusion : Conclusion
    """
    verdict = weigh_evidence(bank.features, ledger, active, neighbors)
    distributions, codes = verdict.distributions.cpu().numpy(), ledger.given.cpu().numpy()
    rows = np.arange(len(codes))
    quality = distributions[rows, codes]
    corrected = np.where(quality >= distributions.max(1), codes, distributions.argmax(1))
    trusted = ledger.trusted.cpu().numpy()
    clean_proba = np.where(trusted, np.float32(1.0), selection.clean_proba)
    votes = verdict.log_votes.exp().cpu().numpy()
    return Conclusion(
        given=codes,
        corrected=corrected,
        label_distributions=distributions,
        label_quality=quality,
        clean_proba=clean_proba,
        network_proba=bank.logits.softmax(1).cpu().numpy(),
        # A copy in memory of what is in a file: the file goes when fit ends.
        features=bank.features.to("cpu", torch.float16, copy=True).numpy(),
        noise_rate=noise_rate(quality, ledger.row_weight.cpu().numpy()),
        transition=verdict.transition,
        evidence={
            "clean_proba": clean_proba,
            "is_easy": ledger.easy.cpu().numpy(),
            "neighbor_share_given": votes[rows, codes],
            "neighbor_share_corrected": votes[rows, corrected],
            "nearest_row": verdict.nearest.cpu().numpy(),
            "target_changed_at": ledger.changed_at.cpu().numpy(),
        },
    )


def warn_of_lost_classes(
    classes: np.ndarray, given: np.ndarray, corrected: np.ndarray, stacklevel: int
) -> None:
    """Name the classes that no row keeps or gets.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
    given, corrected : int64 ndarray of shape (n,)
        Positions in `classes`.
    stacklevel : int
        As for ``warnings.warn``, counted from the caller.
    """
    gone = np.setdiff1d(given, corrected)
    if len(gone):
        warnings.warn(
            f"no row keeps or gets the label(s) {classes[gone].tolist()} in "
            "corrected_labels_: look at these classes before you use it",
            NoisyLabelWarning,
            stacklevel=stacklevel + 1,
        )


def _ask_neighbors(
    unit: torch.Tensor,
    given: torch.Tensor,
    n_classes: int,
    neighbors: Any,
    row_weight: torch.Tensor,
    active: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Votes of every row's neighbours, and its nearest row."""
    n_found = min(_N_WITNESSES, len(active) - 1)
    if len(active) == len(unit):
        cosine, found = find_neighbors(neighbors, unit, n_found)
    else:
        found = torch.zeros(len(unit), n_found, dtype=torch.int64, device=unit.device)
        cosine = torch.zeros(len(unit), n_found, device=unit.device)
        cosine[active], near = find_neighbors(neighbors, unit[active], n_found)
        found[active] = active[near]
        absent = torch.nonzero(row_weight == 0).squeeze(1)
        cosine[absent], near = cosine_topk(unit[absent], unit[active], n_found)
        found[absent] = active[near]
    if found.shape[1] == 0:
        return torch.zeros(len(unit), n_classes, device=unit.device), torch.arange(len(unit))
    log_votes = torch.cat(
        [
            neighbor_log_votes(some, near, given, n_classes, row_weight)
            for some, near in zip(cosine.split(_BLOCK), found.split(_BLOCK), strict=True)
        ]
    )
    return log_votes, found[:, 0].clone()


def _blocks(n: int) -> Iterator[slice]:
    """All n rows, some at a time."""
    return (slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK))


def _unit_rows_in_blocks(features: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
    """As :func:`centred_unit_rows`, holding nothing of the size of the result but itself."""
    total = torch.zeros(features.shape[1], dtype=torch.float64)
    for some in active.split(_BLOCK):
        total += features[some].float().sum(0)
    mean = (total / len(active)).float()
    unit = torch.empty(features.shape)
    for rows in _blocks(len(features)):
        unit[rows] = F.normalize(features[rows].float() - mean, dim=1)
    return unit


def _scores_in_blocks(
    unit: torch.Tensor, given: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """As :func:`leave_one_out_scores` of one-hot labels, without a second copy of the rows."""
    n_fitted = int((weights > 0).sum())
    weights = weights * (n_fitted / weights.sum().clamp_min(1e-12))
    blocks = list(_blocks(len(unit)))

    def pairs() -> Iterator[tuple[slice, torch.Tensor]]:
        return ((rows, unit[rows]) for rows in blocks)

    system = ridge_system(pairs, weights)
    moments, mean = ridge_moments(system, pairs, given, weights)

    def left_out(rows: slice, axes: torch.Tensor, ridge: float) -> torch.Tensor:
        return leave_one_out_block(axes, system, moments, mean, given[rows], weights[rows], ridge)

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
