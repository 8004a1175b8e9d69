"""Whether predictions say anything about the labels: of all rows, and class by class."""

from __future__ import annotations

import torch

from nllearn.functional.blocks import row_blocks

__all__ = ["recognized_classes", "signal_strength"]

# Standard errors by which a class must be predicted better than by chance. All classes together
# are tested more strictly.
_STANDARD_ERRORS = 1.0


def signal_strength(scores: torch.Tensor, codes: torch.Tensor, weights: torch.Tensor) -> float:
    r"""By how many standard errors predictions favour the given labels over other rows' labels.

    .. math:: z = \frac{\sum_i w_i g_i}{\sqrt{\sum_i w_i^2 g_i^2}}, \qquad
              g_i = s_{i, y_i} - \sum_k \pi_k s_{ik}

    with :math:`\pi` the shares of the given labels. Predictions made out of sample from
    features without signal give about 0, with standard error 1 where rows are independent. The
    labels of two rows that predict each other count twice, and the standard error is up to
    :math:`\sqrt 2`. A factor of the scores changes nothing.

    Parameters
    ----------
    scores : float32 Tensor of shape (n, n_classes)
        Out of sample.
    codes : int64 Tensor of shape (n,)
    weights : Tensor of shape (n,)

    Returns
    -------
    z : float
    """
    n_classes = scores.shape[1]
    weights = weights.double()
    none = torch.zeros(n_classes, dtype=torch.float64, device=codes.device)
    share = none.index_add_(0, codes, weights) / weights.sum().clamp_min(1e-12)
    total = square = 0.0
    for rows in row_blocks(len(scores)):
        block = scores[rows].double()
        own = block.gather(1, codes[rows].unsqueeze(1)).squeeze(1)
        gain = weights[rows] * (own - block @ share)
        total += float(gain.sum())
        square += float(gain.square().sum())
    return total / max(square, 1e-30) ** 0.5


def recognized_classes(
    scores: torch.Tensor, predicted: torch.Tensor, codes: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Classes that are predicted, and found better than by chance.

    Among the rows of largest evidence for a class its given label must be more frequent than in
    all rows, by one standard error; either among the rows predicted as the class, or among
    those whose score exceeds the share of the class by the largest factor.

    Parameters
    ----------
    scores : float32 Tensor of shape (n, n_classes)
        Out of sample, on the scale of probabilities up to a factor.
    predicted, codes : int64 Tensor of shape (n,)
        Predicted classes and given labels.
    weights : Tensor of shape (n,)

    Returns
    -------
    recognized : bool Tensor of shape (n_classes,)
    """
    n_classes = scores.shape[1]
    weights = weights.double()

    def mass(groups: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        none = torch.zeros(n_classes, dtype=torch.float64, device=codes.device)
        return none.index_add_(0, groups, values)

    share = mass(codes, weights) / weights.sum()
    relative = torch.empty_like(codes)
    for rows in row_blocks(len(scores)):
        relative[rows] = (scores[rows] / share.clamp_min(1e-9)).argmax(1)
    found = torch.zeros(n_classes, dtype=torch.bool, device=codes.device)
    for named in (predicted, relative):
        size = mass(named, weights)
        hits = mass(named, weights * (named == codes))
        error = (size * share * (1.0 - share)).clamp_min(1e-9).sqrt()
        found |= (hits - share * size) / error > _STANDARD_ERRORS
    return found & (mass(predicted, weights) > 0)
