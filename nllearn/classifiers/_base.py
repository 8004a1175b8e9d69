"""What both classifiers share: the door, what is built for a fit, and what fit leaves."""

from __future__ import annotations

import numbers
import time
from abc import ABCMeta, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets

from nllearn._judgement import warn_of_lost_classes
from nllearn._validation import (
    check_params,
    check_same_rows,
    check_trusted,
    check_weights,
    resolve_device,
)
from nllearn.classifiers._components import build_module
from nllearn.classifiers._conclusion import Conclusion
from nllearn.classifiers._fitted import FittedMethods
from nllearn.classifiers._inputs import ImageInput, TableInput, check_input
from nllearn.classifiers._parameters import (
    image_defaults,
    resolve_optimizer,
    shared_constraints,
    table_defaults,
)
from nllearn.classifiers._resume import (
    Checkpoints,
    check_can_resume,
    fingerprint,
)
from nllearn.classifiers._session import FitSession
from nllearn.classifiers._stages import FitStages
from nllearn.neighbors import BaseNeighbors, ExactNeighbors
from nllearn.training import (
    Ledger,
    NoisyLabelNet,
    Rows,
    TensorSource,
    explain_memory,
    fork_torch_seed,
    resolve_batch_size,
    resolve_schedule,
)
from nllearn.training._distributed import Team, open_team
from nllearn.training._progress import FitProgress

__all__ = ["BaseNoisyLabelClassifier"]


