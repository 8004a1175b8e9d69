"""Build the skorch net of a classifier from its parameters."""

from __future__ import annotations

from typing import Any

import torch

from nllearn._progress import progress_delay
from nllearn.classifiers._components import build_module
from nllearn.classifiers._fit_loop import FitLoop
from nllearn.classifiers._parameters import InputDefaults, resolve_optimizer
from nllearn.training import NoisyLabelNet
from nllearn.training._progress import FitProgress

__all__ = ["build_net"]

# Settings in ``net_params`` that choose another optimiser or exclude a fused one.
_WITHOUT_FUSED = ("optimizer", "optimizer__foreach", "optimizer__differentiable")


def build_net(
    estimator: Any, loop: FitLoop, batch_size: int, defaults: InputDefaults, *, is_image: bool
) -> tuple[NoisyLabelNet, Any, dict[str, Any]]:
    """Build the net; ``net_params`` has the last word.

    Parameters
    ----------
    estimator : classifier
        Its parameters are read.
    loop : FitLoop
    batch_size : int
    defaults : InputDefaults
    is_image : bool

    Returns
    -------
    net : NoisyLabelNet
    backbone : object
        What built the network.
    resolved : dict
        What every None became.
    """
    module, backbone = build_module(estimator.backbone, loop.sample, loop.n_classes)
    if is_image:
        module = module.to(memory_format=torch.channels_last)
    name, optimizer, default_lr, settings = resolve_optimizer(estimator.optimizer, defaults.lr)
    resolved = {
        "amp": defaults.amp(loop.device),
        "backbone": backbone,
        "batch_size": batch_size,
        "device": str(loop.device),
        "lr": default_lr if estimator.lr is None else estimator.lr,
        "optimizer": name,
        "max_epochs": loop.schedule.max_epochs,
        "random_state": loop.seed,
        "refresh_every": loop.schedule.refresh_every,
        "warmup_epochs": loop.schedule.warmup_epochs,
    }
    own = estimator.net_params or {}
    if isinstance(name, str) and not any(key in own for key in _WITHOUT_FUSED):
        # One operation for all weights instead of a dozen.
        settings = {**settings, "fused": True}
    callbacks = list(estimator.callbacks or [])
    delay = progress_delay(estimator.verbose)
    if delay is not None and (loop.group is None or loop.group.is_main):
        callbacks.append(("progress", FitProgress(loop.schedule.max_epochs, delay)))
    params = {
        **{key: resolved[key] for key in ("amp", "lr", "max_epochs", "batch_size", "device")},
        "optimizer": optimizer,
        "optimizer__weight_decay": estimator.weight_decay,
        **{f"optimizer__{key}": value for key, value in settings.items()},
        "callbacks": callbacks,
        "verbose": 0,
        "seed": loop.seed,
        **own,
    }
    resolved |= {key: params[key] for key in ("amp", "batch_size", "lr", "max_epochs")}
    if "optimizer" in own:
        resolved["optimizer"] = own["optimizer"]
    net = NoisyLabelNet(module, batch_loss=loop.loss, begin_epoch=loop.begin_epoch, **params)
    return net, backbone, resolved
