"""MixNN: mix every row with its nearest neighbours, weighted by how clean they are."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval

from nllearn.classifiers._base import BaseNoisyLabelClassifier
from nllearn.classifiers._components import resolve_component
from nllearn.classifiers._parameters import neighbor_builders, selector_builders
from nllearn.classifiers._session import FitSession
from nllearn.functional.correction import moving_average
from nllearn.functional.geometry import centred_unit_rows, cosine_topk
from nllearn.functional.losses import soft_cross_entropy
from nllearn.functional.mixing import clean_weights, mix_neighbors
from nllearn.neighbors._search import find_neighbors
from nllearn.selectors import Selection
from nllearn.training import FeatureBank, NoisyLabelNet

__all__ = ["MixNNClassifier"]


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
    network learns from the fused labels that become ``label_distributions_``.

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
    max_epochs : int or None, default=None
        Length of the fit. None aims at 3,000 gradient steps, between 30 and 200
        epochs.
    warmup_epochs : int, float or None, default=None
        Plain training on the given labels first: epochs as an int, share of
        ``max_epochs`` as a float in (0, 1). None takes 0.1, on images 0.3.
    refresh_every : int or None, default=None
        Epochs between two refreshes of losses, features and corrections. None
        makes about five of them.
    posterior_share : float, default=0.6
        Share of the epochs, the last ones, that learn from the label posterior instead of
        the method's own targets, in [0, 1); at least two epochs stay with the method. 0
        trains as the paper does, to the end: see :mod:`nllearn.presets`.
    batch_size : int or None, default=None
        Rows per batch. None takes a tenth of the rows, between 16 and 256, at most 128
        images.
    lr : float or None, default=None
        Learning rate at the start of a cosine schedule. None takes 0.001 for AdamW
        and 0.02 for SGD, on images 0.002 and 0.05.
    weight_decay : float, default=0.01
        Weight decay of the optimiser.
    optimizer : {"adamw", "sgd"}, torch optimiser class or None, default=None
        None takes AdamW.
    augmentation : {"weak", "strong"}, callable or None, default=None
        Random views of the training rows, drawn per row. Tables: "weak" adds a tenth
        of each column's deviation as noise, "strong" also sets 30 % of the values to
        the mean. Images: "weak" crops and flips, "strong" also turns, shears, recolours
        and cuts out; None is "strong". Strong views are what the network learns from
        after the warm-up, targets come from weak ones. A callable gets
        ``(x, generator)`` with standardised rows and returns the view. Never applied
        when losses are scored or labels predicted.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss, by given label.
    backbone : object with ``build``, nn.Module or None, default=None
        Network. None takes :class:`~nllearn.networks.MLPBackbone` for tables and, for
        images, :class:`~nllearn.networks.SmallBackbone` on a CPU and
        :class:`~nllearn.networks.ResNetBackbone` on a GPU. A module returns
        ``(logits, features)``, or logits alone; it is copied.
    selector : {"balanced", "threshold", "purity"}, selector or None, default=None
        Chooses the easy rows. None takes "threshold".
    neighbors : {"auto", "exact", "descent", "batch"}, search or None, default=None
        Where the neighbours are looked for. "batch": among the rows of each batch, by
        their features of the moment, as the code of the paper does. All others search
        the whole training set at every refresh, as the paper says: "auto" exactly, or
        approximately for many rows; a search has scikit-learn's ``fit`` and
        ``kneighbors``. None takes "batch", on images "auto".
    image_layout : {"auto", "channels_last", "channels_first"}, default="auto"
        Which axis of an array of images holds the channels; "auto" needs exactly one
        of axis 1 and axis 3 to have size 1, 3 or 4.
    decode_size : int, (int, int) or None, default=None
        Side, or height and width, that image files are brought to. None needs files
        of one size.
    device : str, default="auto"
        Torch device; "auto" takes the GPU where there is one.
    checkpoint_dir : str, Path or None, default=None
        Folder for checkpoints. The same call resumes a run that was killed, with the
        same result as one that was not; a checkpoint of other data or parameters is
        refused. State of `callbacks` is not kept.
    callbacks : list of skorch callbacks or None, default=None
        Passed on to the net.
    net_params : dict or None, default=None
        Further parameters of the skorch net, such as ``amp=True`` (bfloat16)
        or ``ema_decay=0`` (no averaged weights).
    verbose : int, default=0
        1 shows one progress bar over the fit.
    random_state : int, RandomState or None, default=None
        Seed of everything random.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of columns seen by fit; for images the size of axis 1.
    image_shape_ : tuple of int or None
        Shape of one image, None for tables.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names; only when X had them.
    n_iter_ : int
        Epochs run.
    label_distributions_ : float32 ndarray of shape (n_samples, n_classes)
        Probability of each class being the true one, given the row and its label.
    label_quality_ : float32 ndarray of shape (n_samples,)
        Probability that the given label is right:
        ``label_distributions_[i, given_i]``.
    corrected_labels_ : ndarray of shape (n_samples,)
        Most probable true label; ties go to the given one.
    clean_proba_ : float32 ndarray of shape (n_samples,)
        Small-loss posterior of the given label, not calibrated.
    noise_rate_ : float
        Estimated share of wrong labels.
    transition_matrix_ : float64 ndarray of shape (n_classes, n_classes)
        Estimated probability of each given label (column) for each true one (row).
    history_ : list of dict
        One per epoch: phase, loss, learning rate, shares of rows, seconds per
        stage.
    net_ : NoisyLabelNet
        The fitted skorch net.
    backbone_ : object
        What built the network.
    selector_ : selector
        The fitted selector.
    neighbors_ : search
        The neighbour search.
    resolved_params_ : dict
        What every None became.

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
        device: str = "auto",
        checkpoint_dir: Any = None,
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
        self.posterior_share = posterior_share
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
        self.device = device
        self.checkpoint_dir = checkpoint_dir
        self.callbacks = callbacks
        self.net_params = net_params
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

    def _build_components(self, session: FitSession) -> None:
        self.selector_ = resolve_component(
            self, "selector", selector_builders(), "threshold", (), "select"
        )
        builders = neighbor_builders(len(session.active), session.device, session.seed)
        # The conclusion asks the neighbours of every row, wherever the rows were mixed.
        builders["batch"] = builders["auto"]
        default = self._defaults.neighbors
        self.neighbors_ = resolve_component(self, "neighbors", builders, default, (), "kneighbors")
        self.resolved_params_["n_neighbors"] = (
            self._defaults.n_neighbors if self.n_neighbors is None else self.n_neighbors
        )

    @property
    def _in_batch(self) -> bool:
        where = self._defaults.neighbors if self.neighbors is None else self.neighbors
        return isinstance(where, str) and where == "batch"

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
                session.rows.companions = self._neighbor_graph(bank.features, session)
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
        _, found = find_neighbors(self.neighbors_, rows, self.resolved_params_["n_neighbors"])
        own = torch.arange(len(features), device=features.device).unsqueeze(1)
        graph = own.repeat(1, 1 + found.shape[1])
        graph[active, 1:] = active[found]
        return graph

    def _batch_loss(
        self, net: NoisyLabelNet, x: torch.Tensor, rows: torch.Tensor, session: FitSession
    ) -> torch.Tensor:
        """Cross-entropy of synthetic rows: the row and its neighbours, mixed."""
        ledger = session.ledger
        if session.view is not None:
            x = session.view(x, session.batch_stream)
        own = torch.arange(len(rows), device=x.device)
        if self._in_batch:
            with torch.no_grad():
                unit, _ = centred_unit_rows(net.infer(x)[1].float())
            _, found = cosine_topk(unit, unit, self.resolved_params_["n_neighbors"], exclude=own)
            graph = torch.cat([own.unsqueeze(1), found], dim=1)
        else:
            # The batch holds the rows, then all first neighbours, and so on.
            graph = own.unsqueeze(1) + len(rows) * torch.arange(len(x) // len(rows)).to(own)
            rows = session.rows.with_companions(rows)
        weights = clean_weights(ledger.clean_proba[rows], graph)
        mixed, targets = mix_neighbors(x, ledger.targets[rows], graph, weights)
        logits, _ = net.infer(mixed)
        return soft_cross_entropy(logits, targets, ledger.weight[rows[: len(graph)]])
