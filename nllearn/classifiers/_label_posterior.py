"""The label model on the features of a network: its rows, its graph, and what fit keeps of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nllearn.functional.similarity import (
    centred_unit_rows,
    cosine_topk,
    leading_directions,
    unit_rows,
    unit_rows_in_blocks,
)
from nllearn.functional.transition import noise_rate
from nllearn.label_model import (
    AnnotatorLabels,
    LabelPosterior,
    NoisyLabels,
    choose_scaling,
    estimate_annotator_posterior,
    estimate_label_posterior,
)
from nllearn.neighbors import BaseNeighbors
from nllearn.neighbors._search import find_neighbors
from nllearn.predictors import (
    LeaveOneOutRidge,
    NeighborGraph,
    OutOfBagForest,
    n_voting_neighbors,
    suits_forest,
)
from nllearn.selectors import Selection
from nllearn.training import FeatureBank, SampleState

__all__ = [
    "InputRows",
    "fitted_rows",
    "label_model_work",
    "posterior_from_features",
]

# In features with more directions than this share of the rows the network has memorised the
# labels, and so do predictors that are fitted there. Below a hundred rows that is left as it is:
# of so few nothing can tell which label is wrong.
_ROWS_PER_DIRECTION, _LEAST_ROWS = 4, 100
# From fewer rows a network learns features that tell more of the classes than kernels on the rows
# (docs/guide/data_flow.md).
_LEAST_FOR_INPUT = 200
# In features that were learnt from the labels a thousand gain nothing, and take half as long again.
_N_LANDMARKS = 700
# Neighbours where the features stand alone.
_N_NEIGHBORS_ALONE = 50
# Rows that are read at a time, where the features are in a file.
_BLOCK = 65_536


def label_model_work(n_rows: int) -> float:
    """Multiply-adds of a regression on so many rows, roughly."""
    return float(n_rows) * _N_LANDMARKS**2


class InputRows:
    """The user's table as unit rows, for predictors that no network has taught.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    weight : ndarray of shape (n,)

    Attributes
    ----------
    posterior : LabelPosterior or None
        Of these rows, once it was estimated.
    """

    def __init__(self, X: np.ndarray, weight: np.ndarray):
        self._X, self._weight = X, weight.astype(np.float64)
        self.posterior: LabelPosterior | None = None

    def generator(self) -> torch.Generator:
        """Random stream of the label model, which must not depend on when it is asked for."""
        return torch.Generator().manual_seed(0)

    def unit(self, given: torch.Tensor, n_classes: int) -> torch.Tensor | None:
        """Unit rows, float32 of shape (n, d or d + 1), on the device of `given`.

        None where all rows are alike.
        """
        codes = given.cpu().numpy()
        scaling = choose_scaling(self._X, codes, n_classes, self._weight, self.generator())
        return None if scaling is None else scaling.apply(self._X, given.device)

    def forest(self) -> OutOfBagForest | None:
        """Forest on the columns, where they are few."""
        return OutOfBagForest(self._X, random_state=0) if suits_forest(self._X) else None


def posterior_from_features(
    features: torch.Tensor,
    sample_state: SampleState,
    active: torch.Tensor,
    neighbors: Any,
    input_rows: InputRows | None,
    generator: torch.Generator,
    boundary_noise: bool | str = "auto",
    annotators: AnnotatorLabels | None = None,
) -> LabelPosterior:
    """Estimate the label posterior: of a table from the user's rows, else from the features.

    Features that a network learnt from the labels follow these labels. So the posterior of a
    table of two hundred rows or more comes from its own rows, as in the label cleaner, once for
    the whole fit: what the network learns from it must not confirm it. That of images, and of
    smaller tables, comes from the features, in which the classes are linear: one linear
    regression predicts them. Where there are a hundred rows, but fewer than four for each
    direction of the features, the leading directions alone are used.

    Parameters
    ----------
    features : Tensor of shape (n, d)
        Of the network. Float16 are read from a file, and the work is done in blocks.
    sample_state : SampleState
    active : int64 Tensor of shape (m,)
        Rows of weight above zero.
    neighbors : search
    input_rows : InputRows or None
        The user's rows; None for images and for tables that are too large.
    generator : torch.Generator
    boundary_noise : bool or "auto", default="auto"
    annotators : AnnotatorLabels or None, default=None
        Where several annotators labelled the rows; the given labels then serve for the scaling.

    Returns
    -------
    posterior : LabelPosterior
    """
    if input_rows is not None and input_rows.posterior is not None:
        return input_rows.posterior
    in_blocks, n_classes = features.dtype == torch.float16, sample_state.n_classes
    labels = NoisyLabels(
        sample_state.given, n_classes, sample_state.row_weight, sample_state.trusted
    )
    X_unit = None
    if input_rows is not None and len(active) >= _LEAST_FOR_INPUT and n_classes > 1:
        X_unit = input_rows.unit(sample_state.given, n_classes)
    if input_rows is None or X_unit is None:
        X_unit = _unit_features(features, active, n_classes)
        graph = find_active_neighbors(X_unit, neighbors, active, _N_NEIGHBORS_ALONE)
        if in_blocks:
            _release(neighbors)
        settings: dict[str, Any] = {
            "generator": generator,
            "predictors": [LeaveOneOutRidge(in_blocks)],
            "use_regressions": False,
            "learnt_features": True,
        }
        return _estimate(X_unit, graph, labels, annotators, boundary_noise, settings)
    graph = find_active_neighbors(
        X_unit, neighbors, active, n_voting_neighbors(len(active), n_classes)
    )
    if in_blocks:
        _release(neighbors)
    settings = {
        "generator": input_rows.generator(),
        "n_landmarks": _N_LANDMARKS,
        "forest": input_rows.forest(),
    }
    input_rows.posterior = _estimate(X_unit, graph, labels, annotators, boundary_noise, settings)
    return input_rows.posterior


def _estimate(
    X_unit: torch.Tensor,
    graph: NeighborGraph,
    labels: NoisyLabels,
    annotators: AnnotatorLabels | None,
    boundary_noise: bool | str,
    settings: dict[str, Any],
) -> LabelPosterior:
    """From one label a row, or from those of several annotators."""
    if annotators is not None:
        return estimate_annotator_posterior(X_unit, graph, annotators, **settings)
    return estimate_label_posterior(
        X_unit, graph, labels, boundary_noise=boundary_noise, **settings
    )


def fitted_rows(
    bank: FeatureBank, selection: Selection, sample_state: SampleState, posterior: LabelPosterior
) -> dict[str, Any]:
    """What fit keeps of every row, by the name of the estimator's attribute.

    Parameters
    ----------
    bank : FeatureBank
        Of the fitted network.
    selection : Selection
        Against the given labels.
    sample_state : SampleState
    posterior : LabelPosterior
        From the features of the bank.

    Returns
    -------
    attributes : dict of str to object
    """
    codes = sample_state.given.cpu().numpy()
    if posterior.annotators is not None:
        codes = posterior.annotators.consensus
    distributions, quality, corrected = posterior.corrected(codes)
    rows = np.arange(len(codes))
    trusted = sample_state.trusted.cpu().numpy()
    clean_proba = np.where(trusted, np.float32(1.0), selection.clean_proba)
    shares = posterior.log_votes.exp().cpu().numpy()
    return {
        "label_distributions_": distributions,
        "label_quality_": quality,
        "clean_proba_": clean_proba,
        "noise_rate_": noise_rate(quality, sample_state.row_weight.cpu().numpy()),
        "transition_matrix_": posterior.transition,
        "has_signal_": posterior.has_signal,
        "n_undecided_": posterior.n_undecided,
        "annotators": posterior.annotators,
        "_given": codes,
        "_corrected": corrected,
        "_network_proba": bank.logits.softmax(1).cpu().numpy(),
        # A copy in memory of what is in a file: the file goes when fit ends.
        "_features": bank.features.to("cpu", torch.float16, copy=True).numpy(),
        "_evidence": {
            "clean_proba": clean_proba,
            "is_easy": sample_state.easy.cpu().numpy(),
            "neighbor_share_given": shares[rows, codes],
            "neighbor_share_corrected": shares[rows, corrected],
            "nearest_row": _nearest(posterior.neighbor_indices),
            "target_changed_at": sample_state.changed_at.cpu().numpy(),
        },
    }


def _release(neighbors: Any) -> None:
    """Free the rows and the index of a search of ours: the largest things in memory."""
    if isinstance(neighbors, BaseNeighbors):
        neighbors.release()


def _unit_features(features: torch.Tensor, active: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Centred rows of length one, along the leading directions where there are too many."""
    if features.dtype == torch.float16:
        unit = unit_rows_in_blocks(features, active, _BLOCK)
    else:
        unit, _ = centred_unit_rows(features, active)
    n_directions = max(len(active) // _ROWS_PER_DIRECTION, n_classes)
    if len(active) >= _LEAST_ROWS and n_directions < unit.shape[1]:
        unit = unit_rows(leading_directions(unit, n_directions, active))
    return unit


def find_active_neighbors(
    X_unit: torch.Tensor, neighbors: Any, active: torch.Tensor, n_neighbors: int
) -> NeighborGraph:
    """Neighbours of every row among those of weight above zero."""
    k = min(n_neighbors, len(active) - 1)
    if len(active) == len(X_unit):
        return NeighborGraph(*find_neighbors(neighbors, X_unit, k))
    indices = torch.zeros(len(X_unit), k, dtype=torch.int64, device=X_unit.device)
    similarities = X_unit.new_zeros((len(X_unit), k))
    similarities[active], positions = find_neighbors(neighbors, X_unit[active], k)
    indices[active] = active[positions]
    is_absent = torch.ones(len(X_unit), dtype=torch.bool, device=X_unit.device)
    is_absent[active] = False
    absent = torch.nonzero(is_absent).squeeze(1)
    similarities[absent], positions = cosine_topk(X_unit[absent], X_unit[active], k)
    indices[absent] = active[positions]
    return NeighborGraph(similarities, indices)


def _nearest(indices: torch.Tensor) -> np.ndarray:
    """Nearest row of every row, int64 of shape (n,); itself where there is no other."""
    if indices.shape[1] == 0:
        return np.arange(len(indices))
    return indices[:, 0].clone().cpu().numpy()
