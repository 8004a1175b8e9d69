"""The only skorch subclass: hooks for a method, averaged weights, thrifty history."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

import torch
from skorch import NeuralNet
from skorch.dataset import get_len
from skorch.history import History
from torch import nn

from nllearn.exceptions import TrainingDivergedError
from nllearn.networks._lr_schedules import CosineAnnealing
from nllearn.training._batches import Batch, DeviceBatches
from nllearn.training._callbacks import StopTraining, run_callbacks
from nllearn.training._distributed import ProcessGroup
from nllearn.training._ema import EMAWeights
from nllearn.training._seeding import seed_for, seed_torch
from nllearn.training._synced_layers import SyncedLayers

__all__ = ["NoisyLabelNet"]

_LOG = logging.getLogger("nllearn")


class NoisyLabelNet(NeuralNet):
    """skorch net whose loss and epoch start are given by a method.

    Everything else of skorch is as documented there. Batches are ``x, (label, row)``;
    the method looks its per-row state up by row number. Batch order and dropout are
    functions of (seed, epoch).

    Parameters
    ----------
    module : nn.Module
        Built network; ``forward`` returns ``(logits, features)``.
    batch_loss : callable
        ``(net, x, rows) -> scalar Tensor``; called in training mode.
    begin_epoch, end_epoch : callable
        ``(net, epoch) -> None``; called before the batches of an epoch, and when the
        epoch is summed up.
    seed : int, default=0
        Seed of batch order and dropout.
    ema_decay : float, default=0.99
        Decay per step of the averaged weights that score rows and predict; 0 uses
        the last weights. The decay grows from about 0.2 over the first steps.
    amp : bool, default=False
        Forward, backward and scoring in bfloat16 where torch deems it safe.
    lr_schedule : callable or None, default=None
        ``(epoch, max_epochs) -> factor`` of the learning rate, the epoch from 0. None is
        :class:`~nllearn.training.CosineAnnealing`; there are also
        :class:`~nllearn.training.StepDecay` and :class:`~nllearn.training.WarmRestarts`.
    **kwargs
        Anything of :class:`skorch.NeuralNet`.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        batch_loss: Callable[..., torch.Tensor] | None = None,
        begin_epoch: Callable[..., None] | None = None,
        end_epoch: Callable[..., None] | None = None,
        seed: int = 0,
        ema_decay: float = 0.99,
        amp: bool = False,
        lr_schedule: Callable[[int, int], float] | None = None,
        **kwargs: Any,
    ):
        kwargs.setdefault("criterion", nn.CrossEntropyLoss)
        kwargs.setdefault("train_split", None)
        kwargs.setdefault("iterator_train", DeviceBatches)
        super().__init__(module, **kwargs)
        self.batch_loss = batch_loss
        self.begin_epoch = begin_epoch
        self.end_epoch = end_epoch
        self.seed = seed
        self.ema_decay = ema_decay
        self.amp = amp
        self.lr_schedule = lr_schedule
        self._teacher: EMAWeights | None = None
        self._restored: dict[str, Any] | None = None
        self._group: ProcessGroup | None = None
        self._layers: SyncedLayers | None = None

    @property
    def _default_callbacks(self) -> list[Any]:
        # skorch's own would score, time and print; the history below holds what we need.
        return []

    @property
    def scoring_module(self) -> nn.Module:
        """Module that scores rows: averaged weights while training, the fitted one after."""
        return self._plain_module if self._teacher is None else self._teacher.module

    @property
    def _plain_module(self) -> nn.Module:
        """The trained module itself, without the wrapper that ``compile=True`` puts around it."""
        return getattr(self.module_, "_orig_mod", self.module_)

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Tell the callbacks; a checkpoint comes after them, with what they wrote down."""
        getattr(self, method_name)(self, **cb_kwargs)
        try:
            run_callbacks(self, method_name, cb_kwargs)
        finally:
            if method_name == "on_epoch_end":
                # One dict per batch would outgrow the weights in a long run.
                self.history[-1]["batches"] = []
        if method_name == "on_epoch_end" and self.end_epoch is not None:
            self.end_epoch(self, len(self.history) - 1)

    def partial_fit(
        self, X: Any, y: Any = None, classes: Any = None, **fit_params: Any
    ) -> NoisyLabelNet:
        """Train on; Ctrl-C leaves, where skorch would take it for the end of the training.

        A callback ends it early when it raises KeyboardInterrupt at the end of an epoch.
        """
        if not self.initialized_:
            self.initialize()
        self.notify("on_train_begin", X=X, y=y)
        with suppress(StopTraining):
            self.fit_loop(X, y, **fit_params)
        self.notify("on_train_end", X=X, y=y)
        return self

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        """As in skorch, but a GPU is not waited for after every step.

        There the history's losses of the batches are tensors, read when the epoch is over.
        """
        if iterator is None:
            return
        n_batches = 0
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            loss = step["loss"].detach()
            self.history.record_batch(f"{prefix}_loss", loss if loss.is_cuda else loss.item())
            self.history.record_batch(f"{prefix}_batch_size", get_len(batch[0]))
            self.notify("on_batch_end", batch=batch, training=training, **step)
            n_batches += 1
        self.history.record(f"{prefix}_batch_count", n_batches)

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Batches from tensors on the device; other iterators get what skorch gives them."""
        if training and self.iterator_train is DeviceBatches:
            return DeviceBatches(dataset, self.batch_size, self.seed, lambda: len(self.history) - 1)
        return super().get_iterator(dataset, training=training)

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Start the averaged weights, from the same weights in every process."""
        super().on_train_begin(net, X=X, y=y, **kwargs)
        if self._group is not None:
            self._group.broadcast_tensors(self._plain_module.state_dict().values())
        if self.ema_decay:
            self._teacher = EMAWeights(self._plain_module, self.ema_decay)
            if self._restored is not None:
                self._teacher.load_state_dict(self._restored)
        self._restored = None
        if self._group is not None:
            # After the copy that the averaged weights are.
            self._layers = SyncedLayers(self._plain_module, self._group)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if self.__dict__.get("module_") is not None:
            # skorch remaps the device of `module_`; the parameter `module` is the same network.
            del state["module"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        device = torch.device(state["device"])
        if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
            state = {**state, "device": "cpu"}
        super().__setstate__(state)
        self.__dict__.setdefault("module", self.__dict__.get("module_"))

    def join(self, group: ProcessGroup | None) -> None:
        """Train together with other processes; None trains alone.

        Every process gets whole batches, forwards its part of the rows and sums the
        gradients, so that losses and weights are those of one process.

        Parameters
        ----------
        group : ProcessGroup or None

        Raises
        ------
        ValueError
            If the net is compiled.
        """
        if group is not None and self.compile:
            raise ValueError(
                "net_params={'compile': True} does not work with several processes; leave it out"
            )
        self._group = group

    def leave(self) -> None:
        """Go on alone: predictions need no other process."""
        if self._layers is not None:
            self._layers.remove()
        self._group = self._layers = None

    def state(self) -> dict[str, Any]:
        """Everything of the net that a checkpoint needs; the history aside."""
        return {
            "module": self._plain_module.state_dict(),
            "optimizer": self.optimizer_.state_dict(),
            "teacher": None if self._teacher is None else self._teacher.state_dict(),
        }

    def restore(self, state: dict[str, Any], history: list[dict[str, Any]]) -> None:
        """Put a checkpoint back into an initialised net, before it trains on."""
        self._plain_module.load_state_dict(state["module"])
        self.optimizer_.load_state_dict(state["optimizer"])
        self._restored = state["teacher"]
        self.history = History(history)

    def on_epoch_begin(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        """Seed the epoch, set the learning rate and let the method refresh its state."""
        super().on_epoch_begin(net, dataset_train, dataset_valid, **kwargs)
        self._epoch_started = time.perf_counter()
        epoch = len(self.history) - 1
        seed_torch(seed_for(self.seed, epoch, 1), torch.device(self.device))
        factor = (self.lr_schedule or CosineAnnealing())(epoch, self.max_epochs)
        for group in self.optimizer_.param_groups:
            start = group.setdefault("initial_lr", group["lr"])
            group["lr"] = start * factor
        self.history.record("lr", self.optimizer_.param_groups[0]["lr"])
        if self.begin_epoch is not None:
            self.begin_epoch(self, epoch)

    def infer(self, x: torch.Tensor, **fit_params: Any) -> Any:
        """Forward pass of the trained module, in bfloat16 with ``amp=True``."""
        with self._precision():
            if self._group is None:
                logits, features = self.module_(x, **fit_params)
            else:
                logits, features = self._group.by_rows(
                    len(x), lambda rows: self.module_(x[rows], **fit_params)
                )
        return logits.float(), features

    def teach(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of the scoring module, in evaluation mode; call it without gradients."""
        teacher = self.scoring_module
        was_training = teacher.training
        if was_training:
            teacher.eval()
        with self._precision():
            if self._group is None:
                logits = teacher(x)[0].float()
            else:
                (logits,) = self._group.by_rows(len(x), lambda rows: (teacher(x[rows])[0].float(),))
        if was_training:
            teacher.train()
        return logits

    def _precision(self) -> Any:
        """Context of forward passes."""
        kind = torch.device(self.device).type
        return torch.autocast(kind, dtype=torch.bfloat16) if self.amp else nullcontext()

    def train_step_single(self, batch: Batch, **fit_params: Any) -> dict[str, Any]:
        """One forward and backward pass with the method's loss."""
        if not self.module_.training:
            self._set_training(True)
        x, (_, rows) = batch
        assert self.batch_loss is not None
        loss = self.batch_loss(self, x, rows)
        loss.backward()
        if self._group is not None:
            # Each process has the gradient of the whole batch's loss through its own rows.
            self._group.sum_gradients(self._plain_module.parameters())
        return {"loss": loss, "y_pred": None}

    def train_step(self, batch: Batch, **fit_params: Any) -> dict[str, Any]:
        """One optimiser step, then one step of the averaged weights."""
        step = super().train_step(batch, **fit_params)
        if self._teacher is not None:
            self._teacher.step()
        return step

    def on_epoch_end(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        """Sum the epoch up in one row of the history and drop its batches."""
        super().on_epoch_end(net, dataset_train, dataset_valid, **kwargs)
        self.history.record("dur", time.perf_counter() - self._epoch_started)
        batches = self.history[-1]["batches"]
        losses = [row["train_loss"] for row in batches if "train_loss" in row]
        if losses and isinstance(losses[0], torch.Tensor):
            losses = torch.stack(losses).tolist()
        loss = sum(losses) / max(1, len(losses))
        before = [row["train_loss"] for row in self.history[:-1]]
        self.history.record("train_loss", loss)
        # By this name skorch's Checkpoint asks for it.
        self.history.record("train_loss_best", loss < min(before, default=math.inf))
        if not math.isfinite(self.history[-1]["train_loss"]):
            raise TrainingDivergedError(
                f"training diverged in epoch {len(self.history)}: the loss is "
                f"{self.history[-1]['train_loss']}; lower lr={self.lr!r}"
            )
        if self._group is not None and not self._group.is_main:
            return
        _LOG.info(
            "epoch %d of %d, %s, loss %.4f",
            len(self.history),
            self.max_epochs,
            self.history[-1].get("phase", "training"),
            self.history[-1]["train_loss"],
        )

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Keep the averaged weights as the fitted ones, and let go of the method."""
        super().on_train_end(net, X=X, y=y, **kwargs)
        # Prediction meets batches of any size, and a pickle should need no compiler.
        self.module_ = self._plain_module
        if self._teacher is not None:
            self.module_.load_state_dict(self._teacher.module.state_dict())
        if self._group is not None:
            self._group.broadcast_tensors(self.module_.state_dict().values())
        self.leave()
        self._teacher = None
        self.module_.eval()
        self.batch_loss = self.begin_epoch = self.end_epoch = None
