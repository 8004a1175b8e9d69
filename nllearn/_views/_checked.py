"""What a view is, and the check of what a user's own view returns."""

from __future__ import annotations

from collections.abc import Callable

import torch

__all__ = ["View", "checked_view"]

View = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def checked_view(augmentation: View | None) -> View | None:
    """A user's view that refuses to return something else than a batch of the same shape.

    Parameters
    ----------
    augmentation : callable or None

    Returns
    -------
    view : callable or None
    """
    if augmentation is None:
        return None

    def view(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        changed = augmentation(x, generator)
        if not isinstance(changed, torch.Tensor):
            raise TypeError(
                f"augmentation={augmentation!r} returned a {type(changed).__name__}; it must "
                f"return the changed batch, a tensor of shape {tuple(x.shape)}"
            )
        if changed.shape != x.shape or changed.device != x.device:
            raise ValueError(
                f"augmentation={augmentation!r} returned a tensor of shape "
                f"{tuple(changed.shape)} on {changed.device}; expected {tuple(x.shape)} on "
                f"{x.device}"
            )
        return changed.to(x.dtype)

    return view
