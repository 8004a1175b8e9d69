"""The suite itself: tests that share something costly or fragile go to one worker."""

import os

import pytest


@pytest.mark.xdist_group("groups")
def test_workers_heed_groups(request):
    """pytest-xdist writes the group behind the name; a pytest it does not know ignores that."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("runs in one process")
    assert request.node.nodeid.endswith("@groups")
