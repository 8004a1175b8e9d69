"""Two kernel ridge regressions as witnesses, each row's own label left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from nllearn._judgement._neighbors import Graph, mixed_rows
from nllearn._judgement._rows import row_blocks
from nllearn.functional.kernel_ridge import (
    KernelMap,
    kernel_features,
    kernel_map,
    leave_one_out_block,
    ridge_moments,
    ridge_system,
)
from nllearn.functional.reliability import agreement

__all__ = ["Regression", "fit_regression", "fit_regressions"]

_RIDGES = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0)
# Rows on which the ridge is chosen, and features that are held rather than made again
# (in numbers: 300 MB of float32).
_N_TRIED, _HELD = 12_000, 75_000_000


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
