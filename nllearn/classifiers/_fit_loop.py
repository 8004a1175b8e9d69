"""One call of ``fit``: what it holds, and the stages of an epoch, a refresh and the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from nllearn._torch_state import LEAST_WORK, torch_state
from nllearn._views import View
from nllearn.classifiers._components import select_rows
from nllearn.classifiers._label_posterior import (
    InputRows,
    fitted_rows,
    label_model_work,
    posterior_from_features,
)
from nllearn.classifiers._parameters import InputDefaults
from nllearn.exceptions import TrainingDivergedError
from nllearn.functional.losses import soft_cross_entropy
from nllearn.label_model import AnnotatorLabels, LabelPosterior
from nllearn.selectors import Selection
from nllearn.training import (
    FeatureBank,
    NoisyLabelNet,
    Rows,
    SampleState,
    Schedule,
    Source,
    collect,
    resolve_schedule,
    stream,
)
from nllearn.training._distributed import ProcessGroup

__all__ = ["FitLoop", "open_loop"]


@dataclass
class FitLoop:
    """State of one fit, and what both methods do with it.

    Parameters
    ----------
    rows : Rows
        The rows, and which of them are trained on.
    sample_state : SampleState
    active : int64 Tensor of shape (m,)
        Rows of weight above zero.
    schedule : Schedule
    seed : int
    weak, view : callable or None
        Random views of a batch: for targets and the warm-up, and for what the network
        learns from.
    correct : callable
        ``(bank, selection, loop) -> dict`` for ``SampleState.update``: the method's own step
        from features and selection to new targets.
    batch_loss : callable
        ``(net, x, idx, loop) -> scalar Tensor``: the method's own loss of a batch.
    boundary_noise : bool or "auto"
        For the label model.
    input_rows : InputRows or None
        The user's table, where it is small enough for the label model.
    annotators : AnnotatorLabels or None
        Where several annotators labelled the rows.
    selector, neighbors, hallucinator : object or None
        Components of the method.
    n_jobs : int or None
        As the estimator's.
    is_small_step : bool
        Whether a step of training gains nothing from several threads.
    group : ProcessGroup or None
        Processes that share the work; None when there is one.
    epoch : int
        The current one.
    notes : dict
        What goes into this epoch's row of the history.
    batch_stream : torch.Generator
        Random numbers of this epoch's batches.
    """

    rows: Rows
    sample_state: SampleState
    active: torch.Tensor
    schedule: Schedule
    seed: int
    weak: View | None
    view: View | None
    correct: Callable[..., dict[str, torch.Tensor]]
    batch_loss: Callable[..., torch.Tensor]
    input_rows: InputRows | None = None
    annotators: AnnotatorLabels | None = None
    boundary_noise: bool | str = "auto"
    selector: Any = None
    neighbors: Any = None
    hallucinator: Any = None
    n_jobs: int | None = None
    is_small_step: bool = True
    group: ProcessGroup | None = None
    epoch: int = 0
    notes: dict[str, Any] = field(default_factory=dict)
    batch_stream: torch.Generator = field(default_factory=torch.Generator)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.sample_state.n_classes

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.rows.source.device

    @property
    def sample(self) -> torch.Tensor:
        """Two rows, to try a module on."""
        return self.rows.source.take(torch.tensor([0, 1]))

    @torch.no_grad()
    def n_features(self, module: torch.nn.Module) -> int:
        """Width of a network's features."""
        was_training = module.training
        width = int(module.eval()(self.sample)[1].shape[1])
        module.train(was_training)
        return width

    def threads(self) -> AbstractContextManager[int]:
        """Threads for the work on all rows at once."""
        small = label_model_work(len(self.sample_state.given)) < LEAST_WORK
        return torch_state(self.n_jobs, is_small=self.is_small_step and small)

    def generator(self, purpose: int) -> torch.Generator:
        """Random stream of a purpose in this epoch."""
        return stream(self.seed, self.epoch, purpose)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage's seconds into this epoch's row of the history."""
        start = time.perf_counter()
        yield
        key = f"seconds_{name}"
        self.notes[key] = self.notes.get(key, 0.0) + time.perf_counter() - start

    # -- an epoch

    def begin_epoch(self, net: NoisyLabelNet, epoch: int) -> None:
        """Before the batches of an epoch: its own random stream, and a refresh when it is due."""
        self.epoch = epoch
        self.notes = {"phase": self.schedule.phase(epoch)}
        self.batch_stream = stream(self.seed, epoch, 2)
        if self.n_classes > 1 and self.schedule.is_refresh(epoch):
            with self.threads():
                self.refresh(net)
        for key, value in self.notes.items():
            net.history.record(key, value)

    def loss(self, net: NoisyLabelNet, x: torch.Tensor, idx: torch.Tensor) -> torch.Tensor:
        """Loss of a batch: the method's own in the robust phase, else cross-entropy."""
        if self.n_classes > 1 and self.schedule.is_robust(self.epoch):
            return self.batch_loss(net, x, idx, self)
        state = self.sample_state
        # Strong views in the warm-up blur the losses that tell clean rows from wrong ones.
        view = self.weak if self.schedule.is_warmup(self.epoch) else self.view
        if view is not None:
            x = view(x, self.batch_stream)
        logits, _ = net.infer(x)
        targets = state.targets.index_select(0, idx)
        return soft_cross_entropy(logits, targets, state.weight.index_select(0, idx))

    # -- a refresh

    def refresh(self, net: NoisyLabelNet) -> None:
        """The data flow of both methods, one line per stage."""
        with self.stage("collect"):
            bank = self.collect(net)
        loop = self.beside(bank)
        with self.stage("select"):
            selection = loop.select(bank)
        self.rows.neighbor_indices = None
        if self.schedule.is_posterior(self.epoch):
            update = loop.update_targets_from_posterior(bank, selection)
        else:
            update = loop.correct(bank, selection, loop)
        update = {name: values.to(self.active.device) for name, values in update.items()}
        if self.rows.neighbor_indices is not None:
            self.rows.neighbor_indices = self.rows.neighbor_indices.to(self.active.device)
        self.sample_state.update(epoch=self.epoch, **update)
        if self.group is not None:
            self.group.broadcast_tensors(self.sample_state.moving().values())
            if self.rows.neighbor_indices is not None:
                self.group.broadcast_tensors([self.rows.neighbor_indices])
        self._note_shares()

    def collect(self, net: NoisyLabelNet) -> FeatureBank:
        """Logits, features and losses of every row, by the scoring module."""
        bank = collect(
            net.scoring_module,
            self.rows.source,
            self.sample_state.given,
            amp=net.amp,
            group=self.group,
        )
        if not bool(torch.isfinite(bank.losses).all()):
            over = sum("train_loss" in row for row in net.history)
            raise TrainingDivergedError(
                f"training diverged in epoch {over}: the network's outputs are not finite; "
                f"lower lr={net.lr!r}"
            )
        return bank

    def beside(self, bank: FeatureBank) -> FitLoop:
        """This fit with the state of its rows where the bank is: a GPU may be too small for it."""
        device = bank.features.device
        if device == self.active.device:
            return self
        state, active = self.sample_state.to(device), self.active.to(device)
        return replace(self, sample_state=state, active=active)

    def select(self, bank: FeatureBank) -> Selection:
        """Easy rows and clean probability of every row."""
        state = self.sample_state
        return select_rows(self.selector, bank.losses, state.given, state.row_weight, self.active)

    def estimate_posterior(self, bank: FeatureBank, generator: torch.Generator) -> LabelPosterior:
        """Posterior of every label, from the features and the user's table."""
        return posterior_from_features(
            bank.features,
            self.sample_state,
            self.active,
            self.neighbors,
            self.input_rows,
            generator,
            self.boundary_noise,
            self.annotators,
        )

    def update_targets_from_posterior(
        self, bank: FeatureBank, selection: Selection
    ) -> dict[str, torch.Tensor]:
        """In the last phase the network learns from the label posterior."""
        with self.stage("posterior"):
            posterior = self.estimate_posterior(bank, self.generator(4))
        state = self.sample_state
        everything = torch.ones_like(state.trusted)
        return {
            "targets": posterior.distributions,
            "clean_proba": torch.from_numpy(selection.clean_proba).to(everything.device),
            "confidence": everything.float(),
            "easy": torch.from_numpy(selection.easy).to(everything.device),
            "labelled": everything,
        }

    def _note_shares(self) -> None:
        """Shares of rows for the history."""
        state = self.sample_state
        corrected = state.targets.argmax(1) != state.given
        for name, mask in (
            ("easy", state.easy),
            ("unlabelled", ~state.labelled),
            ("corrected", corrected & state.labelled),
        ):
            self.notes[f"share_{name}"] = float(mask[self.active].float().mean())

    # -- the end

    def finish(self, net: NoisyLabelNet) -> dict[str, Any]:
        """From the fitted network to what fit keeps of every row."""
        with self.threads():
            bank = self.collect(net)
            loop, n = self.beside(bank), len(bank.losses)
            selection = Selection(np.ones(n, bool), np.ones(n, np.float32))
            if self.n_classes > 1:
                selection = loop.select(bank)
            # Not of the current epoch: a run that is resumed at its end has had none.
            generator = stream(self.seed, self.schedule.max_epochs, 4)
            posterior = loop.estimate_posterior(bank, generator)
            return fitted_rows(bank, selection, loop.sample_state, posterior)


