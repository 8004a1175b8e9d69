"""How a predictor's errors are shared out among the classes that it does not predict."""

from __future__ import annotations

import numpy as np
import torch

from nllearn.functional.blocks import drawn_rows, row_blocks
from nllearn.functional.grid_posterior import NormalPrior

__all__ = ["error_shares", "fit_error_temperature"]

# Inverse temperatures that are compared, and shares of rows whose label is any other class.
_TEMPERATURES = tuple(np.exp(np.linspace(-0.5, 4.0, 19)).tolist())
_EVEN_SHARES = (0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)
# Of the logarithm of the inverse temperature, for scores of mean top 1.
_PRIOR = NormalPrior(1.5, 1.0)
# Rows that the temperature is found on; more change nothing that can be measured.
_N_SAMPLE = 2000


def error_shares(
    evidence: torch.Tensor,
    predicted: torch.Tensor,
    codes: torch.Tensor,
    inverse_temperature: float,
) -> torch.Tensor:
    r"""Share of a class in the probability of all classes that are not predicted.

    .. math:: s_{ij} = \frac{e^{\beta z_{ij}}}{\sum_{k \ne \hat y_i} e^{\beta z_{ik}}}

    Parameters
    ----------
    evidence : float32 Tensor of shape (n, n_classes)
    predicted : int64 Tensor of shape (n,)
    codes : int64 Tensor of shape (n,)
        The class j of every row.
    inverse_temperature : float

    Returns
    -------
    share : float32 Tensor of shape (n,)
        In [0, 1]; 0 where the class is the predicted one.
    """
    share = evidence.new_empty(len(evidence))
    for rows in row_blocks(len(evidence)):
        scaled = inverse_temperature * evidence[rows]
        scaled.scatter_(1, predicted[rows].unsqueeze(1), -torch.inf)
        share[rows] = scaled.softmax(1).gather(1, codes[rows].unsqueeze(1)).squeeze(1)
    return share


def fit_error_temperature(
    evidence: torch.Tensor, predicted: torch.Tensor, codes: torch.Tensor
) -> float:
    r"""Inverse temperature at which rows that differ from the prediction are most probable.

    Their given labels are errors of the predictor, which go to the classes of large evidence, or
    noise, of which some part u goes to all classes alike:

    .. math:: \max_{\beta, u} \sum_i
              \ln\left(\frac{u}{C - 1} + (1 - u)\, s_{i, \tilde y_i}(\beta)\right) + \ln p(\beta)

    The logarithm of the inverse temperature has a normal prior, for a few rows.

    Parameters
    ----------
    evidence : float32 Tensor of shape (n, n_classes)
    predicted, codes : int64 Tensor of shape (n,)
        Predicted classes and given labels, different in every row.

    Returns
    -------
    inverse_temperature : float in [0.6, 55]
        1 without rows or with two classes, where it says nothing.
    """
    n, n_classes = evidence.shape
    if n == 0 or n_classes < 3:
        return 1.0
    rows = drawn_rows(n, _N_SAMPLE).to(evidence.device)
    evidence, predicted, codes = evidence[rows], predicted[rows], codes[rows]
    even = torch.tensor(_EVEN_SHARES, dtype=torch.float32, device=evidence.device).unsqueeze(1)

    def log_likelihood(inverse_temperature: float) -> float:
        share = error_shares(evidence, predicted, codes, inverse_temperature)
        found = (even / (n_classes - 1) + (1.0 - even) * share).log().sum(1).max()
        return float(found + _PRIOR.log_density(np.log(inverse_temperature)))

    return max(_TEMPERATURES, key=log_likelihood)
