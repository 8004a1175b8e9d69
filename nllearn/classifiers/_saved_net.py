"""The network in a file: its weights, and the backbone that rebuilds it around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from sklearn.base import clone
from skorch.history import History
from torch import nn

from nllearn._validation import resolve_device
from nllearn.classifiers._components import build_module
from nllearn.file_format import Reader, Writer, component_classes, optimizer_classes
from nllearn.networks import ResNet, ResNetBackbone
from nllearn.training import NoisyLabelNet, fork_torch_seed

__all__ = ["check_rebuilds", "read_net", "write_net"]

# Settings of the net that are kept beside those of its optimiser; the others matter to fit
# alone, which builds a net of its own.
_SETTINGS = ("amp", "batch_size", "ema_decay", "lr", "max_epochs", "seed")


def write_net(writer: Writer, net: NoisyLabelNet) -> dict[str, Any]:
    """Turn a fitted net into JSON.

    Parameters
    ----------
    writer : Writer
    net : NoisyLabelNet

    Returns
    -------
    node : dict
        Weights, settings and optimiser. The state of the optimiser is not kept.

    Raises
    ------
    TypeError
        For settings that would need code.
    """
    params, known = net.get_params(deep=False), net.optimizer in optimizer_classes().values()
    kept = [key for key in params if key in _SETTINGS]
    # The settings of an optimiser that the file cannot name would mean nothing.
    kept += [key for key in params if known and key.startswith("optimizer__")]
    return {
        "settings": {key: writer.encode(params[key], f"net_.{key}") for key in kept},
        "optimizer": {"optimizer": net.optimizer.__name__} if known else None,
        "weights": {
            key: writer.encode(value, f"net_.{key}")
            for key, value in net.module_.state_dict().items()
        },
    }


def read_net(
    reader: Reader,
    node: dict[str, Any],
    backbone: Any,
    input_shape: tuple[int, ...],
    n_classes: int,
    device: str,
    history: list[dict[str, Any]],
) -> NoisyLabelNet:
    """Turn JSON back into a fitted net.

    Parameters
    ----------
    reader : Reader
    node : dict
    backbone : object with ``build`` or nn.Module
    input_shape : tuple of int
        Shape of one row.
    n_classes : int
    device : str
        Torch device.
    history : list of dict
        One per epoch.

    Returns
    -------
    net : NoisyLabelNet

    Raises
    ------
    ValueError
        If the weights are not those of the backbone's network.
    """
    settings = {key: reader.decode(value) for key, value in node["settings"].items()}
    surplus = [k for k in settings if k not in _SETTINGS and not k.startswith("optimizer__")]
    if surplus:
        raise ValueError(f"the unknown settings {surplus} of the net")
    weights = {key: reader.decode(value) for key, value in node["weights"].items()}
    module = _rebuild(backbone, input_shape, n_classes, weights)
    faults = _compare(module.state_dict(), weights)
    if faults:
        raise ValueError(f"the weights are not those of {backbone!r}: {faults}")
    # Ours has no memory yet and takes the tensors themselves; a user's module is filled.
    module.load_state_dict(weights, assign=_is_ours(backbone))
    if len(input_shape) == 3:
        module = module.to(memory_format=torch.channels_last)
    net = NoisyLabelNet(
        module.eval(),
        device=str(resolve_device(device)),
        callbacks=[],
        verbose=0,
        **{"optimizer": reader.decode(node["optimizer"]) or torch.optim.AdamW, **settings},
    ).initialize()
    net.history = History([{**row, "batches": []} for row in history])
    return net


def check_rebuilds(
    net: NoisyLabelNet, backbone: Any, input_shape: tuple[int, ...], n_classes: int
) -> None:
    """Refuse to save a network that its backbone would no longer build.

    Parameters
    ----------
    net : NoisyLabelNet
    backbone : object
    input_shape : tuple of int
    n_classes : int

    Raises
    ------
    ValueError
        Tells where the two differ.
    """
    if not _is_ours(backbone):
        return
    weights = net.module_.state_dict()
    faults = _compare(_rebuild(backbone, input_shape, n_classes, weights).state_dict(), weights)
    if faults:
        raise ValueError(
            f"backbone_={backbone!r} does not build the fitted network ({faults}); its parameters "
            "were changed after fit: set them back, or fit again"
        )


def _is_ours(backbone: Any) -> bool:
    return type(backbone) in component_classes().values()


def _rebuild(
    backbone: Any, input_shape: tuple[int, ...], n_classes: int, weights: Mapping[str, torch.Tensor]
) -> nn.Module:
    """Build the network, without memory where the backbone is of the package."""
    if not _is_ours(backbone):
        # What a build draws at random is replaced, and must not move the global state.
        with fork_torch_seed(0, torch.device("cpu")):
            return build_module(
                backbone, torch.zeros(2, *input_shape, dtype=torch.float32), n_classes
            )[0]
    with torch.device("meta"):
        if not isinstance(backbone, ResNetBackbone):
            return backbone.build(input_shape, n_classes)
        # Its pretrained weights chose the stem; they are in the file and not needed again.
        first = weights.get("trunk.conv1.weight")
        stem = "small" if first is not None and first.shape[-1] == 3 else "large"
        plain = clone(backbone).set_params(stem=stem, weights=None, frozen=False)
        module = plain.build(input_shape, n_classes)
        assert isinstance(module, ResNet)
        return ResNet(module.trunk, module.head, backbone.frozen)


def _compare(expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> str:
    """Tell the first difference between two states, empty if there is none."""
    for key, tensor in expected.items():
        if key not in found:
            return f"{key} is missing"
        if (found[key].shape, found[key].dtype) != (tensor.shape, tensor.dtype):
            return (
                f"{key} has shape {tuple(found[key].shape)} and {found[key].dtype}, not "
                f"{tuple(tensor.shape)} and {tensor.dtype}"
            )
    surplus = sorted(set(found) - set(expected))
    return f"{surplus[0]} is not in the network" if surplus else ""
