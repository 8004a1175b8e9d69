"""Components are interchangeable: ours by name, and foreign objects by contract."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.neighbors import NearestNeighbors

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.hallucinators import Anchors, InterpolationHallucinator, LearnedHallucinator
from nllearn.neighbors import DescentNeighbors, ExactNeighbors
from nllearn.networks import MLPBackbone
from nllearn.selectors import ClassBalancedSelector, PuritySelector, Selection


class MedianSelector(BaseEstimator):
    """Foreign selector: a share of every class is easy, those of smaller loss."""

    def __init__(self, share=0.5):
        self.share = share

    def select(self, losses, labels):
        assert isinstance(losses, np.ndarray) and isinstance(labels, np.ndarray)
        limit = {c: np.quantile(losses[labels == c], self.share) for c in np.unique(labels)}
        easy = losses <= np.array([limit[c] for c in labels])
        return Selection(easy, np.where(easy, 0.9, 0.1).astype(np.float32))


class CopyHallucinator:
    """Foreign hallucinator: every easy row is its own anchor. No estimator."""

    def partial_fit(self, features, labels, *, head, generator):
        assert head(features).shape[0] == len(features)
        return self

    def hallucinate(self, features, labels, *, generator):
        rows = torch.arange(len(features))
        return Anchors(features, labels, torch.stack([rows, rows], 1))


@pytest.mark.parametrize("name", ["balanced", "threshold", "purity"])
def test_selectors_by_name(cls, blobs, name):
    X, _, noisy = blobs
    clf = cls(max_epochs=6, selector=name, random_state=0).fit(X, noisy)
    assert name.title() in type(clf.selector_).__name__ or name == "balanced"


def test_easy_fraction_reaches_the_selector(blobs):
    X, _, noisy = blobs
    few = AnchorHallucinationClassifier(easy_fraction=0.3, max_epochs=6, random_state=0)
    few.fit(X, noisy)
    assert few.selector_.easy_fraction == 0.3
    shares = [row["share_easy"] for row in few.history_ if "share_easy" in row]
    assert max(shares) <= 0.31


def test_foreign_selector(cls, blobs):
    X, clean, noisy = blobs
    foreign = MedianSelector(0.4)
    clf = cls(max_epochs=15, selector=foreign, random_state=0).fit(X, noisy)
    assert clf.selector_ is not foreign and isinstance(clf.selector_, MedianSelector)
    assert clf.score(X, clean) > 0.9
    assert set(np.unique(clf.clean_proba_)) <= {np.float32(0.1), np.float32(0.9)}


def test_foreign_hallucinator(blobs):
    X, clean, noisy = blobs
    clf = AnchorHallucinationClassifier(
        hallucinator=CopyHallucinator(), max_epochs=15, random_state=0
    ).fit(X, noisy)
    assert clf.score(X, clean) > 0.9


@pytest.mark.parametrize("search", ["brute", "kd_tree"])
def test_scikit_learn_neighbors(cls, blobs, search):
    X, _, noisy = blobs
    ours = cls(max_epochs=6, neighbors="exact", random_state=0).fit(X, noisy)
    theirs = cls(max_epochs=6, neighbors=NearestNeighbors(algorithm=search), random_state=0).fit(
        X, noisy
    )
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-3)


def test_our_neighbors_as_instances(cls, blobs):
    X, _, noisy = blobs
    for search in (ExactNeighbors(3), DescentNeighbors(random_state=0)):
        clf = cls(max_epochs=4, neighbors=search, random_state=0).fit(X, noisy)
        assert type(clf.neighbors_) is type(search) and clf.neighbors_ is not search


def test_neighbors_inside_the_batch_or_in_the_whole_set(blobs):
    X, clean, noisy = blobs
    named = {
        name: MixNNClassifier(neighbors=name, max_epochs=15, random_state=0).fit(X, noisy)
        for name in (None, "batch", "auto")
    }
    assert all(clf.score(X, clean) > 0.9 for clf in named.values())
    searched = {n: any("seconds_search" in row for row in c.history_) for n, c in named.items()}
    assert searched == {None: False, "batch": False, "auto": True}
    assert named[None].resolved_params_["n_neighbors"] == 5
    np.testing.assert_array_equal(named[None].predict_proba(X), named["batch"].predict_proba(X))


def test_neighbors_of_many_rows_are_approximate_where_rows_are_mixed_inside_the_batch(
    blobs, monkeypatch
):
    X, _, noisy = blobs
    monkeypatch.setattr("nllearn.neighbors._choice._CPU", 1e6)
    clf = MixNNClassifier(max_epochs=4, device="cpu", random_state=0).fit(X, noisy)
    assert isinstance(clf.neighbors_, DescentNeighbors)


@pytest.mark.parametrize("name", ["learned", "interpolation"])
def test_hallucinators_by_name(blobs, name):
    X, clean, noisy = blobs
    clf = AnchorHallucinationClassifier(hallucinator=name, max_epochs=15, random_state=0)
    assert clf.fit(X, noisy).score(X, clean) > 0.9


def test_nested_parameters_of_an_instance(blobs):
    X, _, noisy = blobs
    clf = AnchorHallucinationClassifier(hallucinator=LearnedHallucinator(), max_epochs=4)
    clf.set_params(hallucinator__lambda_p=0.9, hallucinator__n_anchors=3)
    assert clone(clf).fit(X, noisy).hallucinator_.lambda_p == 0.9
    net = MixNNClassifier(backbone=MLPBackbone(), max_epochs=3)
    net.set_params(backbone__hidden_units=12).fit(X, noisy)
    assert net.embed(X).shape == (len(X), 12)


def test_a_parameter_that_an_instance_makes_void_is_an_error(blobs):
    X, _, noisy = blobs
    clf = AnchorHallucinationClassifier(lambda_p=0.9, hallucinator=InterpolationHallucinator())
    with pytest.raises(ValueError, match=r"lambda_p=0\.9 has no effect.*hallucinator__lambda_p"):
        clf.fit(X, noisy)
    clf = AnchorHallucinationClassifier(easy_fraction=0.5, selector=PuritySelector())
    with pytest.raises(ValueError, match="selector__easy_fraction"):
        clf.fit(X, noisy)


@pytest.mark.parametrize(
    "params, message",
    [
        ({"selector": "best"}, "selector='best' must be one of"),
        ({"selector": 3}, "method 'select'"),
        ({"selector": ClassBalancedSelector}, "instance"),
        ({"neighbors": "hnsw"}, "neighbors='hnsw'"),
        ({"backbone": 5}, "backbone=5"),
        ({"device": "tpu9"}, "device='tpu9'"),
    ],
)
def test_wrong_components_are_refused(cls, blobs, params, message):
    X, _, noisy = blobs
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        cls(**params).fit(X, noisy)


def test_set_params_on_a_name_says_so(cls):
    with pytest.raises(ValueError, match=r"pass an instance as selector"):
        cls(selector="purity").set_params(selector__purity=0.5)
    with pytest.raises(ValueError, match=r"backbone__dropout .*backbone=None"):
        cls().set_params(backbone__dropout=0.1)
    # An instance and its parameter in one call is fine.
    assert cls().set_params(selector=PuritySelector(), selector__purity=0.5).selector.purity == 0.5


class SelfishNeighbors:
    """Breaks the contract: a row is its own neighbour."""

    def fit(self, X):
        self.n = len(X)
        return self

    def kneighbors(self, X=None, n_neighbors=1, return_distance=True):
        rows = np.arange(self.n)[:, None].repeat(n_neighbors, 1)
        return np.zeros(rows.shape), rows


def test_foreign_results_are_checked(cls, blobs):
    X, _, noisy = blobs
    with pytest.raises(ValueError, match="their own neighbours"):
        cls(max_epochs=4, neighbors=SelfishNeighbors()).fit(X, noisy)

    class Short:
        def select(self, losses, labels):
            return Selection(np.ones(3, bool), np.ones(3, np.float32))

    with pytest.raises(ValueError, match=r"expected bool"):
        cls(max_epochs=4, selector=Short()).fit(X, noisy)


def test_callbacks_and_net_params_reach_skorch(cls, blobs):
    from skorch.callbacks import Callback

    seen = []

    class Count(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(net.history[-1]["phase"])

    X, _, noisy = blobs
    clf = cls(max_epochs=4, callbacks=[Count()], net_params={"ema_decay": 0.0}, random_state=0)
    clf.fit(X, noisy)
    assert len(seen) == 4 and clf.net_.ema_decay == 0.0


def test_bfloat16_trains_as_well(cls, blobs):
    X, clean, noisy = blobs
    clf = cls(max_epochs=15, net_params={"amp": True}, random_state=0).fit(X, noisy)
    assert clf.score(X, clean) > 0.9


def test_user_module_with_features_and_plain(cls, blobs):
    from torch import nn

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(8, 5), nn.Linear(5, 3)

        def forward(self, x):
            z = self.body(x).relu()
            return self.head(z), z

    X, _, noisy = blobs
    assert cls(max_epochs=4, backbone=Both()).fit(X, noisy).embed(X).shape == (len(X), 5)
    plain = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 3))
    assert cls(max_epochs=4, backbone=plain).fit(X, noisy).embed(X).shape == (len(X), 6)
    with pytest.raises(ValueError, match="does not accept rows"):
        cls(max_epochs=4, backbone=nn.Linear(3, 3)).fit(X, noisy)
