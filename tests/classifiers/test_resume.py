"""A run that was killed goes on as if it had not been."""

from __future__ import annotations

import copy
import errno
import functools
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from skorch.callbacks import Callback

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.exceptions import NoisyLabelWarning
from nllearn.networks import MLPBackbone
from nllearn.selectors import PuritySelector
from nllearn.training import CheckpointFolder, ImageViews

PARAMS = {"max_epochs": 8, "refresh_every": 2, "random_state": 0}


class KilledError(Exception):
    """Stands for a kill in the middle of an epoch."""


class Kill(Callback):
    """Ends the run after a number of batches of an epoch."""

    def __init__(self, epoch, batch=1):
        self.epoch, self.batch = epoch, batch

    def on_batch_end(self, net, **kwargs):
        epoch = net.history[-1]
        if len(net.history) == self.epoch and len(epoch["batches"]) > self.batch:
            raise KilledError


def shift(x, generator, by):
    return x + by


def shift_by(number):
    return lambda x, generator: x + number


@pytest.fixture(autouse=True)
def save_every_epoch(monkeypatch):
    monkeypatch.setattr(CheckpointFolder, "is_due", lambda self: True)


def assert_same(a, b):
    for name in ("label_distributions_", "clean_proba_", "transition_matrix_", "corrected_labels_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert len(a.history_) == len(b.history_)
    for one, two in zip(a.history_, b.history_, strict=True):
        assert one["train_loss"] == two["train_loss"] and one["lr"] == two["lr"]
    np.testing.assert_array_equal(a._features, b._features)


@pytest.fixture(scope="module")
def whole(blobs):
    X, _, noisy = blobs
    return {
        kind: kind(**PARAMS).fit(X, noisy)
        for kind in (AnchorHallucinationClassifier, MixNNClassifier)
    }


@pytest.mark.parametrize("epoch", range(1, 9))
def test_a_killed_run_goes_on_bit_equal(cls, blobs, whole, tmp_path, epoch):
    X, _, noisy = blobs
    with pytest.raises(KilledError):
        cls(**PARAMS, checkpoint_dir=tmp_path, callbacks=[Kill(epoch)]).fit(X, noisy)
    again = cls(**PARAMS, checkpoint_dir=tmp_path).fit(X, noisy)
    assert_same(again, whole[cls])
    np.testing.assert_array_equal(again.predict_proba(X), whole[cls].predict_proba(X))
    # Once more: nothing is left to train, the conclusion is the same.
    assert_same(cls(**PARAMS, checkpoint_dir=tmp_path).fit(X, noisy), whole[cls])


def test_checkpoints_change_nothing_and_the_last_two_stay(cls, blobs, whole, tmp_path):
    X, _, noisy = blobs
    assert_same(cls(**PARAMS, checkpoint_dir=tmp_path / "new" / "folder").fit(X, noisy), whole[cls])
    names = sorted(path.name for path in (tmp_path / "new" / "folder").iterdir())
    assert names == ["epoch_000007.ckpt", "epoch_000008.ckpt"]


def test_without_a_seed_the_run_keeps_its_own(cls, blobs, tmp_path):
    X, _, noisy = blobs
    params = {**PARAMS, "random_state": None}
    with pytest.raises(KilledError):
        cls(**params, checkpoint_dir=tmp_path, callbacks=[Kill(5)]).fit(X, noisy)
    again = cls(**params, checkpoint_dir=tmp_path).fit(X, noisy)
    seed = again.resolved_params_["random_state"]
    with pytest.raises(ValueError, match=f"random_state was {seed}, now"):
        cls(**PARAMS, checkpoint_dir=tmp_path).fit(X, noisy)
    assert_same(cls(**params, checkpoint_dir=tmp_path).fit(X, noisy), again)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"lr": 0.01}, "parameter lr was None, now 0.01"),
        ({"backbone": MLPBackbone(hidden_units=7)}, "parameter backbone was None, now MLPBackbone"),
        ({"selector": PuritySelector()}, "parameter selector was None"),
        ({"random_state": 3}, "random_state was"),
        ({"class_weight": "balanced"}, "class_weight"),
        ({"augmentation": shift_by(2.0)}, "parameter augmentation was"),
    ],
)
def test_other_parameters_are_refused_by_name(cls, blobs, tmp_path, change, words):
    X, _, noisy = blobs
    first = {"augmentation": shift_by(1.0)} if "augmentation" in change else {}
    cls(**{**PARAMS, **first}, checkpoint_dir=tmp_path).fit(X, noisy)
    with pytest.raises(ValueError, match=words):
        cls(**{**PARAMS, **change}, checkpoint_dir=tmp_path).fit(X, noisy)


def test_other_views_are_another_run(tmp_path):
    X, y = np.random.default_rng(0).random((40, 8, 8)).astype(np.float32), np.arange(40) % 2
    views = [ImageViews(flip=False), ImageViews(flip=True), functools.partial(shift, by=1.0)]
    for number, view in enumerate(views):
        fit = {"max_epochs": 2, "random_state": 0, "checkpoint_dir": tmp_path / str(number)}
        MixNNClassifier(augmentation=view, **fit).fit(X, y)
        MixNNClassifier(augmentation=copy.deepcopy(view), **fit).fit(X, y)
        for other in (*views[:number], *views[number + 1 :], functools.partial(shift, by=2.0)):
            with pytest.raises(ValueError, match="parameter augmentation was"):
                MixNNClassifier(augmentation=other, **fit).fit(X, y)


