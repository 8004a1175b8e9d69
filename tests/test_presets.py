"""The papers' schedules: what they hold, and that no label of the posterior reaches the network."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors
from skorch.callbacks import Callback

import nllearn
from nllearn import AnchorHallucinationClassifier, MixNNClassifier, presets

METHODS = [
    (AnchorHallucinationClassifier, presets.anchor_hallucination),
    (MixNNClassifier, presets.mixnn),
]


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    X = rng.normal(size=(90, 4)) + 2.0 * np.eye(3, 4)[y]
    return X, np.where(rng.random(90) < 0.3, (y + 1) % 3, y)


class EpochCounter(Callback):
    """How many epochs have begun, for the search below."""

    begun = 0

    def on_epoch_begin(self, net, **kwargs):
        EpochCounter.begun = len(net.history)


class RecordingSearch(NearestNeighbors):
    """A search that notes in which epoch it is asked; the estimate of the labels needs it."""

    asked_in: list[int] = []

    def fit(self, X, y=None):
        RecordingSearch.asked_in.append(EpochCounter.begun)
        return super().fit(X)


@pytest.mark.parametrize(("method", "preset"), METHODS)
def test_every_epoch_after_the_warmup_is_the_papers_own(method, preset, data):
    clf = method(**preset(12), random_state=0).fit(*data)
    phases = [row["phase"] for row in clf.history_]
    assert phases == ["warm-up"] * 1 + ["robust"] * 11
    # A refresh before every epoch of it.
    assert all("share_easy" in row for row in clf.history_[1:])


@pytest.mark.parametrize(("method", "preset"), METHODS)
def test_a_fit_with_a_preset_is_saved_and_loaded(method, preset, data, tmp_path):
    clf = method(**preset(3), random_state=0).fit(*data)
    clf.save(tmp_path / "model.nllearn")
    loaded = nllearn.load(tmp_path / "model.nllearn")
    assert loaded.net_params == clf.net_params and loaded.net_params["lr_schedule"] is not None
    np.testing.assert_array_equal(loaded.predict(data[0]), clf.predict(data[0]))


@pytest.mark.parametrize(("share", "expected"), [(0.0, {10}), (0.5, {5, 10})])
def test_without_its_phase_the_posterior_is_estimated_at_the_end_alone(share, expected, data):
    RecordingSearch.asked_in = []
    AnchorHallucinationClassifier(
        max_epochs=10,
        posterior_share=share,
        neighbors=RecordingSearch(),
        callbacks=[EpochCounter()],
        random_state=0,
    ).fit(*data)
    assert set(RecordingSearch.asked_in) == expected


def test_other_lengths_keep_the_shares():
    assert presets.mixnn(30)["correction_start"] == 6
    assert presets.mixnn(30)["warmup_epochs"] == 1
    assert presets.anchor_hallucination(60)["warmup_epochs"] == 2
    assert presets.anchor_hallucination()["max_epochs"] == 300


def test_learning_rates_follow_the_schedules(data):
    clf = AnchorHallucinationClassifier(**presets.anchor_hallucination(6), random_state=0).fit(
        *data
    )
    np.testing.assert_allclose([r["lr"] for r in clf.history_], [0.02] * 3 + [0.002] * 3)
    clf = MixNNClassifier(**presets.mixnn(12), random_state=0).fit(*data)
    rates = [r["lr"] for r in clf.history_]
    assert rates[0] == rates[10] == 0.02
    assert rates[9] < rates[5] < rates[1]
    assert min(rates) > 0.001


def test_last_weights_are_the_fitted_ones(data):
    """Both papers predict with the weights of the last step."""

    class Last(Callback):
        def on_train_end(self, net, **kwargs):
            Last.weights = [p.detach().numpy().copy() for p in net.module_.parameters()]

    clf = MixNNClassifier(**presets.mixnn(4), callbacks=[Last()], random_state=0).fit(*data)
    for old, new in zip(Last.weights, clf.net_.module_.parameters(), strict=True):
        np.testing.assert_array_equal(old, new.detach().numpy())
