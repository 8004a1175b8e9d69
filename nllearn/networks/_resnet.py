"""Residual networks of torchvision, with a stem for small images, from scratch or pretrained."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from sklearn.base import BaseEstimator
from torch import nn

from nllearn._torch_state import float32_default
from nllearn.exceptions import MissingExtraError

__all__ = ["ResNet", "ResNetBackbone", "adapt_channels", "read_state"]

_DEPTHS = (18, 34, 50)
_STEMS = ("auto", "small", "large")
_FILES = (".pt", ".pth", ".safetensors")
# First convolution of each stem.
_FIRST: dict[bool, dict[str, Any]] = {
    True: {"kernel_size": 3, "stride": 1, "padding": 1},
    False: {"kernel_size": 7, "stride": 2, "padding": 3},
}
# Largest side at which the first layers keep the resolution, while nothing else decides.
_SMALL_SIDE = 64


class ResNet(nn.Module):
    """Residual trunk and linear head; the trunk may be frozen.

    Parameters
    ----------
    trunk : nn.Module
        Images to features of shape (n, width).
    head : nn.Linear
        Features to logits.
    frozen : bool, default=False
        Train the head alone: the trunk gets no gradients, and its batch normalisation
        keeps the stored statistics in training mode too.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from nllearn.networks import ResNet
    >>> trunk = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    >>> logits, features = ResNet(trunk, nn.Linear(12, 3))(torch.zeros(5, 3, 8, 8))
    >>> logits.shape, features.shape
    (torch.Size([5, 3]), torch.Size([5, 12]))
    """

    def __init__(self, trunk: nn.Module, head: nn.Linear, frozen: bool = False):
        super().__init__()
        self.trunk = trunk.requires_grad_(not frozen)
        self.head = head
        self.frozen = frozen
        self.train()

    def train(self, mode: bool = True) -> ResNet:
        """Set the training mode; a frozen trunk stays in evaluation mode.

        Parameters
        ----------
        mode : bool, default=True
            False sets the evaluation mode.

        Returns
        -------
        self : ResNet
        """
        super().train(mode)
        if self.frozen:
            self.trunk.eval()
        return self

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and pooled features of every image.

        Parameters
        ----------
        x : float32 Tensor of shape (n, C, H, W)
            Standardised images.

        Returns
        -------
        logits : Tensor of shape (n, n_classes)
        features : Tensor of shape (n, width)
        """
        features = self.trunk(x)
        return self.head(features), features