def test_a_function_that_calls_itself_is_no_endless_description(tmp_path):
    X, y = np.random.default_rng(0).random((40, 4)).astype(np.float32), np.arange(40) % 2

    def view(x, generator, again=True):
        return view(x, generator, again=False) if again else x + 0.0

    fit = {"max_epochs": 2, "random_state": 0, "checkpoint_dir": tmp_path, "augmentation": view}
    one, two = (MixNNClassifier(**fit).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def test_other_data_are_refused_by_name(cls, blobs, tmp_path):
    X, _, noisy = blobs
    cls(**PARAMS, checkpoint_dir=tmp_path).fit(X, noisy)
    other = X.copy()
    other[3, 2] += 1e-9
    trusted = np.zeros(len(X), bool)
    trusted[0] = True
    weight = np.linspace(1, 2, len(X))
    clf = cls(**PARAMS, checkpoint_dir=tmp_path)
    for args, kwargs, words in (
        ((other, noisy), {}, "X is not the same"),
        ((X, noisy[::-1]), {}, "y is not the same"),
        ((X, noisy), {"trusted": trusted}, "trusted is not the same"),
        ((X, noisy), {"sample_weight": weight}, "sample_weight is not the same"),
    ):
        with pytest.raises(ValueError, match=words) as caught:
            clf.fit(*args, **kwargs)
        assert "parameter" not in str(caught.value)


def test_a_damaged_checkpoint_is_passed_over(cls, blobs, whole, tmp_path):
    X, _, noisy = blobs
    with pytest.raises(KilledError):
        cls(**PARAMS, checkpoint_dir=tmp_path, callbacks=[Kill(6)]).fit(X, noisy)
    newest = max(tmp_path.iterdir())
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    with pytest.warns(NoisyLabelWarning, match="epoch_000005.ckpt is damaged"):
        again = cls(**PARAMS, checkpoint_dir=tmp_path).fit(X, noisy)
    assert_same(again, whole[cls])


def test_a_folder_of_damaged_checkpoints_is_refused(cls, blobs, tmp_path):
    X, _, noisy = blobs
    (tmp_path / "epoch_000003.ckpt").write_bytes(b"")
    with (
        pytest.warns(NoisyLabelWarning, match="damaged"),
        pytest.raises(ValueError, match="every checkpoint"),
    ):
        cls(**PARAMS, checkpoint_dir=tmp_path).fit(X, noisy)


def test_a_full_disk_warns_once_and_training_goes_on(cls, blobs, whole, tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    X, _, noisy = blobs
    with pytest.warns(NoisyLabelWarning, match="No space left") as caught:
        clf = cls(**PARAMS, checkpoint_dir=tmp_path).fit(X, noisy)
    assert len(caught) == 1
    assert_same(clf, whole[cls])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_refused(cls, blobs, tmp_path):
    X, _, noisy = blobs
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"checkpoint_dir=.*cannot be made"):
        cls(**PARAMS, checkpoint_dir=tmp_path / "file" / "folder").fit(X, noisy)


def test_a_foreign_hallucinator_needs_a_state(blobs, tmp_path):
    class Foreign:
        def hallucinate(self, features, labels, *, generator):
            raise NotImplementedError

    X, _, noisy = blobs
    clf = AnchorHallucinationClassifier(**PARAMS, hallucinator=Foreign(), checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match="state_dict"):
        clf.fit(X, noisy)


SCRIPT = textwrap.dedent(
    """
    import os, signal, sys
    import numpy as np, torch
    torch.set_num_threads(1)
    from nllearn import MixNNClassifier
    from nllearn.training import CheckpointFolder
    CheckpointFolder.is_due = lambda self: True
    write, count = os.fsync, [0]
    def fsync(descriptor):
        count[0] += 1
        if count[0] == 4:  # a checkpoint is half way: written, not yet in place
            os.kill(os.getpid(), signal.SIGKILL)
        write(descriptor)
    os.fsync = fsync
    X, y = np.load(sys.argv[1])["X"], np.load(sys.argv[1])["y"]
    params = {"max_epochs": 8, "refresh_every": 2, "random_state": 0}
    MixNNClassifier(**params, checkpoint_dir=sys.argv[2]).fit(X, y)
    """
)


def test_a_real_kill_while_a_checkpoint_is_written(blobs, whole, tmp_path):
    X, _, noisy = blobs
    np.savez(tmp_path / "data.npz", X=X, y=noisy)
    folder = tmp_path / "run"
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "data.npz"), str(folder)]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    assert list(folder.glob(".*.tmp"))
    again = MixNNClassifier(**PARAMS, checkpoint_dir=folder).fit(X, noisy)
    np.testing.assert_array_equal(again.corrected_labels_, whole[MixNNClassifier].corrected_labels_)
    np.testing.assert_allclose(
        again.label_distributions_, whole[MixNNClassifier].label_distributions_, atol=1e-6
    )
    assert not list(folder.glob(".*.tmp"))
    assert len(again.history_) == 8
