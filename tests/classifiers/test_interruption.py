"""Ctrl-C leaves fit, whenever it comes; a callback that stops the training does not."""

from __future__ import annotations

import _thread
import os
import signal
import warnings

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback, EarlyStopping

from nllearn import LabelCleaner, MixNNClassifier
from nllearn.training import CheckpointFolder


@pytest.fixture(autouse=True)
def ctrl_c_interrupts():
    """A process that a shell starts in the background ignores Ctrl-C; here it must not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class At(Callback):
    """Does something at the n-th call of a method; clones share the count."""

    def __init__(self, method, number, action):
        self.count, self.seen = [0], []

        def call(net, **kwargs):
            self.count[0] += 1
            self.seen.append(len(net.history))
            if self.count[0] == number:
                action()

        setattr(self, method, call)

    def __deepcopy__(self, memo):
        return self

    def __sklearn_clone__(self):
        return self


def press():
    os.kill(os.getpid(), signal.SIGINT)


def stop():
    raise KeyboardInterrupt


MOMENTS = ["on_epoch_begin", "on_batch_begin", "on_batch_end", "on_epoch_end", "on_train_end"]


@pytest.mark.parametrize("method", MOMENTS)
def test_ctrl_c_leaves_fit_at_any_moment(cls, blobs, method):
    X, _, noisy = blobs
    number = 1 if method == "on_train_end" else 3
    clf = cls(max_epochs=8, callbacks=[At(method, number, press)], random_state=0)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, noisy)
    with pytest.raises(NotFittedError):
        clf.predict(X)
    with pytest.raises(NotFittedError):
        clf.label_issues()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("action", [press, _thread.interrupt_main], ids=["signal", "notebook"])
def test_one_ctrl_c_ends_a_search(blobs, action):
    X, _, noisy = blobs
    callback = At("on_epoch_end", 3, action)
    search = GridSearchCV(
        MixNNClassifier(max_epochs=8, callbacks=[callback], random_state=0),
        {"n_neighbors": [1, 3]},
        cv=2,
    )
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, noisy)
    assert callback.seen == [1, 2, 3]


def test_ctrl_c_in_a_component_ends_a_cross_validation(cls, blobs):
    X, _, noisy = blobs

    class Pressed:
        calls = 0

        def select(self, losses, labels):
            Pressed.calls += 1
            press()

    with pytest.raises(KeyboardInterrupt):
        cross_val_score(cls(max_epochs=8, selector=Pressed(), random_state=0), X, noisy, cv=3)
    assert Pressed.calls == 1


def test_ctrl_c_after_a_fit_leaves_nothing_of_the_old_one(cls, blobs):
    X, _, noisy = blobs
    clf = cls(max_epochs=4, random_state=0).fit(X, noisy)
    clf.set_params(callbacks=[At("on_batch_end", 2, press)])
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, noisy)
    with pytest.raises(NotFittedError):
        clf.predict(X)
    with pytest.raises(NotFittedError):
        check_is_fitted(clf)
    cleaner = LabelCleaner(random_state=0).fit(X, noisy)

    class Pressed:
        def predict_out_of_sample(self, X, y, sample_weight=None):
            press()

    with pytest.raises(KeyboardInterrupt):
        cleaner.set_params(predictors=["neighbors", Pressed()]).fit(X, noisy)
    with pytest.raises(NotFittedError):
        check_is_fitted(cleaner)


def test_ctrl_c_leaves_the_cleaner_unfitted(blobs):
    X, _, noisy = blobs

    class Pressed:
        def fit(self, X):
            press()

        def kneighbors(self, X=None, n_neighbors=None, return_distance=True):
            raise AssertionError

    cleaner = LabelCleaner(random_state=0).fit(X, noisy)
    with pytest.raises(KeyboardInterrupt):
        cleaner.set_params(neighbors=Pressed()).fit(X, noisy)
    with pytest.raises(NotFittedError):
        cleaner.label_issues()


def test_the_checkpoint_outlives_ctrl_c(cls, blobs, tmp_path, monkeypatch):
    monkeypatch.setattr(CheckpointFolder, "is_due", lambda self: True)
    X, _, noisy = blobs
    params = {"max_epochs": 8, "refresh_every": 2, "random_state": 0}
    whole = cls(**params).fit(X, noisy)
    with pytest.raises(KeyboardInterrupt):
        cls(**params, checkpoint_dir=tmp_path, callbacks=[At("on_batch_end", 45, press)]).fit(
            X, noisy
        )
    count = At("on_epoch_begin", 99, press)
    again = cls(**params, checkpoint_dir=tmp_path, callbacks=[count]).fit(X, noisy)
    assert 0 < len(count.seen) < 8
    np.testing.assert_array_equal(again.label_distributions_, whole.label_distributions_)


def test_a_callback_may_end_the_training_after_an_epoch(cls, blobs):
    X, clean, noisy = blobs
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = cls(max_epochs=12, callbacks=[At("on_epoch_end", 6, stop)], random_state=0)
        clf.fit(X, noisy)
    assert clf.n_iter_ == len(clf.history_) == 6
    assert clf.score(X, clean) > 0.8 and len(clf.label_issues()) == len(X)


def test_early_stopping_of_skorch_works_on_the_training_loss(cls, blobs):
    X, _, noisy = blobs
    never = EarlyStopping(monitor="train_loss", patience=2, threshold=1e9, threshold_mode="abs")
    clf = cls(max_epochs=12, callbacks=[never], random_state=0).fit(X, noisy)
    assert clf.n_iter_ == 3
    search = GridSearchCV(clf, {"weight_decay": [0.0, 0.1]}, cv=2).fit(X, noisy)
    assert search.best_estimator_.n_iter_ == 3


def test_the_handler_of_the_caller_is_asked_and_given_back(blobs):
    X, _, noisy = blobs
    asked = []
    before = signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    try:
        clf = MixNNClassifier(
            max_epochs=4, callbacks=[At("on_epoch_end", 2, press)], random_state=0
        ).fit(X, noisy)
        after = signal.getsignal(signal.SIGINT)
    finally:
        mine = signal.signal(signal.SIGINT, before)
    # A handler that does not raise does not stop the fit.
    assert asked == [signal.SIGINT] and clf.n_iter_ == 4 and after is mine
