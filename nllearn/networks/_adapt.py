"""Take in modules of the user's: give them the ``(logits, features)`` forward."""

from __future__ import annotations

import copy

import torch
from torch import nn

__all__ = ["adapt_module", "check_head", "find_head"]

_NO_HEAD = (
    "{} has no attribute 'head' and no linear layer; name the layer from features to logits 'head'"
)


class _LastLinearTap(nn.Module):
    """A plain classifier whose features are the input of its last linear layer."""

    def __init__(self, module: nn.Module, head: nn.Linear):
        super().__init__()
        self.module = module
        self.head = head

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen: list[torch.Tensor] = []
        # The hook is removed after one call, so copies and pickles of the module have none.
        hook = self.head.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        try:
            logits = self.module(x)
        finally:
            hook.remove()
        return logits, seen[-1].flatten(1)


def _last_linear_run(module: nn.Module, sample: torch.Tensor) -> nn.Linear | None:
    """The linear layer that ran last, which need not be the one registered last."""
    ran: list[nn.Linear] = []
    linear = [m for m in module.modules() if isinstance(m, nn.Linear)]
    hooks = [m.register_forward_hook(lambda m, *_: ran.append(m)) for m in linear]
    try:
        with torch.no_grad():
            module(sample)
    finally:
        for hook in hooks:
            hook.remove()
    return ran[-1] if ran else None


def find_head(module: nn.Module) -> nn.Module:
    """Return the layer from features to logits: ``module.head``, else the last linear layer.

    Parameters
    ----------
    module : nn.Module
        Returns ``(logits, features)``.

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
        raise ValueError(_NO_HEAD.format(type(module).__name__))
    return linear[-1]


def check_head(module: nn.Module, sample: torch.Tensor) -> None:
    """Reject a module whose head does not turn its features into its logits.

    Parameters
    ----------
    module : nn.Module
        Returns ``(logits, features)``.
    sample : Tensor of shape (2, ...)
        Two rows, to try it on.

    Raises
    ------
    ValueError
        Says to name the right layer 'head'.
    """
    head = find_head(module)
    was_training = module.training
    module.eval()
    with torch.no_grad():
        logits, features = module(sample)
        try:
            same = torch.allclose(head(features), logits, rtol=1e-3, atol=1e-4)
        except RuntimeError:
            same = False
    module.train(was_training)
    if not same:
        raise ValueError(
            f"{type(head).__name__}, taken for the layer from features to logits of "
            f"{type(module).__name__}, does not give its logits; name the right layer 'head'"
        )


def adapt_module(module: nn.Module, sample: torch.Tensor, n_classes: int) -> nn.Module:
    """Copy a user's module and make its forward return ``(logits, features)``.

    Parameters
    ----------
    module : nn.Module
        Returns ``(logits, features)``, or logits alone; then the features are what
        enters its last linear layer. It is copied, as float32, never trained in place.
    sample : Tensor of shape (2, ...)
        Two rows, to try it on.
    n_classes : int
        Number of logits that it must return.

    Returns
    -------
    module : nn.Module

    Raises
    ------
    ValueError
        If the module does not accept the rows or returns another shape.
    """
    name = type(module).__name__
    module = copy.deepcopy(module).to(sample.device, torch.float32)
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            out = module(sample)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"backbone {name} does not accept rows of shape {tuple(sample.shape[1:])}: {error}"
        ) from error
    if isinstance(out, torch.Tensor):
        head = _last_linear_run(module, sample)
        if head is None:
            raise ValueError(_NO_HEAD.format(name))
        module = _LastLinearTap(module, head)
        with torch.no_grad():
            out = module(sample)
    if not (
        isinstance(out, tuple)
        and len(out) == 2
        and all(isinstance(part, torch.Tensor) for part in out)
    ):
        returned = [type(x).__name__ for x in out] if isinstance(out, tuple) else type(out)
        raise ValueError(
            f"backbone {name} returned {returned}; expected (logits, features) or logits"
        )
    logits, features = out
    if logits.shape != (len(sample), n_classes) or features.dim() != 2:
        raise ValueError(
            f"backbone {name} returned logits of shape {tuple(logits.shape)} and features of "
            f"shape {tuple(features.shape)}; expected ({len(sample)}, {n_classes}) and (n, d)"
        )
    return module.train(was_training)
