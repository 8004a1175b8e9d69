"""Several processes: the results of one, no hang when one is lost, and nothing left open.

Most tests fork this process, which has torch loaded already; one uses ``torchrun``.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import textwrap
import time
import traceback
from datetime import timedelta

import joblib
import numpy as np
import pytest
import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from skorch.callbacks import Callback
from torch import nn

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.neighbors import ExactNeighbors
from nllearn.networks import MLPBackbone, SmallBackbone
from nllearn.training import CheckpointFolder, LostProcessError, SyncedLayers, process_group

pytestmark = [
    pytest.mark.xdist_group("processes"),
    pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs fork and pidfd of Linux"),
]
CPU = torch.device("cpu")
LIMIT = 60.0


def environment(rank, port, size=2):
    """What torchrun would set."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def in_processes(function, folder, size=2):
    """Call ``function(rank)`` in forked processes; its results, or the signal that ended it."""
    port, pids = free_port(), []
    for rank in range(size):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.environ.update(environment(rank, port, size))
                (folder / f"{rank}.pkl").write_bytes(pickle.dumps(function(rank)))
                status = 0
            except BaseException:
                (folder / f"{rank}.txt").write_text(traceback.format_exc())
            finally:
                os._exit(status)
        pids.append(pid)
    end, results = time.monotonic() + LIMIT, []
    try:
        for rank, pid in enumerate(pids):
            handle = os.pidfd_open(pid)
            ready, _, _ = select.select([handle], [], [], max(0.0, end - time.monotonic()))
            os.close(handle)
            assert ready, f"process {rank} hangs"
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            pids[rank] = 0
            assert code <= 0, (folder / f"{rank}.txt").read_text()
            result = folder / f"{rank}.pkl"
            results.append(pickle.loads(result.read_bytes()) if code == 0 else code)
    finally:
        for pid in filter(None, pids):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return results


def with_team(function):
    """The function of a group, inside an open group."""

    def run(rank):
        with process_group(CPU) as group:
            result = function(group)
        assert not dist.is_initialized()
        return result

    return run


# -- what a group can do


