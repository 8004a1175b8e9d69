"""The scale of the columns, chosen by the given labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nllearn.label_model import RowScaling, choose_scaling


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def test_the_scale_is_chosen_by_rows_that_take_part(generator):
    # The labels of the rows that take part follow a small column, those of the others a large one.
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    X = np.column_stack([rng.normal(size=400) * 1000, 4 * y + rng.normal(size=400)])
    X = np.column_stack([X, rng.normal(size=400) * 1000])
    weight = np.ones(400)
    assert len(np.unique(choose_scaling(X, y, 2, weight, generator).scale)) > 1
    other = (X[:, 0] > 0).astype(np.int64)
    mixed = np.where(np.arange(400) < 200, y, other)
    weight[200:] = 0
    assert len(np.unique(choose_scaling(X, mixed, 2, weight, generator).scale)) > 1
    assert len(np.unique(choose_scaling(X, mixed, 2, 1 - weight, generator).scale)) == 1


@pytest.mark.parametrize("seed", range(6))
def test_few_rows_with_wrong_labels_do_not_outvote_mixed_units(seed):
    # A column in the thousands tells one class, ten small ones tell all three: with 100 rows of
    # which 40 % have wrong labels the choice of a scale is half chance.
    rng = np.random.default_rng(seed)
    y = np.arange(100) % 3
    small = rng.normal(size=(3, 10))[y] + rng.normal(size=(100, 10))
    X = np.column_stack([1000 * rng.normal(size=100) + 3000 * (y == 0), small])
    y = np.where(rng.random(100) < 0.4, rng.integers(0, 3, 100), y)
    generator = torch.Generator().manual_seed(seed)
    assert len(np.unique(choose_scaling(X, y, 3, np.ones(100), generator).scale)) > 1


def test_columns_that_are_constant_up_to_rounding_do_not_count():
    # Only a scale of its own for each column shows the small one that the labels follow.
    rng = np.random.default_rng(0)
    y = np.arange(300) % 2
    X = rng.normal(size=(300, 3)) * [0.01, 0.5, 0.5]
    X[:, 0] += 0.04 * y
    rounded = np.where(rng.random(300) < 0.5, 1e9, np.nextafter(1e9, np.inf))
    wide = np.column_stack([X, rounded])
    scale = choose_scaling(wide, y, 2, np.ones(300), torch.Generator().manual_seed(0))
    assert len(np.unique(scale.scale)) > 1
    assert scale.scale[3] == np.inf


def test_unit_rows_of_a_scale():
    scale = RowScaling(np.array([1.0, 2.0]), np.array([2.0, np.inf]), 3.0)
    found = scale.apply(np.array([[9.0, 7.0], [1e300, 0.0]]), torch.device("cpu"))
    # ((9 - 1) / 2, 0, 3) has length 5; a row that is far away keeps its direction.
    torch.testing.assert_close(found, torch.tensor([[0.8, 0.0, 0.6], [1.0, 0.0, 0.0]]))
