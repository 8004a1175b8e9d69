"""From the fitted network and the book to the cleaned labels and their quality."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from nllearn.classifiers._components import find_neighbors
from nllearn.exceptions import NoisyLabelWarning
from nllearn.functional.correction import fuse_with_given
from nllearn.functional.geometry import centred_unit_rows, cosine_topk
from nllearn.functional.transition import estimate_transition, noise_rate
from nllearn.functional.witnesses import (
    combine_witnesses,
    leave_one_out_scores,
    neighbor_log_votes,
)
from nllearn.selectors import Selection
from nllearn.training import FeatureBank, Ledger

__all__ = ["Conclusion", "Verdict", "conclude", "warn_of_lost_classes", "weigh_evidence"]

# Weights of the two witnesses, and how much softer they are taken once T is known. Fixed
# by measurement over symmetric, part-dependent and human noise (docs/benchmarks).
_SCORE_WEIGHT, _VOTE_WEIGHT, _SOFTER = 6.0, 1.2, 0.75
_N_WITNESSES = 50


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

    Parameters
    ----------
    features : Tensor of shape (n, d)
        Of the network.
    ledger : Ledger
    active : int64 Tensor of shape (m,)
        Rows of weight above zero.
    neighbors : search

    Returns
    -------
    verdict : Verdict
    """
    given, n_classes, weight = ledger.given, ledger.n_classes, ledger.row_weight
    onehot = F.one_hot(given, n_classes).float()
    unit, _ = centred_unit_rows(features, active)
    log_votes, nearest = _ask_neighbors(unit, given, n_classes, neighbors, weight, active)
    scores = leave_one_out_scores(unit, onehot, weight)
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
    fused = torch.where(ledger.trusted.unsqueeze(1), onehot, fused)
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
        features=bank.features.half().cpu().numpy(),
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
    found = torch.zeros(len(unit), n_found, dtype=torch.int64, device=unit.device)
    cosine = torch.zeros(len(unit), n_found, device=unit.device)
    cosine[active], near = find_neighbors(neighbors, unit[active], n_found)
    found[active] = active[near]
    absent = torch.nonzero(row_weight == 0).squeeze(1)
    if len(absent):
        cosine[absent], near = cosine_topk(unit[absent], unit[active], n_found)
        found[absent] = active[near]
    if found.shape[1] == 0:
        return torch.zeros(len(unit), n_classes, device=unit.device), torch.arange(len(unit))
    return neighbor_log_votes(cosine, found, given, n_classes, row_weight), found[:, 0]
