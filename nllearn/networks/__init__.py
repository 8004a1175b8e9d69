"""Torch modules that return ``(logits, features)``, and the objects that build them."""

from nllearn.networks._adapt import adapt_module, check_head, find_head
from nllearn.networks._dropout import Dropout
from nllearn.networks._mlp import MLP, MLPBackbone
from nllearn.networks._resnet import ResNet, ResNetBackbone, adapt_channels, read_state
from nllearn.networks._small import SmallBackbone, SmallNet

__all__ = [
    "MLP",
    "Dropout",
    "MLPBackbone",
    "ResNet",
    "ResNetBackbone",
    "SmallBackbone",
    "SmallNet",
    "adapt_channels",
    "adapt_module",
    "check_head",
    "find_head",
    "read_state",
]
