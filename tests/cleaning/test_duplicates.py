"""Rows that are nearly the same and have different labels, in the table of issues."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nllearn import LabelCleaner, load


@pytest.fixture(scope="module")
def doubled(blobs):
    """Blobs, and then ten rows again: five equal ones and five that differ a little."""
    X, y, noisy = blobs
    rng = np.random.default_rng(1)
    again = X[:10].copy()
    again[5:] += rng.normal(scale=1e-3, size=(5, X.shape[1])).astype(np.float32)
    labels = y[:10].copy()
    labels[[0, 5]] = (labels[[0, 5]] + 1) % 4
    return np.vstack([X, again]), np.concatenate([y[:10], noisy[10:], labels])


def test_groups_in_the_table(doubled):
    X, y = doubled
    table = LabelCleaner(random_state=0).fit(X, y).label_issues()
    first, second = table.iloc[:10], table.iloc[-10:]
    np.testing.assert_array_equal(first["duplicate_group"], np.arange(10))
    np.testing.assert_array_equal(second["duplicate_group"], np.arange(10))
    assert (table.iloc[10:-10]["duplicate_group"] == -1).all()
    assert np.flatnonzero(table["duplicates_disagree"]).tolist() == [0, 5, 240, 245]


def test_groups_do_not_depend_on_the_container_or_a_file(doubled, tmp_path):
    X, y = doubled
    cleaner = LabelCleaner(random_state=0).fit(X, y)
    cleaner.save(tmp_path / "cleaner.nll")
    columns = ["duplicate_group", "duplicates_disagree"]
    for other in (
        LabelCleaner(random_state=0).fit(pd.DataFrame(X), y),
        load(tmp_path / "cleaner.nll"),
    ):
        pd.testing.assert_frame_equal(
            other.label_issues()[columns], cleaner.label_issues()[columns]
        )


def test_a_table_without_duplicates_has_none(blobs):
    X, _, noisy = blobs
    for rows in (X, X[:, :3], X[:, :2]):
        found = LabelCleaner(random_state=0).fit(rows, noisy).label_issues()["duplicate_group"]
        # In two columns some rows are close by chance.
        assert (found >= 0).mean() < 0.1 if rows.shape[1] == 2 else (found >= 0).sum() <= 2


def test_duplicates_change_no_result(blobs, monkeypatch):
    X, _, noisy = blobs
    cleaner = LabelCleaner(random_state=0).fit(X, noisy)
    monkeypatch.setattr("nllearn.cleaning._stages.row_hashes", lambda X: np.zeros(len(X)))
    other = LabelCleaner(random_state=0).fit(X, noisy)
    assert (other.label_issues()["duplicate_group"] == 0).all()
    np.testing.assert_array_equal(other.label_distributions_, cleaner.label_distributions_)
