"""Fits in threads and forked processes: nobody disturbs anybody else."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from nllearn import LabelCleaner, MixNNClassifier
from nllearn._torch_state import torch_state
from nllearn.selectors import ThresholdSelector
from nllearn.training import fork_torch_seed

CPU = torch.device("cpu")


def results(fitted, X):
    """Everything that random numbers could change."""
    return [fitted.label_distributions_, fitted.clean_proba_, fitted.predict_proba(X)]


def in_threads(jobs):
    """Run the jobs at the same time, each in a thread of its own."""
    start = threading.Barrier(len(jobs))

    def run(job):
        start.wait(60)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def test_two_fits_in_two_threads_are_two_fits_in_turn(cls, blobs, global_random_state_untouched):
    X, _, noisy = blobs

    def fit(seed):
        return results(cls(max_epochs=6, random_state=seed).fit(X, noisy), X)

    expected = [fit(seed) for seed in (0, 1)]
    found = in_threads([lambda: fit(0), lambda: fit(1)])
    for one, other in zip(found, expected, strict=True):
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a, b)


def test_two_cleaners_in_two_threads_are_two_in_turn(blobs, global_random_state_untouched):
    X, _, noisy = blobs

    def clean(seed):
        return LabelCleaner(random_state=seed).fit(X, noisy).label_distributions_

    expected = [clean(seed) for seed in (0, 1)]
    for one, other in zip(in_threads([lambda: clean(0), lambda: clean(1)]), expected, strict=True):
        assert np.array_equal(one, other)


def test_draws_of_two_threads_do_not_mix(global_random_state_untouched):
    def draw(seed):
        with fork_torch_seed(seed, CPU):
            first = torch.rand(3)
            # Time for the other thread to seed and draw, if it may.
            time.sleep(0.05)
            return torch.cat([first, torch.rand(3)])

    for seed, drawn in enumerate(in_threads([lambda: draw(0), lambda: draw(1)])):
        expected = torch.rand(6, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(drawn, expected)


def test_a_thread_that_fails_lets_the_next_one_in():
    def fail():
        with fork_torch_seed(0, CPU):
            raise KeyError

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(KeyError):
            pool.submit(fail).result(60)
        with fork_torch_seed(0, CPU):
            pass
        with ThreadPoolExecutor(1) as other:
            other.submit(_enter).result(60)


def _enter():
    with fork_torch_seed(0, CPU):
        pass


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="needs a system with fork"
)
def test_a_process_forked_while_another_thread_fits_does_not_wait_for_it():
    inside, done = threading.Event(), threading.Event()

    def hold():
        with fork_torch_seed(0, CPU):
            inside.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert inside.wait(60)
        child = multiprocessing.get_context("fork").Process(target=_enter)
        child.start()
        child.join(60)
        ended = child.exitcode
        child.kill()
        child.join(60)
        assert ended == 0
    finally:
        done.set()
        holder.join(60)


def test_prediction_of_image_files_draws_no_global_numbers(tmp_path, request):
    pillow = pytest.importorskip("PIL.Image")

    rng = np.random.default_rng(0)
    files = [str(tmp_path / f"{i}.png") for i in range(12)]
    for i, file in enumerate(files):
        pixels = rng.integers(0, 120, (8, 8)) + 120 * (i % 2)
        pillow.fromarray(pixels.astype(np.uint8)).save(file)
    fitted = MixNNClassifier(max_epochs=3, random_state=0).fit(files, np.arange(12) % 2)
    request.getfixturevalue("global_random_state_untouched")
    assert fitted.predict_proba(files).shape == (12, 2)


@pytest.fixture
def four_threads():
    """Torch with four threads, on a process that may use two CPUs."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("joblib.cpu_count", lambda: 2)
        yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    "n_jobs, is_small, expected",
    [(None, True, 1), (None, False, 2), (3, True, 3), (-1, True, 2), (-2, True, 1), (-9, False, 1)],
)
def test_how_many_threads(four_threads, n_jobs, is_small, expected):
    with torch_state(n_jobs, is_small=is_small) as n:
        assert n == torch.get_num_threads() == expected
        with torch_state(1):
            assert torch.get_num_threads() == 1
        with torch_state(None, is_small=False) as inner:
            # By the caller's number, not by that of the call around it.
            assert inner == 2
        assert torch.get_num_threads() == expected
    assert torch.get_num_threads() == 4


