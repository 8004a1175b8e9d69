"""How much each block of columns counts beside the others: by what it says of the labels.

A text is 256 columns, a price is one, and a flag is two. Distances between rows add them all up,
so a column that says nothing of the label hides one that does, the more of them there are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["block_weights"]

# Rows that are asked, and neighbours that vote on each.
_N_ROWS, _N_VOTES = 1000, 20
# Weights that are tried, and what a change must gain, in standard errors of its gain.
_GRID = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
_MIN_GAIN = 2.0


def block_weights(
    blocks: Mapping[str, NDArray[np.floating]],
    groups: Mapping[str, str],
    labels: NDArray[np.int64],
    *,
    random_state: int = 0,
) -> dict[str, float]:
    r"""Weigh blocks so that near rows have the same given label.

    Every block has total variance one. The value of weights :math:`w` is

    .. math:: \frac{1}{n} \sum_i \log \frac{v_i + c \, p_i}{k + c},

    the mean logarithm of the share of row i's label among its k nearest rows without itself, by the
    cosine of the weighted rows, drawn towards the share :math:`p_i` of that label among all rows
    by c = n_classes / 2 votes. A wrong label costs the same under all weights. The start is the
    best of: each block of vectors alone, and all groups with equal total variance. Then each
    block in turn takes the weight of the grid with the highest value, unless that gains less than
    two standard errors, until nothing changes, in at most three rounds.

    Parameters
    ----------
    blocks : mapping of str to ndarray of shape (n, d)
        Centred or not; blocks that do not vary get no weight.
    groups : mapping of str to str
        Block -> what it is a part of; blocks that are a group of their own are vectors.
    labels : int64 ndarray of shape (n,)
        Given labels, as codes from 0.
    random_state : int, default=0
        Draws the rows, at most 1,000.

    Returns
    -------
    weights : dict of str to float
        Factor of each block, which gives it total variance weight squared; 0 leaves it out.
    """
    n = len(labels)
    rows = np.sort(np.random.default_rng(random_state).permutation(n)[:_N_ROWS])
    spread, grams = {}, {}
    for name, block in blocks.items():
        spread[name] = float(np.sqrt(block.var(axis=0, dtype=np.float64).sum()))
        if spread[name] > 0:
            centred = (block[rows] - block.mean(axis=0)) / spread[name]
            grams[name] = (centred @ centred.T).astype(np.float32)
    value = _Value(grams, labels[rows])
    members: dict[str, list[str]] = {}
    for name in grams:
        members.setdefault(groups[name], []).append(name)
    equal = {name: len(members[groups[name]]) ** -0.5 for name in grams}
    starts = [equal] + [
        {other: float(other == name) for other in grams} for name in grams if groups[name] == name
    ]
    weights = max(starts, key=lambda start: float(value(start).mean()))
    best = value(weights)
    changed = True
    for _ in range(3):
        if not changed:
            break
        changed = False
        for name in grams:
            tried = {x: value({**weights, name: x}) for x in _GRID if x != weights[name]}
            top = max(tried, key=lambda x: float(tried[x].mean()))
            gain = tried[top] - best
            if gain.mean() > _MIN_GAIN * gain.std() / np.sqrt(len(gain)):
                weights, best, changed = {**weights, name: top}, tried[top], True
    return {n: weights.get(n, 0.0) / spread[n] if spread[n] > 0 else 0.0 for n in blocks}


class _Value:
    """Log votes for the given label of every row under some weights."""

    def __init__(self, grams: Mapping[str, NDArray[np.float32]], labels: NDArray[np.int64]):
        self._grams = grams
        self._labels = labels
        counts = np.bincount(labels)
        self._k = min(_N_VOTES, max(1, len(labels) // 2), len(labels) - 1)
        self._strength = np.count_nonzero(counts) / 2
        self._prior = counts[labels] / len(labels)

    def __call__(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        used = [(w, self._grams[name]) for name, w in weights.items() if w > 0]
        if not used:
            return np.log(self._prior)
        total = sum(np.float32(w * w) * gram for w, gram in used)
        length = np.sqrt(np.maximum(np.diag(total), np.float32(1e-12)))
        cosine = total / length[:, None] / length[None, :]
        np.fill_diagonal(cosine, -2.0)
        near = np.argpartition(-cosine, self._k - 1, axis=1)[:, : self._k]
        votes = (self._labels[near] == self._labels[:, None]).sum(axis=1)
        return np.log((votes + self._strength * self._prior) / (self._k + self._strength))
