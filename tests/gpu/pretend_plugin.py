"""``PYTHONPATH=tests/gpu pytest -p pretend_plugin``: tests run on the pretend GPU."""

import pytest
from pretend_cuda import pretend_cuda


@pytest.fixture(autouse=True, scope="session")
def _pretend_gpu():
    with pretend_cuda() as log:
        yield log
