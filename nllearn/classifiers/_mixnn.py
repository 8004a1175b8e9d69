"""MixNN: mix every row with its nearest neighbours, weighted by how clean they are."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval

from nllearn.classifiers._base import BaseNoisyLabelClassifier
from nllearn.classifiers._components import resolve_component
from nllearn.classifiers._fit_loop import FitLoop
from nllearn.classifiers._parameters import neighbor_builders, selector_builders
from nllearn.classifiers._shared_docs import with_shared_docs
from nllearn.functional.losses import soft_cross_entropy
from nllearn.functional.mixup import clean_weights, mix_neighbors
from nllearn.functional.relabelling import moving_average
from nllearn.functional.similarity import centred_unit_rows, cosine_topk
from nllearn.neighbors._search import find_neighbors
from nllearn.selectors import Selection
from nllearn.training import FeatureBank, NoisyLabelNet

__all__ = ["MixNNClassifier"]


@with_shared_docs
class MixNNClassifier(BaseNoisyLabelClassifier):
    r"""Classifier that mixes every row with its nearest neighbours (MixNN).

    After a warm-up, a two-component mixture on the losses gives the probability
    :math:`w_i` that each label is clean. Every row is then trained on as a synthetic
    one, mixed with its K nearest neighbours in feature space:

    .. math::
        \hat x_i = \sum_{k \in \{i\} \cup NN(i)} v_k x_k, \quad
        \hat t_i = \sum_k v_k t_k, \quad v_k = w_k / \sum_j w_j

    and the targets move towards the predictions,
    :math:`t \leftarrow \alpha t + (1 - \alpha) p`. In the last part of the fit the
    network learns from the label posterior that becomes ``label_distributions_``.

    Parameters
    ----------
    n_neighbors : int or None, default=None
        K, neighbours mixed into every row; fewer where a batch or the data hold fewer.
        None takes 5, on images 1.
    alpha : float, default=0.9
        Momentum of the targets at every refresh, in [0, 1]; 1 never corrects.
    correction_start : int or float, default=0.1
        First epoch that corrects targets: epochs as an int, share of
        ``max_epochs`` as a float in (0, 1).
    {training parameters}
    selector : {"balanced", "threshold", "purity"}, selector or None, default=None
        Chooses the easy rows. None takes "threshold".
    neighbors : {"auto", "exact", "descent", "batch"}, search or None, default=None
        Where the neighbours are looked for. "batch": among the rows of each batch, by
        their features of the moment, as the code of the paper does. All others search
        the whole training set at every refresh, as the paper says: "auto" exactly, or
        approximately for many rows; a search has scikit-learn's ``fit`` and
        ``kneighbors``. None takes "batch", on images "auto".
    {input and run parameters}

    Attributes
    ----------
    {fitted attributes}
    {components and settings}

    References
    ----------
    Lu, He, "MixNN: Combating Noisy Labels in Deep Learning by Mixing with Nearest
    Neighbors", IEEE Big Data 2021; arXiv 2406.16966.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nllearn import MixNNClassifier
    >>> from nllearn.datasets import make_symmetric_noise
    >>> X, y = load_iris(return_X_y=True)
    >>> y_noisy = make_symmetric_noise(y, noise_rate=0.3, random_state=0)
    >>> clf = MixNNClassifier(random_state=0).fit(X, y_noisy)
    >>> bool(clf.score(X, y) > 0.85)
    True
    >>> bool((clf.corrected_labels_ == y).mean() > (y_noisy == y).mean())
    True
    """

    def __init__(
        self,
        *,
        n_neighbors: int | None = None,
        alpha: float = 0.9,
        correction_start: int | float = 0.1,
        max_epochs: int | None = None,
        warmup_epochs: int | float | None = None,
        refresh_every: int | None = None,
        posterior_share: float = 0.6,
        boundary_noise: bool | str = "auto",
        batch_size: int | None = None,
        lr: float | None = None,
        weight_decay: float = 0.01,
        optimizer: Any = None,
        augmentation: Any = None,
        class_weight: Any = None,
        backbone: Any = None,
        selector: Any = None,
        neighbors: Any = None,
        image_layout: str = "auto",
        decode_size: Any = None,
        on_bad_image: str = "raise",
        device: str = "auto",
        checkpoint_dir: Any = None,
        callbacks: Any = None,
        net_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
        verbose: int | None = None,
        random_state: Any = None,
    ):
        self.n_neighbors = n_neighbors
        self.alpha = alpha
        self.correction_start = correction_start
        self.max_epochs = max_epochs
        self.warmup_epochs = warmup_epochs
        self.refresh_every = refresh_every
        self.posterior_share = posterior_share
        self.boundary_noise = boundary_noise
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.augmentation = augmentation
        self.class_weight = class_weight
        self.backbone = backbone
        self.selector = selector
        self.neighbors = neighbors
        self.image_layout = image_layout
        self.decode_size = decode_size
        self.on_bad_image = on_bad_image
        self.device = device
        self.checkpoint_dir = checkpoint_dir
        self.callbacks = callbacks
        self.net_params = net_params
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    def _constraints(self) -> dict[str, list[Any]]:
        return {
            "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
            "alpha": [Interval(Real, 0, 1, closed="both")],
            "correction_start": [
                Interval(Integral, 0, None, closed="left"),
                Interval(Real, 0, 1, closed="neither"),
            ],
        }

    def _build_components(self, loop: FitLoop) -> None:
        self.selector_ = resolve_component(
            self, "selector", selector_builders(), "threshold", (), ("select",)
        )
        n_features = loop.n_features(self.net_.module)
        builders = neighbor_builders(len(loop.active), n_features, loop.device, loop.seed)
        # The label posterior needs the neighbours of every row, wherever the rows were mixed.
        builders["batch"] = builders["auto"]
        default = self._defaults.neighbors
        search = ("fit", "kneighbors")
        self.neighbors_ = resolve_component(self, "neighbors", builders, default, (), search)
        self.resolved_params_["n_neighbors"] = self._n_mixed

    @property
    def _n_mixed(self) -> int:
        """Neighbours that are mixed into a row."""
        return self._defaults.n_neighbors if self.n_neighbors is None else self.n_neighbors

    @property
    def _in_batch(self) -> bool:
        where = self._defaults.neighbors if self.neighbors is None else self.neighbors
        return isinstance(where, str) and where == "batch"

    def _correct(
        self, bank: FeatureBank, selection: Selection, loop: FitLoop
    ) -> dict[str, torch.Tensor]:
        """Move the targets towards the predictions, and find the neighbours anew."""
        sample_state, device = loop.sample_state, bank.logits.device
        targets = sample_state.targets
        if loop.schedule.may_correct(loop.epoch):
            targets = moving_average(targets, bank.logits.softmax(1), self.alpha)
        if not self._in_batch:
            with loop.stage("search"):
                loop.rows.neighbor_indices = self._neighbor_graph(bank.features, loop)
        clean_proba = torch.from_numpy(selection.clean_proba).to(device)
        easy = torch.from_numpy(selection.easy).to(device)
        return {
            "targets": targets,
            "clean_proba": clean_proba,
            "confidence": clean_proba,
            "easy": easy,
            "labelled": torch.ones_like(easy),
        }

    def _neighbor_graph(self, features: torch.Tensor, loop: FitLoop) -> torch.Tensor:
        """Every row first, then its neighbours among the rows trained on."""
        active = loop.active
        rows, _ = centred_unit_rows(features[active])
        _, found = find_neighbors(self.neighbors_, rows, self._n_mixed)
        own = torch.arange(len(features), device=features.device).unsqueeze(1)
        graph = own.repeat(1, 1 + found.shape[1])
        graph[active, 1:] = active[found]
        return graph

    def _batch_loss(
        self, net: NoisyLabelNet, x: torch.Tensor, rows: torch.Tensor, loop: FitLoop
    ) -> torch.Tensor:
        """Cross-entropy of synthetic rows: the row and its neighbours, mixed."""
        sample_state = loop.sample_state
        if loop.view is not None:
            x = loop.view(x, loop.batch_stream)
        own = torch.arange(len(rows), device=x.device)
        if self._in_batch:
            with torch.no_grad():
                unit, _ = centred_unit_rows(net.infer(x)[1].float())
            _, found = cosine_topk(unit, unit, self._n_mixed, exclude=own)
            graph = torch.cat([own.unsqueeze(1), found], dim=1)
        else:
            # The batch holds the rows, then all first neighbours, and so on.
            places = torch.arange(len(x) // len(rows), device=x.device)
            graph = own.unsqueeze(1) + len(rows) * places
            rows = loop.rows.with_neighbors(rows)
        weights = clean_weights(sample_state.clean_proba.index_select(0, rows), graph)
        targets = sample_state.targets.index_select(0, rows)
        mixed, targets = mix_neighbors(x, targets, graph, weights)
        logits, _ = net.infer(mixed)
        weight = sample_state.weight.index_select(0, rows[: len(graph)])
        return soft_cross_entropy(logits, targets, weight)
