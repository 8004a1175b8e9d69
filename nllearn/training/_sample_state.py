"""State of every training row: its given label, its target, and the confidence in it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch.nn import functional as F

__all__ = ["SampleState"]

_MOVING = (
    "targets",
    "clean_proba",
    "confidence",
    "easy",
    "labelled",
    "changed_at",
)


@dataclass
class SampleState:
    """State of every training row. Batches look their rows up here by number.

    Parameters
    ----------
    given : int64 Tensor of shape (n,)
        Given labels; never changed.
    weight : float32 Tensor of shape (n,)
        Weight in the loss: sample weight times class weight, mean one over the rows
        trained on.
    row_weight : float32 Tensor of shape (n,)
        Sample weight alone, mean one over the rows trained on.
    trusted : bool Tensor of shape (n,)
        Rows whose label is known to be right; their targets never change.
    targets : float32 Tensor of shape (n, n_classes)
        What the network learns towards; rows sum to one.
    clean_proba : float32 Tensor of shape (n,)
        Small-loss posterior.
    confidence : float32 Tensor of shape (n,)
        How much of the target is kept when it is mixed with a prediction.
    easy, labelled : bool Tensor of shape (n,)
        Easy rows; rows whose target is used as a label.
    changed_at : int64 Tensor of shape (n,)
        Epoch in which the target's class last changed, -1 for never.
    """

    given: torch.Tensor
    weight: torch.Tensor
    row_weight: torch.Tensor
    trusted: torch.Tensor
    targets: torch.Tensor
    clean_proba: torch.Tensor
    confidence: torch.Tensor
    easy: torch.Tensor
    labelled: torch.Tensor
    changed_at: torch.Tensor

    @classmethod
    def start(
        cls,
        given: torch.Tensor,
        n_classes: int,
        weight: torch.Tensor,
        row_weight: torch.Tensor,
        trusted: torch.Tensor,
        targets: torch.Tensor | None = None,
    ) -> SampleState:
        """State at the start: every row is easy; without targets these are the given labels."""
        n = len(given)
        ones = torch.ones(n, dtype=torch.float32, device=given.device)
        yes = torch.ones(n, dtype=torch.bool, device=given.device)
        return cls(
            given=given,
            weight=weight,
            row_weight=row_weight,
            trusted=trusted,
            targets=F.one_hot(given, n_classes).float() if targets is None else targets,
            clean_proba=ones,
            confidence=ones.clone(),
            easy=yes,
            labelled=yes.clone(),
            changed_at=torch.full_like(given, -1),
        )

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.targets.shape[1]

    def to(self, device: torch.device) -> SampleState:
        """The same state on a device."""
        moved = {field.name: getattr(self, field.name).to(device) for field in fields(self)}
        return SampleState(**moved)

    def moving(self) -> dict[str, torch.Tensor]:
        """What changes during a fit, by name: for checkpoints and other processes."""
        return {name: getattr(self, name) for name in _MOVING}

    def update(
        self,
        *,
        epoch: int,
        targets: torch.Tensor,
        clean_proba: torch.Tensor,
        confidence: torch.Tensor,
        easy: torch.Tensor,
        labelled: torch.Tensor,
    ) -> None:
        """Take in what a refresh found; trusted rows keep their given label."""
        own = F.one_hot(self.given, self.n_classes).float()
        keep = self.trusted
        targets = torch.where(keep.unsqueeze(1), own, targets)
        changed = targets.argmax(1) != self.targets.argmax(1)
        self.changed_at[changed] = epoch
        self.targets = targets
        self.clean_proba = clean_proba.masked_fill(keep, 1.0)
        self.confidence = confidence.masked_fill(keep, 1.0)
        self.easy = easy | keep
        self.labelled = labelled | keep
