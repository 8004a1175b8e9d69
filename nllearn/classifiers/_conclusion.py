"""From the fitted network and the book to the cleaned labels and their quality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from nllearn.classifiers._opinion import Opinion
from nllearn.functional.transition import noise_rate
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
    bank: FeatureBank,
    selection: Selection,
    ledger: Ledger,
    opinion: Opinion,
) -> Conclusion:
    """Sum up the fitted network and the book.

    Parameters
    ----------
    bank : FeatureBank
        Of the fitted network.
    selection : Selection
        Against the given labels.
    ledger : Ledger
    opinion : Opinion
        On the features of the bank.

    Returns
    -------
    conclusion : Conclusion
    """
    distributions, codes = opinion.distributions.cpu().numpy(), ledger.given.cpu().numpy()
    rows = np.arange(len(codes))
    quality = distributions[rows, codes]
    corrected = np.where(quality >= distributions.max(1), codes, distributions.argmax(1))
    trusted = ledger.trusted.cpu().numpy()
    clean_proba = np.where(trusted, np.float32(1.0), selection.clean_proba)
    votes = opinion.log_votes.exp().cpu().numpy()
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
        transition=opinion.transition,
        evidence={
            "clean_proba": clean_proba,
            "is_easy": ledger.easy.cpu().numpy(),
            "neighbor_share_given": votes[rows, codes],
            "neighbor_share_corrected": votes[rows, corrected],
            "nearest_row": opinion.nearest.cpu().numpy(),
            "target_changed_at": ledger.changed_at.cpu().numpy(),
        },
    )