class BaseNoisyLabelClassifier(
    FittedMethods, FitStages, ClassifierMixin, BaseEstimator, metaclass=ABCMeta
):
    """Base of the classifiers: holds a skorch net, does not inherit from one.

    A subclass has its parameters, ``_constraints``, builds its components in
    ``_build_components``, and fills the two open stages of :class:`FitStages`.
    """

    # Last share of the epochs that learns from the fused labels, by measurement.
    _polish_share = 0.6

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, trusted: Any = None
    ) -> BaseNoisyLabelClassifier:
        """Learn a classifier and clean the labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images, paths or Dataset
            Table or embeddings: array, memmap or DataFrame of numbers. Images: array
            or memmap of shape (n_samples, H, W), (n_samples, H, W, C) or
            (n_samples, C, H, W); list, array or Series of image files; map-style torch
            Dataset of images or ``(image, label)``, which is read once when it fits in
            memory, so random transforms belong into `augmentation`.
        y : array-like of shape (n_samples,), optional
            Given labels of any dtype, some of them wrong. None is allowed for a
            Dataset alone, which then has ``targets`` or labels in its items.
        sample_weight : array-like of shape (n_samples,), optional
            Importance: multiplies the loss and counts in quotas, votes, noise rate
            and transition matrix; a common factor changes nothing. Repeating a row
            adds evidence for its label, a weight does not. A row of weight 0 takes
            no part in training; its label is scored all the same.
        trusted : array-like of bool of shape (n_samples,), optional
            Rows whose label is known to be right: always easy, never changed,
            quality 1, used for calibration.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For bad parameters (all are told at once) or bad data.
        TypeError
            For sparse input.
        """
        check_params(self, shared_constraints() | self._constraints())
        check_same_rows(X, sample_weight=sample_weight, trusted=trusted)
        X, y, index = check_input(self, X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        trusted = check_trusted(trusted, len(X))
        weight, loss_weight = check_weights(
            sample_weight, self.class_weight, y, self.classes_, codes
        )
        drawn = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        with open_team(resolve_device(self.device)) as team:
            conclusion, start = self._learn(X, codes, weight, loss_weight, trusted, drawn, team)
        self._leave(conclusion, index)
        self.history_[-1]["seconds_conclusion"] = time.perf_counter() - start
        return self

    def set_params(self, **params: Any) -> BaseNoisyLabelClassifier:
        """Set parameters; those of a component as ``selector__purity``.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For an unknown name, or a nested one of a component that is no instance.
        """
        for key in params:
            name, nested, inner = key.partition("__")
            value = params.get(name, getattr(self, name, None))
            if nested and hasattr(self, name) and not hasattr(value, "get_params"):
                raise ValueError(
                    f"{key} cannot be set because {name}={value!r} is no instance with "
                    f"parameters; pass an instance as {name}, then set {name}__{inner}"
                )
        return super().set_params(**params)

    def _learn(
        self,
        X: Any,
        codes: np.ndarray,
        weight: np.ndarray,
        loss_weight: np.ndarray,
        trusted: np.ndarray,
        drawn: int,
        team: Team | None,
    ) -> tuple[Conclusion, float]:
        """Train and sum up; also returns when the summing up began."""
        device, saves = resolve_device(self.device), self.checkpoint_dir is not None
        parts: dict[str, str] = {}
        if saves or team is not None:
            rows = {"sample_weight": weight, "class_weight": loss_weight, "trusted": trusted}
            parts = fingerprint(self, X, codes, **rows)
        if team is not None:
            # Without a number each process draws a seed of its own.
            known = isinstance(self.random_state, numbers.Integral)
            run = {"checkpoint_dir": str(saves), "random_state": str(drawn if known else None)}
            team.check_same(parts | run)
            device, drawn = team.place(device), team.from_main(lambda: drawn)
        checkpoints = Checkpoints(self.checkpoint_dir, team)
        seed = checkpoints.seed(drawn, self.random_state)
        if saves:
            checkpoints.check(parts, seed)

        self._input = self._open_input(X, weight > 0)
        with fork_torch_seed(seed, device), explain_memory(device, self._input.is_image):
            session = self._open_session(X, codes, weight, loss_weight, trusted, seed, device)
            session.team = team
            self.net_ = self._build_net(session)
            self._build_components(session)
            for role in ("selector", "hallucinator", "neighbors"):
                if hasattr(self, f"{role}_"):
                    self.resolved_params_[role] = getattr(self, f"{role}_")
            if self.checkpoint_dir is not None and hasattr(self, "hallucinator_"):
                check_can_resume(self.hallucinator_)
            with self._together(team):
                checkpoints.run(self.net_, session, getattr(self, "hallucinator_", None))
                start = time.perf_counter()
                bank = self._collect(self.net_, session)
                conclusion = self._conclude(bank, session)
        if team is not None:
            # Processes on unlike machines may round differently: one of them has the say.
            conclusion = team.from_main(lambda: conclusion)
        return conclusion, start

    @contextmanager
    def _together(self, team: Team | None) -> Iterator[None]:
        """Share training and neighbour search among the processes, during the fit alone."""
        if team is None:
            yield
            return
        search = self.neighbors_ if isinstance(self.neighbors_, ExactNeighbors) else None
        self.net_.join(team)
        if search is not None:
            search.share_with(team)
        try:
            yield
        finally:
            self.net_.leave()
            if search is not None:
                search.share_with(None)

    # -- before training

    @abstractmethod
    def _constraints(self) -> dict[str, list[Any]]:
        """Constraints of the parameters that the method adds."""

    @abstractmethod
    def _build_components(self, session: FitSession) -> None:
        """Set ``selector_`` and the method's other components."""

    def _open_input(self, X: Any, seen: np.ndarray) -> TableInput | ImageInput:
        """How rows reach the network, learnt from the rows of weight above zero."""
        if isinstance(X, np.ndarray):
            self._defaults = table_defaults()
            self.image_shape_: tuple[int, ...] | None = None
            return TableInput(X, seen)
        self._defaults = image_defaults()
        workers = (self.net_params or {}).get("iterator_train__num_workers")
        opened = ImageInput(X, seen, self.image_layout, self.decode_size, workers)
        self.image_shape_ = opened.array_shape
        return opened

    def _open_session(
        self,
        X: Any,
        codes: np.ndarray,
        row_weight: np.ndarray,
        loss_weight: np.ndarray,
        trusted: np.ndarray,
        seed: int,
        device: torch.device,
    ) -> FitSession:
        """Put rows and labels on the device and resolve the schedule."""
        given = torch.from_numpy(codes.astype(np.int64)).to(device)
        weights = torch.from_numpy(row_weight).to(device)
        ledger = Ledger.start(
            given,
            len(self.classes_),
            torch.from_numpy(loss_weight).to(device),
            weights,
            torch.from_numpy(trusted).to(device),
        )
        active = torch.nonzero(weights > 0).squeeze(1)
        self._batch_size = resolve_batch_size(
            self.batch_size, len(active), self._defaults.most_rows_per_batch
        )
        schedule = resolve_schedule(
            n_rows=len(active),
            batch_size=self._batch_size,
            n_steps=self._defaults.n_steps,
            max_epochs=self.max_epochs,
            warmup_epochs=(
                self._defaults.warmup_epochs if self.warmup_epochs is None else self.warmup_epochs
            ),
            refresh_every=self.refresh_every,
            correction_start=getattr(self, "correction_start", 0),
            polish_share=self._polish_share,
            renews_fusion=self._defaults.renews_fusion,
        )
        rows = Rows(self._input.source(X, device), given, active)
        weak, view = self._defaults.views(self.augmentation)
        session = FitSession(rows, ledger, active, schedule, seed, weak, view)
        if isinstance(self._input, TableInput) and isinstance(rows.source, TensorSource):
            session.input_rows = self._input.input_rows(X, row_weight, device)
        return session

    def _build_net(self, session: FitSession) -> NoisyLabelNet:
        """Build the skorch net; ``net_params`` has the last word."""
        module, self.backbone_ = build_module(self.backbone, session.sample, session.n_classes)
        if self._input.is_image:
            module = module.to(memory_format=torch.channels_last)
        name, optimizer, default_lr, settings = resolve_optimizer(self.optimizer, self._defaults.lr)
        self.resolved_params_ = {
            "amp": self._defaults.amp(session.device),
            "backbone": self.backbone_,
            "batch_size": self._batch_size,
            "device": str(session.device),
            "lr": default_lr if self.lr is None else self.lr,
            "optimizer": name,
            "max_epochs": session.schedule.max_epochs,
            "random_state": session.seed,
            "refresh_every": session.schedule.refresh_every,
            "warmup_epochs": session.schedule.warmup_epochs,
        }
        callbacks = list(self.callbacks or [])
        if self.verbose and (session.team is None or session.team.is_main):
            callbacks.append(("progress", FitProgress(session.schedule.max_epochs)))
        params = {
            **{
                key: self.resolved_params_[key]
                for key in ("amp", "lr", "max_epochs", "batch_size", "device")
            },
            "optimizer": optimizer,
            "optimizer__weight_decay": self.weight_decay,
            **{f"optimizer__{key}": value for key, value in settings.items()},
            "callbacks": callbacks,
            "verbose": 0,
            "seed": session.seed,
            **(self.net_params or {}),
        }
        return NoisyLabelNet(
            module,
            batch_loss=lambda net, x, rows: self._loss(net, x, rows, session),
            begin_epoch=lambda net, epoch: self._begin_epoch(net, epoch, session),
            **params,
        )

    # -- after training

    def _leave(self, conclusion: Conclusion, index: Any) -> None:
        """Set the fitted attributes."""
        self.label_distributions_ = conclusion.label_distributions
        self.label_quality_ = conclusion.label_quality
        self.corrected_labels_ = self.classes_[conclusion.corrected]
        self.clean_proba_ = conclusion.clean_proba
        self.noise_rate_ = conclusion.noise_rate
        self.transition_matrix_ = conclusion.transition
        warn_of_lost_classes(self.classes_, conclusion.given, conclusion.corrected, stacklevel=3)
        self._given = conclusion.given
        self._corrected = conclusion.corrected
        self._network_proba = conclusion.network_proba
        self._features: np.ndarray | None = conclusion.features
        self._evidence = conclusion.evidence
        self._index = index
        self.history_ = [
            {key: value for key, value in row.items() if key != "batches"}
            for row in self.net_.history
        ]
        self.n_iter_ = len(self.history_)
        if isinstance(self.neighbors_, BaseNeighbors):
            # The rows that it searched are twice the size of all that fit keeps of them.
            self.neighbors_.forget()
