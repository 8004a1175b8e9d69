"""No parameter does nothing: each one changes the fitted network or what is shown."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.networks import MLPBackbone
from nllearn.selectors import Selection


class Stop(Callback):
    """Ends the fit after two epochs."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


class HalfClean:
    """All rows are easy and half clean."""

    def select(self, losses, labels):
        ones = np.ones(len(losses), np.float32)
        return Selection(ones > 0, ones / 2)


# Values that must change the weights of the fitted network.
SHARED = {
    "max_epochs": 7,
    "warmup_epochs": 3,
    "refresh_every": 3,
    "posterior_share": 0.2,
    "boundary_noise": True,
    "batch_size": 50,
    "lr": 3e-3,
    "weight_decay": 5.0,
    "optimizer": "sgd",
    "augmentation": "strong",
    "class_weight": {0: 3.0, 1: 1.0, 2: 1.0},
    "backbone": MLPBackbone(hidden_units=16),
    "selector": "purity",
    "callbacks": [Stop()],
    "net_params": {"ema_decay": 0.5},
    "random_state": 1,
}
CHANGES = {
    AnchorHallucinationClassifier: {
        **SHARED,
        "easy_fraction": 0.3,
        "lambda_p": 0.5,
        "n_anchors": 5,
        "lambda_conf": 0.999,
        "anchor_quantile": 0.95,
        "n_votes": 1,
        "lambda_u": 50.0,
        "temperature": 0.2,
        "mixup_alpha": 0.0,
        "hallucinator": "interpolation",
    },
    MixNNClassifier: {
        **SHARED,
        # Ours differ in the easy rows, of which MixNN makes evidence alone.
        "selector": HalfClean(),
        "n_neighbors": 1,
        "alpha": 0.3,
        "correction_start": 5,
        "neighbors": "auto",
    },
}
# Parameters that may change nothing in the weights, and the tests that watch them.
ELSEWHERE = {
    "verbose": "test_verbose_shows_one_bar",
    "device": "test_device_is_where_the_network_is",
    "neighbors": "test_components.py",
    "on_bad_image": "test_bad_images.py",
    "n_jobs": "test_threads.py",
    "image_layout": "test_images.py",
    "decode_size": "test_images.py",
    "checkpoint_dir": "test_resume.py",
}


def fit(cls, blobs, **params):
    rng = np.random.default_rng(0)
    X, _, noisy = blobs
    # Overlapping classes, so that votes, selection and corrections are not unanimous.
    X = X + rng.normal(0, 6.0, X.shape)
    defaults = {"max_epochs": 10, "refresh_every": 2, "random_state": 0}
    return cls(**{**defaults, **params}).fit(X, noisy)


@pytest.mark.parametrize("cls", CHANGES, ids=["ah", "mixnn"])
def test_every_parameter_is_watched(cls):
    assert set(cls().get_params(deep=False)) == set(CHANGES[cls]) | set(ELSEWHERE)
    assert len(cls().get_params(deep=False)) <= 34


@pytest.fixture(scope="module")
def base(blobs):
    return {cls: fit(cls, blobs).net_.module_ for cls in CHANGES}


@pytest.mark.parametrize(
    "cls, name",
    [(cls, name) for cls, changes in CHANGES.items() for name in changes],
    ids=lambda value: value if isinstance(value, str) else value.__name__[:2],
)
def test_parameter_changes_the_network(base, blobs, cls, name):
    other = fit(cls, blobs, **{name: CHANGES[cls][name]}).net_.module_
    pairs = list(zip(base[cls].parameters(), other.parameters(), strict=True))
    assert any(a.shape != b.shape or not torch.equal(a, b) for a, b in pairs)


def test_verbose_shows_one_bar(cls, blobs, capsys):
    X, _, noisy = blobs
    cls(max_epochs=3, random_state=0).fit(X, noisy)
    silent = capsys.readouterr()
    assert silent.out == "" and silent.err == ""
    cls(max_epochs=3, verbose=1, random_state=0).fit(X, noisy)
    shown = capsys.readouterr()
    assert shown.out == "" and "3/3" in shown.err and "loss" in shown.err


def test_device_is_where_the_network_is(cls, blobs):
    X, _, noisy = blobs
    clf = cls(max_epochs=3, device="cpu", random_state=0).fit(X, noisy)
    assert next(clf.net_.module_.parameters()).device.type == "cpu"


def test_epochs_are_logged(cls, blobs, caplog):
    X, _, noisy = blobs
    with caplog.at_level("INFO", logger="nllearn"):
        cls(max_epochs=3, random_state=0).fit(X, noisy)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("epoch 1 of 3, warm-up, loss")
    assert len(lines) == 3
