"""Up to how many rows exact search is the faster one."""

from __future__ import annotations

import torch

__all__ = ["is_exact_faster"]

# On a CPU for one search, and for several in one fit. Approximate search compiles for about 20
# seconds in each process, which counts once. On a GPU exact search gains from its matrix products.
_CPU_ONE, _CPU_SEVERAL, _GPU = 60_000, 30_000, 500_000


def is_exact_faster(n_rows: int, device: torch.device, n_searches: int = 1) -> bool:
    """Whether exact search is faster than nearest-neighbour descent, its compilation included.

    Parameters
    ----------
    n_rows : int
        Rows that are searched.
    device : torch.device
        Where they are.
    n_searches : int, default=1
        How often the fit searches.

    Returns
    -------
    is_faster : bool
    """
    on_cpu = _CPU_ONE if n_searches == 1 else _CPU_SEVERAL
    return n_rows <= (_GPU if device.type == "cuda" else on_cpu)