class ResNetBackbone(BaseEstimator):
    """Settings of a ResNet for images; builds it once the data are known.

    Needs the extra ``images`` (torchvision).

    Parameters
    ----------
    depth : {18, 34, 50}, default=18
        Number of layers. Features are 512 wide, 2,048 for depth 50.
    stem : {"auto", "small", "large"}, default="auto"
        "large" starts with a 7x7 convolution of stride 2 and a max-pool, "small" with a
        3x3 convolution of stride 1 and no pool, which images of 32x32 need. "auto" takes
        the stem of the weights, so that all of them are used; without weights, small when
        neither side exceeds 64 pixels. Weights of the other stem leave the first
        convolution fresh.
    weights : str, path or None, default=None
        None starts from random weights. A name of torchvision, such as "DEFAULT" or
        "IMAGENET1K_V1", downloads its weights once. A path names a state dict: ".pt" or
        ".pth", read without running code from it, or ".safetensors". The keys are those
        of torchvision's ResNet or of a network that this class built. The last layer is
        taken when its shape fits, and ignored when not. For another number of channels
        than the weights have, the first filters are summed for 1 channel, otherwise
        repeated in order and scaled.
    frozen : bool, default=False
        Train the last layer alone, on fixed features. Needs weights for all the others.

    Examples
    --------
    >>> from nllearn import MixNNClassifier
    >>> from nllearn.networks import ResNetBackbone
    >>> clf = MixNNClassifier(backbone=ResNetBackbone(depth=34))
    >>> clf.set_params(backbone__stem="small").backbone.stem
    'small'
    """

    def __init__(
        self,
        depth: int = 18,
        stem: str = "auto",
        weights: str | Path | None = None,
        frozen: bool = False,
    ):
        self.depth = depth
        self.stem = stem
        self.weights = weights
        self.frozen = frozen

    def build(self, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """Build the network.

        Parameters
        ----------
        input_shape : tuple of int
            Shape of one image, ``(C, H, W)``.
        n_classes : int
            Number of logits.

        Returns
        -------
        module : ResNet

        Raises
        ------
        ValueError
            For a parameter outside its values, rows that are no images, or weights that
            do not fit.
        MissingExtraError
            Without torchvision, or without safetensors for a file of that kind.
        OSError
            When weights cannot be found or downloaded.
        """
        if self.depth not in _DEPTHS:
            raise ValueError(f"depth={self.depth!r} must be one of {_DEPTHS}")
        if self.stem not in _STEMS:
            raise ValueError(f"stem={self.stem!r} must be one of {_STEMS}")
        if len(input_shape) != 3:
            raise ValueError(
                f"ResNetBackbone needs images (C, H, W), but one row has shape "
                f"{tuple(input_shape)}; use MLPBackbone for tables"
            )
        if self.frozen and self.weights is None:
            raise ValueError("frozen=True keeps random layers without weights; set weights")
        try:
            from torchvision.models import resnet
        except ImportError as error:
            raise MissingExtraError(
                "ResNetBackbone needs torchvision: pip install 'nllearn[images]'"
            ) from error

        channels, height, width = input_shape
        state = None if self.weights is None else self._weights(resnet)
        small = self.stem == "small"
        if self.stem == "auto":
            first = None if state is None else state.get("conv1.weight")
            small = max(height, width) <= _SMALL_SIDE if first is None else first.shape[-1:] == (3,)
        with float32_default():
            trunk = getattr(resnet, f"resnet{self.depth}")(
                num_classes=n_classes, zero_init_residual=True
            )
        if small or channels != 3:
            trunk.conv1 = nn.Conv2d(channels, 64, bias=False, dtype=torch.float32, **_FIRST[small])
            nn.init.kaiming_normal_(trunk.conv1.weight, mode="fan_out", nonlinearity="relu")
        if small:
            trunk.maxpool = nn.Identity()
        if state is not None:
            self._load(trunk, state)
        head, trunk.fc = trunk.fc, nn.Identity()
        return ResNet(trunk, head, self.frozen)

    def _weights(self, resnet: Any) -> dict[str, torch.Tensor]:
        """Find the state dict that `weights` names, with torchvision's keys."""
        given = self.weights
        if isinstance(given, str) and not given.endswith(_FILES):
            known = getattr(resnet, f"ResNet{self.depth}_Weights").__members__
            if given not in known:
                raise ValueError(
                    f"weights={given!r} must be None, one of {[*known]} or a path that ends in "
                    f"one of {_FILES}"
                )
            try:
                return known[given].get_state_dict(progress=False, check_hash=True)
            except OSError as error:
                raise OSError(
                    f"weights={given!r} cannot be downloaded from {known[given].url} ({error}); "
                    "fetch the file yourself and give its path"
                ) from error
        state = {}
        for key, value in read_state(given).items():  # type: ignore[arg-type]
            # A network that this class built keeps torchvision's under `trunk` and `head`.
            key = key.removeprefix("trunk.")
            state["fc." + key.removeprefix("head.") if key.startswith("head.") else key] = value
        return state

    def _load(self, trunk: nn.Module, state: dict[str, torch.Tensor]) -> None:
        """Load weights into a network of torchvision's; all mismatches are reported at once."""
        own = trunk.state_dict()
        # The counter of batches is not in old files, and nothing here reads it.
        state = {**{key: own[key] for key in own if key.endswith("num_batches_tracked")}, **state}
        first, wanted = state.get("conv1.weight"), own["conv1.weight"]
        if first is not None and first.dim() == 4:
            if first.shape[2:] == wanted.shape[2:]:
                state["conv1.weight"] = adapt_channels(first, wanted.shape[1])
            elif not self.frozen:
                state["conv1.weight"] = wanted
        head = {key: own[key] for key in ("fc.weight", "fc.bias")}
        if any(key not in state or state[key].shape != head[key].shape for key in head):
            state |= head
        faults = {
            "lacks": own.keys() - state.keys(),
            "has the unknown": state.keys() - own.keys(),
            "has another shape of": {
                f"{key} ({tuple(state[key].shape)}, not {tuple(own[key].shape)})"
                for key in own.keys() & state.keys()
                if state[key].shape != own[key].shape
            },
        }
        if any(faults.values()):
            told = "; ".join(
                f"it {what} {', '.join(sorted(keys)[:4])}"
                + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")
                for what, keys in faults.items()
                if keys
            )
            raise ValueError(
                f"weights={self.weights!r} is not of a ResNet with depth={self.depth} and "
                f"stem={self.stem!r}: {told}"
            )
        trunk.load_state_dict(state)


def adapt_channels(weight: torch.Tensor, channels: int) -> torch.Tensor:
    """Make the first filters fit another number of channels.

    Parameters
    ----------
    weight : Tensor of shape (out, in, h, w)
        Filters of the first convolution.
    channels : int
        Wanted number, at least 1.

    Returns
    -------
    weight : Tensor of shape (out, channels, h, w)
        For one channel the sum, which is what a grey image gave as three equal channels.
        Otherwise the filters repeated in order and scaled by ``in / channels``, so that
        responses keep their size.
    """
    before = weight.shape[1]
    if channels == before:
        return weight
    if channels == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, torch.arange(channels) % before] * (before / channels)


def read_state(path: str | Path) -> dict[str, torch.Tensor]:
    """Read a state dict from a file, without running code from it.

    Parameters
    ----------
    path : str or path
        Ends in ".pt", ".pth" or ".safetensors".

    Returns
    -------
    state : dict of str to Tensor
        On the CPU.

    Raises
    ------
    ValueError
        If it holds something else than named tensors.
    FileNotFoundError
        If it is not there.
    MissingExtraError
        For ".safetensors" without the package of this name.
    """
    path = Path(path)
    if path.suffix not in _FILES:
        raise ValueError(f"weights={str(path)!r} must end in one of {_FILES}")
    if not path.is_file():
        raise FileNotFoundError(f"weights={str(path)!r} is not a file")
    read, broken = _reader(path)
    try:
        state = read(path)
    except broken as error:
        raise ValueError(
            f"weights={str(path)!r} cannot be read as a state dict; write it with "
            "torch.save(module.state_dict(), path)"
        ) from error
    if not isinstance(state, Mapping) or not all(
        isinstance(value, torch.Tensor) for value in state.values()
    ):
        raise ValueError(
            f"weights={str(path)!r} holds something else than named tensors; write it with "
            "torch.save(module.state_dict(), path)"
        )
    return dict(state)


def _reader(path: Path) -> tuple[Callable[[Path], Any], tuple[type[Exception], ...]]:
    """Return the function that reads a kind of file, and its errors for a broken one."""
    if path.suffix != ".safetensors":
        read = functools.partial(torch.load, map_location="cpu", weights_only=True)
        return read, (pickle.UnpicklingError, RuntimeError, EOFError)
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingExtraError(
            f"weights={str(path)!r} needs safetensors: pip install safetensors"
        ) from error
    return load_file, (SafetensorError,)