def test_rows_are_split_into_all_rows(tmp_path):
    def check(group):
        for n in (2, 3, 7, 100):
            bounds = group.bounds(n)
            rows = torch.arange(n)
            numbers, double, wide = group.by_rows(
                n, lambda some, rows=rows: (rows[some], rows[some].double() / 7, rows[some].half())
            )
            assert torch.equal(numbers, rows)
            assert torch.equal(double, rows.double() / 7) and torch.equal(wide, rows.half())
            packed = group.by_rows(
                n,
                lambda some, rows=rows: (
                    rows[some, None].float(),
                    rows[some, None].repeat(1, 3).float(),
                ),
            )
            assert [tuple(p.shape) for p in packed] == [(n, 1), (n, 3)]
            assert torch.equal(packed[1][:, 2], rows.float())
        return bounds

    assert in_processes(with_team(check), tmp_path) == [(0, 50), (50, 100)]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_gradients_are_those_of_the_whole_batch(tmp_path, n):
    """A loss that mixes all rows and is no mean, against one process."""
    torch.manual_seed(0)
    x, mix = torch.randn(n, 4), torch.randn(n, n)
    net, idle = nn.Linear(4, 3), nn.Linear(2, 2)

    def loss_of(rows):
        return (mix @ rows.softmax(1)).square().sum().sqrt()

    expected = torch.autograd.grad(loss_of(net(x)), list(net.parameters()))

    def check(group):
        (out,) = group.by_rows(n, lambda some: (net(x[some]),))
        loss_of(out).backward()
        group.sum_gradients([*net.parameters(), *idle.parameters()])
        assert idle.weight.grad is None
        return [p.grad.tolist() for p in net.parameters()]

    for got in in_processes(with_team(check), tmp_path):
        for one, two in zip(got, expected, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_layers_see_the_whole_batch(tmp_path, momentum, offset):
    """Batch normalisation and dropout in two processes, against torch's own in one."""
    torch.manual_seed(0)
    x = torch.randn(7, 3, 5, 5) + offset
    target = torch.randn(7, 4)

    def build():
        torch.manual_seed(1)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3),
            nn.BatchNorm2d(4, momentum=momentum),
            nn.Dropout(0.4),
            nn.Flatten(),
            nn.Linear(36, 4),
            nn.BatchNorm1d(4, affine=False),
            nn.AlphaDropout(0.3),
        )

    def train(net, forward):
        torch.manual_seed(2)
        for _ in range(2):
            net.zero_grad()
            loss = (forward(net) - target).square().mean()
            loss.backward()
            yield float(loss.detach())

    alone = build()
    losses = list(train(alone, lambda net: net(x)))

    def check(group):
        net = build()
        layers = SyncedLayers(net, group)
        seen = []
        steps = train(net, lambda net: group.by_rows(7, lambda some: (net(x[some]),))[0])
        for loss in steps:
            group.sum_gradients(net.parameters())
            seen.append(loss)
        layers.remove()
        assert not any("forward" in vars(layer) for layer in net.modules())
        return seen, [p.grad.numpy() for p in net.parameters()], net.state_dict()

    for seen, grads, state in in_processes(with_team(check), tmp_path):
        np.testing.assert_allclose(seen, losses, rtol=1e-5)
        for one, two in zip(grads, alone.parameters(), strict=True):
            np.testing.assert_allclose(one, two.grad, rtol=1e-3, atol=2e-5)
        for name, value in alone.state_dict().items():
            np.testing.assert_allclose(state[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_the_main_process_has_the_say(tmp_path):
    def check(group):
        values = [torch.full((3,), float(group.rank)), torch.tensor([group.rank > 0])]
        wide = torch.full((2, 3, 4, 4), group.rank).to(memory_format=torch.channels_last)
        group.broadcast_tensors([*values, wide])
        assert values[0].eq(0).all() and not values[1].any() and wide.eq(0).all()
        assert group.broadcast_object(lambda: {"rank": group.rank}) == {"rank": 0}
        with pytest.raises(KeyError, match="only the main one looks"):
            group.broadcast_object(lambda: {}["only the main one looks"])

    in_processes(with_team(check), tmp_path)


def test_exact_search_is_shared_by_queries(tmp_path):
    rows = nn.functional.normalize(torch.randn(41, 6, generator=torch.Generator().manual_seed(0)))
    expected = ExactNeighbors(4).fit(rows).kneighbors()

    def check(group):
        asked = []

        class Spy:
            def by_rows(self, n, function):
                return group.by_rows(n, lambda some: asked.append(some) or function(some))

        search = ExactNeighbors(4).fit(rows)
        search.share_with(Spy())
        found = search.kneighbors()
        assert asked == [slice(*group.bounds(41))]
        search.share_with(None)
        search.kneighbors()
        assert len(asked) == 1
        return found

    for distances, indices in in_processes(with_team(check), tmp_path):
        assert torch.equal(indices, expected[1])
        torch.testing.assert_close(distances, expected[0])


# -- who takes part


def is_alone(_=None):
    with process_group(CPU) as group:
        return group is None


def test_one_process_opens_nothing(monkeypatch):
    for name in environment(0, 1):
        monkeypatch.delenv(name, raising=False)
    assert is_alone()
    # Set by some job systems for other ends.
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert is_alone()
    for name, value in environment(0, 1, size=1).items():
        monkeypatch.setenv(name, value)
    assert is_alone() and not dist.is_initialized()


@pytest.mark.parametrize("backend", ["threading", "multiprocessing"])
def test_jobs_of_joblib_stay_on_their_own(monkeypatch, backend):
    for name, value in environment(1, free_port()).items():
        monkeypatch.setenv(name, value)
    with joblib.parallel_config(backend=backend):
        assert all(joblib.Parallel(n_jobs=2)(joblib.delayed(is_alone)(i) for i in range(2)))


# -- whole fits

X, y = load_digits(return_X_y=True)
X, y = X[:151], y[:151]
_rng = np.random.default_rng(0)
Y = np.where(_rng.random(len(y)) < 0.3, (y + _rng.integers(1, 10, len(y))) % 10, y)
WEIGHT = _rng.uniform(0.2, 2.0, len(X))
WEIGHT[:5] = 0.0
TRUSTED = np.arange(len(X)) % 17 == 3
SHARED = {
    "max_epochs": 8,
    "refresh_every": 2,
    "batch_size": 25,
    "random_state": 0,
    # With more features than rows the closed form of leave-one-out magnifies rounding.
    "backbone": MLPBackbone(hidden_units=32),
}
IMAGES = {"backbone": SmallBackbone(width=8), "net_params": {"amp": False}, "max_epochs": 4}
CASES = {
    "AH, strong views": (AnchorHallucinationClassifier, {"augmentation": "strong"}),
    "AH, images": (AnchorHallucinationClassifier, IMAGES),
    "MixNN": (MixNNClassifier, {}),
    "MixNN, in the batch": (MixNNClassifier, {"neighbors": "batch"}),
    "MixNN, batches of one": (MixNNClassifier, {"batch_size": 1, "max_epochs": 2}),
}


def rows_of(case):
    return X.reshape(-1, 8, 8) if case == "AH, images" else X


def fit_case(case, **more):
    kind, params = CASES[case]
    clf = kind(**{**SHARED, **params, **more})
    return clf.fit(rows_of(case), Y, sample_weight=WEIGHT, trusted=TRUSTED)


def left_by(clf, rows):
    return {
        "distributions": clf.label_distributions_,
        "proba": clf.predict_proba(rows),
        "clean_proba": clf.clean_proba_,
        "loss": [row["train_loss"] for row in clf.history_],
        "corrected": clf.corrected_labels_,
    }


def assert_as_in_one_process(got, expected):
    assert np.mean(got["corrected"] == expected["corrected"]) >= 0.995
    for name in ("distributions", "proba", "clean_proba", "loss"):
        np.testing.assert_allclose(got[name], expected[name], atol=1e-3, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_two_processes_give_the_result_of_one(tmp_path, case):
    """Batches of 25 rows do not divide by two, and weights and losses differ by row."""
    expected = left_by(fit_case(case), rows_of(case))

    def fit(rank):
        clf = fit_case(case)
        assert not dist.is_initialized()
        # Alone again: nobody answers when one process predicts, and nothing is held on to.
        pickle.dumps(clf)
        assert clf.net_._group is None and getattr(clf.neighbors_, "_group", None) is None
        return left_by(clf, rows_of(case))

    main, other = in_processes(fit, tmp_path)
    assert_as_in_one_process(main, expected)
    for name, value in main.items():
        np.testing.assert_array_equal(other[name], value, err_msg=name)


class AtBatch(Callback):
    """Does something after the first batch of an epoch."""

    def __init__(self, epoch, action):
        self.epoch, self.action = epoch, action

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == self.epoch and len(net.history[-1]["batches"]) == 1:
            self.action()


def raising(error):
    def act():
        raise error

    return act


def test_the_main_process_alone_writes_and_a_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(CheckpointFolder, "is_due", lambda self: True)
    saves, save = [], CheckpointFolder.save
    monkeypatch.setattr(
        CheckpointFolder, "save", lambda self, *args: (saves.append(1), save(self, *args))
    )
    folder = tmp_path / "checkpoints"
    expected = left_by(fit_case("AH, strong views"), X)

    def fit(rank):
        bars = []
        monkeypatch.setattr(
            "nllearn.classifiers._build_net.FitProgress",
            lambda n, delay: bars.append(n) or Callback(),
        )
        kill = [AtBatch(5, raising(ZeroDivisionError))]
        with pytest.raises(ZeroDivisionError):
            fit_case("AH, strong views", checkpoint_dir=folder, callbacks=kill)
        assert not dist.is_initialized()
        seen = []
        resumed = fit_case(
            "AH, strong views",
            checkpoint_dir=folder,
            verbose=1,
            callbacks=[AtBatch(5, lambda: seen.append("epoch 5"))],
        )
        return len(saves), len(bars), seen, left_by(resumed, X)

    main, other = in_processes(fit, tmp_path)
    assert main[:3] == (8, 1, ["epoch 5"]) and other[:3] == (0, 0, ["epoch 5"])
    assert sorted(path.name for path in folder.iterdir()) == [
        "epoch_000007.ckpt",
        "epoch_000008.ckpt",
    ]
    assert_as_in_one_process(main[3], expected)
    assert_as_in_one_process(other[3], expected)
    # Another number of processes may go on with it.
    alone = fit_case("AH, strong views", checkpoint_dir=folder)
    assert_as_in_one_process(left_by(alone, X), expected)


def test_processes_given_different_data_are_refused(tmp_path):
    def fit(rank):
        clf = MixNNClassifier(max_epochs=3, batch_size=25 + rank, random_state=rank)
        with pytest.raises(ValueError, match="process 1 was not given the same") as caught:
            clf.fit(X + rank, Y)
        assert not dist.is_initialized()
        # A mistake that is put right needs no new processes.
        own = np.random.RandomState(rank)
        clf = MixNNClassifier(max_epochs=3, random_state=own).fit(X, Y)
        return str(caught.value), clf.resolved_params_["random_state"]

    (words, seed), (_, other_seed) = in_processes(fit, tmp_path)
    assert "X, parameter batch_size, random_state differ" in words
    assert seed == other_seed


def lost(**params):
    """Fit until another process is lost; what is said, and after how many seconds."""
    start = time.monotonic()
    with pytest.raises(LostProcessError, match="start all of them again") as caught:
        MixNNClassifier(**SHARED, **params).fit(X, Y)
    return str(caught.value), time.monotonic() - start


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_others(tmp_path, victim):
    def fit(rank):
        if rank == victim:
            kill = AtBatch(3, lambda: os.kill(os.getpid(), signal.SIGKILL))
            MixNNClassifier(**SHARED, callbacks=[kill]).fit(X, Y)
        words, seconds = lost()
        assert not dist.is_initialized()
        assert f"process {rank} of 2 lost another one" in words
        return seconds

    results = in_processes(fit, tmp_path)
    assert results[victim] == -signal.SIGKILL
    assert results[1 - victim] < LIMIT / 2


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_process_that_fails_ends_the_others(tmp_path, error):
    """It lives on, so that only the closed group can tell them."""

    def fit(rank):
        if rank == 1:
            with pytest.raises(error):
                MixNNClassifier(**SHARED, callbacks=[AtBatch(3, raising(error))]).fit(X, Y)
        else:
            lost()
        assert not dist.is_initialized()
        return left_by(MixNNClassifier(**SHARED).fit(X, Y), X)

    main, _ = in_processes(fit, tmp_path)
    assert_as_in_one_process(main, left_by(MixNNClassifier(**SHARED).fit(X, Y), X))


def test_a_group_of_the_users_is_used_and_left_open(tmp_path):
    """Its time limit also ends the wait for a process that hangs."""
    expected = left_by(MixNNClassifier(**SHARED).fit(X, Y), X)

    def fit(rank):
        (tmp_path / f"pid_{rank}").write_text(str(os.getpid()))
        dist.init_process_group("gloo", timeout=timedelta(seconds=3))
        got = left_by(MixNNClassifier(**SHARED).fit(X, Y), X)
        assert dist.is_initialized()
        if rank == 1:
            stop = AtBatch(2, lambda: os.kill(os.getpid(), signal.SIGSTOP))
            MixNNClassifier(**SHARED, callbacks=[stop]).fit(X, Y)
        words, seconds = lost()
        os.kill(int((tmp_path / "pid_1").read_text()), signal.SIGKILL)
        return got, words, seconds

    (got, words, seconds), other = in_processes(fit, tmp_path)
    assert other == -signal.SIGKILL
    assert_as_in_one_process(got, expected)
    assert "did not answer in time" in words and 3 <= seconds < LIMIT / 2


def test_compile_is_refused(tmp_path):
    def fit(rank):
        with pytest.raises(ValueError, match="does not work with several processes"):
            MixNNClassifier(**SHARED, net_params={"compile": True}).fit(X, Y)

    in_processes(fit, tmp_path)


def test_torchrun(tmp_path):
    """The launcher itself: a plain script, twice the same call, one of them in a search."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, sys
            import numpy as np
            import torch
            import torch.distributed as dist
            from nllearn import MixNNClassifier
            from nllearn.networks import MLPBackbone
            from sklearn.model_selection import cross_val_score

            torch.set_num_threads(1)
            data = np.load(sys.argv[1])
            clf = MixNNClassifier(max_epochs=8, refresh_every=2, batch_size=25, random_state=0,
                                  backbone=MLPBackbone(hidden_units=32))
            clf.fit(data["X"], data["y"])
            scores = cross_val_score(clf.set_params(max_epochs=3), data["X"], data["y"], cv=2)
            assert not dist.is_initialized()
            if os.environ["RANK"] == "0":
                # Prediction needs no other process.
                np.savez(sys.argv[2], proba=clf.predict_proba(data["X"]),
                         distributions=clf.label_distributions_, scores=scores)
            """
        )
    )
    np.savez(tmp_path / "data.npz", X=X, y=Y)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--master-port", str(free_port())),
            *(str(script), str(tmp_path / "data.npz"), str(tmp_path / "out.npz")),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    clf = MixNNClassifier(**SHARED).fit(X, Y)
    out = np.load(tmp_path / "out.npz")
    np.testing.assert_allclose(out["distributions"], clf.label_distributions_, atol=1e-3)
    np.testing.assert_allclose(out["proba"], clf.predict_proba(X), atol=1e-3)
    assert np.isfinite(out["scores"]).all()
