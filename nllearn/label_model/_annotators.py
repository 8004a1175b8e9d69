"""The posterior of every label where several people labelled the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy import sparse

from nllearn.functional.annotators import (
    annotator_counts,
    annotator_posterior,
    annotator_transitions,
    fit_annotators,
    label_incidence,
    vote_shares,
)
from nllearn.functional.dependence import annotator_agreement, annotator_dependence, told_shares
from nllearn.label_model._data import NoisyLabels
from nllearn.label_model._noise import NoiseModel, fit_noise
from nllearn.label_model._predictions import Predictions, predict_labels
from nllearn.label_model._result import LabelPosterior
from nllearn.predictors import NeighborGraph

__all__ = ["AnnotatorLabels", "AnnotatorPosterior", "estimate_annotator_posterior"]

# Labels that the noise is estimated on, and the least probability of a class.
_N_SAMPLE, _LEAST = 100_000, 1e-9
# Rounds: the second learns from labels that are weighted by who gave them.
_N_ROUNDS = 2


@dataclass(frozen=True)
class AnnotatorLabels:
    """Labels of several annotators, weights of the rows, and which labels are known to be right.

    Parameters
    ----------
    codes : int64 ndarray of shape (n, n_annotators)
        -1 where there is no label.
    n_classes : int
    weights : float64 ndarray of shape (n,)
    trusted : bool ndarray of shape (n,)
        Rows whose labels are known to be right; they have labels, which agree.
    """

    codes: np.ndarray
    n_classes: int
    weights: np.ndarray
    trusted: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Labels of the trusted rows, int64 of shape (n_trusted,)."""
        return self.codes[self.trusted].max(1, initial=-1)


@dataclass(frozen=True)
class AnnotatorPosterior:
    """Posterior of every row's true label, and what is known of the annotators.

    Parameters
    ----------
    posterior : LabelPosterior
        Its transition matrix is the common one.
    transitions : float64 ndarray of shape (n_annotators, n_classes, n_classes)
    quality : float64 ndarray of shape (n_annotators,)
        Probability that a label of the annotator is right.
    agreement, dependence : float64 ndarray of shape (n_annotators, n_annotators)
    consensus : int64 ndarray of shape (n,)
        Label that the annotators of a row give together, without features; the most probable
        one where a row has no label.
    """

    posterior: LabelPosterior
    transitions: np.ndarray
    quality: np.ndarray
    agreement: np.ndarray
    dependence: np.ndarray
    consensus: np.ndarray


