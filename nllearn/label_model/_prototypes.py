"""Predictions compared with the prototypes of the classes, where noise prefers some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from nllearn.functional.blocks import row_blocks
from nllearn.functional.calibration import agreement
from nllearn.functional.prototypes import (
    class_prototypes,
    identity_prototypes,
    mutual_information,
    prototype_fit,
)
from nllearn.label_model._calibration import ExpectedAccuracy
from nllearn.label_model._data import NoisyLabels
from nllearn.label_model._noise import NoiseEstimate, fit_class_conditional
from nllearn.predictors import KernelRidge, NeighborGraph

__all__ = [
    "PrototypeChoice",
    "is_identity",
    "log_prototype_fit",
    "refine_with_prototypes",
]

# How much the length of a prototype counts. A heavier one has to gain so many nats: where the
# features are poor, how often a class's labels look wrong tells how hard it is.
_LENGTH_WEIGHTS, _GAIN = (0.0, 0.5, 1.0), 0.02
_MOST_ROUNDS = 3
# Prototypes that change the class of fewer rows are not worth another round.
_LEAST_CHANGE = 0.005
_FLOOR = 1e-3
_MOST_EXPECTED = 0.9995


class PrototypeChoice:
    """Prototypes chosen on some rows, by two predictors that learn in different ways.

    Parameters
    ----------
    scores : float32 Tensor of shape (m, n_classes)
        Of the regression on the rows themselves.
    log_votes : float32 Tensor of shape (m, n_classes)
        Of the neighbours, by given labels.
    weights : Tensor of shape (m,)

    Attributes
    ----------
    weights : Tensor of shape (m,)
    predicted : tuple of two int64 Tensors of shape (m,)
        Class by each predictor.
    agreed : float
        Weighted share of the rows on which it is the same.
    """

    def __init__(self, scores: torch.Tensor, log_votes: torch.Tensor, weights: torch.Tensor):
        self._shares = scores / _mean_sum(scores, weights)
        self._votes, self.weights = log_votes.exp(), weights
        self.predicted = self._shares.argmax(1), self._votes.argmax(1)
        self.agreed = agreement(*self.predicted, weights)

    def choose(self, transition: torch.Tensor) -> torch.Tensor:
        """Prototypes of the most mutual information; what is predicted with them is kept.

        Agreement alone would be highest where all rows fall into a few classes.
        """
        best, most = None, -torch.inf
        for length_weight in _LENGTH_WEIGHTS:
            prototypes = class_prototypes(transition, length_weight)
            one, two = (
                prototype_fit(shares, prototypes).argmax(1)
                for shares in (self._shares, self._votes)
            )
            information = mutual_information(one, two, len(transition), self.weights)
            if information > most + _GAIN:
                most, best = information, (prototypes, one, two)
        assert best is not None
        self.predicted = best[1], best[2]
        self.agreed = agreement(*self.predicted, self.weights)
        return best[0]


def refine_with_prototypes(
    first: NoiseEstimate,
    choice: PrototypeChoice,
    scores: torch.Tensor,
    log_votes: torch.Tensor,
    graph: NeighborGraph,
    labels: NoisyLabels,
    accuracy: ExpectedAccuracy,
    regressions: Sequence[KernelRidge],
    generator: torch.Generator,
) -> tuple[NoiseEstimate, torch.Tensor, tuple[KernelRidge, ...]]:
    """Estimate the noise again by how well each class's prototype fits the predictions.

    The predictors predict given labels. Where noise prefers some wrong labels, the most
    probable given label is often not the true one; all probabilities together fit the
    prototype of the true class. The noise is estimated anew from that, up to three times. The
    expected accuracy rises or falls by as much as the predictors agree more or less often.

    Parameters
    ----------
    first : NoiseEstimate
        Of ``fit_class_conditional``, not at the boundary.
    choice : PrototypeChoice
    scores, log_votes : float32 Tensor of shape (n, n_classes)
    graph : NeighborGraph
    labels : NoisyLabels
    accuracy : ExpectedAccuracy
        That of `first`.
    regressions : sequence of KernelRidge
    generator : torch.Generator

    Returns
    -------
    noise : NoiseEstimate
    scores : float32 Tensor of shape (n, n_classes)
        How well each class's prototype fits them; mean top score 1.
    regressions : tuple of KernelRidge
        With predictions of the same kind.
    """
    noise, refined, factor = first, scores, 1.0
    size = _mean_sum(scores, labels.weights)
    prototypes = first.model.prototypes
    before = choice.agreed
    for _ in range(_MOST_ROUNDS):
        predicted = choice.predicted
        chosen = choice.choose(noise.model.transition)
        changed = 1.0 - min(
            agreement(old, new, choice.weights)
            for old, new in zip(predicted, choice.predicted, strict=True)
        )
        if changed < _LEAST_CHANGE:
            break
        prototypes = chosen
        scaled = torch.cat([prototypes[:-1] / size, prototypes[-1:]])
        refined, factor = _fit_scores(scores, scaled, labels.weights)
        expected = min(max(accuracy.expected + choice.agreed - before, 0.0), _MOST_EXPECTED)
        noise = fit_class_conditional(
            refined,
            log_prototype_fit(log_votes, prototypes),
            graph,
            labels,
            replace(accuracy, expected=expected, conservative=expected, is_boundary=False),
            generator,
        )
        noise = replace(noise, model=replace(noise.model, prototypes=prototypes))
    if refined is scores:
        return noise, scores, tuple(regressions)
    linear = prototypes[:-1] * (factor / size)
    return (
        noise,
        refined,
        tuple(
            replace(
                fit,
                coefficients=fit.coefficients @ linear,
                offset=fit.offset @ linear + prototypes[-1] * (factor / fit.factor),
            )
            for fit in regressions
        ),
    )


def is_identity(prototypes: torch.Tensor) -> bool:
    """Whether these are the prototypes of scores and votes that are left as they are."""
    return torch.equal(prototypes, identity_prototypes(prototypes.shape[1], prototypes.device))


def log_prototype_fit(log_votes: torch.Tensor, prototypes: torch.Tensor) -> torch.Tensor:
    """Logarithm of how well each class's prototype fits the neighbours' votes."""
    if is_identity(prototypes):
        return log_votes
    out = torch.empty_like(log_votes)
    for rows in row_blocks(len(log_votes)):
        fits = prototype_fit(log_votes[rows].exp(), prototypes)
        out[rows] = fits.clamp_min_(_FLOOR).log_()
    return out


def _fit_scores(
    scores: torch.Tensor, prototypes: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, float]:
    """How well the prototypes fit, at mean top score 1, and the factor that gave it."""
    fits = torch.empty_like(scores)
    for rows in row_blocks(len(scores)):
        fits[rows] = prototype_fit(scores[rows], prototypes)
    top = float((weights * fits.amax(1)).sum() / weights.sum())
    factor = 1.0 / max(top, 1e-6)
    return fits.mul_(factor), factor


def _mean_sum(scores: torch.Tensor, weights: torch.Tensor) -> float:
    """Weighted mean of the sum of a row's scores, not under 1e-6."""
    return max(float((weights * scores.sum(1)).sum() / weights.sum().clamp_min(1e-12)), 1e-6)
