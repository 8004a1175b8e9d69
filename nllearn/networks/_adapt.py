"""Take in modules of the user's: give them the ``(logits, features)`` forward."""

from __future__ import annotations

import copy

import torch
from torch import nn

__all__ = ["adapt_module", "find_head"]


class _LastLinearTap(nn.Module):
    """A plain classifier whose features are what enters its last linear layer."""

    def __init__(self, module: nn.Module, head: nn.Linear):
        super().__init__()
        self.module = module
        self.head = head

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen: list[torch.Tensor] = []
        # The hook lives for one call, so copies and pickles of the module carry none.
        hook = self.head.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        try:
            logits = self.module(x)
        finally:
            hook.remove()
        return logits, seen[-1].flatten(1)


def find_head(module: nn.Module) -> nn.Module:
    """Return the layer from features to logits: ``module.head``, else the last linear layer.

    Parameters
    ----------
    module : nn.Module

    Returns
    -------
    head : nn.Module

    Raises
    ------
    ValueError
        If there is neither.
    """
    head = getattr(module, "head", None)
    if isinstance(head, nn.Module):
        return head
    linear = [m for m in module.modules() if isinstance(m, nn.Linear)]
    if not linear:
        raise ValueError(
            f"{type(module).__name__} has no attribute 'head' and no linear layer; name the "
            "layer from features to logits 'head'"
        )
    return linear[-1]


def adapt_module(module: nn.Module, sample: torch.Tensor, n_classes: int) -> nn.Module:
    """Copy a user's module and make its forward return ``(logits, features)``.

    Parameters
    ----------
    module : nn.Module
        Returns ``(logits, features)``, or logits alone; then the features are what
        enters its last linear layer. It is copied, never trained in place.
    sample : Tensor of shape (2, ...)
        Two rows, to try it on.
    n_classes : int

    Returns
    -------
    module : nn.Module

    Raises
    ------
    ValueError
        If the module does not accept the rows or returns another shape.
    """
    module = copy.deepcopy(module).to(sample.device)
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            out = module(sample)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"backbone {type(module).__name__} does not accept rows of shape "
            f"{tuple(sample.shape[1:])}: {error}"
        ) from error
    if not isinstance(out, tuple):
        module = _LastLinearTap(module, find_head(module))  # type: ignore[arg-type]
        with torch.no_grad():
            out = module(sample)
    logits, features = out
    if logits.shape != (len(sample), n_classes) or features.dim() != 2:
        raise ValueError(
            f"backbone {type(module).__name__} returned logits of shape {tuple(logits.shape)} and "
            f"features of shape {tuple(features.shape)}; expected ({len(sample)}, {n_classes}) "
            "and (n, d)"
        )
    return module.train(was_training)
