"""Standardised images: every channel at mean 0 and deviation 1."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

__all__ = ["ChannelStandardizer", "PreparedImages"]

# Values far outside what fit saw are clipped here, in deviations, and not at infinity.
_FARTHEST = 1e4


class ChannelStandardizer:
    """Mean and deviation of every channel over all pixels of some images.

    Parameters
    ----------
    blocks : iterable of Tensor of shape (b, C, H, W)
        The images, in pieces, of any numeric dtype.

    Raises
    ------
    ValueError
        If a channel's values are not finite or too large to be standardised.
    """

    def __init__(self, blocks: Iterable[torch.Tensor]):
        count, shift = 0, None
        total = squares = torch.zeros((), dtype=torch.float64)
        for block in blocks:
            pixels = block.double()
            if shift is None:
                # Sums around a typical value lose no digits where the mean is large.
                shift = pixels.mean((0, 2, 3), keepdim=True)
            pixels = pixels - shift
            count += pixels.numel() // pixels.shape[1]
            total = total + pixels.sum((0, 2, 3)).cpu()
            squares = squares + pixels.square().sum((0, 2, 3)).cpu()
        if shift is None:
            raise ValueError("there is no image of weight above zero to learn the scale from")
        mean = total / count
        variance = (squares / count - mean**2).clamp_min(0.0)
        self.mean = (shift.flatten().cpu() + mean).numpy()
        scale = variance.sqrt().numpy()
        bad = np.flatnonzero(~(np.isfinite(scale) & np.isfinite(self.mean)))
        if len(bad) or np.abs(self.mean).max() > 1e30 or scale.max() > 1e30:
            raise ValueError(
                f"channel {bad[0] if len(bad) else int(scale.argmax())} of the images has values "
                "that are not finite or too large to be standardised; rescale X"
            )
        # Rounding leaves a tiny spread on constant channels; it must not be blown up.
        constant = scale <= 1e-10 * np.maximum(1e-6, np.abs(self.mean))
        self.scale = np.where(constant | (scale == 0), 1.0, scale)

    @classmethod
    def restore(cls, mean: np.ndarray, scale: np.ndarray) -> ChannelStandardizer:
        """A standardizer with known moments, float64 of shape (C,)."""
        known = cls.__new__(cls)
        known.mean, known.scale = mean, scale
        return known


class PreparedImages:
    """From raw batches on a device to what a network takes.

    Parameters
    ----------
    scale : ChannelStandardizer
    layout : {"grey", "channels_last", "channels_first"}
        Of the raw batches.
    device : torch.device
    """

    def __init__(self, scale: ChannelStandardizer, layout: str, device: torch.device):
        self.layout = layout

        def wide(values: np.ndarray) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, 1, 1)

        self._mean, self._scale = wide(scale.mean), wide(scale.scale)

    def __call__(self, raw: torch.Tensor) -> torch.Tensor:
        """Standardise a batch into float32 of shape (b, C, H, W), channels last in memory."""
        raw = to_channels_first(raw, self.layout)
        out = raw.to(torch.float32, memory_format=torch.channels_last, copy=True)
        out.sub_(self._mean).div_(self._scale)
        # Only floating-point images can leave the range that fit saw by so much.
        return out.clamp_(-_FARTHEST, _FARTHEST) if raw.is_floating_point() else out


def to_channels_first(raw: torch.Tensor, layout: str) -> torch.Tensor:
    """View a batch of a layout as (b, C, H, W)."""
    if layout == "grey":
        return raw.unsqueeze(1)
    return raw if layout == "channels_first" else raw.permute(0, 3, 1, 2)
