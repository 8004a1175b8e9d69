"""Rows by number: from tensors on the device, or read on the way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nllearn.images import ArrayRecords, ChannelStandardizer, PreparedImages, to_channels_first
from nllearn.training import RecordSource, TensorSource


@pytest.fixture(scope="module")
def records():
    rng = np.random.default_rng(0)
    return ArrayRecords(rng.integers(0, 256, (30, 6, 5, 3)).astype(np.uint8), "auto")


@pytest.fixture(params=["tensor", "loader", "workers"])
def source(request, records):
    device = torch.device("cpu")
    scale = ChannelStandardizer([to_channels_first(records.read_all(), records.layout)])
    prepare = PreparedImages(scale, records.layout, device)
    if request.param == "tensor":
        return TensorSource(records.read_all(), device, prepare)
    return RecordSource(records, device, prepare, num_workers=int(request.param == "workers"))


@pytest.fixture(scope="module")
def expected(records):
    x = records.X.astype(np.float64)
    x = (x - x.mean((0, 1, 2))) / x.std((0, 1, 2))
    return x.transpose(0, 3, 1, 2)


def test_take_gives_the_rows_asked_for(source, expected):
    rows = torch.tensor([3, 0, 29, 3])
    np.testing.assert_allclose(source.take(rows).numpy(), expected[rows.numpy()], atol=1e-5)
    assert len(source) == 30


def test_passes_give_every_row_in_order(source, expected):
    np.testing.assert_allclose(torch.cat(list(source.passes())).numpy(), expected, atol=1e-5)


def test_batches_follow_each_new_plan(source, expected):
    for plan in ([[5, 1], [2]], [[9], [0, 0, 7]]):
        plan = [torch.tensor(rows) for rows in plan]
        for rows, batch in zip(plan, source.batches(plan), strict=True):
            np.testing.assert_allclose(batch.numpy(), expected[rows.numpy()], atol=1e-5)


def test_passes_are_cut_by_the_size_of_a_row():
    wide = TensorSource(torch.zeros(3, 3 << 20))
    assert [len(x) for x in wide.passes()] == [1, 1, 1]
    narrow = TensorSource(torch.zeros(9000, 2))
    assert [len(x) for x in narrow.passes()] == [4096, 4096, 808]
