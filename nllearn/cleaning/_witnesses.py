"""The witnesses: neighbours and two kernel ridge regressions, each row's own label left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.base import clone

from nllearn.cleaning._inputs import check_neighbor_graph
from nllearn.cleaning._rows import row_blocks
from nllearn.functional.geometry import unit_rows
from nllearn.functional.kernel_ridge import (
    KernelMap,
    kernel_features,
    kernel_map,
    leave_one_out_block,
    ridge_moments,
    ridge_system,
)
from nllearn.functional.reliability import agreement
from nllearn.functional.witnesses import neighbor_log_votes
from nllearn.neighbors import BaseNeighbors, DescentNeighbors, ExactNeighbors

__all__ = [
    "Graph",
    "Regression",
    "ask_neighbors",
    "find_graph",
    "fit_regression",
    "fit_regressions",
    "mixed_rows",
]

_RIDGES = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0)
_N_MIXED = 10
# Exact search costs more above; neighbours per row below and above.
_CROSSOVER = {"cpu": 60_000, "cuda": 500_000}
_N_EXACT, _N_APPROXIMATE = 50, 30
# Where classes are small: two thirds of a class, but not fewer than these.
_N_FEWEST = 5
# Rows on which the ridge is chosen, and features that are held rather than made again
# (in numbers: 300 MB of float32).
_N_TRIED, _HELD = 12_000, 75_000_000


@dataclass(frozen=True)
class Graph:
    """Neighbours of every row: cosines, descending, and row numbers, both of shape (n, k)."""

    cosines: torch.Tensor
    rows: torch.Tensor


@dataclass(frozen=True)
class Regression:
    """A fitted regression, for rows that it has not seen.

    ``scores = features @ coefficients + offset``, times `factor` to the scale of the
    leave-one-out scores.
    """

    kmap: KernelMap
    coefficients: torch.Tensor
    offset: torch.Tensor
    factor: float
    ridge: float

    def predict(self, unit: torch.Tensor) -> torch.Tensor:
        """Scores of new unit rows, float32 of shape (m, n_classes)."""
        return (kernel_features(unit, self.kmap) @ self.coefficients + self.offset) * self.factor


def find_graph(
    unit: torch.Tensor,
    search: Any,
    n_neighbors: int | None,
    n_classes: int,
    known: Any,
    seed: int,
) -> tuple[Graph, Any]:
    """Neighbours of every row, by search or from the user, and what found them.

    The search comes back unfitted: a fitted one would hold the rows and its index.
    """
    n = len(unit)
    if known is not None:
        found = torch.from_numpy(known).to(unit.device)
        return _with_cosines(unit, found[:, : n_neighbors or found.shape[1]]), "neighbor_graph"
    if search is None or search == "auto":
        search = "exact" if n <= _CROSSOVER.get(unit.device.type, 60_000) else "descent"
    few = max(_N_FEWEST, 2 * n // (3 * n_classes))
    k = n_neighbors or min(few, _N_APPROXIMATE if search == "descent" else _N_EXACT)
    if search == "descent":
        search = DescentNeighbors(k, n_jobs=torch.get_num_threads(), random_state=seed)
    elif search == "exact":
        search = ExactNeighbors(k)
    else:
        search = clone(search, safe=False)
    k = min(k, n - 1)
    if isinstance(search, BaseNeighbors):
        distances, found = search.fit(unit).kneighbors(n_neighbors=k)
        # The cosine of unit rows at this distance, in place.
        cosines = distances.square_().mul_(-0.5).add_(1.0)
        return Graph(cosines, found.int()), clone(search)
    indices = search.fit(unit.cpu().numpy()).kneighbors(n_neighbors=k, return_distance=False)
    checked = check_neighbor_graph(np.asarray(indices), n)
    return (
        _with_cosines(unit, torch.as_tensor(checked).to(unit.device)),
        clone(search, safe=False),
    )


def _with_cosines(unit: torch.Tensor, found: torch.Tensor) -> Graph:
    """Cosines of known neighbours, whose own distances may be of any metric."""
    cosines = torch.empty(found.shape, device=unit.device)
    order = torch.empty_like(found)
    for rows in row_blocks(len(unit)):
        block = torch.einsum("nd,nkd->nk", unit[rows], unit[found[rows]])
        cosines[rows], order[rows] = block.sort(1, descending=True)
    return Graph(cosines, found.gather(1, order).int())


def ask_neighbors(
    graph: Graph, labels: torch.Tensor, n_classes: int, weights: torch.Tensor
) -> torch.Tensor:
    """Log vote shares of the neighbours, float32 of shape (rows of the graph, n_classes)."""
    out = torch.empty(len(graph.rows), n_classes, device=labels.device)
    for rows in row_blocks(len(graph.rows)):
        near = graph.rows[rows]
        if near.shape[1] == 0:
            out[rows] = 0.0
            continue
        # Labels of the neighbours as a block of their own: votes are taken by position.
        flat = near.reshape(-1).long()
        block = torch.arange(len(flat), device=labels.device).view_as(near)
        out[rows] = neighbor_log_votes(
            graph.cosines[rows], block, labels[flat], n_classes, weights[flat]
        )
    return out


def mixed_rows(unit: torch.Tensor, near: torch.Tensor, bank: torch.Tensor) -> torch.Tensor:
    """Each row half and half with the mean of its nearest ten, unit length again.

    Mixing with neighbours is MixNN's idea; here it makes a second, smoother regression.
    """
    near = near[:, :_N_MIXED].long()
    if near.shape[1] == 0:
        return unit
    return unit_rows(0.5 * unit + 0.5 * unit_rows(bank[near].float().mean(1)))


def fit_regressions(
    unit: torch.Tensor,
    graph: Graph,
    given: torch.Tensor,
    n_classes: int,
    weights: torch.Tensor,
    log_votes: torch.Tensor,
    n_landmarks: int,
    generator: torch.Generator,
    trust: torch.Tensor | None = None,
    advance: Callable[[], None] = lambda: None,
) -> tuple[torch.Tensor, list[Regression], float]:
    """Regress the given labels on the rows, and on the rows mixed with their neighbours.

    With `trust`, a class counts in the fit by the root of its number of rows, however many of
    them are believed: noise at the boundary takes most from the classes that are hard to tell
    apart. By their number itself the large classes would win rows; alike, the small ones.

    Parameters
    ----------
    unit : float32 Tensor of shape (n, d)
    graph : Graph
    given : int64 Tensor of shape (n,)
    n_classes : int
    weights : float32 Tensor of shape (n,)
    log_votes : Tensor of shape (n, n_classes)
    n_landmarks : int
    generator : torch.Generator
    trust : float32 Tensor of shape (n,) or None
        How far each given label is believed; the fit weighs the rows by it.
    advance : callable
        Called after each regression.

    Returns
    -------
    scores : float32 Tensor of shape (n, n_classes)
        Mean of both, each row's own label left out; the mean top score of each is 1.
    regressions : list of Regression
    agreed : float
        Share of rows on which the first names the class that the neighbours name.
    """
    scores = torch.zeros(len(unit), n_classes, device=unit.device)
    fits, agreed = [], 0.0
    for mixing in (None, graph):
        fits.append(
            fit_regression(
                unit,
                mixing,
                given,
                n_classes,
                weights,
                log_votes,
                n_landmarks,
                generator,
                scores,
                trust,
            )
        )
        if mixing is None:
            # Without neighbours mixed in, the two have the labels alone in common.
            agreed = agreement(scores, log_votes, weights)
        advance()
    return scores.mul_(0.5), fits, agreed


def fit_regression(
    unit: torch.Tensor,
    graph: Graph | None,
    given: torch.Tensor,
    n_classes: int,
    weights: torch.Tensor,
    log_votes: torch.Tensor,
    n_landmarks: int,
    generator: torch.Generator,
    out: torch.Tensor,
    trust: torch.Tensor | None = None,
) -> Regression:
    """Fit one regression and add its leave-one-out scores, at mean top score 1, to `out`.

    The ridge is the one at which the regression agrees most often with the neighbours
    and the given labels together. Squared error on the given labels alone follows noise
    that depends on the features; the neighbours do not follow it in the same way. With
    `trust` the given labels count half: they are known to be bad witnesses.

    Parameters
    ----------
    unit : float32 Tensor of shape (n, d)
    graph : Graph or None
        Mixes each row with its neighbours first, where given.
    given : int64 Tensor of shape (n,)
    n_classes : int
    weights : float32 Tensor of shape (n,)
    log_votes : Tensor of shape (n, n_classes)
    n_landmarks : int
    generator : torch.Generator
    out : float32 Tensor of shape (n, n_classes)
    trust : float32 Tensor of shape (n,) or None

    Returns
    -------
    regression : Regression
    """
    fitted, share_of_given = weights, 1.0
    if trust is not None:
        fitted, share_of_given = weights * trust, 0.5
        mass = torch.zeros(n_classes, device=given.device).index_add_(0, given, fitted)
        size = torch.zeros(n_classes, device=given.device).index_add_(0, given, weights)
        fitted = fitted * (size.sqrt() / mass.clamp_min(1e-12))[given]
        fitted = fitted / fitted[fitted > 0].mean()
    n = len(unit)

    def rows_of(rows: slice) -> torch.Tensor:
        block = unit[rows]
        return block if graph is None else mixed_rows(block, graph.rows[rows], unit)

    drawn = torch.randperm(n, generator=generator)[: max(n_landmarks, _N_TRIED)]
    drawn = drawn.to(unit.device)
    candidates = drawn[weights[drawn] > 0]
    chosen = unit[candidates]
    if graph is not None:
        chosen = mixed_rows(chosen, graph.rows[candidates], unit)
    kmap = kernel_map(chosen, n_landmarks, generator)

    held: list[tuple[slice, torch.Tensor]] = []
    width = kmap.projection.shape[1]

    def blocks() -> Iterator[tuple[slice, torch.Tensor]]:
        if held:
            yield from held
            return
        keep = n * width <= _HELD
        for rows in row_blocks(n):
            features = kernel_features(rows_of(rows), kmap)
            if keep:
                held.append((rows, features))
            yield rows, features

    system = ridge_system(blocks, fitted)
    moments, target_mean = ridge_moments(system, blocks, given, fitted)

    tried = candidates[:_N_TRIED]
    if held:
        features = torch.empty(len(tried), width, device=unit.device)
        for rows, block in held:
            inside = (tried >= rows.start) & (tried < rows.stop)
            features[inside] = block[tried[inside] - rows.start]
    else:
        features = kernel_features(chosen[: len(tried)], kmap)
    del chosen
    axes = system.axes(features)
    best_ridge, best_value, factor, best_scores = _RIDGES[0], -1.0, 1.0, None
    for ridge in _RIDGES:
        scores = leave_one_out_block(
            axes, system, moments, target_mean, given[tried], fitted[tried], ridge
        ).add_(target_mean)
        value, top = scores.max(1)
        agreed = agreement(top, log_votes[tried], weights[tried])
        agreed += share_of_given * agreement(top, given[tried], weights[tried])
        if agreed > best_value + 1e-9:
            best_ridge, best_value, best_scores = ridge, agreed, scores
            mean_top = float((weights[tried] * value).sum() / weights[tried].sum())
            factor = 1.0 / max(mean_top, 1e-6)
    del axes, features
    assert best_scores is not None
    out[tried] += best_scores.mul_(factor)

    left = torch.ones(n, dtype=torch.bool, device=unit.device)
    left[tried] = False
    for rows, block in blocks() if bool(left.any()) else ():
        chosen_rows = torch.nonzero(left[rows]).squeeze(1)
        if len(chosen_rows) == 0:
            continue
        at = chosen_rows + rows.start
        scores = leave_one_out_block(
            system.axes(block[chosen_rows]),
            system,
            moments,
            target_mean,
            given[at],
            fitted[at],
            best_ridge,
        ).add_(target_mean)
        out[at] += scores.mul_(factor)
    inverse = system.shrinkage(best_ridge).unsqueeze(1)
    coefficients = system.vectors @ (inverse * moments)
    offset = target_mean - system.mean @ coefficients
    return Regression(kmap, coefficients, offset, factor, best_ridge)
