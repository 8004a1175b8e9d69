"""The stages of a fit: scale, find neighbours, estimate the posterior, keep the predictors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nllearn._annotators import FittedAnnotators, fitted_annotators
from nllearn._progress import progress_delay
from nllearn.cleaning._evidence import duplicate_evidence
from nllearn.cleaning._fitted import FittedPredictors
from nllearn.cleaning._graph import find_graph
from nllearn.cleaning._inputs import FitData
from nllearn.cleaning._predictors import choose_predictors
from nllearn.functional.near_duplicates import row_hashes
from nllearn.label_model import (
    AnnotatorLabels,
    LabelPosterior,
    NoisyLabels,
    choose_scaling,
    estimate_annotator_posterior,
    estimate_label_posterior,
)
from nllearn.predictors import OutOfBagForest

__all__ = ["FittedStages", "fit_stages", "fit_work", "stage_progress"]

_STAGES = ("neighbours", "regression", "regression of smoothed rows", "noise")


@dataclass(frozen=True)
class FittedStages:
    """What the stages found.

    Parameters
    ----------
    posterior : LabelPosterior
    given : int64 ndarray of shape (n,)
        Given labels; of several annotators the label that they give together.
    predictors : FittedPredictors
        For rows that fit has not seen.
    duplicates : dict of str to ndarray of shape (n,)
        Columns of the table of issues about rows that are nearly the same.
    resolved : dict of str to any
        What was chosen from the data, for ``resolved_params_``.
    annotators : FittedAnnotators or None
    """

    posterior: LabelPosterior
    given: np.ndarray
    predictors: FittedPredictors
    duplicates: dict[str, np.ndarray]
    resolved: dict[str, Any]
    annotators: FittedAnnotators | None = None


def fit_stages(
    data: FitData,
    *,
    neighbors: Any,
    n_neighbors: int | None,
    n_landmarks: int,
    boundary_noise: bool | str,
    predictors: Any,
    compare_rows: bool,
    seed: int,
    device: torch.device,
    advance: Callable[[], None],
) -> FittedStages:
    """Estimate the true label of every row, and keep what new rows need.

    Parameters
    ----------
    data : FitData
    neighbors, n_neighbors, n_landmarks, boundary_noise, predictors
        Parameters of the cleaner.
    compare_rows : bool
        Whether to look for rows that are nearly the same.
    seed : int
    device : torch.device
    advance : callable
        Called when a stage begins after the first.

    Returns
    -------
    fitted : FittedStages

    Raises
    ------
    ValueError
        If no column of X varies.
    """
    generator = torch.Generator().manual_seed(seed)
    n_classes = len(data.classes)
    voting = data.weight
    if data.annotators is not None:
        # Rows without a label vote for none.
        voting = np.where((data.annotators.codes >= 0).any(1), data.weight, 0.0)
    scale = choose_scaling(data.X, data.codes, n_classes, voting, generator)
    if scale is None:
        raise ValueError(
            f"X is constant: none of its {data.X.shape[1]} column(s) varies over the rows that "
            "take part (or by less than 1e-150), so nothing can be learnt from it; pass "
            "features or embeddings that differ between rows"
        )
    X_unit = scale.apply(data.X, device)
    hashes = row_hashes(data.X) if compare_rows else None
    codes = torch.from_numpy(data.codes).to(device)
    graph, searched = find_graph(
        X_unit, neighbors, n_neighbors, codes, n_classes, data.neighbor_graph, seed
    )
    chosen = choose_predictors(predictors, data, seed)
    forest = None
    if chosen.use_forest:
        forest = OutOfBagForest(data.X, random_state=seed)
    settings: dict[str, Any] = {
        "n_landmarks": n_landmarks,
        "predictors": chosen.others,
        "forest": forest,
        "use_neighbors": chosen.use_neighbors,
        "use_regressions": chosen.use_regressions,
        "advance": advance,
    }
    given, annotators = data.codes, None
    if data.annotators is None:
        labels = NoisyLabels(
            codes,
            n_classes,
            torch.from_numpy(data.weight.astype(np.float32)).to(device),
            torch.from_numpy(data.trusted).to(device),
        )
        posterior = estimate_label_posterior(
            X_unit, graph, labels, generator, boundary_noise=boundary_noise, **settings
        )
    else:
        several = AnnotatorLabels(data.annotators.codes, n_classes, data.weight, data.trusted)
        posterior = estimate_annotator_posterior(X_unit, graph, several, generator, **settings)
        assert posterior.annotators is not None
        given = posterior.annotators.consensus
        annotators = fitted_annotators(data.annotators, posterior.annotators)
    noise, fits = posterior.noise, posterior.regressions or (None, None)
    # Neighbours that do not vote at fit do not vote for new rows.
    votes = voting if chosen.use_neighbors else np.zeros_like(voting)
    predictors = FittedPredictors(
        scale=scale,
        X_unit=X_unit.half(),
        regression=fits[0],
        smoothed_regression=fits[1],
        forest=posterior.forest,
        factors=posterior.factors,
        noise=noise,
        vote_labels=torch.from_numpy(given).to(device),
        vote_weights=torch.from_numpy(votes.astype(np.float32)).to(device),
        n_neighbors=graph.indices.shape[1],
    )
    duplicates = {} if hashes is None else duplicate_evidence(graph, hashes, given)
    resolved = {
        "device": str(device),
        "n_neighbors": predictors.n_neighbors,
        "neighbors": searched,
        "n_landmarks": 0 if fits[0] is None else len(fits[0].kmap.landmarks),
        "forest": posterior.forest is not None
        or (chosen.use_forest and not chosen.use_regressions),
        "ridges": tuple(fit.ridge for fit in posterior.regressions),
        "standardized": bool(len(np.unique(scale.scale)) > 1),
        "boundary_noise": noise.at_boundary,
    }
    return FittedStages(posterior, given, predictors, duplicates, resolved, annotators)


def fit_work(shape: tuple[int, ...], n_landmarks: int, n_classes: int) -> float:
    """Multiply-adds of a regression and of the search, roughly."""
    n, d = shape
    return float(n) * (n_landmarks * (n_landmarks + n_classes) + n * d / 2)


@contextmanager
def stage_progress(verbose: int | None) -> Iterator[Any]:
    """A bar over the stages, or nothing."""
    delay = progress_delay(verbose)
    if delay is None:
        yield lambda: None
        return
    from tqdm.auto import tqdm

    with tqdm(
        total=len(_STAGES), desc=_STAGES[0], unit="stage", dynamic_ncols=True, delay=delay
    ) as bar:

        def advance() -> None:
            if bar.n + 1 < len(_STAGES):
                bar.set_description(_STAGES[bar.n + 1], refresh=False)
            bar.update()

        yield advance
