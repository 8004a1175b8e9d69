"""The rows as features on landmarks, made once for every regression on them."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from nllearn._judgement._neighbors import Graph, mixed_rows
from nllearn._judgement._rows import row_blocks
from nllearn.functional.kernel_ridge import kernel_features, kernel_map

__all__ = ["LandmarkRows"]

# Rows on which a ridge is chosen, and features that are held rather than made again
# (in numbers: 300 MB of float32).
_N_TRIED, _HELD = 12_000, 75_000_000


class LandmarkRows:
    """Unit rows, or those mixed with their neighbours, as kernel features.

    The features do not depend on the labels. They are held where there is room, else made
    again block by block for every pass.

    Parameters
    ----------
    unit : float32 Tensor of shape (n, d)
    graph : Graph or None
        Mixes each row with its neighbours first, where given.
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
        unit: torch.Tensor,
        graph: Graph | None,
        weights: torch.Tensor,
        n_landmarks: int,
        generator: torch.Generator,
    ):
        self._unit, self._graph = unit, graph
        self._held: list[tuple[slice, torch.Tensor]] = []
        drawn = torch.randperm(len(unit), generator=generator)[: max(n_landmarks, _N_TRIED)]
        drawn = drawn.to(unit.device)
        drawn = drawn[weights[drawn] > 0]
        self.kmap = kernel_map(self._rows(drawn), n_landmarks, generator)
        self.tried = drawn[:_N_TRIED]

    def _rows(self, rows: slice | torch.Tensor) -> torch.Tensor:
        block = self._unit[rows]
        if self._graph is None:
            return block
        return mixed_rows(block, self._graph.rows[rows], self._unit)

    def blocks(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """All rows in blocks: their numbers as a slice, features of shape (b, r)."""
        if self._held:
            yield from self._held
            return
        held = []
        keep = len(self._unit) * self.kmap.projection.shape[1] <= _HELD
        for rows in row_blocks(len(self._unit)):
            features = kernel_features(self._rows(rows), self.kmap)
            if keep:
                held.append((rows, features))
            yield rows, features
        self._held = held

    def tried_features(self) -> torch.Tensor:
        """Features of the rows in `tried`, float32 of shape (m, r)."""
        if not self._held:
            return kernel_features(self._rows(self.tried), self.kmap)
        out = torch.empty(len(self.tried), self.kmap.projection.shape[1], device=self._unit.device)
        for rows, block in self._held:
            inside = (self.tried >= rows.start) & (self.tried < rows.stop)
            out[inside] = block[self.tried[inside] - rows.start]
        return out
