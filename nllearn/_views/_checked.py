"""What a view is, and the check of what a user's own view returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

__all__ = ["View", "checked_view"]

View = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def checked_view(augmentation: str | View | None, by_name: Mapping[str, View]) -> View | None:
    """A view by its name, or a user's that returns nothing but a batch of the same shape.

    Parameters
    ----------
    augmentation : str, callable or None
    by_name : mapping of str to callable
        The package's own views.

    Returns
    -------
    view : callable or None
    """
    if augmentation is None:
        return None
    if isinstance(augmentation, str):
        return by_name[augmentation]

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
