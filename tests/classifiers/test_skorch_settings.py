"""Callbacks and settings of skorch: they work, or an error of ours says what to do instead."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
)
from skorch.dataset import ValidSplit


@pytest.mark.parametrize(
    "callback, words",
    [
        (EarlyStopping(), r"EarlyStopping\(monitor='valid_loss'\).*monitor='train_loss'"),
        (Checkpoint(), r"Checkpoint\(monitor='valid_loss_best'\).*monitor='train_loss_best'"),
        (("stop", EarlyStopping()), "no validation part"),
        (LRScheduler(), "LRScheduler, which would have no effect"),
        (EarlyStopping, "no instance of skorch.callbacks.Callback"),
        ("early", "no instance of skorch.callbacks.Callback"),
    ],
    ids=["stop", "checkpoint", "named", "schedule", "class", "text"],
)
def test_callbacks_that_cannot_work_are_refused_before_training(cls, blobs, callback, words):
    X, _, noisy = blobs

    class Begun(Callback):
        def on_train_begin(self, net, **kwargs):
            raise AssertionError("training has begun")

    with pytest.raises(ValueError, match=words):
        cls(max_epochs=3, callbacks=[Begun(), callback]).fit(X, noisy)


@pytest.mark.parametrize(
    "callback, words",
    [
        (EarlyStopping(monitor="valid_acc"), r"EarlyStopping, failed in on_epoch_end.*valid_acc"),
        (EpochScoring("accuracy", on_train=True), r"EpochScoring, failed in"),
        (EarlyStopping(monitor="train_loss", threshold_mode="x"), "Invalid threshold mode"),
    ],
    ids=["monitor", "scoring", "mode"],
)
def test_errors_inside_callbacks_of_skorch_get_our_words(cls, blobs, callback, words):
    X, _, noisy = blobs
    with pytest.raises(ValueError, match=words) as caught:
        cls(max_epochs=3, callbacks=[callback], random_state=0).fit(X, noisy)
    assert "no validation part" in str(caught.value)


def test_errors_of_the_users_own_callbacks_pass_as_they_are(cls, blobs):
    class Mine(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise KeyError("mine")

    X, _, noisy = blobs
    with pytest.raises(KeyError, match="mine"):
        cls(max_epochs=3, callbacks=[Mine()]).fit(X, noisy)


@pytest.mark.parametrize(
    "net_params, words",
    [
        ({"train_split": ValidSplit(3)}, "train_split.*not supported.*cross_val_score"),
        ({"batch_loss": print}, "'batch_loss'"),
        ({"module": None}, "'module'"),
        ({"criterion": torch.nn.NLLLoss}, "'criterion'"),
        ({"iterator_train__shuffle": False}, "'iterator_train__shuffle'"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_settings_that_fit_cannot_follow_are_refused(cls, blobs, net_params, words):
    X, _, noisy = blobs
    with pytest.raises(ValueError, match=words):
        cls(max_epochs=3, net_params=net_params).fit(X, noisy)


def test_callbacks_that_can_work_do(cls, blobs, tmp_path):
    X, _, noisy = blobs
    kept = Checkpoint(dirname=tmp_path, monitor="train_loss_best")
    clf = cls(
        max_epochs=5,
        callbacks=[kept, GradientNormClipping(1.0)],
        net_params={"train_split": None},
        random_state=0,
    ).fit(X, noisy)
    assert (tmp_path / "params.pt").is_file()
    losses = [row["train_loss"] for row in clf.history_]
    best = [row["train_loss_best"] for row in clf.history_]
    assert best == [loss < min(losses[:i], default=float("inf")) for i, loss in enumerate(losses)]


def test_what_net_params_change_stands_in_the_resolved_parameters(cls, blobs):
    X, _, noisy = blobs
    net_params = {"lr": 0.005, "batch_size": 40, "amp": True, "optimizer": torch.optim.Adagrad}
    clf = cls(max_epochs=2, net_params=net_params, random_state=0).fit(X, noisy)
    found = {name: clf.resolved_params_[name] for name in net_params}
    assert found == net_params


def test_a_callback_that_predicts_on_the_way_changes_nothing(cls, blobs):
    X, _, noisy = blobs

    class Predicts(Callback):
        def on_batch_end(self, net, **kwargs):
            net.module_.eval()

    alone, watched = (
        cls(max_epochs=4, callbacks=callbacks, random_state=0).fit(X, noisy)
        for callbacks in (None, [Predicts()])
    )
    np.testing.assert_array_equal(watched.predict_proba(X), alone.predict_proba(X))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_named_optimisers_are_fused_and_compute_what_the_others_do(cls, blobs, optimizer):
    X, _, noisy = blobs
    fused, plain = (
        cls(max_epochs=4, optimizer=optimizer, net_params=net_params, random_state=0).fit(X, noisy)
        for net_params in (None, {"optimizer__foreach": False})
    )
    assert [clf.net_.optimizer_.defaults["fused"] for clf in (fused, plain)] == [True, None]
    np.testing.assert_allclose(fused.predict_proba(X), plain.predict_proba(X), atol=1e-3)
