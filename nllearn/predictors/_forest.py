"""A random forest on the columns, each row predicted by the trees that were grown without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.utils import check_random_state
from torch.nn import functional as F

from nllearn.functional.blocks import row_blocks
from nllearn.predictors._base import BaseLabelPredictor

__all__ = ["Forest", "OutOfBagForest", "suits_forest"]

# Rows of a leaf: a tree estimates probabilities, not classes, and its leaves are those of a
# regression on them (Malley, Kruppa, Dasgupta, Malley and Ziegler, "Probability Machines", 2012;
# five is Breiman's number for regression).
_LEAF_ROWS = 5
# Rows that each tree draws, at most: time and memory stay within those of the regressions.
_MOST_ROWS = 20_000
# Rows whose leaves are looked up at a time.
_BLOCK = 4096
# Columns up to which a forest is grown unasked. Rows with more are embeddings as a rule: there it
# adds .002 to the share of right labels, in three times the time of all else.
_MOST_COLUMNS = 100


def suits_forest(X: Any) -> bool:
    """Whether rows have so few columns that a forest predicts beside the regressions unasked.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows.

    Returns
    -------
    suits : bool
    """
    return X.shape[1] <= _MOST_COLUMNS


@dataclass(frozen=True)
class Forest:
    """Fitted trees as arrays, for rows that they have not seen.

    The nodes of all trees stand one after the other. A node that splits sends a row to `left`
    where the value of its column is at most its threshold, else to `right`; both are later nodes.
    A leaf has the column -1, and its number in `left`.

    Parameters
    ----------
    roots : int64 Tensor of shape (n_trees,)
        First node of every tree.
    columns, left, right : int64 Tensor of shape (n_nodes,)
    thresholds : float64 Tensor of shape (n_nodes,)
    shares : float32 Tensor of shape (n_leaves, n_classes)
        Shares of the classes in every leaf.
    """

    roots: torch.Tensor
    columns: torch.Tensor
    left: torch.Tensor
    right: torch.Tensor
    thresholds: torch.Tensor
    shares: torch.Tensor

    def predict(self, rows: torch.Tensor) -> torch.Tensor:
        """Mean shares of the leaves that the rows fall into.

        Parameters
        ----------
        rows : float32 Tensor of shape (m, d)
            Scaled like the fitted ones.

        Returns
        -------
        shares : float32 Tensor of shape (m, n_classes)
        """
        out = rows.new_empty((len(rows), self.shares.shape[1]))
        for some in row_blocks(len(rows), _BLOCK):
            out[some] = F.embedding_bag(self._leaves(rows[some]), self.shares, mode="mean")
        return out

    def _leaves(self, rows: torch.Tensor) -> torch.Tensor:
        """Numbers of the leaves, int64 of shape (m, n_trees)."""
        node = self.roots.expand(len(rows), -1)
        while True:
            column = self.columns[node]
            inner = column >= 0
            if not bool(inner.any()):
                return self.left[node]
            value = rows.gather(1, column.clamp_min(0)).double()
            below = torch.where(value <= self.thresholds[node], self.left[node], self.right[node])
            node = torch.where(inner, below, node)


class OutOfBagForest(BaseLabelPredictor):
    """Random forest on the labels, every row predicted by the trees that did not draw it.

    Each tree is grown on a sample of the rows with replacement, so about a third of the trees know
    nothing of a row or its label. Trees see what a kernel on all columns hides: a few
    columns that matter among many, thresholds, categories. On embeddings they add little to the
    regressions and cost several times as much.

    Parameters
    ----------
    rows : ndarray or Tensor of shape (n, d), optional
        Rows to learn from in place of those that are passed, which have length one.
    n_trees : int, default=100
        Number of trees.
    random_state : int, RandomState or None, default=None
        Draws the rows of the trees, and the columns that a split may choose from.

    Attributes
    ----------
    n_classes_ : int
        Number of classes.
    forest_ : Forest
        The trees, for new rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from nllearn.predictors import OutOfBagForest
    >>> X, y = load_wine(return_X_y=True)
    >>> scores = OutOfBagForest(random_state=0).predict_out_of_sample(X, np.eye(3)[y])
    >>> bool((scores.argmax(1).numpy() == y).mean() > 0.9)
    True
    """

    def __init__(self, rows: Any = None, n_trees: int = 50, random_state: Any = None):
        self.rows = rows
        self.n_trees = n_trees
        self.random_state = random_state

    def _predict(
        self, X: torch.Tensor, labels: torch.Tensor, sample_weight: torch.Tensor
    ) -> torch.Tensor:
        rows = X if self.rows is None else torch.as_tensor(self.rows)
        weights = sample_weight
        if labels.ndim == 2:
            # The most probable label, as important as it is probable.
            top = labels.max(1)
            labels, weights = top.indices, weights * top.values
        active = (weights > 0).cpu().numpy()
        some = rows.float().cpu().numpy()[active]
        # A split draws from the columns; those that are constant must not change what it draws.
        varying = np.flatnonzero((some != some[:1]).any(0))
        codes, n_fitted = labels.cpu().numpy(), len(some)
        fitted = RandomForestClassifier(
            self.n_trees,
            min_samples_leaf=_LEAF_ROWS,
            max_samples=min(n_fitted, _MOST_ROWS),
            oob_score=True,
            n_jobs=torch.get_num_threads(),
            random_state=int(check_random_state(self.random_state).randint(2**31 - 1)),
        )
        weight = weights.cpu().numpy().astype(np.float64)[active]
        fitted.fit(some[:, varying], codes[active], weight)
        self.forest_ = _as_arrays(fitted, varying, self.n_classes_, X.device)
        seen = fitted.oob_decision_function_.reshape(n_fitted, -1)
        out = np.zeros((len(codes), self.n_classes_), dtype=np.float32)
        # A row that all trees drew, among very few, has no prediction.
        out[np.ix_(active, fitted.classes_)] = np.nan_to_num(seen, nan=1.0 / self.n_classes_)
        scores = torch.from_numpy(out).to(X.device)
        if n_fitted < len(codes):
            others = torch.from_numpy(~active).to(X.device)
            scores[others] = self.forest_.predict(rows.float().to(X.device)[others])
        return scores


def _as_arrays(
    fitted: RandomForestClassifier, varying: np.ndarray, n_classes: int, device: torch.device
) -> Forest:
    """The trees of scikit-learn as arrays, with a column for every class."""
    trees = [each.tree_ for each in fitted.estimators_]
    sizes = [tree.node_count for tree in trees]
    roots = np.cumsum([0, *sizes[:-1]])
    columns, left, right = (
        np.concatenate([getattr(tree, name) for tree in trees]).astype(np.int64)
        for name in ("feature", "children_left", "children_right")
    )
    is_leaf = left < 0
    start = np.repeat(roots, sizes)
    left, right = np.where(is_leaf, 0, left + start), np.where(is_leaf, 0, right + start)
    left[is_leaf] = np.arange(int(is_leaf.sum()))
    columns = np.where(is_leaf, -1, varying[columns.clip(0)])
    counts = np.concatenate([tree.value[:, 0] for tree in trees])[is_leaf]
    shares = np.zeros((len(counts), n_classes), dtype=np.float32)
    shares[:, fitted.classes_] = counts / counts.sum(1, keepdims=True)
    thresholds = np.concatenate([tree.threshold for tree in trees]).astype(np.float64)
    arrays = (roots.astype(np.int64), columns, left, right, thresholds, shares)
    return Forest(*(torch.from_numpy(array).to(device) for array in arrays))
