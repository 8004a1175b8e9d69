"""The posterior of every label where several people labelled the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from nllearn.functional.annotators import (
    annotator_counts,
    annotator_posterior,
    annotator_transitions,
    fit_annotators,
    label_incidence,
    vote_shares,
)
from nllearn.functional.blocks import drawn_rows
from nllearn.functional.dependence import annotator_agreement, annotator_dependence, told_shares
from nllearn.label_model._data import AnnotatorLabels, NoisyLabels
from nllearn.label_model._noise import fit_noise
from nllearn.label_model._predictions import Predictions, predict_labels
from nllearn.label_model._result import AnnotatorEstimates, LabelPosterior
from nllearn.predictors import NeighborGraph, OutOfBagForest

__all__ = [
    "consensus_posterior",
    "estimate_annotator_posterior",
]

# Labels that the noise is estimated on, and the least probability of a class.
_N_SAMPLE, _LEAST = 100_000, 1e-9
# Rounds: the second learns from labels that are weighted by who gave them.
_N_ROUNDS = 2


def consensus_posterior(labels: AnnotatorLabels) -> np.ndarray:
    """Probability of every class given the labels of the row alone, by Dawid and Skene's method.

    Parameters
    ----------
    labels : AnnotatorLabels

    Returns
    -------
    posterior : float64 ndarray of shape (n, n_classes)
        Shares of the classes where a row has no label.
    """
    fit = _AnnotatorFit(labels)
    fit.update(None)
    return fit.posterior(None)


def estimate_annotator_posterior(
    X_unit: torch.Tensor,
    graph: NeighborGraph,
    labels: AnnotatorLabels,
    generator: torch.Generator,
    *,
    n_landmarks: int = 1000,
    predictors: Sequence[Any] = (),
    forest: OutOfBagForest | None = None,
    use_neighbors: bool = True,
    use_regressions: bool = True,
    learnt_features: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> LabelPosterior:
    """Predict every row from the labels of the others, estimate all annotators, apply Bayes' rule.

    First the predictors learn from the shares of the votes. Each annotator is compared with them
    alone, which tells who copies whom, then all together. Then the predictors learn once more,
    from labels weighted by who gave them. A row's labels take no part in its own prediction:
    what the predictors learn from holds of every row its labels alone, and no prediction.

    Parameters
    ----------
    X_unit : float32 Tensor of shape (n, d)
    graph : NeighborGraph
    labels : AnnotatorLabels
    generator : torch.Generator
    n_landmarks, predictors, forest, use_neighbors, use_regressions, learnt_features, advance
        As for :func:`estimate_label_posterior`.

    Returns
    -------
    posterior : LabelPosterior
        With what is known of the annotators.
    """
    fit = _AnnotatorFit(labels)
    row_weights = _as_float32(fit.weights, X_unit.device)
    for round_ in range(_N_ROUNDS):
        targets = _as_float32(fit.y_soft, X_unit.device)
        found = predict_labels(
            X_unit,
            graph,
            targets,
            row_weights,
            generator,
            n_landmarks=n_landmarks,
            predictors=predictors,
            forest=forest,
            use_neighbors=use_neighbors,
            use_regressions=use_regressions,
            learnt_features=learnt_features,
            advance=advance if round_ == 0 else lambda: None,
        )
        if round_ == 0:
            scores, log_votes, some = _all_labels(found, labels, fit.weights, generator)
        else:
            scores, log_votes = found.scores, found.log_votes
            some = _as_noisy_labels(targets.argmax(1), labels, fit.weights)
        noise = fit_noise(scores, log_votes, some, found.has_signal, generator, learnt_features)
        log_proba = None
        if found.has_signal:
            log_proba = noise.predict_proba(found.scores, found.log_votes).log()
        fit.update(log_proba)
    advance()
    posterior = LabelPosterior(
        *fit.result(log_proba, X_unit.device),
        found.scores,
        found.log_votes,
        graph.indices,
        noise,
        found.has_signal,
        regressions=tuple(ridge.kernel_ridge_ for ridge in found.ridges),
        forest=None if found.forest is None else found.forest.forest_,
        factors=found.factors,
    )
    noise = replace(noise, transition=_as_float32(posterior.transition, X_unit.device))
    return replace(posterior, noise=noise, annotators=fit.estimates(posterior))


class _AnnotatorFit:
    """Annotators as far as they are known, from round to round.

    Parameters
    ----------
    labels : AnnotatorLabels

    Attributes
    ----------
    weights : float64 ndarray of shape (n,)
        0 for rows without a label.
    y_soft : float64 ndarray of shape (n, n_classes)
        What the labels of each row say alone: shares of the votes at first, then weighted by who
        gave them.
    """

    def __init__(self, labels: AnnotatorLabels):
        self.labels, n_classes = labels, labels.n_classes
        self._incidence = label_incidence(labels.codes, n_classes)
        self.weights = np.where(labels.labelled, labels.weights, 0.0)
        self._agreement, self._n_common = annotator_agreement(
            self._incidence, self.weights, n_classes
        )
        self._dependence = np.zeros_like(self._agreement)
        self._told = self._incidence
        self._transitions: Any = None
        self.y_soft = vote_shares(self._incidence, n_classes)

    def update(self, log_proba: torch.Tensor | None) -> None:
        """Estimate the annotators beside predictions; None where these tell nothing."""
        prior, n_classes = self._prior(log_proba), self.labels.n_classes
        arguments: dict[str, Any] = {"weights": self.weights, "n_classes": n_classes}
        if self._transitions is None and prior is not None:
            alone = fit_annotators(prior, self._incidence, **arguments)
            class_share = self.weights @ np.exp(prior) / self.weights.sum()
            self._dependence = annotator_dependence(
                self._agreement, self._n_common, alone, class_share
            )
            self._told = told_shares(self._incidence, self._dependence, n_classes)
            self._transitions = alone
        self._transitions = fit_annotators(
            prior, self._incidence, told=self._told, transitions=self._transitions, **arguments
        )
        flat = np.zeros_like(self.y_soft)
        self.y_soft = self._known(annotator_posterior(flat, self._told, self._transitions))

    def posterior(self, log_proba: torch.Tensor | None) -> np.ndarray:
        """Bayes' rule over predictions and all labels, float64 of shape (n, n_classes)."""
        prior = self._prior(log_proba)
        if prior is None:
            # The shares of the classes, the same in every row.
            flat = np.zeros_like(self.y_soft)
            share = self.weights @ annotator_posterior(flat, self._told, self._transitions)
            prior = np.log(np.maximum(share / self.weights.sum(), _LEAST)) + flat
        return self._known(annotator_posterior(prior, self._told, self._transitions))

    def result(
        self, log_proba: torch.Tensor | None, device: torch.device
    ) -> tuple[torch.Tensor, np.ndarray]:
        """Posterior of every label, and the common transition matrix."""
        q = self.posterior(log_proba)
        _, common = annotator_transitions(annotator_counts(q, self._incidence, self.weights))
        return _as_float32(q, device), common

    def estimates(self, posterior: LabelPosterior) -> AnnotatorEstimates:
        """What is known of the annotators in the end."""
        q = posterior.distributions.double().cpu().numpy()
        class_share = self.weights @ q / self.weights.sum()
        quality = np.einsum("k,akk->a", class_share, self._transitions)
        consensus = np.where(self.labels.labelled, self.y_soft.argmax(1), q.argmax(1))
        return AnnotatorEstimates(
            self._transitions, quality, self._agreement, self._dependence, consensus
        )

    def _prior(self, log_proba: torch.Tensor | None) -> np.ndarray | None:
        """Logarithms of predicted probabilities, with trusted rows in their place."""
        if log_proba is None:
            return None
        proba = log_proba.double().softmax(1).cpu().numpy()
        return np.log(np.maximum(self._known(proba), _LEAST))

    def _known(self, proba: np.ndarray) -> np.ndarray:
        """Probabilities with those of the trusted rows in their place."""
        labels = self.labels
        proba[labels.trusted] = np.eye(labels.n_classes)[labels.known]
        return proba


def _as_float32(values: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float32, device=device)


def _all_labels(
    found: Predictions, labels: AnnotatorLabels, weights: np.ndarray, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, NoisyLabels]:
    """Every single label beside the scores and votes of its row."""
    rows, annotators = np.nonzero((labels.codes >= 0) & (weights > 0)[:, None])
    order = drawn_rows(len(rows), _N_SAMPLE, generator).numpy()
    rows, annotators = rows[order], annotators[order]
    device = found.scores.device
    idx = torch.as_tensor(rows, device=device)
    weight = weights[rows] / weights[rows].mean()
    singles = NoisyLabels(
        torch.as_tensor(labels.codes[rows, annotators], device=device),
        labels.n_classes,
        _as_float32(weight, device),
        torch.as_tensor(labels.trusted[rows], device=device),
    )
    return found.scores[idx], found.log_votes[idx], singles


def _as_noisy_labels(
    codes: torch.Tensor, labels: AnnotatorLabels, weights: np.ndarray
) -> NoisyLabels:
    """One label per row."""
    mean = weights[weights > 0].mean()
    return NoisyLabels(
        codes,
        labels.n_classes,
        _as_float32(weights / mean, codes.device),
        torch.as_tensor(labels.trusted, device=codes.device),
    )
