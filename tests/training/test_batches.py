"""Batches: every row once per epoch, in an order that only seed and epoch decide."""

from __future__ import annotations

from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nllearn.training import DeviceBatches, Rows, TensorSource


def rows(n, n_active=None):
    """Rows that carry their own number, of which some are trained on."""
    x = torch.arange(n, dtype=torch.float32).unsqueeze(1) * torch.ones(1, 3)
    active = torch.arange(n) if n_active is None else torch.arange(n)[:: n // n_active][:n_active]
    return Rows(TensorSource(x), torch.arange(n) % 4, active)


def order(dataset, batch_size, seed=0, epoch=0):
    batches = DeviceBatches(dataset, batch_size, seed, lambda: epoch)
    return [index.tolist() for _, (_, index) in batches]


def flat(batches):
    return list(chain.from_iterable(batches))


sizes = {"n": st.integers(1, 60), "batch_size": st.integers(1, 20), "epoch": st.integers(0, 5)}


@given(**sizes)
def test_every_row_comes_once_per_epoch(n, batch_size, epoch):
    batches = order(rows(n), batch_size, epoch=epoch)
    assert sorted(flat(batches)) == list(range(n))


@given(**sizes)
def test_batches_are_full_but_for_the_last(n, batch_size, epoch):
    lengths = [len(batch) for batch in order(rows(n), batch_size, epoch=epoch)]
    assert all(length == batch_size for length in lengths[:-1])
    assert 1 <= lengths[-1] <= batch_size + 1
    if n > 1 and batch_size > 1:
        assert lengths[-1] > 1  # batch normalisation fails on a single row


@pytest.mark.parametrize(
    ("n", "batch_size", "expected"),
    [
        (21, 10, [10, 11]),
        (22, 10, [10, 10, 2]),
        (20, 10, [10, 10]),
        (11, 10, [11]),
        (10, 10, [10]),
        (9, 10, [9]),
        (1, 10, [1]),
        (5, 2, [2, 3]),
    ],
)
def test_a_tail_of_one_row_joins_the_batch_before_it(n, batch_size, expected):
    batches = DeviceBatches(rows(n), batch_size, 0, lambda: 0)
    assert [len(index) for _, (_, index) in batches] == expected
    assert len(batches) == len(expected)


@given(n=st.integers(1, 60), batch_size=st.integers(2, 20))
def test_length_is_the_number_of_batches(n, batch_size):
    batches = DeviceBatches(rows(n), batch_size, 0, lambda: 0)
    assert len(batches) == len(list(batches))


def test_length_is_the_number_of_batches_of_one_row():
    batches = DeviceBatches(rows(5), 1, 0, lambda: 0)
    assert len(batches) == len(list(batches))


def test_rows_labels_and_numbers_belong_together():
    dataset = rows(40, 13)
    seen = []
    for x, (labels, index) in DeviceBatches(dataset, 5, 3, lambda: 1):
        assert x[:, 0].tolist() == index.tolist()
        assert labels.tolist() == [i % 4 for i in index.tolist()]
        seen += index.tolist()
    assert sorted(seen) == dataset.active.tolist()  # only rows that are trained on


def test_the_order_depends_on_seed_and_epoch_alone(global_random_state_untouched):
    dataset = rows(50)
    first = order(dataset, 7, seed=1, epoch=2)
    torch.randperm(5, generator=torch.Generator().manual_seed(0))
    assert order(dataset, 7, seed=1, epoch=2) == first
    assert order(rows(50), 7, seed=1, epoch=2) == first
    assert flat(order(dataset, 20, seed=1, epoch=2)) == flat(first)
    for seed, epoch in ((1, 3), (2, 2), (2, 1)):
        assert order(dataset, 7, seed=seed, epoch=epoch) != first


def test_the_epoch_is_asked_for_anew_each_time():
    epoch = 0
    batches = DeviceBatches(rows(30), 8, 0, lambda: epoch)
    runs = []
    for epoch in (0, 1, 0):  # noqa: B007 - the batches read it
        runs.append([index.tolist() for _, (_, index) in batches])
    assert runs[0] == runs[2] != runs[1]


def test_rows_are_shuffled():
    places = torch.zeros(10)
    for epoch in range(300):
        places += torch.tensor(flat(order(rows(10), 4, epoch=epoch)))
    # A mean of 300 draws from 0..9: its deviation is 0.17.
    assert (places / 300 - 4.5).abs().max() < 0.7


def test_batch_normalisation_survives_every_batch():
    norm = nn.BatchNorm1d(3).train()
    for n in range(2, 12):
        for x, _ in DeviceBatches(rows(n), 3, 0, lambda: 0):
            norm(x)


def test_single_items_look_like_batches():
    dataset = rows(12, 4)
    assert len(dataset) == 4
    x, (label, row) = dataset[2]
    assert row == dataset.active[2] and x[0] == row and label == row % 4


def test_companions_come_with_their_rows():
    dataset = rows(20)
    number = torch.arange(20)
    dataset.neighbor_indices = torch.stack([number, (number + 1) % 20, (number + 5) % 20], 1)
    for x, (labels, index) in DeviceBatches(dataset, 6, 0, lambda: 0):
        expected = torch.cat([index, (index + 1) % 20, (index + 5) % 20])
        assert x[:, 0].tolist() == expected.tolist()
        assert labels.tolist() == [i % 4 for i in index.tolist()]
