"""Convex combinations of rows and of their targets."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from nllearn._torch_state import to_device
from nllearn.functional.similarity import unit_rows

__all__ = ["beta_weights", "clean_weights", "mix_neighbors", "mixup", "smooth_over_neighbors"]

# Neighbours that a row is smoothed over.
_N_SMOOTHED = 10


def beta_weights(
    n: int, alpha: float, *, generator: torch.Generator, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Mixup weights ``max(l, 1 - l)`` with ``l ~ Beta(alpha, alpha)``.

    Parameters
    ----------
    n : int
        Number of weights.
    alpha : float
        Concentration, above zero.
    generator : torch.Generator
        On the CPU.
    device : device
        Where the result goes.

    Returns
    -------
    weights : float32 Tensor of shape (n,)
        In [0.5, 1]: the first row of a pair keeps at least half.
    """
    # torch's Beta distribution takes no generator; two gamma draws do the same.
    shape = torch.full((2, n), float(alpha), dtype=torch.float64)
    gammas = torch._standard_gamma(shape, generator=generator)  # noqa: SLF001
    # Where both underflow, alpha is so small that the weight is as good as one.
    larger, total = gammas.amax(0).clamp_min(1e-290), gammas.sum(0).clamp_min(1e-290)
    return to_device((larger / total).float(), device)


def mixup(
    x: torch.Tensor, targets: torch.Tensor, partners: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix every row with its partner.

    Parameters
    ----------
    x : Tensor of shape (b, ...)
    targets : Tensor of shape (b, n_classes)
    partners : int64 Tensor of shape (b,)
    weights : Tensor of shape (b,)
        Share of the row itself, in [0, 1].

    Returns
    -------
    mixed_x, mixed_targets : Tensors of the shapes of `x` and `targets`
    """
    wide = weights.view(-1, *([1] * (x.dim() - 1)))
    # Four times as fast as x[partners] on a CPU; that alone keeps the memory format of images.
    mixed_x = x.index_select(0, partners) if x.dim() == 2 else x[partners]
    mixed_targets = targets.index_select(0, partners)
    return mixed_x.lerp_(x, wide), mixed_targets.lerp_(targets, weights.unsqueeze(1))


def clean_weights(clean_proba: torch.Tensor, neighbors: torch.Tensor) -> torch.Tensor:
    r"""Dynamic weights of a row and its neighbours from their clean probabilities.

    .. math:: v_k = \frac{w_k}{\sum_{j \in \{i\} \cup NN(i)} w_j}

    MixNN eq. 4 for any number of neighbours; the released code has one. Where all
    clean probabilities are zero the row keeps the whole weight.

    Parameters
    ----------
    clean_proba : Tensor of shape (n,)
        In [0, 1].
    neighbors : int64 Tensor of shape (n, k + 1)
        Row numbers, the row itself first.

    Returns
    -------
    weights : Tensor of shape (n, k + 1)
        Rows sum to one.
    """
    weights = clean_proba[neighbors]
    total = weights.sum(1, keepdim=True)
    alone = torch.zeros_like(weights)
    alone[:, 0] = 1.0
    return torch.where(total > 1e-8, weights / total.clamp_min(1e-8), alone)


def mix_neighbors(
    x: torch.Tensor, targets: torch.Tensor, neighbors: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Synthetic rows: weighted sums of a row and its neighbours (MixNN eqs. 4-5).

    Parameters
    ----------
    x : Tensor of shape (n, ...)
        All rows, or all rows of the batch.
    targets : Tensor of shape (n, n_classes)
    neighbors : int64 Tensor of shape (b, k + 1)
        Into `x`, the row itself first.
    weights : Tensor of shape (b, k + 1)
        Rows sum to one.

    Returns
    -------
    mixed_x : Tensor of shape (b, ...)
    mixed_targets : Tensor of shape (b, n_classes)
        Cross-entropy against them equals the weighted sum of the cross-entropies
        against each neighbour's own target.
    """
    return _sum_of_rows(x, neighbors, weights), _sum_of_rows(targets, neighbors, weights)


def smooth_over_neighbors(
    rows: torch.Tensor, neighbors: torch.Tensor, bank: torch.Tensor
) -> torch.Tensor:
    """Each row half and half with the mean of its ten nearest, at length one again.

    Mixing with neighbours is MixNN's idea; here it makes rows for a smoother regression.

    Parameters
    ----------
    rows : float32 Tensor of shape (b, d)
        Unit rows.
    neighbors : int Tensor of shape (b, k)
        Numbers of rows of the bank, nearest first. Without any the rows stay as they are.
    bank : Tensor of shape (n, d)
        Unit rows.

    Returns
    -------
    smoothed : float32 Tensor of shape (b, d)
    """
    neighbors = neighbors[:, :_N_SMOOTHED].contiguous()
    if neighbors.shape[1] == 0:
        return rows
    # A bag's mean without a copy of its rows: seven times as fast as gathering them.
    mean = unit_rows(F.embedding_bag(neighbors, bank, mode="mean").float())
    return unit_rows(0.5 * rows + 0.5 * mean)


def _sum_of_rows(values: torch.Tensor, rows: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted sum of some rows for every row of `rows`, without a copy of each."""
    summed = F.embedding_bag(
        rows, values.flatten(1), per_sample_weights=weights.to(values.dtype), mode="sum"
    )
    return summed.view(len(rows), *values.shape[1:])
