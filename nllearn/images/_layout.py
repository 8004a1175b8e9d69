"""Which axis of an array of images is which."""

from __future__ import annotations

import numpy as np

__all__ = ["LAYOUTS", "resolve_layout"]

LAYOUTS = ("auto", "channels_first", "channels_last")
_CHANNELS = (1, 3, 4)


def resolve_layout(shape: tuple[int, ...], image_layout: str) -> str:
    """Tell the layout of an array of images from its shape.

    Parameters
    ----------
    shape : tuple of int
        ``(n, H, W)``, ``(n, H, W, C)`` or ``(n, C, H, W)``.
    image_layout : {"auto", "channels_last", "channels_first"}
        "auto" needs exactly one of axis 1 and axis 3 to have size 1, 3 or 4.

    Returns
    -------
    layout : {"grey", "channels_last", "channels_first"}
        "grey" is an array without an axis of channels.

    Raises
    ------
    ValueError
        If the array has more than four axes, an image without pixels, or if "auto"
        cannot tell; the message names `image_layout`.

    Examples
    --------
    >>> from nllearn.images import resolve_layout
    >>> resolve_layout((10, 32, 32, 3), "auto")
    'channels_last'
    """
    if len(shape) not in (3, 4):
        raise ValueError(
            f"X has shape {shape}; images are (n, H, W), (n, H, W, C) or (n, C, H, W), and a "
            "table is (n, d)"
        )
    if 0 in shape[1:]:
        raise ValueError(f"X has shape {shape}: its images have no pixels")
    if len(shape) == 3:
        return "grey"
    if image_layout != "auto":
        return image_layout
    first, last = shape[1] in _CHANNELS, shape[3] in _CHANNELS
    if first == last:
        why = "both axis 1 and axis 3 could" if first else "neither axis 1 nor axis 3 can"
        raise ValueError(
            f"X has shape {shape}: {why} be the axis of 1, 3 or 4 channels; set "
            "image_layout='channels_first' or image_layout='channels_last'"
        )
    return "channels_first" if first else "channels_last"


def as_channels_first_shape(shape: tuple[int, ...], layout: str) -> tuple[int, int, int]:
    """``(C, H, W)`` of one image of an array of the given shape."""
    sizes = np.array(shape[1:])
    if layout == "grey":
        return (1, int(sizes[0]), int(sizes[1]))
    order = (0, 1, 2) if layout == "channels_first" else (2, 0, 1)
    c, h, w = (int(sizes[i]) for i in order)
    return (c, h, w)
