"""Settings of the whole test suite: one thread, hypothesis profiles, a guard of global state."""

import os

# Before numpy and torch start their thread pools.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pickle
import random

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)

# The default. The same examples on every run, and no deadline on a busy machine.
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=50,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# `make long`: new examples on every run.
settings.register_profile("long", settings.get_profile("ci"), derandomize=False, max_examples=1000)
settings.load_profile("ci")


def _global_random_states():
    """Return one comparable value for each global random generator."""
    states = {
        "random": pickle.dumps(random.getstate()),
        "numpy.random": pickle.dumps(np.random.get_state()),  # noqa: NPY002
        "torch": torch.get_rng_state().numpy().tobytes(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        for number, state in enumerate(torch.cuda.get_rng_state_all()):
            states[f"torch.cuda:{number}"] = state.cpu().numpy().tobytes()
    return states


@pytest.fixture
def global_random_state_untouched():
    """Fail the test when it leaves a global random generator in another state.

    A draw or a seed changes the state. Code that saves the state and restores
    it passes. A generator that first exists during the test is not compared.
    """
    before = _global_random_states()
    yield
    after = _global_random_states()
    moved = [name for name, state in before.items() if after[name] != state]
    if moved:
        pytest.fail(
            f"the test changed the global random state of {', '.join(moved)}: "
            "draw from the generator made from random_state instead"
        )


@pytest.fixture(autouse=True)
def _torch_threads_untouched():
    """Fail the test when it leaves torch another number of threads."""
    before = torch.get_num_threads()
    yield
    after = torch.get_num_threads()
    if after != before:
        torch.set_num_threads(before)
        pytest.fail(f"the test left torch {after} threads instead of {before}")
