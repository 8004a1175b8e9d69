"""What to lower when a device runs out of memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["explain_memory"]

# Plain RuntimeErrors that say the same: of the CPU's allocator, cuDNN, cuBLAS and the driver.
_OTHER_WORDS = (
    "allocate memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
    "CUDA error: out of memory",
)


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
        known = isinstance(error, torch.OutOfMemoryError)
        if not known and not any(part in str(error) for part in _OTHER_WORDS):
            raise
        what = "batch_size, decode_size or the size of the backbone" if is_image else "batch_size"
        raise MemoryError(
            f"{device} ran out of memory: lower {what}, or choose another device"
        ) from error
