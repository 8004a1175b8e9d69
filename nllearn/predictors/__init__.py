"""Out-of-sample predictors of labels: each row is predicted without its own label.

A predictor has one method, ``predict_out_of_sample(X, y_soft, sample_weight)``, which returns
scores of shape (n, n_classes). Any object with it will do.
"""

from nllearn.predictors._base import BaseLabelPredictor, out_of_sample_predictions
from nllearn.predictors._cross_validated import CrossValidatedClassifier
from nllearn.predictors._forest import Forest, OutOfBagForest, suits_forest
from nllearn.predictors._given import GivenPredictions
from nllearn.predictors._kernel_ridge import KernelRidge, LeaveOneOutKernelRidge
from nllearn.predictors._neighbor_votes import (
    NeighborGraph,
    NeighborVotes,
    graph_shares,
    n_voting_neighbors,
)
from nllearn.predictors._ridge import LeaveOneOutRidge

__all__ = [
    "BaseLabelPredictor",
    "CrossValidatedClassifier",
    "Forest",
    "GivenPredictions",
    "KernelRidge",
    "LeaveOneOutKernelRidge",
    "LeaveOneOutRidge",
    "NeighborGraph",
    "NeighborVotes",
    "OutOfBagForest",
    "graph_shares",
    "n_voting_neighbors",
    "out_of_sample_predictions",
    "suits_forest",
]
