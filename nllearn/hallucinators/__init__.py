"""Hallucinators: make anchors between classes from pairs of easy rows."""

from nllearn.hallucinators._anchors import Anchors
from nllearn.hallucinators._base import BaseHallucinator
from nllearn.hallucinators._interpolation import InterpolationHallucinator
from nllearn.hallucinators._learned import LearnedHallucinator

__all__ = ["Anchors", "BaseHallucinator", "InterpolationHallucinator", "LearnedHallucinator"]
