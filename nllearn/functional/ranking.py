"""Ranks of values within groups of rows."""

from __future__ import annotations

import torch

__all__ = ["sort_within_groups"]


def sort_within_groups(
    values: torch.Tensor, groups: torch.Tensor, *, descending: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sort rows by group, and inside a group by value; ties keep their order.

    Parameters
    ----------
    values : Tensor of shape (n,)
    groups : int64 Tensor of shape (n,)
        Not negative.
    descending : bool, default=False
        Large values first.

    Returns
    -------
    order : int64 Tensor of shape (n,)
        Numbers of the rows, sorted.
    rank : int64 Tensor of shape (n,)
        Of each row in `order`, its position in its group, from 0.
    """
    order = values.argsort(descending=descending, stable=True)
    order = order[groups[order].argsort(stable=True)]
    sizes = torch.bincount(groups, minlength=1)
    starts = sizes.cumsum(0) - sizes
    return order, torch.arange(len(order), device=order.device) - starts[groups[order]]
