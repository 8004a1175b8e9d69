"""A random forest on the columns, each row predicted by the trees that were grown without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import check_random_state
from torch.nn import functional as F

from nllearn.functional.blocks import dense_rows, row_blocks
from nllearn.predictors._base import BaseLabelPredictor, hard_labels

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
        rows : float64 Tensor of shape (m, d)
            In the units of the fitted ones.

        Returns
        -------
        shares : float32 Tensor of shape (m, n_classes)
        """
        out = self.shares.new_empty((len(rows), self.shares.shape[1]))
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
            value = rows.gather(1, column.clamp_min(0))
            below = torch.where(value <= self.thresholds[node], self.left[node], self.right[node])
            node = torch.where(inner, below, node)


class OutOfBagForest(BaseLabelPredictor):
    """Random forest on the labels, every row predicted by the trees that did not draw it.

    Each tree is grown on a sample of the rows with replacement, so about a third of the trees are
    grown without a row and its label. Trees find what a kernel on all columns hides: a few
    columns that matter among many, thresholds, categories. On embeddings they add little to the
    regressions and cost several times as much.

    Parameters
    ----------
    rows : ndarray or sparse matrix of shape (n, d), optional
        Rows to learn from in place of those that are passed, which have length one. The trees
        split the ranks of the values in each column, so that no value is too far from the others. A
        new value counts as the nearest known one.
    n_trees : int, default=50
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
        rows = _as_float64(X.cpu().numpy() if self.rows is None else self.rows)
        if len(rows) != len(X):
            raise ValueError(f"rows has {len(rows)} rows, X has {len(X)}; they must be the same")
        codes, weight = hard_labels(labels, sample_weight)
        active = np.flatnonzero(weight > 0)
        if not len(active):
            raise ValueError("sample_weight is 0 for all rows; at least one must be above 0")
        # A split draws from the columns; those that are constant must not change what it draws.
        varying = np.flatnonzero((rows[active] != rows[active[:1]]).any(0))
        ranks, values = _ranks(rows, active, varying)
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=self.n_trees)
        # Threads whatever the caller's backend is: the rows are shared.
        grown = Parallel(n_jobs=torch.get_num_threads(), backend="threading")(
            delayed(_grow)(ranks, codes[active], weight[active], seed) for seed in seeds
        )
        votes = np.zeros((len(active), self.n_classes_), dtype=np.float32)
        n_voted = np.zeros(len(active), dtype=np.float32)
        for tree, left_out in grown:
            if not len(left_out):
                continue
            votes[np.ix_(left_out, tree.classes_)] += tree.predict_proba(ranks[left_out])
            n_voted[left_out] += 1
        trees = [tree for tree, _ in grown]
        self.forest_ = _as_arrays(trees, varying, values, self.n_classes_, X.device)
        # Rows that all trees drew, among very few, get the shares of the classes.
        share = np.bincount(codes, weight, self.n_classes_) / weight.sum()
        known = (n_voted > 0)[:, None]
        out = np.empty((len(codes), self.n_classes_), dtype=np.float32)
        out[active] = np.where(known, votes / n_voted.clip(1)[:, None], share)
        scores = torch.from_numpy(out).to(X.device)
        if len(active) < len(codes):
            others = torch.from_numpy(weight <= 0).to(X.device)
            scores[others] = self.forest_.predict(torch.from_numpy(rows[weight <= 0]).to(X.device))
        return scores


def _as_float64(rows: Any) -> np.ndarray:
    """Dense rows of float64; a sparse matrix block by block."""
    if isinstance(rows, np.ndarray) and rows.dtype == np.float64:
        return rows
    out = np.empty(rows.shape)
    for some in row_blocks(rows.shape[0]):
        out[some] = dense_rows(rows, some)
    return out


def _ranks(
    rows: np.ndarray, active: np.ndarray, varying: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Ranks of the values in each column, float32, and the values in their order."""
    # A constant column where there is no other: a tree needs one.
    ranks = np.zeros((len(active), max(len(varying), 1)), dtype=np.float32)
    values = []
    for i, column in enumerate(varying):
        known, ranks[:, i] = np.unique(rows[active, column], return_inverse=True)
        values.append(known)
    return ranks, values


def _grow(
    ranks: np.ndarray, codes: np.ndarray, weight: np.ndarray, seed: int
) -> tuple[DecisionTreeClassifier, np.ndarray]:
    """A tree, and the rows that it did not draw.

    All rows are drawn alike and weigh as they weigh: were they drawn by their weight, heavy ones
    would stand in every tree, and none would predict them.
    """
    n = len(ranks)
    drawn = np.random.RandomState(seed).randint(n, size=min(n, _MOST_ROWS))
    times = np.bincount(drawn, minlength=n)
    tree = DecisionTreeClassifier(
        min_samples_leaf=_LEAF_ROWS, max_features="sqrt", random_state=seed
    )
    some = np.flatnonzero(times)
    tree.fit(ranks[some], codes[some], weight[some] * times[some])
    return tree, np.flatnonzero(times == 0)


def _as_arrays(
    grown: Sequence[DecisionTreeClassifier],
    varying: np.ndarray,
    values: Sequence[np.ndarray],
    n_classes: int,
    device: torch.device,
) -> Forest:
    """The trees as arrays: thresholds in the units of the rows, a column for every class."""
    trees = [each.tree_ for each in grown]
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
    thresholds = np.zeros(len(columns))
    ranks = np.concatenate([tree.threshold for tree in trees])
    for column, known in enumerate(values):
        splits = columns == column
        below = known[np.floor(ranks[splits]).astype(np.int64)]
        above = known[np.floor(ranks[splits]).astype(np.int64) + 1]
        middle = 0.5 * below + 0.5 * above
        # Between neighbouring numbers there is no other.
        thresholds[splits] = np.where((below <= middle) & (middle < above), middle, below)
    columns = np.where(is_leaf, -1, varying[columns.clip(0)] if len(varying) else -1)
    shares = np.zeros((int(is_leaf.sum()), n_classes), dtype=np.float32)
    first = 0
    for each, tree in zip(grown, trees, strict=True):
        counts = tree.value[tree.children_left < 0, 0]
        rows = slice(first, first + len(counts))
        shares[rows, each.classes_] = counts / counts.sum(1, keepdims=True)
        first = rows.stop
    arrays = (roots.astype(np.int64), columns, left, right, thresholds, shares)
    return Forest(*(torch.from_numpy(array).to(device) for array in arrays))
