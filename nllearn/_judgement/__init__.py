"""What witnesses in a feature space say of labels, and what follows for each.

The witnesses are the neighbours and two kernel ridge regressions; the noise is estimated from
them and the given labels. The label cleaner asks them on the user's rows, the classifiers on
the user's rows and the network's features together.
"""

from nllearn._judgement._hearing import Findings, hear_witnesses
from nllearn._judgement._lost_classes import warn_of_lost_classes
from nllearn._judgement._neighbors import Graph, ask_neighbors, mixed_rows, n_witnesses
from nllearn._judgement._regression import Regression, fit_regression, fit_regressions
from nllearn._judgement._rows import RowScale, choose_scale, dense_rows, row_blocks
from nllearn._judgement._verdict import VOTE_WEIGHT, NoiseModel, Outlook, Verdict, fuse

__all__ = [
    "VOTE_WEIGHT",
    "Findings",
    "Graph",
    "NoiseModel",
    "Outlook",
    "Regression",
    "RowScale",
    "Verdict",
    "ask_neighbors",
    "choose_scale",
    "dense_rows",
    "fit_regression",
    "fit_regressions",
    "fuse",
    "hear_witnesses",
    "mixed_rows",
    "n_witnesses",
    "row_blocks",
    "warn_of_lost_classes",
]
