"""Random views of a batch, drawn per row on the batch's own device."""

from __future__ import annotations

from collections.abc import Callable

import torch

__all__ = ["TableViews", "View", "checked_view", "make_views"]

View = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


class TableViews:
    """Noise and masking on standardised table rows.

    Parameters
    ----------
    noise : float
        Standard deviation of Gaussian noise, in units of each column's own.
    masked : float
        Share of the values set to the column's mean, in [0, 1).
    """

    def __init__(self, noise: float, masked: float):
        self.noise = noise
        self.masked = masked

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return a new view of the batch; `x` is not changed."""
        # One draw on the CPU seeds the device's own stream: cheap, and the same anywhere.
        local = torch.Generator(x.device)
        local.manual_seed(int(torch.randint(2**62, (1,), generator=generator)))
        view = x + self.noise * torch.empty_like(x).normal_(generator=local)
        if self.masked:
            view *= torch.empty_like(x).bernoulli_(1.0 - self.masked, generator=local)
        return view


_STRENGTHS = {"weak": TableViews(0.1, 0.0), "strong": TableViews(0.1, 0.3)}


def make_views(augmentation: str | View | None) -> View | None:
    """Turn the parameter `augmentation` into a function ``(x, generator) -> x``.

    Parameters
    ----------
    augmentation : {"weak", "strong"}, callable or None

    Returns
    -------
    view : callable or None
        None means that rows are used as they are.
    """
    if augmentation is None or callable(augmentation):
        return checked_view(augmentation)
    return _STRENGTHS[augmentation]


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
