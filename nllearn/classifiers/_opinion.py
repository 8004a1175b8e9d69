"""What the witnesses think of every label, of a network on its way or at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nllearn._judgement import (
    GivenLabels,
    Graph,
    LandmarkRows,
    Outlook,
    RowScale,
    ask_neighbors,
    choose_scale,
    fit_regression,
    hear_witnesses,
    n_witnesses,
)
from nllearn.classifiers._features_alone import fuse_by_features, unit_rows_in_blocks
from nllearn.functional.geometry import (
    centred_unit_rows,
    cosine_topk,
    leading_directions,
    unit_rows,
)
from nllearn.functional.reliability import agreement
from nllearn.functional.transition import fused_transition
from nllearn.neighbors import BaseNeighbors
from nllearn.neighbors._search import find_neighbors
from nllearn.training import Ledger

__all__ = ["InputRows", "Opinion", "form_opinion"]

# In features with more directions than this share of the rows the network has learnt the labels
# by heart, and the witnesses, fitted there, know no better. Below a hundred rows that is left as
# it is: of so few nobody can say which label is wrong.
_ROWS_PER_DIRECTION, _LEAST_ROWS = 4, 100
# On fewer rows the estimates of the noise are too rough for the bolder judgement.
_LEAST_FOR_INPUT = 200
# In features that were learnt from the labels a thousand say no more, and take half as long again.
_N_LANDMARKS = 700
# Noise at the boundary below this mean rate, or this share of the rows on which the witnesses
# differ, is taken for rows that are hard: features that a network has learnt draw the classes
# apart and leave the hard rows between them.
_LEAST_BOUNDARY_RATE, _SHARE_OF_DOUBT = 0.01, 0.3
_N_ALONE = 50


@dataclass(frozen=True)
class Opinion:
    """What the witnesses and the given labels say together.

    `outlook` is float32 of shape (3,) for ``Ledger.outlook``; None where there is none.
    """

    distributions: torch.Tensor
    transition: np.ndarray
    log_votes: torch.Tensor
    nearest: torch.Tensor
    outlook: torch.Tensor | None = None


class InputRows:
    """The user's table as unit rows, for witnesses that no network has taught.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    weight : ndarray of shape (n,)
    """

    def __init__(self, X: np.ndarray, weight: np.ndarray):
        self._X, self._weight = X, weight.astype(np.float64)
        self._scale: RowScale | None = None

    def unit(self, given: torch.Tensor, n_classes: int) -> torch.Tensor | None:
        """Unit rows, float32 of shape (n, d or d + 1), on the device of `given`.

        None where all rows are alike.
        """
        if self._scale is None:
            # Which rows are asked for the scale matters little and must not depend on when.
            drawn = torch.Generator().manual_seed(0)
            codes = given.cpu().numpy()
            self._scale = choose_scale(self._X, codes, n_classes, self._weight, drawn)
        return None if self._scale is None else self._scale.apply(self._X, given.device)


def form_opinion(
    features: torch.Tensor,
    ledger: Ledger,
    active: torch.Tensor,
    neighbors: Any,
    rows: InputRows | None,
    generator: torch.Generator,
) -> Opinion:
    """Ask the witnesses, estimate the noise, and fuse with the given labels.

    Where the user's rows are at hand, two hundred at least, the witnesses see them beside
    the features. They are believed as far as they agree: half of it as they agree there, half
    as a regression on the user's rows alone agrees with the neighbours, since features that a
    network has learnt from the labels make all witnesses in them agree. Once found, this
    stands for the rest of the fit: what the network learns from it must not confirm it.

    Where there are a hundred rows, but fewer than four for each direction of the features,
    the witnesses see the leading directions alone.

    Parameters
    ----------
    features : Tensor of shape (n, d)
        Of the network. Float16 are read from a file, and the work is done in blocks.
    ledger : Ledger
        Its `outlook` is used where it is known.
    active : int64 Tensor of shape (m,)
        Rows of weight above zero.
    neighbors : search
    rows : InputRows or None
        The user's rows; None for images and for tables that do not fit in memory.
    generator : torch.Generator

    Returns
    -------
    opinion : Opinion
    """
    in_blocks = features.dtype == torch.float16
    unit = _unit_features(features, active, ledger.n_classes)
    enough = len(active) >= _LEAST_FOR_INPUT and ledger.n_classes > 1
    of_input = rows.unit(ledger.given, ledger.n_classes) if rows is not None and enough else None
    n_found = _N_ALONE
    if of_input is not None:
        unit = torch.cat([unit, of_input], 1).mul_(0.5**0.5)
        n_found = n_witnesses(len(active), ledger.n_classes)
    graph = _find_graph(unit, neighbors, active, n_found)
    if in_blocks and isinstance(neighbors, BaseNeighbors):
        # Its rows and its index are the largest things in memory.
        neighbors.forget()
    if of_input is None:
        log_votes = ask_neighbors(graph, ledger.given, ledger.n_classes, ledger.row_weight)
        fused, transition = fuse_by_features(unit, log_votes, ledger, in_blocks=in_blocks)
        return Opinion(fused, transition, log_votes, _nearest(graph))

    given = GivenLabels(ledger.given, ledger.n_classes, ledger.row_weight, ledger.trusted)

    def look(agreed: float, log_votes: torch.Tensor) -> Outlook:
        known = ledger.outlook.tolist()
        if not np.isnan(known[0]):
            return Outlook(known[0], known[1], at_boundary=bool(known[2]))
        alone = _agreement_of_input(of_input, log_votes, given, generator)
        # Features that say less than the input would be no reason to be bolder.
        alone = min(alone, agreed)
        least = max(_LEAST_BOUNDARY_RATE, _SHARE_OF_DOUBT * (1.0 - alone))
        return Outlook(0.5 * (agreed + alone), alone, least)

    found = hear_witnesses(
        unit,
        graph,
        given,
        _N_LANDMARKS,
        generator,
        outlook=look,
    )
    held, verdict = found.outlook, found.verdict
    return Opinion(
        verdict.distributions,
        fused_transition(
            verdict.distributions.cpu().numpy(),
            ledger.given.cpu().numpy(),
            ledger.row_weight.cpu().numpy(),
        ),
        found.log_votes,
        _nearest(graph),
        torch.tensor([held.agreed, held.cautious, verdict.noise.boundary]),
    )


def _agreement_of_input(
    of_input: torch.Tensor,
    log_votes: torch.Tensor,
    given: GivenLabels,
    generator: torch.Generator,
) -> float:
    """Share of rows on which a regression on the input names the class that neighbours name."""
    scores = torch.zeros_like(log_votes)
    rows = LandmarkRows(of_input, None, given.weights, _N_LANDMARKS, generator)
    fit_regression(rows, given, log_votes, scores)
    return agreement(scores, log_votes, given.weights)


def _unit_features(features: torch.Tensor, active: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Centred rows of length one, along the leading directions where there are too many."""
    if features.dtype == torch.float16:
        unit = unit_rows_in_blocks(features, active)
    else:
        unit, _ = centred_unit_rows(features, active)
    n_directions = max(len(active) // _ROWS_PER_DIRECTION, n_classes)
    if len(active) >= _LEAST_ROWS and n_directions < unit.shape[1]:
        unit = unit_rows(leading_directions(unit, n_directions, active))
    return unit


def _find_graph(
    unit: torch.Tensor, neighbors: Any, active: torch.Tensor, n_neighbors: int
) -> Graph:
    """Neighbours of every row among those of weight above zero."""
    n_found = min(n_neighbors, len(active) - 1)
    if len(active) == len(unit):
        cosine, found = find_neighbors(neighbors, unit, n_found)
        return Graph(cosine, found)
    found = torch.zeros(len(unit), n_found, dtype=torch.int64, device=unit.device)
    cosine = torch.zeros(len(unit), n_found, device=unit.device)
    cosine[active], near = find_neighbors(neighbors, unit[active], n_found)
    found[active] = active[near]
    is_absent = torch.ones(len(unit), dtype=torch.bool, device=unit.device)
    is_absent[active] = False
    absent = torch.nonzero(is_absent).squeeze(1)
    cosine[absent], near = cosine_topk(unit[absent], unit[active], n_found)
    found[absent] = active[near]
    return Graph(cosine, found)


def _nearest(graph: Graph) -> torch.Tensor:
    """Nearest row of every row; itself where there is no other."""
    if graph.rows.shape[1] == 0:
        return torch.arange(len(graph.rows))
    return graph.rows[:, 0].clone()
