"""The pretend GPU for the tests of this folder."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from pretend_cuda import pretend_cuda


@pytest.fixture
def pretend():
    """A block with a pretend GPU, to enter and to leave: ``with pretend() as log``."""
    if torch.cuda.is_available():
        pytest.skip("needs a machine without a GPU, or the whole run is on a pretend one")
    return pretend_cuda


@pytest.fixture
def gpu(pretend):
    """The whole test with a pretend GPU; the log of its operations."""
    with pretend() as log:
        yield log
