"""The nearest rows: searched, named in the table, and how similar they are."""

import numpy as np
import pytest

from nllearn.inspection import named_rows, nearest_rows, similarity_of


def test_nearest_rows_against_loops():
    features = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    near, similarity = nearest_rows(features, np.array([4, 7]), 3)
    centred = features - features.mean(0)
    for line, row in enumerate((4, 7)):
        cosine = {
            other: centred[row]
            @ centred[other]
            / np.linalg.norm(centred[row])
            / np.linalg.norm(centred[other])
            for other in range(12)
            if other != row
        }
        best = sorted(cosine, key=cosine.get, reverse=True)[:3]
        assert near[line].tolist() == best
        np.testing.assert_allclose(similarity[line], [cosine[i] for i in best], rtol=1e-4)


def test_named_rows_are_read_and_cut():
    cells = [[1, 2, 3, 2, 1, 2], np.array([0, 2, 3, 0, 2, 3]), (3, 1, 0, 3, 1, 0), "[0, 1, 2, 0]"]
    assert named_rows(cells, np.array([2, 0])).tolist() == [[3, 1, 0, 3, 1], [1, 2, 3, 2, 1]]
    assert named_rows(cells, np.array([3, 1]), 2).tolist() == [[0, 1], [0, 2]]
    assert named_rows([], np.zeros(0, dtype=np.int64)).shape == (0, 0)


@pytest.mark.parametrize(
    "cell", [None, np.nan, [], "1, 2", [0.5], [4], [-1], [[1]], [1, [2]], {"a": 1}, ["a"]]
)
def test_cells_that_name_no_rows(cell):
    with pytest.raises(ValueError, match=r"neighbor_rows of row 1 is .*\[0, 4\)"):
        named_rows([[1], cell, [2], [3]], np.arange(4))


def test_cells_of_different_lengths():
    with pytest.raises(ValueError, match="row 2 names 1 rows and that of row 0 2; name as many"):
        named_rows([[1, 2], [0, 2], [1]], np.arange(3))


def test_similarity_against_loops(monkeypatch):
    monkeypatch.setattr("nllearn.inspection._nearest._BLOCK", 2)
    rng = np.random.default_rng(0)
    features = rng.normal(size=(6, 4)).astype(np.float16)
    features[5] = 0
    rows, near = np.array([4, 0, 5]), np.array([[1, 2], [3, 5], [0, 1]])
    found = similarity_of(features, rows, near)
    for i, row in enumerate(rows):
        for j, other in enumerate(near[i]):
            a, b = features[row].astype(float), features[other].astype(float)
            lengths = np.linalg.norm(a) * np.linalg.norm(b)
            assert found[i, j] == pytest.approx(a @ b / lengths if lengths else 0.0, abs=1e-6)
