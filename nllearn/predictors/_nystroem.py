"""Rows as features on landmarks, made once for every regression on them."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from nllearn.functional.blocks import row_blocks
from nllearn.functional.kernel_features import kernel_features, kernel_map
from nllearn.functional.mixup import smooth_over_neighbors

__all__ = ["NystroemFeatures"]

# Rows on which a ridge is chosen, and features that are kept rather than made again
# (in numbers: 300 MB of float32).
_N_TRIED, _MOST_KEPT = 12_000, 75_000_000


class NystroemFeatures:
    """Unit rows, or those smoothed over their neighbours, as kernel features on landmarks.

    The features do not depend on the labels. Where they are small enough they are kept, else
    they are made again block by block for every pass.

    Parameters
    ----------
    X_unit : float32 Tensor of shape (n, d)
    neighbor_indices : int Tensor of shape (n, k) or None
        Smooths each row over its neighbours first, where given.
    weights : float32 Tensor of shape (n,)
        Rows of weight 0 are no landmarks.
    n_landmarks : int
    generator : torch.Generator

    Attributes
    ----------
    kmap : KernelMap
    tried : int64 Tensor of shape (m,)
        Numbers of at most 12,000 drawn rows of weight above 0, to choose a ridge on.
    """

    def __init__(
        self,
        X_unit: torch.Tensor,
        neighbor_indices: torch.Tensor | None,
        weights: torch.Tensor,
        n_landmarks: int,
        generator: torch.Generator,
    ):
        self._X_unit, self._neighbor_indices = X_unit, neighbor_indices
        self._kept: list[tuple[slice, torch.Tensor]] = []
        drawn = torch.randperm(len(X_unit), generator=generator)[: max(n_landmarks, _N_TRIED)]
        drawn = drawn.to(X_unit.device)
        drawn = drawn[weights[drawn] > 0]
        self.kmap = kernel_map(self._rows(drawn), n_landmarks, generator)
        self.tried = drawn[:_N_TRIED]

    def _rows(self, idx: slice | torch.Tensor) -> torch.Tensor:
        block = self._X_unit[idx]
        if self._neighbor_indices is None:
            return block
        return smooth_over_neighbors(block, self._neighbor_indices[idx], self._X_unit)

    def blocks(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """All rows in blocks: their numbers as a slice, features of shape (b, r)."""
        if self._kept:
            yield from self._kept
            return
        kept = []
        keep = len(self._X_unit) * self.kmap.projection.shape[1] <= _MOST_KEPT
        for rows in row_blocks(len(self._X_unit)):
            features = kernel_features(self._rows(rows), self.kmap)
            if keep:
                kept.append((rows, features))
            yield rows, features
        self._kept = kept

    def some(self, n_rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Some of the rows in `tried`: their numbers, ascending, and their features."""
        tried = self.tried[:n_rows].sort().values
        if not self._kept:
            return tried, kernel_features(self._rows(tried), self.kmap)
        out = self._X_unit.new_empty((len(tried), self.kmap.projection.shape[1]))
        start = 0
        for rows, block in self._kept:
            inside = tried[(tried >= rows.start) & (tried < rows.stop)] - rows.start
            torch.index_select(block, 0, inside, out=out[start : start + len(inside)])
            start += len(inside)
        return tried, out
