"""Layers that see the whole batch although each process forwards its own rows of it."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from nllearn.training._distributed import ProcessGroup

__all__ = ["SyncedLayers"]

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class SyncedLayers:
    """Make batch normalisation and dropout of a module act as in one process.

    Batch normalisation takes mean and variance over the rows of all processes, dropout
    draws the mask of the whole batch and uses its part. Modules keep their class and
    their state; only ``forward`` of these layers is replaced, until :meth:`remove`.

    Parameters
    ----------
    module : nn.Module
        The trained one.
    group : ProcessGroup
    """

    def __init__(self, module: nn.Module, group: ProcessGroup):
        self._changed: list[nn.Module] = []
        for layer in module.modules():
            # A normalisation of the user's own may mean something else.
            forward: Any = _normalise if type(layer) in _NORMS else None
            if isinstance(layer, _DropoutNd):
                forward = _drop
            if forward is not None:
                layer.forward = partial(forward, layer, group)  # type: ignore[method-assign]
                self._changed.append(layer)

    def remove(self) -> None:
        """Give the layers their own ``forward`` back."""
        for layer in self._changed:
            layer.__dict__.pop("forward", None)
        self._changed = []


def _drop(layer: nn.Module, group: ProcessGroup, x: torch.Tensor) -> torch.Tensor:
    """Dropout of this process's rows, as if the whole batch were there."""
    plain = type(layer).forward
    if group.part is None or not layer.training:
        return plain(layer, x)
    start, stop, n = group.part
    # A module may have folded several positions of a row into the first axis.
    per_row, rest = divmod(len(x), stop - start)
    if rest:
        return plain(layer, x)
    before, after = start * per_row, (n - stop) * per_row
    shape = x.shape[1:]
    whole = torch.cat([x.new_zeros(before, *shape), x, x.new_zeros(after, *shape)])
    return plain(layer, whole)[before : before + len(x)]


class _SyncedBatchNorm(torch.autograd.Function):
    """Normalise by the statistics of all processes, with torch's own kernels."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        eps: float,
        group: ProcessGroup,
    ) -> tuple[torch.Tensor, ...]:
        # One row per process: mean, variance and number of values, joined without the
        # cancellation of a mean square less a squared mean.
        axes = [axis for axis in range(x.dim()) if axis != 1]
        variances, means = torch.var_mean(x.float(), axes, correction=0)
        everyone = means.new_zeros(group.size, 2 * len(means) + 1)
        everyone[group.rank] = torch.cat([means, variances, means.new_tensor([x.numel()])])
        group.sum_(everyone)
        counts = everyone[:, -1:] / x.shape[1]
        total = counts.sum()
        means, variances = everyone[:, :-1].chunk(2, dim=1)
        mean = (counts * means).sum(0) / total
        variance = (counts * (variances + (means - mean).square())).sum(0) / total
        ctx.save_for_backward(x, weight, mean, variance, total)
        ctx.eps, ctx.group = eps, group
        unbiased = variance * (total / (total - 1.0))
        ctx.mark_non_differentiable(mean, unbiased)
        out = nn.functional.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)
        return out, mean, unbiased

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, mean, variance, total = ctx.saved_tensors
        # As if the statistics were fixed; then what the rows do to the statistics.
        grad_x, grad_weight, grad_bias = torch.ops.aten.native_batch_norm_backward(
            grads[0], x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        both = ctx.group.sum_(torch.cat([grad_bias, grad_weight]).float())
        of_bias, of_weight = (both / total).chunk(2)
        scale = weight * torch.rsqrt(variance + ctx.eps)
        slope = scale * torch.rsqrt(variance + ctx.eps) * of_weight
        wide = [1, -1] + [1] * (x.dim() - 2)
        at_zero = (scale * of_bias - slope * mean).view(wide)
        grad_x = grad_x - torch.addcmul(at_zero, x, slope.view(wide)).to(grad_x.dtype)
        return grad_x, grad_weight, grad_bias, None, None


def _normalise(norm: Any, group: ProcessGroup, x: torch.Tensor) -> torch.Tensor:
    """Batch normalisation of this process's rows by the statistics of the whole batch."""
    if group.part is None or not norm.training:
        return type(norm).forward(norm, x)
    norm._check_input_dim(x)  # noqa: SLF001
    weight, bias = norm.weight, norm.bias
    if not norm.affine:
        weight = torch.ones(x.shape[1], dtype=torch.float32, device=x.device)
        bias = torch.zeros_like(weight)
    out, mean, variance = _SyncedBatchNorm.apply(x, weight, bias, norm.eps, group)
    if norm.track_running_stats and norm.running_mean is not None:
        with torch.no_grad():
            norm.num_batches_tracked.add_(1)
            share = (
                1.0 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
            )
            norm.running_mean.lerp_(mean, share)
            norm.running_var.lerp_(variance, share)
    return out
