"""What is written down of an image run as it goes: curves, and what a refresh knew."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from _image_cases import ImageCase
from skorch.callbacks import Callback

from nllearn.training import predict_logits

#: Training images whose labels the network predicts for a point of the curve.
N_TRAIN = 10_000


class Observed:
    """Mixin of a classifier: writes down at every refresh what it knows, against the truth.

    Set `truth`, an int64 Tensor of shape (n,), before the fit.
    """

    truth: torch.Tensor

    def _correct(self, bank: Any, selection: Any, loop: Any) -> dict[str, torch.Tensor]:
        update = super()._correct(bank, selection, loop)
        truth, given = self.truth.to(bank.logits.device), loop.sample_state.given
        easy, labelled = update["easy"], update["labelled"]
        given, guess = given.to(truth.device), bank.logits.argmax(1)
        named = update["targets"].argmax(1)
        voted = labelled & ~easy
        self.seen = {
            "labelled": float(labelled.float().mean()),
            "purity": float((given == truth)[easy].float().mean()),
            "best_purity": best_purity(given.cpu().numpy(), self.truth.numpy(), easy.cpu().numpy()),
            "targets_right": float((named == truth)[labelled].float().mean()),
            "network_labels": float((guess == truth).float().mean()),
            "anchors_valid": loop.notes.get("share_valid_anchors"),
            "hard_heard": float(voted.sum() / (~easy).sum().clamp_min(1)),
        }
        if voted.any():
            self.seen |= {
                "votes_right": float((named == truth)[voted].float().mean()),
                "argmax_right": float((guess == truth)[voted].float().mean()),
                "given_right": float((given == truth)[voted].float().mean()),
            }
        return update


def observed(estimator: Any, truth: np.ndarray | None) -> Any:
    """The classifier, observed where the truth is known; its class keeps its name."""
    if truth is None:
        return estimator
    kind = type(type(estimator).__name__, (Observed, type(estimator)), {})
    found = kind(**estimator.get_params(deep=False))
    found.truth = torch.from_numpy(truth.astype(np.int64))
    return found


def best_purity(given: np.ndarray, truth: np.ndarray, easy: np.ndarray) -> float:
    """Purity of the best choice of as many easy rows in every given class."""
    right = 0
    for label in np.unique(given):
        mine = given == label
        right += min(int((mine & easy).sum()), int((mine & (truth == label)).sum()))
    return right / max(1, int(easy.sum()))


class Curve(Callback):
    """A point of the curves every few epochs, kept in the history under "point".

    Test accuracy of the last and of the averaged weights, the share of training images whose
    true label the averaged weights predict, the share whose target names it, and what the last
    refresh of an observed classifier knew.
    """

    def __init__(self, estimator: Any, case: ImageCase, every: int, n_test: int | None = None):
        self.estimator, self.case, self.every, self.n_test = estimator, case, every, n_test

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Score the network."""
        epoch = len(net.history)
        if epoch % self.every and epoch != net.max_epochs:
            return
        start, cpu = time.perf_counter(), time.process_time()
        case, row = self.case, net.history[-1]
        X, y = case.X_test[: self.n_test], case.y_test[: self.n_test]
        point = {
            "epoch": epoch,
            "phase": row["phase"],
            "train_loss": row["train_loss"],
            **getattr(self.estimator, "seen", {}),
            "test_average": self._accuracy(net, net.scoring_module, X, y),
        }
        if net.ema_decay:
            point["test_last"] = self._accuracy(net, net._plain_module, X, y)
        if case.y_clean is not None:
            X, y = case.X[:N_TRAIN], case.y_clean[:N_TRAIN]
            point["network_labels"] = self._accuracy(net, net.scoring_module, X, y)
            # The loop of this fit: the net is given its methods.
            targets = net.begin_epoch.__self__.sample_state.targets.argmax(1).cpu().numpy()
            point["target_labels"] = float((targets == case.y_clean).mean())
        point["cpu"], point["seconds"] = time.process_time() - cpu, time.perf_counter() - start
        net.history.record("point", point)

    def _accuracy(self, net: Any, module: torch.nn.Module, X: Any, y: np.ndarray) -> float:
        source = self.estimator._input.new_source(self.estimator, X, torch.device(net.device))
        logits, _ = predict_logits(module, source, amp=net.amp)
        return float((self.estimator.classes_[logits.argmax(1).cpu().numpy()] == y).mean())


def points(history: Any) -> list[dict[str, Any]]:
    """The points of a history."""
    return [row["point"] for row in history if "point" in row]
