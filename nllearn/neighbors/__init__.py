"""Nearest-neighbour search, with the signature of scikit-learn's ``NearestNeighbors``."""

from nllearn.neighbors._base import BaseNeighbors
from nllearn.neighbors._crossover import is_exact_faster
from nllearn.neighbors._descent import DescentNeighbors
from nllearn.neighbors._exact import ExactNeighbors

__all__ = ["BaseNeighbors", "DescentNeighbors", "ExactNeighbors", "is_exact_faster"]
