"""Fits in threads and forked processes: nobody disturbs anybody else."""

from __future__ import annotations

import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from nllearn import LabelCleaner
from nllearn.training import _seeding, fork_torch_seed

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
        assert pool.submit(_seeding._turn.lock.acquire, True, 5).result(60)
        pool.submit(_seeding._turn.lock.release).result(60)


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
    from nllearn import MixNNClassifier

    rng = np.random.default_rng(0)
    files = [str(tmp_path / f"{i}.png") for i in range(12)]
    for i, file in enumerate(files):
        pixels = rng.integers(0, 120, (8, 8)) + 120 * (i % 2)
        pillow.fromarray(pixels.astype(np.uint8)).save(file)
    fitted = MixNNClassifier(max_epochs=3, random_state=0).fit(files, np.arange(12) % 2)
    request.getfixturevalue("global_random_state_untouched")
    assert fitted.predict_proba(files).shape == (12, 2)
