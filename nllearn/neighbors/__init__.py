"""Nearest-neighbour search, with the signature of scikit-learn's ``NearestNeighbors``."""

from nllearn.neighbors._base import BaseNeighbors
from nllearn.neighbors._choice import choose_search, is_exact_faster, vote_agreement
from nllearn.neighbors._descent import DescentNeighbors
from nllearn.neighbors._exact import ExactNeighbors

__all__ = [
    "BaseNeighbors",
    "DescentNeighbors",
    "ExactNeighbors",
    "choose_search",
    "is_exact_faster",
    "vote_agreement",
]