def test_a_caller_with_one_thread_gets_one(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    with torch_state(None, is_small=False) as n:
        assert n == 1


def test_calls_in_two_threads_leave_what_was_there(four_threads):
    inside, leave = threading.Barrier(2), threading.Event()

    def first():
        with torch_state(1):
            inside.wait(60)
            leave.wait(60)

    def second():
        inside.wait(60)
        with torch_state(None, is_small=False) as n:
            leave.set()
            return n

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.submit(first), pool.submit(second)
        one.result(60)
        assert two.result(60) == 2
    assert torch.get_num_threads() == 4


class Noted(Callback):
    def __init__(self):
        self.seen = []

    def on_batch_end(self, net, **kwargs):
        self.seen.append(torch.get_num_threads())

    def __sklearn_clone__(self):
        return self


@pytest.mark.parametrize("n_jobs, expected", [(None, 1), (2, 2), (-1, 2)])
def test_fit_and_prediction_use_n_jobs_threads(cls, blobs, four_threads, n_jobs, expected):
    X, _, noisy = blobs
    noted = Noted()
    clf = cls(max_epochs=3, n_jobs=n_jobs, callbacks=[noted], random_state=0).fit(X, noisy)
    assert set(noted.seen) == {expected} and clf.resolved_params_["n_jobs"] == expected
    hook = clf.net_.module_.register_forward_hook(
        lambda *args: noted.seen.append(torch.get_num_threads())
    )
    noted.seen.clear()
    clf.predict(X)
    hook.remove()
    assert set(noted.seen) == {expected} and torch.get_num_threads() == 4


def test_large_steps_and_many_rows_use_all_threads(cls, blobs, four_threads, monkeypatch):
    X, _, noisy = blobs
    noted = Noted()
    monkeypatch.setattr("nllearn.classifiers._base.LEAST_STEP", 1.0)
    cls(max_epochs=3, callbacks=[noted], random_state=0).fit(X, noisy)
    assert set(noted.seen) == {2}
    monkeypatch.undo()
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    monkeypatch.setattr("nllearn.classifiers._fit_loop.LEAST_WORK", 1.0)
    seen, select = [], ThresholdSelector.select

    class Watched(ThresholdSelector):
        def select(self, *args):
            seen.append(torch.get_num_threads())
            return select(self, *args)

    noted.seen.clear()
    cls(max_epochs=3, callbacks=[noted], selector=Watched(), random_state=0).fit(X, noisy)
    assert set(noted.seen) == {1} and set(seen) == {2}


def test_the_cleaner_uses_n_jobs_threads(blobs, four_threads, monkeypatch):
    X, _, noisy = blobs
    for n_jobs, expected in ((None, 1), (2, 2)):
        cleaner = LabelCleaner(n_jobs=n_jobs, random_state=0).fit(X, noisy)
        assert cleaner.resolved_params_["n_jobs"] == expected
    monkeypatch.setattr("nllearn.cleaning._label_cleaner.LEAST_WORK", 1.0)
    cleaner = LabelCleaner(random_state=0).fit(X, noisy)
    assert cleaner.resolved_params_["n_jobs"] == 2 and torch.get_num_threads() == 4


@pytest.mark.parametrize("n_jobs", [0, 1.5, "two"])
def test_n_jobs_is_checked(cls, blobs, n_jobs):
    X, _, noisy = blobs
    for estimator in (cls(n_jobs=n_jobs), LabelCleaner(n_jobs=n_jobs)):
        with pytest.raises(ValueError, match="n_jobs="):
            estimator.fit(X, noisy)


def test_labels_are_the_same_for_every_number_of_threads(cls, blobs):
    X, _, noisy = blobs
    for make in (lambda n: cls(max_epochs=6, n_jobs=n, random_state=0), _cleaner):
        one, three = make(1).fit(X, noisy), make(3).fit(X, noisy)
        assert (one.corrected_labels_ == three.corrected_labels_).mean() >= 0.999
        np.testing.assert_allclose(one.label_distributions_, three.label_distributions_, atol=1e-3)


def _cleaner(n_jobs):
    return LabelCleaner(n_jobs=n_jobs, random_state=0)


FORKED = """
import os, sys, warnings
import numpy as np, torch
from sklearn.datasets import make_blobs
from nllearn import LabelCleaner, MixNNClassifier
torch.set_num_threads(2)
X, y = make_blobs(600, centers=3, n_features=40, random_state=0)
make = [
    lambda: MixNNClassifier(max_epochs=3, n_jobs=2, random_state=0),
    lambda: LabelCleaner(n_jobs=2, random_state=0),
]
before = [m().fit(X, y) for m in make]
torch.rand(900, 900) @ torch.rand(900, 900)  # the pool of threads has begun
child = os.fork()
if child == 0:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        after = [m().fit(X, y) for m in make]
        same = np.mean(before[0].predict(X) == after[0].predict(X))
    told = any("forked" in str(w.message) for w in caught)
    os._exit(0 if told and same > 0.99 and after[1].resolved_params_["n_jobs"] == 1 else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system with fork")
def test_fits_in_a_process_forked_after_a_fit():
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], timeout=120)
    assert ended.returncode == 0
