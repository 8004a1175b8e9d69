"""What components of the user's return is checked, as docs/extend.md promises."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from nllearn import AnchorHallucinationClassifier, LabelCleaner
from nllearn.hallucinators import Anchors, BaseHallucinator
from nllearn.neighbors import BaseNeighbors
from nllearn.predictors import out_of_sample_predictions
from nllearn.selectors import BaseSelector, Selection

SHORT = {"max_epochs": 4, "random_state": 0}


class Selector:
    def __init__(self, make):
        self.make = make

    def select(self, losses, labels):
        return self.make(len(losses))

    def __repr__(self):
        return "MySelector()"


def mask(n):
    return np.ones(n, bool)


def half(n):
    return np.full(n, 0.5, np.float32)


@pytest.mark.parametrize(
    "make, words",
    [
        (mask, r"returned a ndarray; select must return .*Selection\(easy, clean_proba\)"),
        (lambda n: None, "returned a NoneType"),
        (lambda n: (mask(n), half(n)), "returned a tuple"),
        (lambda n: Selection(mask(n - 1), half(n)), r"expected bool \(240,\)"),
        (lambda n: Selection(mask(n), half(n + 1)), r"expected bool \(240,\)"),
        (lambda n: Selection(mask(n).astype(int), half(n)), "dtype int64"),
        (lambda n: Selection(mask(n), half(n) + 1), r"outside \[0, 1\]"),
        (lambda n: Selection(mask(n), ["a"] * n), "no array of numbers"),
    ],
    ids=["mask", "none", "tuple", "short", "long", "int", "range", "text"],
)
def test_selectors(cls, blobs, make, words):
    X, _, noisy = blobs
    with pytest.raises(ValueError, match=r"selector=MySelector\(\) .*" + words):
        cls(selector=Selector(make), **SHORT).fit(X, noisy)


def test_a_selector_made_from_the_base_class_is_checked_too(cls, blobs):
    class Short(BaseSelector):
        def _choose(self, clean_proba, losses, labels, weights):
            return clean_proba[:-1] > 0.5

    X, _, noisy = blobs
    with pytest.raises(ValueError, match=r"selector=Short\(\) returned easy of shape \(239,\)"):
        cls(selector=Short(), **SHORT).fit(X, noisy)


class Hallucinator:
    def __init__(self, make):
        self.make = make

    def partial_fit(self, features, labels, *, head, generator):
        return self

    def hallucinate(self, features, labels, *, generator):
        return self.make(features, labels)

    def __repr__(self):
        return "Mine()"


def parents(labels):
    rows = torch.arange(len(labels))
    return torch.stack([rows, rows.flip(0)], 1)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda f, y: f, "Tensor with NoneType, NoneType, NoneType"),
        (lambda f, y: None, "a NoneType with"),
        (lambda f, y: Anchors(f[:, :2], y, parents(y)), r"features of shape \(\d+, 2\)"),
        (lambda f, y: Anchors(f[:-1], y, parents(y)), "features of shape"),
        (lambda f, y: Anchors(f, y, parents(y)[:, 0]), "parents"),
        (lambda f, y: Anchors(f, y, parents(y) + 10**6), r"parents in \[1000000"),
        (lambda f, y: Anchors(f, y.float(), parents(y)), "whole numbers"),
        (lambda f, y: Anchors(f / 0, y, parents(y)), "not finite"),
        (lambda f, y: SimpleNamespace(features=f.numpy(), labels=y, parents=y), "ndarray"),
    ],
    ids=["rows", "none", "width", "length", "one parent", "range", "float", "inf", "numpy"],
)
def test_hallucinators(blobs, make, words):
    X, _, noisy = blobs
    with pytest.raises(ValueError, match=r"hallucinator=Mine\(\) returned .*" + words):
        AnchorHallucinationClassifier(hallucinator=Hallucinator(make), **SHORT).fit(X, noisy)


def test_a_hallucinator_of_the_right_kind_is_taken(blobs):
    X, _, noisy = blobs
    mine = Hallucinator(lambda f, y: Anchors(f, y, parents(y)))
    clf = AnchorHallucinationClassifier(hallucinator=mine, **SHORT).fit(X, noisy)
    assert any("share_valid_anchors" in row for row in clf.history_)


@pytest.mark.parametrize(
    "role, methods",
    [
        ("hallucinator", ("hallucinate",)),
        ("hallucinator", ("partial_fit",)),
        ("neighbors", ("kneighbors",)),
        ("neighbors", ("fit",)),
        ("selector", ("fit",)),
    ],
)
def test_missing_methods_are_named_before_training(blobs, role, methods):
    X, _, noisy = blobs
    mine = SimpleNamespace(**{name: lambda *a, **k: None for name in methods})
    wanted = {
        "hallucinator": ("partial_fit", "hallucinate"),
        "neighbors": ("fit", "kneighbors"),
        "selector": ("select",),
    }[role]
    (lacking,) = set(wanted) - set(methods)
    with pytest.raises(
        ValueError, match=rf"{role}=.* is without the method '{lacking}'; .*with the methods"
    ):
        AnchorHallucinationClassifier(**{role: mine}, **SHORT).fit(X, noisy)


@pytest.mark.parametrize("role", ["hallucinator", "neighbors", "selector"])
def test_a_class_in_place_of_an_instance_is_told(blobs, role):
    X, _, noisy = blobs
    kind = {"hallucinator": BaseHallucinator, "neighbors": NearestNeighbors}.get(role, Selector)
    with pytest.raises(ValueError, match=rf"{role}=.* is a class"):
        AnchorHallucinationClassifier(**{role: kind}, **SHORT).fit(X, noisy)


class Search:
    def __init__(self, make):
        self.make = make

    def fit(self, X, y=None):
        self.rows = X
        return self

    def kneighbors(self, X=None, n_neighbors=None, return_distance=True):
        n = len(self.rows)
        found = (np.arange(n)[:, None] + np.arange(1, n_neighbors + 1)) % n
        return self.make(np.ones(found.shape), found)

    def __repr__(self):
        return "MySearch()"


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda d, i: i, r"returned a ndarray; kneighbors must return the pair"),
        (lambda d, i: None, "returned a NoneType"),
        (lambda d, i: (i, d), "dtype float64"),
        (lambda d, i: (d, i[:, :-1]), r"indices of shape \(240, "),
        (lambda d, i: (d, i[:-1]), r"indices of shape \(239, "),
        (lambda d, i: (d, i + 1000), r"indices in \[1000, "),
        (lambda d, i: (d, -i), "indices in"),
    ],
    ids=["indices", "none", "swapped", "narrow", "short", "range", "negative"],
)
def test_neighbour_searches(cls, blobs, make, words):
    X, _, noisy = blobs
    with pytest.raises(ValueError, match=r"neighbors=MySearch\(\) .*" + words):
        cls(neighbors=Search(make), **SHORT).fit(X, noisy)
    with pytest.raises(ValueError, match=r"neighbors=MySearch\(\) .*" + words):
        LabelCleaner(neighbors=Search(make), random_state=0).fit(X, noisy)


def test_a_search_made_from_the_base_class_is_checked_too(blobs):
    class Narrow(BaseNeighbors):
        def _fit(self, rows):
            self.rows = rows

        def _search(self, queries, k):
            return torch.zeros(len(self.rows), 1), torch.zeros(len(self.rows), 1, dtype=torch.int64)

    X, _, noisy = blobs
    with pytest.raises(ValueError, match=r"neighbors=Narrow.*expected \(240, "):
        LabelCleaner(neighbors=Narrow(), random_state=0).fit(X, noisy)


@pytest.mark.parametrize(
    "made, words",
    [
        (np.ones((4, 2)), r"shape \(4, 2\); expected \(5, 3\)"),
        (np.ones(5), r"shape \(5,\)"),
        (None, r"shape \(\)"),
        ([[1.0], [2.0, 3.0]], "list that is no array of numbers"),
        ("abc", "str that is no array of numbers"),
        (np.full((5, 3), np.nan), "not finite"),
    ],
    ids=["shape", "flat", "none", "ragged", "text", "nan"],
)
def test_predictors(made, words):
    class Mine:
        def predict_out_of_sample(self, X, y_soft, sample_weight):
            return made

    with pytest.raises(ValueError, match=words):
        out_of_sample_predictions(Mine(), torch.eye(5), torch.eye(5, 3), torch.ones(5))


@pytest.mark.parametrize(
    "view, words",
    [
        (lambda x, generator: x[:-1], "returned a tensor of shape"),
        (lambda x, generator: x[:, :2], r"returned a tensor of shape \(\d+, 2\)"),
        (lambda x, generator: x.numpy(), "returned a ndarray"),
        (lambda x, generator: None, "returned a NoneType"),
    ],
    ids=["short", "narrow", "numpy", "none"],
)
def test_random_views(cls, blobs, view, words):
    X, _, noisy = blobs
    with pytest.raises((TypeError, ValueError), match="augmentation=.*" + words):
        cls(augmentation=view, **SHORT).fit(X, noisy)