def estimate_annotator_posterior(
    X_unit: torch.Tensor,
    graph: NeighborGraph,
    labels: AnnotatorLabels,
    generator: torch.Generator,
    *,
    n_landmarks: int = 1000,
    predictors: Sequence[Any] = (),
    use_neighbors: bool = True,
    use_regressions: bool = True,
    advance: Callable[[], None] = lambda: None,
) -> AnnotatorPosterior:
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
    n_landmarks, predictors, use_neighbors, use_regressions, advance
        As for :func:`estimate_label_posterior`.

    Returns
    -------
    posterior : AnnotatorPosterior
    """
    n_classes, device = labels.n_classes, X_unit.device
    incidence = label_incidence(labels.codes, n_classes)
    labelled = (labels.codes >= 0).any(1)
    weights = np.where(labelled, labels.weights, 0.0)
    agreement, n_common = annotator_agreement(incidence, weights, n_classes)
    row_weights = torch.as_tensor(weights, dtype=torch.float32, device=device)

    told = incidence
    transitions: np.ndarray | None = None
    dependence = np.zeros_like(agreement)
    y_soft = vote_shares(incidence, n_classes)
    for round_ in range(_N_ROUNDS):
        targets = torch.as_tensor(y_soft, dtype=torch.float32, device=device)
        found = predict_labels(
            X_unit,
            graph,
            targets,
            row_weights,
            generator,
            n_landmarks=n_landmarks,
            predictors=predictors,
            use_neighbors=use_neighbors,
            use_regressions=use_regressions,
            advance=advance if round_ == 0 else lambda: None,
        )
        if round_ == 0:
            noise = _fit_noise_of_all_labels(found, labels, weights, generator)
        else:
            consensus = _as_noisy_labels(targets.argmax(1), labels, weights)
            noise = fit_noise(found.scores, found.log_votes, consensus, found.has_signal, generator)
        log_proba = _log_proba(found, noise, labels)
        if round_ == 0 and log_proba is not None:
            transitions = fit_annotators(log_proba, incidence, weights, n_classes=n_classes)
            class_share = weights @ np.exp(log_proba) / weights.sum()
            dependence = annotator_dependence(agreement, n_common, transitions, class_share)
            told = told_shares(incidence, dependence, n_classes)
        transitions = fit_annotators(
            log_proba, incidence, weights, told=told, transitions=transitions, n_classes=n_classes
        )
        y_soft = _known(annotator_posterior(np.zeros_like(y_soft), told, transitions), labels)
    advance()
    assert transitions is not None
    if log_proba is None:
        log_proba = _class_shares(incidence, told, transitions, weights, n_classes)
    q = _known(annotator_posterior(log_proba, told, transitions), labels)
    _, common = annotator_transitions(annotator_counts(q, incidence, weights))
    class_share = weights @ q / weights.sum()
    quality = np.einsum("k,akk->a", class_share, transitions)
    noise = replace(noise, transition=torch.as_tensor(common, dtype=torch.float32, device=device))
    posterior = LabelPosterior(
        torch.as_tensor(q, dtype=torch.float32, device=device),
        common,
        found.scores,
        found.log_votes,
        graph.indices,
        noise,
        found.has_signal,
        regressions=tuple(ridge.kernel_ridge_ for ridge in found.ridges),
    )
    joint = np.where(labelled, y_soft.argmax(1), q.argmax(1))
    return AnnotatorPosterior(posterior, transitions, quality, agreement, dependence, joint)


def _fit_noise_of_all_labels(
    found: Predictions, labels: AnnotatorLabels, weights: np.ndarray, generator: torch.Generator
) -> NoiseModel:
    """Noise model of every single label beside the prediction of its row."""
    rows, annotators = np.nonzero((labels.codes >= 0) & (weights > 0)[:, None])
    if len(rows) > _N_SAMPLE:
        order = torch.randperm(len(rows), generator=generator)[:_N_SAMPLE].sort().values.numpy()
        rows, annotators = rows[order], annotators[order]
    device = found.scores.device
    idx = torch.as_tensor(rows, device=device)
    weight = weights[rows] / weights[rows].mean()
    singles = NoisyLabels(
        torch.as_tensor(labels.codes[rows, annotators], device=device),
        labels.n_classes,
        torch.as_tensor(weight, dtype=torch.float32, device=device),
        torch.as_tensor(labels.trusted[rows], device=device),
    )
    scores, log_votes = found.scores[idx], found.log_votes[idx]
    return fit_noise(scores, log_votes, singles, found.has_signal, generator)


def _as_noisy_labels(
    codes: torch.Tensor, labels: AnnotatorLabels, weights: np.ndarray
) -> NoisyLabels:
    """One label per row."""
    mean = weights[weights > 0].mean()
    return NoisyLabels(
        codes,
        labels.n_classes,
        torch.as_tensor(weights / mean, dtype=torch.float32, device=codes.device),
        torch.as_tensor(labels.trusted, device=codes.device),
    )


def _log_proba(found: Predictions, noise: NoiseModel, labels: AnnotatorLabels) -> np.ndarray | None:
    """Logarithms of the predicted probabilities; None where they tell nothing."""
    if not found.has_signal:
        return None
    proba = noise.predict_proba(found.scores, found.log_votes).double().cpu().numpy()
    return np.log(np.maximum(_known(proba, labels), _LEAST))


def _known(proba: np.ndarray, labels: AnnotatorLabels) -> np.ndarray:
    """Probabilities with those of the trusted rows in their place."""
    proba[labels.trusted] = np.eye(labels.n_classes)[labels.known]
    return proba


def _class_shares(
    incidence: sparse.csr_array,
    told: sparse.csr_array,
    transitions: np.ndarray,
    weights: np.ndarray,
    n_classes: int,
) -> np.ndarray:
    """Logarithms of the shares of the classes, the same in every row."""
    flat = np.zeros((incidence.shape[0], n_classes))
    share = weights @ annotator_posterior(flat, told, transitions) / weights.sum()
    return np.broadcast_to(np.log(np.maximum(share, _LEAST)), flat.shape)
