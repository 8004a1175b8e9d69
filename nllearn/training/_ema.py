"""Exponential moving average of a network's weights: the teacher."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

__all__ = ["EMAWeights"]


class EMAWeights:
    """Averaged copy of a module, moved a little towards it after every step.

    Parameters
    ----------
    module : nn.Module
        The one that is trained.
    decay : float in (0, 1)
        Share of the average that a step keeps; it grows from about 0.2 over the
        first steps, so that the random start is soon forgotten.
    """

    def __init__(self, module: nn.Module, decay: float):
        self.decay = decay
        self.n_steps = 0
        self.module = copy.deepcopy(module).requires_grad_(False).eval()
        self._averaged: list[torch.Tensor] = list(self.module.parameters())
        self._current: list[torch.Tensor] = list(module.parameters())
        pairs = list(zip(self.module.buffers(), module.buffers(), strict=True))
        # The statistics of batch normalisation belong to the weights they were seen with.
        self._averaged += [mean for mean, _ in pairs if mean.is_floating_point()]
        self._current += [now for mean, now in pairs if mean.is_floating_point()]
        self._counters = [mean for mean, _ in pairs if not mean.is_floating_point()]
        self._counted = [now for mean, now in pairs if not mean.is_floating_point()]

    def state_dict(self) -> dict[str, Any]:
        """Averaged weights and the number of steps."""
        return {"module": self.module.state_dict(), "n_steps": self.n_steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what :meth:`state_dict` gave."""
        self.module.load_state_dict(state["module"])
        self.n_steps = state["n_steps"]

    @torch.no_grad()
    def step(self) -> None:
        """Move towards the trained weights and running statistics; counters are copied."""
        self.n_steps += 1
        decay = min(self.decay, (1.0 + self.n_steps) / (10.0 + self.n_steps))
        torch._foreach_lerp_(self._averaged, self._current, 1.0 - decay)
        if self._counters:
            torch._foreach_copy_(self._counters, self._counted)
