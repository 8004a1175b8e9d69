"""MixNN: mix every row with its nearest neighbours, weighted by how clean they are."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval, StrOptions

from nllearn.classifiers._base import BaseNoisyLabelClassifier
from nllearn.classifiers._components import find_neighbors, resolve_component
from nllearn.classifiers._parameters import neighbor_builders, selector_builders
from nllearn.classifiers._session import FitSession
from nllearn.functional.correction import moving_average
from nllearn.functional.geometry import centred_unit_rows, cosine_topk
from nllearn.functional.losses import soft_cross_entropy
from nllearn.functional.mixing import clean_weights, mix_neighbors
from nllearn.neighbors import ExactNeighbors
from nllearn.selectors import Selection
from nllearn.training import FeatureBank, NoisyLabelNet

__all__ = ["MixNNClassifier"]


class MixNNClassifier(BaseNoisyLabelClassifier):
    def __init__(
        self,
        *,
        n_neighbors: int = 1,
        alpha: float = 0.9,
        correction_start: int | float = 0.2,
        max_epochs: int | None = None,
        warmup_epochs: int | float = 0.1,
        refresh_every: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        weight_decay: float = 0.01,
        optimizer: Any = None,
        augmentation: Any = None,
        class_weight: Any = None,
        backbone: Any = None,
        selector: Any = None,
        neighbors: Any = None,
        device: str = "auto",
        callbacks: Any = None,
        net_params: dict[str, Any] | None = None,
        verbose: int = 0,
        random_state: Any = None,
    ):
        self.n_neighbors = n_neighbors
        self.alpha = alpha
        self.correction_start = correction_start
        self.max_epochs = max_epochs
        self.warmup_epochs = warmup_epochs
        self.refresh_every = refresh_every
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.augmentation = augmentation
        self.class_weight = class_weight
        self.backbone = backbone
        self.selector = selector
        self.neighbors = neighbors
        self.device = device
        self.callbacks = callbacks
        self.net_params = net_params
        self.verbose = verbose
        self.random_state = random_state

    def _constraints(self) -> dict[str, list[Any]]:
        return {
            "n_neighbors": [Interval(Integral, 1, None, closed="left")],
            "alpha": [Interval(Real, 0, 1, closed="both")],
            "correction_start": [
                Interval(Integral, 0, None, closed="left"),
                Interval(Real, 0, 1, closed="neither"),
            ],
        }

    def _build_components(self, session: FitSession) -> None:
        self.selector_ = resolve_component(
            self, "selector", selector_builders(), "threshold", (), "select"
        )
        builders = {
            **neighbor_builders(len(session.active), session.x.device, session.seed),
            "batch": ExactNeighbors,
        }
        self.neighbors_ = resolve_component(
            self, "neighbors", builders, "auto", (), "kneighbors"
        )

    @property
    def _in_batch(self) -> bool:
        return isinstance(self.neighbors, str) and self.neighbors == "batch"

    def _correct(
        self, bank: FeatureBank, selection: Selection, session: FitSession
    ) -> dict[str, torch.Tensor]:
        """Move the targets towards the predictions, and find the neighbours anew."""
        ledger, device = session.ledger, bank.logits.device
        targets = ledger.targets
        if session.schedule.may_correct(session.epoch):
            targets = moving_average(targets, bank.logits.softmax(1), self.alpha)
        if not self._in_batch:
            with session.stage("search"):
                session.neighbors = self._neighbor_graph(bank.features, session)
        clean_proba = torch.from_numpy(selection.clean_proba).to(device)
        easy = torch.from_numpy(selection.easy).to(device)
        return {
            "targets": targets,
            "clean_proba": clean_proba,
            "confidence": clean_proba,
            "easy": easy,
            "labelled": torch.ones_like(easy),
        }

    def _neighbor_graph(self, features: torch.Tensor, session: FitSession) -> torch.Tensor:
        """Every row first, then its neighbours among the rows trained on."""
        active = session.active
        rows, _ = centred_unit_rows(features[active])
        found = find_neighbors(self.neighbors_, rows, self.n_neighbors)
        own = torch.arange(len(features), device=features.device).unsqueeze(1)
        graph = own.repeat(1, 1 + found.shape[1])
        graph[active, 1:] = active[found]
        return graph

    def _batch_loss(
        self, net: NoisyLabelNet, x: torch.Tensor, rows: torch.Tensor, session: FitSession
    ) -> torch.Tensor:
        """Cross-entropy of synthetic rows: the row and its neighbours, mixed."""
        ledger = session.ledger
        if self._in_batch:
            with torch.no_grad():
                unit, _ = centred_unit_rows(net.module_(x)[1])
            own = torch.arange(len(rows), device=x.device)
            _, found = cosine_topk(unit, unit, self.n_neighbors, exclude=own)
            graph = torch.cat([own.unsqueeze(1), found], dim=1)
            weights = clean_weights(ledger.clean_proba[rows], graph)
            mixed, targets = mix_neighbors(x, ledger.targets[rows], graph, weights)
        else:
            assert session.neighbors is not None
            graph = session.neighbors[rows]
            weights = clean_weights(ledger.clean_proba, graph)
            mixed, targets = mix_neighbors(session.x, ledger.targets, graph, weights)
        if session.view is not None:
            mixed = session.view(mixed, session.batch_stream)
        logits, _ = net.infer(mixed)
        return soft_cross_entropy(logits, targets, ledger.weight[rows])
