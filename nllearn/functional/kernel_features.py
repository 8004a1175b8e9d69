"""Features whose inner products approximate a Gaussian kernel, on landmarks (Nystroem)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nllearn.functional.blocks import row_blocks
from nllearn.functional.triangular import (
    is_upper_triangular,
    transposed_inverse,
    triangular_product,
    with_added,
)

__all__ = ["KernelMap", "kernel_features", "kernel_map"]

# Directions of the landmarks' kernel matrix that are kept, by eigenvalue over the largest one.
_RANK_TOLERANCE = 1e-6
# Rows of features that the cache holds, and a few rows.
_CACHED_ROWS, _FEW_ROWS = 1024, 64


@dataclass(frozen=True)
class KernelMap:
    """From unit rows to features whose inner products approximate a Gaussian kernel.

    Parameters
    ----------
    landmarks : float32 Tensor of shape (m, d)
        Unit rows.
    gamma : float
        ``exp(-gamma |x - z|^2)``.
    projection : float32 Tensor of shape (m, r)
        Inverse square root of the landmarks' kernel matrix, r its rank. Upper triangular where
        the rank is full.
    """

    landmarks: torch.Tensor
    gamma: float
    projection: torch.Tensor


def kernel_map(rows: torch.Tensor, n_landmarks: int, generator: torch.Generator) -> KernelMap:
    """Draw landmarks and take the kernel's width from their distances.

    ``gamma`` is one over the median squared distance of two landmarks (one over the
    mean, where most are duplicates).

    Parameters
    ----------
    rows : Tensor of shape (n, d)
        Unit rows.
    n_landmarks : int
        Capped at n.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    kmap : KernelMap
    """
    drawn = torch.randperm(len(rows), generator=generator)[: min(n_landmarks, len(rows))]
    landmarks = rows[drawn.to(rows.device)].float()
    squared = (2.0 - 2.0 * landmarks @ landmarks.T).clamp_min(0.0)
    off = squared[~torch.eye(len(landmarks), dtype=torch.bool, device=rows.device)]
    width = float(off.median()) if len(off) else 1.0
    if width < 1e-6:
        width = float(off.mean()) if len(off) else 1.0
    gamma = 1.0 / width if width > 1e-12 else 1.0
    kernel = torch.exp(-gamma * squared).double()
    return KernelMap(landmarks, gamma, _inverse_root(kernel).float().contiguous())


def kernel_features(rows: torch.Tensor, kmap: KernelMap) -> torch.Tensor:
    """Landmark features of a block of unit rows.

    Parameters
    ----------
    rows : Tensor of shape (b, d)
        Unit rows.
    kmap : KernelMap

    Returns
    -------
    features : float32 Tensor of shape (b, r)
    """
    out = rows.new_empty((len(rows), kmap.projection.shape[1]), dtype=torch.float32)
    directions = 2.0 * kmap.gamma * kmap.landmarks.T
    constant = directions.new_tensor(-2.0 * kmap.gamma)
    # To look for the zeros costs as much as the product with some rows.
    is_upper = len(rows) > _FEW_ROWS and is_upper_triangular(kmap.projection)
    for some in row_blocks(len(rows), _CACHED_ROWS):
        kernel = torch.addmm(constant, rows[some].float(), directions).clamp_max_(0.0).exp_()
        triangular_product(kernel, kmap.projection, is_upper, out[some])
    return out


def _inverse_root(kernel: torch.Tensor) -> torch.Tensor:
    """A matrix P with ``P P^T`` the inverse of a kernel matrix, on the directions that it has."""
    # The largest sum of a column is not below the largest eigenvalue, and hardly above.
    least = _RANK_TOLERANCE * float(kernel.sum(0).max())
    if not bool(torch.linalg.cholesky_ex(with_added(kernel, -least)).info):
        return transposed_inverse(torch.linalg.cholesky(kernel))
    values, vectors = torch.linalg.eigh(kernel)
    kept = values > _RANK_TOLERANCE * values[-1]
    return vectors[:, kept] / values[kept].sqrt()
