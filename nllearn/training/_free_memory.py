"""How much memory is free, of the machine, the container or the GPU."""

from __future__ import annotations

from pathlib import Path

import torch

__all__ = ["free_bytes"]

_MACHINE = Path("/proc/meminfo")
# Limit and use of a container, by version of its control group.
_CONTAINERS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current"), "inactive_file"),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
        "total_inactive_file",
    ),
)


def free_bytes(device: torch.device) -> float:
    """Bytes that a tensor on the device may still take.

    Parameters
    ----------
    device : torch.device

    Returns
    -------
    free : float
        Of a GPU, what its driver says and what torch keeps there for later tensors. Else what
        Linux says of the machine, or what the limit of the container leaves, if that is less;
        infinity on other systems.
    """
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return float(torch.cuda.mem_get_info(device)[0] + max(0, cached))
    free = float("inf")
    if _MACHINE.exists():
        free = _entries(_MACHINE).get("MemAvailable", free / 1024) * 1024
    for limit, used, cache in _CONTAINERS:
        text = limit.read_text().strip() if limit.exists() else ""
        if text.isdigit() and used.exists():
            # Pages of files count as used, and are given up when others need them.
            pages = _entries(used.with_name("memory.stat")).get(cache, 0)
            free = min(free, int(text) - int(used.read_text()) + pages)
    return max(0.0, free)


def _entries(path: Path) -> dict[str, int]:
    """Numbers by name, from a file with one of each per line."""
    if not path.exists():
        return {}
    rows = (line.replace(":", " ").split() for line in path.read_text().splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
