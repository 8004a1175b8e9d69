"""What the caller has set for torch changes no result, and is there again afterwards."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from torch import nn

from nllearn import AnchorHallucinationClassifier, LabelCleaner, MixNNClassifier, load
from nllearn.hallucinators import InterpolationHallucinator, LearnedHallucinator
from nllearn.neighbors import DescentNeighbors, ExactNeighbors
from nllearn.networks import MLPBackbone, ResNetBackbone, SmallBackbone
from nllearn.predictors import LeaveOneOutKernelRidge, LeaveOneOutRidge, NeighborVotes

CLASSIFIERS = [AnchorHallucinationClassifier, MixNNClassifier]
DTYPES = [torch.float64, torch.float16]


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(before)


@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def other_device():
    torch.set_default_device("meta")
    try:
        yield
        assert torch.get_default_device().type == "meta"
    finally:
        torch.set_default_device(None)


SETTINGS = {
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "deterministic": deterministic,
    "default_device": other_device,
    "numpy's errors": lambda: np.errstate(all="raise"),
}


def table(n=240):
    X, y = make_blobs(n, centers=3, n_features=8, cluster_std=2.0, random_state=0)
    rng = np.random.default_rng(0)
    return X, np.where(rng.random(n) < 0.3, rng.integers(3, size=n), y)


def images(n=60):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    return (rng.random((n, 8, 8)) + y[:, None, None]).astype(np.float32), y


def run_cleaner(folder):
    X, y = table()
    cleaner = LabelCleaner(random_state=0).fit(X, y, trusted=np.arange(len(y)) < 5)
    cleaner.save(folder / "a.safetensors", overwrite=True)
    again = load(folder / "a.safetensors")
    return [
        cleaner.label_distributions_,
        cleaner.transition_matrix_,
        cleaner.score_labels(X[:9] + 0.1, y[:9]),
        cleaner.label_proba(X[:9] + 0.1),
        again.label_proba(X[:9] + 0.1),
    ]


def run_classifier(cls, X, y, folder, **params):
    weight = np.where(np.arange(len(y)) < 4, 0.0, 1.0)
    clf = cls(max_epochs=6, refresh_every=2, random_state=0, **params).fit(X, y, weight)
    clf.save(folder / "a.safetensors", overwrite=True)
    again = load(folder / "a.safetensors")
    found = [
        clf.label_distributions_,
        clf.clean_proba_,
        clf.transition_matrix_,
        clf.predict_proba(X),
        clf.predict_log_proba(X),
        clf.embed(X),
        again.predict_proba(X),
        *(p.detach().numpy() for p in clf.net_.module_.parameters()),
    ]
    assert all(a.dtype != np.float16 for a in found)
    return found


RUNS = {
    "cleaner": run_cleaner,
    "ah": lambda f: run_classifier(AnchorHallucinationClassifier, *table(), f),
    "mixnn": lambda f: run_classifier(MixNNClassifier, *table(), f),
    "ah strong": lambda f: run_classifier(
        AnchorHallucinationClassifier, *table(), f, augmentation="strong", optimizer="sgd"
    ),
    "mixnn on images": lambda f: run_classifier(MixNNClassifier, *images(), f),
    "ah on images": lambda f: run_classifier(AnchorHallucinationClassifier, *images(), f),
}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    return {name: run(folder) for name, run in RUNS.items()}


def assert_same(found, wanted):
    for one, two in zip(found, wanted, strict=True):
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)


PAIRS = [
    (run, setting)
    for run in RUNS
    for setting in SETTINGS
    if run in ("cleaner", "ah", "mixnn") or setting in ("float64", "float16")
]


@pytest.mark.parametrize("run, setting", PAIRS)
def test_results_do_not_depend_on_the_callers_settings(expected, tmp_path, run, setting):
    grad = torch.is_grad_enabled()
    with SETTINGS[setting]():
        found = RUNS[run](tmp_path)
    assert_same(found, expected[run])
    assert torch.is_grad_enabled() == grad


@pytest.mark.parametrize("setting", SETTINGS)
def test_fitted_before_and_used_after(setting, tmp_path):
    X, y = table()
    cleaner = LabelCleaner(random_state=0).fit(X, y)
    clf = MixNNClassifier(max_epochs=3, random_state=0).fit(X, y)
    wanted = [cleaner.score_labels(X, y), cleaner.label_proba(X), clf.predict_proba(X)]
    with SETTINGS[setting]():
        found = [cleaner.score_labels(X, y), cleaner.label_proba(X), clf.predict_proba(X)]
    assert_same(found, wanted)


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_a_module_in_float64_is_trained_in_float32(cls):
    X, y = table()
    with default_dtype(torch.float64):
        net = nn.Sequential(nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3))
        clf = cls(max_epochs=4, backbone=net, random_state=0).fit(X, y)
    assert {p.dtype for p in clf.net_.module_.parameters()} == {torch.float32}
    assert clf.embed(X).dtype == np.float32
    assert next(net.parameters()).dtype == torch.float64


def components():
    """What components make of the same rows, one at a time."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.nn.functional.normalize(
        torch.rand(60, 6, generator=generator, dtype=torch.float32), dim=1
    )
    labels = torch.arange(60) % 3
    soft = torch.nn.functional.one_hot(labels, 3).float()
    head = lambda x: x[:, :3]  # noqa: E731
    for hallucinator in (LearnedHallucinator(steps=3), InterpolationHallucinator()):
        stream = torch.Generator().manual_seed(1)
        hallucinator.partial_fit(rows, labels, head=head, generator=stream)
        yield hallucinator.hallucinate(rows, labels, generator=stream).features.detach()
    for search in (ExactNeighbors(3), DescentNeighbors(3, random_state=0)):
        yield search.fit(rows).kneighbors()[0]
        yield torch.from_numpy(search.fit(rows.numpy()).kneighbors()[0])
    for predictor in (
        NeighborVotes(5),
        LeaveOneOutRidge(),
        LeaveOneOutKernelRidge(20, None, None, torch.Generator().manual_seed(2)),
    ):
        yield predictor.predict_out_of_sample(rows, soft)
    torch.manual_seed(3)
    for backbone, shape in (
        (MLPBackbone(4), (6,)),
        (SmallBackbone(), (3, 8, 8)),
        (ResNetBackbone(18), (3, 32, 32)),
    ):
        if isinstance(backbone, ResNetBackbone):
            pytest.importorskip("torchvision")
        yield from (p.detach() for p in backbone.build(shape, 3).parameters())


@pytest.mark.parametrize("dtype", DTYPES)
def test_components_do_not_depend_on_the_default_dtype(dtype):
    state = torch.get_rng_state()
    wanted = list(components())
    with default_dtype(dtype):
        found = list(components())
    torch.set_rng_state(state)
    for one, two in zip(found, wanted, strict=True):
        assert one.dtype == two.dtype == torch.float32
        assert torch.equal(one, two)
