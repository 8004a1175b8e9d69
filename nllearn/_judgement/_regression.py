"""Two kernel ridge regressions as witnesses, each row's own label left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from nllearn._judgement._given import GivenLabels
from nllearn._judgement._landmarks import LandmarkRows
from nllearn.functional.kernel_ridge import (
    KernelMap,
    kernel_features,
    leave_one_out_block,
    ridge_system,
)
from nllearn.functional.reliability import agreement

__all__ = ["Regression", "fit_regression", "fit_regressions"]

_RIDGES = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0)
# Degrees of freedom of a refit for every class: without noise, less by the share of wrong
# labels times the second, and the least. Then the most of it as a share of the features, and
# the most of any fit as a share of the rows.
_FREEDOM, _LESS_FREEDOM, _LEAST_FREEDOM = 12.0, 18.0, 2.0
_MOST_OF_FEATURES, _MOST_OF_ROWS = 0.6, 0.5


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
    witnesses: Sequence[LandmarkRows],
    given: GivenLabels,
    log_votes: torch.Tensor,
    asked: torch.Tensor,
    trust: torch.Tensor | None = None,
    advance: Callable[[], None] = lambda: None,
) -> tuple[torch.Tensor, list[Regression], torch.Tensor]:
    """Regress the given labels on the rows, and on the rows mixed with their neighbours.

    With `trust`, a class counts in the fit by the root of its number of rows, however many of
    them are believed: noise at the boundary takes most from the classes that are hard to tell
    apart. By their number itself the large classes would win rows; alike, the small ones.

    Parameters
    ----------
    witnesses : sequence of LandmarkRows
        The rows themselves first: without neighbours mixed in, they and the votes have the
        labels alone in common.
    given : GivenLabels
    log_votes : Tensor of shape (n, n_classes)
    asked : int64 Tensor of shape (m,)
        Rows of which the first is asked by itself.
    trust : float32 Tensor of shape (n,) or None
        How far each given label is believed; the fit weighs the rows by it.
    advance : callable
        Called after each regression.

    Returns
    -------
    scores : float32 Tensor of shape (n, n_classes)
        Mean of all, each row's own label left out; the mean top score of each is 1.
    regressions : list of Regression
    first : float32 Tensor of shape (m, n_classes)
        Scores of the first alone, of the rows in `asked`.
    """
    scores = torch.zeros_like(log_votes)
    fits: list[Regression] = []
    first = scores[:0]
    for rows in witnesses:
        fits.append(fit_regression(rows, given, log_votes, scores, trust))
        if len(fits) == 1:
            first = scores[asked].clone()
        advance()
    return scores.div_(len(fits)), fits, first


def fit_regression(
    landmark_rows: LandmarkRows,
    given: GivenLabels,
    log_votes: torch.Tensor,
    out: torch.Tensor,
    trust: torch.Tensor | None = None,
) -> Regression:
    """Fit one regression and add its leave-one-out scores, at mean top score 1, to `out`.

    The ridge is the one at which the regression agrees most often with the neighbours
    and the given labels together. Squared error on the given labels alone follows noise
    that depends on the features; the neighbours do not follow it in the same way. A fit with
    more degrees of freedom than half of the rows knows the labels by heart and is not tried.

    With `trust` nobody can be asked: where noise sits at the boundary, regression, neighbours
    and given labels agree on what is wrong. Then the ridge is the one that leaves
    ``12 - 18 r`` degrees of freedom for every class, r the share of labels that are not
    believed: enough to tell classes apart, too few to follow the noise.

    Parameters
    ----------
    landmark_rows : LandmarkRows
    given : GivenLabels
    log_votes : Tensor of shape (n, n_classes)
    out : float32 Tensor of shape (n, n_classes)
    trust : float32 Tensor of shape (n,) or None

    Returns
    -------
    regression : Regression
    """
    codes, weights = given.codes, given.weights
    fitted = weights
    if trust is not None:
        fitted = weights * trust
        mass, size = given.per_class(fitted), given.per_class(weights)
        fitted = fitted * (size.sqrt() / mass.clamp_min(1e-12))[codes]
        fitted = fitted / fitted[fitted > 0].mean()

    system = ridge_system(landmark_rows.blocks, fitted, codes)
    most = _MOST_OF_ROWS * float((weights > 0).sum())
    if trust is None:
        least = system.ridge_for(most)
        ridges = tuple(ridge for ridge in _RIDGES if ridge > least) or (least,)
    else:
        rate = 1.0 - float((weights * trust).sum() / weights.sum())
        freedom = max(_FREEDOM - _LESS_FREEDOM * rate, _LEAST_FREEDOM) * given.n_classes
        most = min(most, _MOST_OF_FEATURES * len(system.values))
        ridges = (system.ridge_for(min(most, freedom)),)
    tried = landmark_rows.tried
    axes = system.axes(landmark_rows.tried_features())
    best_ridge, best_value, factor, best_scores = ridges[0], -1.0, 1.0, None
    for ridge in ridges:
        scores = leave_one_out_block(axes, system, codes[tried], fitted[tried], ridge)
        scores.add_(system.target_mean)
        value, top = scores.max(1)
        agreed = agreement(top, log_votes[tried], weights[tried])
        agreed += agreement(top, codes[tried], weights[tried])
        if agreed > best_value + 1e-9:
            best_ridge, best_value, best_scores = ridge, agreed, scores
            mean_top = float((weights[tried] * value).sum() / weights[tried].sum())
            factor = 1.0 / max(mean_top, 1e-6)
    del axes
    assert best_scores is not None
    out[tried] += best_scores.mul_(factor)

    left = torch.ones(len(codes), dtype=torch.bool, device=codes.device)
    left[tried] = False
    for rows, block in landmark_rows.blocks() if bool(left.any()) else ():
        chosen = torch.nonzero(left[rows]).squeeze(1)
        if len(chosen) == 0:
            continue
        at = chosen + rows.start
        axes = system.axes(block[chosen])
        scores = leave_one_out_block(axes, system, codes[at], fitted[at], best_ridge)
        out[at] += scores.add_(system.target_mean).mul_(factor)
    inverse = system.shrinkage(best_ridge).unsqueeze(1)
    coefficients = system.vectors @ (inverse * system.moments)
    offset = system.target_mean - system.mean @ coefficients
    return Regression(landmark_rows.kmap, coefficients, offset, factor, best_ridge)
