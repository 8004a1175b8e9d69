"""Bad input ends in one clear error of ours, and odd input in a right answer."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.neighbors import NearestNeighbors
from torch.utils.data import TensorDataset

from nllearn.cleaning import LabelCleaner
from nllearn.exceptions import NoisyLabelWarning

N = 240


def fitted(
    X, y, sample_weight=None, trusted=None, pred_probs=None, neighbor_graph=None, **settings
):
    return LabelCleaner(random_state=0, **settings).fit(
        X,
        y,
        sample_weight,
        trusted=trusted,
        pred_probs=pred_probs,
        neighbor_graph=neighbor_graph,
    )


def without(labels, value):
    """Labels of which one class became a value that is none."""
    labels = labels.astype(object)
    labels[labels == 2] = value
    return labels


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda X, y: (X, np.zeros(N)),
            r"y has 1 class, .*0.0.*; at least 2 classes|more than 1 class",
        ),
        (lambda X, y: (np.where(X > 2, np.nan, X), y), "X contains NaN"),
        (lambda X, y: (np.where(X > 2, np.inf, X), y), "X contains infinity"),
        (lambda X, y: (np.ones_like(X), y), "X is constant: none of its 6 column"),
        (lambda X, y: (X.astype(float) * 1e-200, y), "X is constant.*less than 1e-150"),
        (lambda X, y: (X.astype(float) * 1e200, y), "column 0 of X has values too large"),
        (lambda X, y: (X[:, 0], y), "Expected 2D array, got 1D"),
        (lambda X, y: (X[:, :0], y), r"0 feature\(s\)"),
        (lambda X, y: (X[:1], y[:1]), "minimum of 2 is required by LabelCleaner"),
        (lambda X, y: (X.reshape(N, 3, 2), y), "dim 3"),
        (lambda X, y: (X + 1j, y), "Complex data not supported"),
        (lambda X, y: (X.astype(str), y), "numeric"),
        (lambda X, y: (X, np.append(y, 0)), r"inconsistent numbers of samples: \[240, 241\]"),
        (lambda X, y: (X, y[:-1]), r"inconsistent numbers of samples: \[240, 239\]"),
        (lambda X, y: (X, y + 0.5), "Unknown label type"),
        (lambda X, y: (X, None), "requires y|got None"),
        (lambda X, y: (X, np.where(y == 2, np.nan, y)), "y has .* missing label"),
        (lambda X, y: (X, without(y, None)), "y has .* missing label"),
        (lambda X, y: (X, pd.array(without(y, None), dtype="Int64")), "y has .* missing label"),
        (lambda X, y: (X, without(y, "b")), "y mixes text"),
        (lambda X, y: (sparse.csr_array((N, 10**8)), y), "X is sparse.*96 GB.*TruncatedSVD"),
        (lambda X, y: (sparse.csr_array(np.where(X > 2, np.nan, X)), y), "NaN"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "fit_resample"])
def test_bad_data_is_named(blobs, change, message, method):
    X, _, noisy = blobs
    with pytest.raises(ValueError, match=message):
        getattr(LabelCleaner(random_state=0), method)(*change(X, noisy))


P = np.full((N, 4), 0.25)
G = (np.arange(N)[:, None] + np.arange(1, 4)) % N


def spoilt(array, row, value):
    array = array.copy()
    array[row, 1] = value
    return array


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ({"pred_probs": P[:, :3]}, r"shape \(240, 3\); expected \(240, 4\)"),
        ({"pred_probs": P[:-1]}, r"shape \(239, 4\); expected \(240, 4\)"),
        ({"pred_probs": P[:, 0]}, r"shape \(240,\); expected \(240, 4\)"),
        ({"pred_probs": 2 * P}, "row 0 of pred_probs sums to 2"),
        ({"pred_probs": spoilt(P, 7, 0.3)}, "row 7 of pred_probs sums to 1.05"),
        ({"pred_probs": spoilt(P, 7, -0.25)}, "negative, apply softmax"),
        ({"pred_probs": spoilt(P, 7, np.nan)}, r"row 7 of pred_probs is not finite \(nor are 0"),
        ({"pred_probs": spoilt(P, 7, np.inf)}, "row 7 of pred_probs is not finite"),
        ({"pred_probs": P.astype(str)}, "pred_probs has dtype <U"),
        ({"pred_probs": P + 0j}, "pred_probs has dtype complex128"),
        ({"pred_probs": [[1, 0, 0, 0]] * (N - 1) + [[1, 0]]}, "pred_probs is no array of numbers"),
        ({"neighbor_graph": np.zeros((N, 3), dtype=int)}, "names row 0 as its own neighbour"),
        ({"neighbor_graph": spoilt(G, 9, 9)}, r"names row 9 .* \(so do 0 other"),
        ({"neighbor_graph": spoilt(G, 9, N)}, r"row numbers in \[0, 240\]; expected \[0, 240\)"),
        ({"neighbor_graph": spoilt(G, 9, -1)}, r"row numbers in \[-1, 239\]"),
        ({"neighbor_graph": G[:10]}, r"shape \(10, 3\).*expected row numbers of shape \(240, k\)"),
        ({"neighbor_graph": G[:, :0]}, r"shape \(240, 0\)"),
        ({"neighbor_graph": G[:, 0]}, r"shape \(240,\)"),
        ({"neighbor_graph": G.astype(float)}, "dtype float64; expected row numbers"),
        ({"neighbor_graph": (G, 0.1 * G)}, "dtype float64; expected row numbers"),
        ({"neighbor_graph": [[1, 2]] * (N - 1) + [[1]]}, "neighbor_graph is no array of numbers"),
        ({"neighbor_graph": sparse.eye_array(N).tocsr()}, "own neighbour"),
        ({"neighbor_graph": sparse.csr_array(np.ones((N, 8)))}, r"matrix of shape \(240, 8\)"),
        (
            {"neighbor_graph": sparse.csr_array(np.triu(np.ones((N, N)), 1))},
            "with 0 to 239 entries per row",
        ),
        ({"trusted": np.ones(5, dtype=bool)}, r"\(240,\)"),
        ({"trusted": np.full(N, 0.3)}, "True and False"),
        ({"sample_weight": -np.ones(N)}, "[Nn]egative"),
        ({"sample_weight": np.full(N, np.nan)}, "sample_weight contains NaN"),
        ({"sample_weight": np.zeros(N)}, "at least one non-zero"),
        ({"sample_weight": np.eye(N)[3]}, "above zero for 1 row only; at least 2"),
        ({"sample_weight": np.ones(5)}, "sample_weight"),
    ],
)
def test_bad_arguments_are_named(blobs, beside, message):
    X, _, noisy = blobs
    with pytest.raises(ValueError, match=message):
        fitted(X, noisy, **beside)


@pytest.mark.parametrize(
    ("same", "as_this"),
    [
        (lambda: P.tolist(), P),
        (lambda: pd.DataFrame(P), P),
        (lambda: sparse.csr_array(P), P),
        (lambda: P.astype(object), P),
        (lambda: P.astype(np.float16), P),
    ],
)
def test_forms_of_probabilities(blobs, same, as_this):
    X, _, noisy = blobs
    one, two = (fitted(X, noisy, pred_probs=probs) for probs in (same(), as_this))
    np.testing.assert_array_equal(one.label_quality_, two.label_quality_)


@pytest.mark.parametrize("form", [list, pd.DataFrame, lambda g: g.astype(np.uint64)])
def test_forms_of_graphs(blobs, form):
    X, _, noisy = blobs
    one = fitted(X, noisy, neighbor_graph=form(G.tolist() if form is list else G))
    np.testing.assert_array_equal(
        one.label_quality_, fitted(X, noisy, neighbor_graph=G).label_quality_
    )


def test_a_search_that_returns_nonsense_is_refused(blobs):
    class Own(NearestNeighbors):
        def kneighbors(self, X=None, n_neighbors=None, return_distance=True):
            own = np.tile(np.arange(len(self._fit_X))[:, None], (1, n_neighbors))
            return (np.zeros(own.shape), own) if return_distance else own

    X, _, noisy = blobs
    with pytest.raises(ValueError, match=r"neighbors=Own\(\) returned rows as their own"):
        fitted(X, noisy, neighbors=Own())


def test_all_bad_parameters_are_told_at_once(blobs):
    X, _, noisy = blobs
    with pytest.raises(ValueError, match=r"2 invalid.*action='dorp'.*did you mean 'drop'.*budget"):
        fitted(X, noisy, action="dorp", budget=0)
    with pytest.raises(ValueError, match=r"n_landmarks=1.*n_neighbors=0.*threshold=1.5"):
        fitted(X, noisy, threshold=1.5, n_neighbors=0, n_landmarks=1)


def test_bad_new_rows_are_named(blobs):
    X, _, noisy = blobs
    cleaner = fitted(pd.DataFrame(X).add_prefix("c"), noisy)
    frame = pd.DataFrame(X).add_prefix("c")
    for call, message in (
        (lambda: cleaner.score_labels(frame.iloc[:, :3], noisy), "feature names|3 features"),
        (lambda: cleaner.score_labels(frame, noisy[:3]), "inconsistent"),
        (lambda: cleaner.score_labels(frame * np.nan, noisy), "NaN"),
        (lambda: cleaner.score_labels(frame[:2], ["a", "b"]), r"not seen: \['a', 'b'\]; known are"),
        (lambda: cleaner.score_labels(frame[:2], [0, 7]), r"not seen: \[7\]"),
        (lambda: cleaner.label_proba(frame.add_suffix("x")), "feature names"),
        (lambda: cleaner.label_issues(threshold=2), "threshold=2 must be None or a number"),
        (lambda: cleaner.label_issues(threshold="a"), "threshold='a' must be None or a number"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


# -- odd, and right


def test_thousands_of_duplicates_and_a_class_with_one_row():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 1500)
    X = np.repeat([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]], 1500, axis=0)
    X[::500] += rng.normal(size=X[::500].shape)
    noisy = y.copy()
    noisy[5:200:3] = 1
    noisy[2999] = 7
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoisyLabelWarning)
        cleaner = fitted(X, noisy)
    assert np.isfinite(cleaner.label_distributions_).all()
    assert (cleaner.corrected_labels_ == y)[:1500].mean() > 0.99


def test_a_class_with_one_row_is_kept(blobs):
    X, _, noisy = blobs
    given = noisy.copy()
    given[17] = 9
    # No predictor can recognize it.
    assert fitted(X, given).corrected_labels_[17] == 9
    trusted = np.arange(N) == 17
    cleaner = fitted(X, given, trusted=trusted)
    assert cleaner.corrected_labels_[17] == 9 and cleaner.label_quality_[17] == 1
    assert (cleaner.corrected_labels_ == 9).sum() < 5


def test_constant_columns_change_nothing(blobs):
    X, _, noisy = blobs
    wide = np.column_stack([np.full(N, 1e9), X.astype(np.float64), np.zeros(N)])
    np.testing.assert_allclose(
        fitted(wide, noisy).label_quality_, fitted(X, noisy).label_quality_, atol=1e-3
    )


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_units_of_the_whole_table_change_nothing(blobs, factor):
    X, _, noisy = blobs
    np.testing.assert_allclose(
        fitted(X.astype(np.float64) * factor, noisy).label_quality_,
        fitted(X, noisy).label_quality_,
        atol=1e-3,
    )


def test_more_neighbours_than_rows(blobs):
    X, _, noisy = blobs
    cleaner = fitted(X, noisy, n_neighbors=10_000)
    assert cleaner.resolved_params_["n_neighbors"] == N - 1


@pytest.mark.parametrize("n", [2, 3, 12])
def test_few_rows(n):
    X = np.random.default_rng(0).normal(size=(n, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoisyLabelWarning)
        cleaner = fitted(X, np.arange(n) % 2)
    assert np.isfinite(cleaner.label_quality_).all()


@pytest.mark.parametrize(
    "labels",
    [
        lambda y: y > 1,
        lambda y: pd.Categorical(np.array(list("dcba"))[y]),
        lambda y: pd.array(y, dtype="Int64"),
        lambda y: y.astype("M8[D]"),
        lambda y: -y.astype(np.int8),
        lambda y: y * 1.0,
    ],
    ids=["bool", "categorical", "Int64", "dates", "int8", "whole floats"],
)
def test_labels_of_other_types(blobs, labels):
    X, _, noisy = blobs
    given = labels(noisy)
    cleaner = fitted(X, given)
    np.testing.assert_array_equal(cleaner.label_issues()["given_label"], np.asarray(given))
    assert cleaner.corrected_labels_.dtype == cleaner.classes_.dtype
    quality = cleaner.score_labels(X[:5], np.asarray(given)[:5])
    assert ((quality >= 0) & (quality <= 1)).all()


def _paths(n):
    return [f"image{i}.png" for i in range(n)]


@pytest.mark.parametrize(
    "make, words",
    [
        (_paths, "column of 30 texts or paths, the first 'image0.png'; .*MixNNClassifier"),
        (lambda n: np.array(_paths(n)), "column of 30 texts or paths"),
        (lambda n: pd.Series([Path(p) for p in _paths(n)]), "column of 30 texts or paths"),
        (lambda n: "folder", "X is one path, 'folder'"),
        (lambda n: Path("folder"), "X is one path"),
        (lambda n: np.zeros((n, 8, 8)), r"X has shape \(30, 8, 8\), as images have"),
        (lambda n: np.zeros((n, 8, 8, 3)), r"X has shape \(30, 8, 8, 3\), as images have"),
        (lambda n: TensorDataset(torch.zeros(n, 3, 8, 8)), "X is a torch Dataset"),
        (lambda n: None, "X is None|Input X contains NaN|Expected 2D array|dtype"),
    ],
    ids=["list", "array", "series", "text", "path", "grey", "colour", "dataset", "none"],
)
def test_what_is_no_table_is_told_with_the_way_out(make, words):
    y = np.arange(30) % 2
    for fit in (LabelCleaner().fit, LabelCleaner().fit_resample):
        with pytest.raises((TypeError, ValueError), match=words):
            fit(make(30), y)


def test_probabilities_alone_may_be_the_rows_as_well():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=300)
    probs = np.exp(rng.normal(size=(300, 3)) + 3 * np.eye(3)[y])
    probs /= probs.sum(1, keepdims=True)
    given = np.where(rng.random(300) < 0.2, rng.integers(3, size=300), y)
    cleaner = LabelCleaner(random_state=0).fit(probs, given, pred_probs=probs)
    assert (cleaner.corrected_labels_ == y).mean() > (given == y).mean()
