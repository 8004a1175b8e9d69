"""Expected accuracy of the predictors, without a clean label, and mixing predictors by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nllearn.functional.blocks import row_blocks
from nllearn.functional.boundary_noise import MIN_BOUNDARY_RATE
from nllearn.functional.calibration import agreement
from nllearn.label_model._data import NoisyLabels
from nllearn.predictors import LeaveOneOutKernelRidge

__all__ = [
    "ExpectedAccuracy",
    "accuracy_with_input",
    "accuracy_with_trusted",
    "mix_by_agreement",
]

# The agreement of the predictors counts as much as this many trusted rows.
_AGREEMENT_ROWS = 50.0
# In features of a network, noise at the boundary below this mean rate, or this share of the rows
# on which the predictors differ, is taken for rows that are hard: such features draw the classes
# apart and leave the hard rows between them.
_MIN_BOUNDARY_RATE, _SHARE_OF_DOUBT = 0.01, 0.3


@dataclass(frozen=True)
class ExpectedAccuracy:
    """Share of rows that the predictors are expected to get right.

    Parameters
    ----------
    expected : float
        Share of rows on which predictors that learn in different ways agree. The inverse
        temperature is set to it.
    conservative : float
        At most as large. Noise at the boundary is looked for at this share, since rows that
        are hard and rightly labelled resemble it.
    min_boundary_rate : float
        Below this mean rate there is no noise at the boundary.
    is_boundary : bool or None
        True or False where it is known already whether noise lies at the boundary.
    """

    expected: float
    conservative: float
    min_boundary_rate: float = MIN_BOUNDARY_RATE
    is_boundary: bool | None = None

    def as_tensor(self) -> torch.Tensor:
        """As float32 of shape (3,), for a checkpoint, once `is_boundary` is known."""
        values = [self.expected, self.conservative, float(bool(self.is_boundary))]
        return torch.tensor(values, dtype=torch.float32)

    @classmethod
    def from_tensor(cls, values: torch.Tensor) -> ExpectedAccuracy | None:
        """Back from :meth:`as_tensor`; None where the values are NaN."""
        expected, conservative, is_boundary = values.tolist()
        if expected != expected:
            return None
        return cls(expected, conservative, is_boundary=bool(is_boundary))


def accuracy_with_input(
    agreed: float,
    X_input: torch.Tensor,
    log_votes: torch.Tensor,
    labels: NoisyLabels,
    n_landmarks: int,
    generator: torch.Generator,
) -> ExpectedAccuracy:
    """Expected accuracy in features that a network learned from the labels.

    In such features all predictors agree. So half of the expected accuracy is the agreement
    there, half that of a regression on the user's rows alone with the neighbours.

    Parameters
    ----------
    agreed : float
        Share of rows on which the predictors agree in the features.
    X_input : float32 Tensor of shape (n, d)
        The user's rows at length one.
    log_votes : Tensor of shape (n, n_classes)
    labels : NoisyLabels
    n_landmarks : int
    generator : torch.Generator

    Returns
    -------
    accuracy : ExpectedAccuracy
    """
    regression = LeaveOneOutKernelRidge(n_landmarks, None, log_votes, generator)
    scores = regression.predict_out_of_sample(X_input, labels.one_hot, labels.weights)
    alone = agreement(scores, log_votes, labels.weights)
    # Features that predict worse than the input are no reason to expect more.
    alone = min(alone, agreed)
    least = max(_MIN_BOUNDARY_RATE, _SHARE_OF_DOUBT * (1.0 - alone))
    return ExpectedAccuracy(0.5 * (agreed + alone), alone, least)


def accuracy_with_trusted(predicted: torch.Tensor, agreed: float, labels: NoisyLabels) -> float:
    """Accuracy on the trusted rows, with the agreement as a prior of 50 rows.

    Trusted rows are often drawn class by class; they count by the size of their class.

    Parameters
    ----------
    predicted : int64 Tensor of shape (n,)
    agreed : float
    labels : NoisyLabels
        With at least one trusted row.

    Returns
    -------
    accuracy : float in [0, 1]
    """
    codes, trusted = labels.codes, labels.trusted.float()
    size, known = labels.per_class(labels.weights), labels.per_class(trusted)
    share = trusted * (size / known.clamp_min(1.0))[codes]
    right = float((share * (predicted == codes)).sum() / share.sum().clamp_min(1e-12))
    n_known = float(trusted.sum())
    return (n_known * right + _AGREEMENT_ROWS * agreed) / (n_known + _AGREEMENT_ROWS)


def mix_by_agreement(
    scores: torch.Tensor,
    others: Sequence[torch.Tensor],
    log_votes: torch.Tensor,
    weights: torch.Tensor,
) -> None:
    """Mix further predictions into the scores, by the odds that each agrees with the votes.

    Parameters
    ----------
    scores : float32 Tensor of shape (n, n_classes)
        Changed in place.
    others : sequence of float32 Tensor of shape (n, n_classes)
        Out of sample.
    log_votes : Tensor of shape (n, n_classes)
    weights : Tensor of shape (n,)
    """

    def odds(predictions: torch.Tensor) -> float:
        agreed = min(agreement(predictions, log_votes, weights), 0.99)
        return agreed / (1.0 - agreed)

    for other in others:
        mine, theirs = odds(scores), odds(other)
        share = theirs / max(mine + theirs, 1e-12)
        mean_top = float((weights * other.amax(1)).sum() / weights.sum())
        for rows in row_blocks(len(scores)):
            scores[rows] = torch.lerp(scores[rows], other[rows] / mean_top, share)
