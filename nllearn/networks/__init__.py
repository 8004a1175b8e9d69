"""Torch modules that return ``(logits, features)``, and the objects that build them."""

from nllearn.networks._adapt import adapt_module, check_head, find_head
from nllearn.networks._mlp import MLP, MLPBackbone

__all__ = ["MLP", "MLPBackbone", "adapt_module", "check_head", "find_head"]
