"""Random views of a batch of table rows, drawn per row on the batch's own device."""

from __future__ import annotations

import torch

from nllearn._views._checked import View, checked_view

__all__ = ["TableViews", "make_views"]


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
    return checked_view(augmentation, _STRENGTHS)
