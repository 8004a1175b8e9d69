"""What to lower when a device runs out of memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["explain_memory"]


@contextmanager
def explain_memory(device: torch.device, is_image: bool) -> Iterator[None]:
    """Turn a device's out-of-memory error into one that says what to lower.

    Parameters
    ----------
    device : torch.device
    is_image : bool
        Whether the rows are images.

    Raises
    ------
    MemoryError
        In place of torch's own error.
    """
    try:
        yield
    except RuntimeError as error:
        # On a CPU torch raises a plain RuntimeError of its allocator.
        if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        what = "batch_size, decode_size or the size of the backbone" if is_image else "batch_size"
        raise MemoryError(
            f"{device} ran out of memory: lower {what}, or choose another device"
        ) from error