def open_loop(
    estimator: Any,
    source: Source,
    sample_state: SampleState,
    batch_size: int,
    defaults: InputDefaults,
    seed: int,
    **steps: Any,
) -> FitLoop:
    """Resolve the schedule and the views, and put the state of a fit together.

    Parameters
    ----------
    estimator : classifier
        Its parameters are read.
    source : Source
        The rows.
    sample_state : SampleState
    batch_size : int
    defaults : InputDefaults
    seed : int
    **steps : any
        `correct`, `batch_loss`, `input_rows` and `annotators` of :class:`FitLoop`.

    Returns
    -------
    loop : FitLoop
    """
    active = torch.nonzero(sample_state.row_weight > 0).squeeze(1)
    warmup = estimator.warmup_epochs
    schedule = resolve_schedule(
        n_rows=len(active),
        batch_size=batch_size,
        max_epochs=estimator.max_epochs,
        warmup_epochs=defaults.warmup_epochs if warmup is None else warmup,
        refresh_every=estimator.refresh_every,
        correction_start=getattr(estimator, "correction_start", 0),
        posterior_share=estimator.posterior_share,
        updates_posterior=defaults.updates_posterior,
    )
    weak, view = defaults.views(estimator.augmentation)
    return FitLoop(
        Rows(source, sample_state.given, active),
        sample_state,
        active,
        schedule,
        seed,
        weak,
        view,
        boundary_noise=estimator.boundary_noise,
        **steps,
    )
