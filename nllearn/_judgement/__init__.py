"""What witnesses in a feature space say of labels, and what follows for each.

The witnesses are the neighbours and two kernel ridge regressions; the noise is estimated from
them and the given labels. The label cleaner asks them on the user's rows, the classifiers on
the user's rows and the network's features together.
"""

from nllearn._judgement._given import GivenLabels
from nllearn._judgement._hearing import Findings, hear_witnesses
from nllearn._judgement._landmarks import LandmarkRows
from nllearn._judgement._lost_classes import warn_of_lost_classes
from nllearn._judgement._neighbors import Graph, ask_neighbors, mixed_rows, n_witnesses
from nllearn._judgement._regression import Regression, fit_regression
from nllearn._judgement._rows import RowScale, choose_scale, row_blocks
from nllearn._judgement._templates import fit_votes
from nllearn._judgement._verdict import VOTE_WEIGHT, NoiseModel, Outlook, fuse

__all__ = [
    "VOTE_WEIGHT",
    "Findings",
    "GivenLabels",
    "Graph",
    "LandmarkRows",
    "NoiseModel",
    "Outlook",
    "Regression",
    "RowScale",
    "ask_neighbors",
    "choose_scale",
    "fit_regression",
    "fit_votes",
    "fuse",
    "hear_witnesses",
    "mixed_rows",
    "n_witnesses",
    "row_blocks",
    "warn_of_lost_classes",
]
