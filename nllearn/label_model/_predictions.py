"""Every predictor's scores, out of sample: neighbours, regressions, forest, and the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from scipy.stats import norm

from nllearn.functional.calibration import agreement
from nllearn.functional.signal import dependence_strength, signal_strength
from nllearn.functional.stacking import stack_predictions, stacking_gain
from nllearn.label_model._votes import log_neighbor_votes
from nllearn.predictors import (
    LeaveOneOutKernelRidge,
    NeighborGraph,
    OutOfBagForest,
    out_of_sample_predictions,
)

__all__ = ["Predictions", "predict_again", "predict_labels"]

# Of a hundred data sets without signal as many are taken to have one.
_FALSE_SIGNALS = 0.01
# Standard errors by which a forest must improve on the regressions: the rule of one standard error
# (Breiman, Friedman, Olshen and Stone, 1984) keeps the simpler predictor below.
_LEAST_GAIN = 1.0


@dataclass(frozen=True)
class Predictions:
    """Predictions of every row without its own labels.

    Parameters
    ----------
    scores : float32 Tensor of shape (n, n_classes)
        Regressions, forest and others stacked, at mean top score 1.
    without_forest : float32 Tensor of shape (n, n_classes)
        The same without the forest, whose leaves follow noise at the class boundary.
    log_votes : float32 Tensor of shape (n, n_classes)
        Of the neighbours; zeros where they do not vote.
    others : tuple of float32 Tensor of shape (n, n_classes)
        Predictions of the user's own predictors.
    ridges : tuple of LeaveOneOutKernelRidge
        Fitted; empty where they are not used.
    forest : OutOfBagForest or None
        Fitted beside the regressions.
    factors : tuple of float
        Of the regressions' mean and of the forest, where they alone predict.
    agreed : float
        Share of rows on which regression and neighbours agree; where these do not vote, both
        regressions, or the predictions and the given labels.
    has_signal : bool
        Whether any of them tells anything about the labels.
    """

    scores: torch.Tensor
    without_forest: torch.Tensor
    log_votes: torch.Tensor
    others: tuple[torch.Tensor, ...]
    ridges: tuple[LeaveOneOutKernelRidge, ...]
    forest: OutOfBagForest | None
    factors: tuple[float, ...]
    agreed: float
    has_signal: bool


def predict_labels(
    X_unit: torch.Tensor,
    graph: NeighborGraph,
    y_soft: torch.Tensor,
    weights: torch.Tensor,
    generator: torch.Generator,
    *,
    n_landmarks: int = 1000,
    predictors: Sequence[Any] = (),
    forest: OutOfBagForest | None = None,
    use_neighbors: bool = True,
    use_regressions: bool = True,
    learnt_features: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> Predictions:
    """Predict every label from the other rows.

    Parameters
    ----------
    X_unit : float32 Tensor of shape (n, d)
    graph : NeighborGraph
    y_soft : float32 Tensor of shape (n, n_classes)
        Labels as distributions.
    weights : float32 Tensor of shape (n,)
    generator : torch.Generator
    n_landmarks, predictors, forest, use_neighbors, use_regressions, learnt_features, advance
        As for :func:`estimate_label_posterior`.

    Returns
    -------
    predictions : Predictions
    """
    codes = y_soft.argmax(1)
    log_votes = torch.zeros_like(y_soft)
    if use_neighbors:
        log_votes = log_neighbor_votes(X_unit, graph, y_soft, weights)
    advance()
    ridges = tuple(
        LeaveOneOutKernelRidge(n_landmarks, smooth, log_votes if use_neighbors else None, generator)
        for smooth in (None, graph)
        if use_regressions
    )
    others = [out_of_sample_predictions(other, X_unit, y_soft, weights) for other in predictors]
    kept = []
    if ridges:
        scores = out_of_sample_predictions(ridges[0], X_unit, y_soft, weights)
        advance()
        smoothed = out_of_sample_predictions(ridges[1], X_unit, y_soft, weights)
        agreed = agreement(scores, log_votes if use_neighbors else smoothed, weights)
        kept.append(scores.add_(smoothed).div_(2))
    if forest is not None:
        kept.append(out_of_sample_predictions(forest, X_unit, y_soft, weights))
    if not ridges:
        scores, _ = stack_predictions([*kept, *others] or [log_votes.exp()], codes, weights)
        # Where nothing else predicts, with the given labels: below the share that is right.
        agreed = agreement(scores, log_votes if use_neighbors else codes, weights)
        advance()
    advance()
    # Not of the forest: where it alone has learnt something, and half, it errs at every margin
    # alike, as noise does.
    signals = [signal_strength(each, codes, weights) for each in (scores, *others)]
    # Features that were learnt from these labels depend on them whatever they are.
    if not learnt_features:
        signals.append(dependence_strength(X_unit, codes, weights))
    has_signal = max(signals) > float(norm.isf(_FALSE_SIGNALS / len(signals)))
    if ridges and others:
        scores, _ = stack_predictions([kept[0], *others], codes, weights)
    found = Predictions(
        scores, scores, log_votes, (*others,), ridges, None, (1.0,), agreed, has_signal
    )
    # Without regressions new rows are not predicted at all, and the scores have the forest's.
    if not ridges or forest is None or stacking_gain(kept, codes, weights) <= _LEAST_GAIN:
        return found
    scores, factors = stack_predictions(kept, codes, weights)
    if others:
        scores, _ = stack_predictions([*kept, *others], codes, weights)
    return replace(found, scores=scores, forest=forest, factors=factors)


def predict_again(
    found: Predictions, clean_weight: torch.Tensor, codes: torch.Tensor, weights: torch.Tensor
) -> Predictions:
    """Predict once more without the forest, with some labels known to be probably wrong.

    Parameters
    ----------
    found : Predictions
        With regressions.
    clean_weight : float32 Tensor of shape (n,)
        Probability that each label is right.
    codes : int64 Tensor of shape (n,)
        Given labels.
    weights : float32 Tensor of shape (n,)

    Returns
    -------
    predictions : Predictions
        The votes, and predictions of the user's own predictors, are as they were.
    """
    one, two = found.ridges
    scores = one.predict_again(clean_weight).add_(two.predict_again(clean_weight)).div_(2)
    if found.others:
        scores, _ = stack_predictions([scores, *found.others], codes, weights)
    return replace(found, scores=scores, without_forest=scores, forest=None, factors=(1.0,))
