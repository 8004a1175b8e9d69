"""From the fitted network and the book to the cleaned labels and their quality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from nllearn.functional.correction import fuse_with_given
from nllearn.functional.transition import estimate_transition, noise_rate
from nllearn.selectors import Selection
from nllearn.training import FeatureBank, Ledger

__all__ = ["Conclusion", "conclude"]


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


def conclude(
    bank: FeatureBank, selection: Selection, ledger: Ledger, weight: np.ndarray
) -> Conclusion:
    """Fuse what the network says with the given labels.

    Parameters
    ----------
    bank : FeatureBank
        Of the fitted network.
    selection : Selection
        Against the given labels.
    ledger : Ledger
    weight : ndarray of shape (n,)
        Sample weights.

    Returns
    -------
    conclusion : Conclusion
    """
    given = ledger.given
    network = bank.logits.softmax(1)
    witness = ledger.mean_proba if ledger.n_refreshes else network
    trusted = ledger.trusted.cpu().numpy()
    transition = estimate_transition(
        witness.cpu().numpy(), given.cpu().numpy(), sample_weight=weight, trusted=trusted
    )
    fused = fuse_with_given(
        witness.clamp_min(1e-12).log(),
        given,
        torch.as_tensor(transition, dtype=torch.float32, device=given.device),
    )
    own = F.one_hot(given, ledger.n_classes).float()
    fused = torch.where(ledger.trusted.unsqueeze(1), own, fused)
    distributions = fused.cpu().numpy()
    codes = given.cpu().numpy()
    quality = distributions[np.arange(len(codes)), codes]
    corrected = np.where(quality >= distributions.max(1), codes, distributions.argmax(1))
    return Conclusion(
        given=codes,
        corrected=corrected,
        label_distributions=distributions,
        label_quality=quality,
        clean_proba=np.where(trusted, np.float32(1.0), selection.clean_proba),
        network_proba=network.cpu().numpy(),
        features=bank.features.half().cpu().numpy(),
        noise_rate=noise_rate(quality, weight),
        transition=transition,
        evidence={
            "clean_proba": np.where(trusted, np.float32(1.0), selection.clean_proba),
            "is_easy": ledger.easy.cpu().numpy(),
            "target_changed_at": ledger.changed_at.cpu().numpy(),
        },
    )
