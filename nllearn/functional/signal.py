"""Whether predictions say anything about the labels: of all rows, and class by class."""

from __future__ import annotations

import torch

from nllearn.functional.blocks import row_blocks

__all__ = ["recognized_classes", "signal_strength"]

# Standard errors by which a class must be predicted better than by chance. All classes together
# are tested more strictly.
_STANDARD_ERRORS = 1.0
# Rows that are ranked; more change nothing that can be measured.
_N_SAMPLE = 100_000


def signal_strength(scores: torch.Tensor, codes: torch.Tensor, weights: torch.Tensor) -> float:
    r"""By how many standard errors predictions favour the given labels over other rows' labels.

    .. math:: z = \frac{\sum_i w_i g_i}{\sqrt{2 \sum_i w_i^2 g_i^2}}, \qquad
              g_i = R_{i, y_i} - \sum_k \pi_k R_{ik}

    with :math:`R_{ik}` the rank of row i among the scores of class k, in [0, 1], and
    :math:`\pi` the shares of the given labels. Ranks show a rare class as well as a frequent one.
    The labels of rows i and j predict each other alike, so every pair of rows counts twice, and
    the variance is twice that of independent rows. Predictions made out of sample from features
    without signal give about 0 with standard error 1. A factor of the scores changes nothing.

    Parameters
    ----------
    scores : float32 Tensor of shape (n, n_classes)
        Out of sample.
    codes : int64 Tensor of shape (n,)
    weights : Tensor of shape (n,)
        Not negative. Of more than 100,000 rows of weight above 0 as many are used, at even steps.

    Returns
    -------
    z : float
    """
    active = torch.nonzero(weights > 0).squeeze(1)
    active = active[:: -(-len(active) // _N_SAMPLE) or 1]
    codes, weights = codes[active], weights[active].double()
    n_classes = scores.shape[1]
    share = weights.new_zeros(n_classes).index_add_(0, codes, weights) / weights.sum().clamp_min(
        1e-12
    )
    gain = torch.zeros_like(weights)
    for k in range(n_classes):
        # Ties share their mean rank, so that the order of the rows changes nothing.
        column = scores[active, k]
        values = column.sort().values
        below, up_to = (torch.searchsorted(values, column, right=side) for side in (False, True))
        gain += ((codes == k).double() - share[k]) * (below + up_to)
    gain *= weights
    return float(gain.sum() / (2.0 * gain.square().sum()).clamp_min(1e-30).sqrt())


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
