"""One crossover from exact to approximate search, for the cleaner and for the classifiers."""

import pytest
import torch

from nllearn.neighbors import is_exact_faster


@pytest.mark.parametrize(
    ("device", "n_searches", "most"),
    [("cpu", 1, 60_000), ("cpu", 8, 30_000), ("cuda", 1, 500_000), ("cuda", 8, 500_000)],
)
def test_exact_search_up_to_so_many_rows(device, n_searches, most):
    assert is_exact_faster(most, torch.device(device), n_searches)
    assert not is_exact_faster(most + 1, torch.device(device), n_searches)
