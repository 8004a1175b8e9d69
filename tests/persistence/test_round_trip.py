"""What is saved is loaded to the last bit, and goes on working."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import NearestNeighbors
from torch import nn

from nllearn import AnchorHallucinationClassifier, MixNNClassifier, load
from nllearn.exceptions import NoisyLabelWarning
from nllearn.hallucinators import InterpolationHallucinator
from nllearn.networks import MLP, MLPBackbone, ResNetBackbone
from nllearn.selectors import PuritySelector
from nllearn.training import ImageViews

SHORT = {"max_epochs": 3, "device": "cpu", "random_state": 0}
SMALL = MLPBackbone(8)


class Plain(nn.Module):
    """A user's classifier of images that returns logits alone."""

    def __init__(self, n_classes=3):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        self.last = nn.Linear(4 * 8 * 7, n_classes)

    def forward(self, x):
        return self.last(self.body(x))


class Builder:
    """A user's backbone."""

    def build(self, input_shape, n_classes):
        return MLP(input_shape[0], n_classes, hidden_units=7)


def there_and_back(clf, path, **options):
    clf.save(path)
    return load(path, **options)


def assert_equal(found, expected):
    """Equal values of equal types, to the last bit."""
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    elif isinstance(expected, dict):
        assert [*found] == [*expected]
        for key, value in expected.items():
            assert_equal(found[key], value)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, two in zip(found, expected, strict=True):
            assert_equal(one, two)
    elif hasattr(expected, "get_params"):
        assert_equal(found.get_params(deep=False), expected.get_params(deep=False))
    else:
        assert found == expected or (found != found and expected != expected)


def assert_same_classifier(found, expected, X):
    assert vars(found).keys() == vars(expected).keys()
    assert_equal(found.get_params(deep=False), expected.get_params(deep=False))
    special = {"net_", "_input", "_index"}
    for key in vars(expected).keys() - special - found.get_params(deep=False).keys():
        assert_equal(getattr(found, key), getattr(expected, key))
    for method in ("predict", "predict_proba", "embed"):
        assert_equal(getattr(found, method)(X), getattr(expected, method)(X))
    pd.testing.assert_frame_equal(found.label_issues(0.7), expected.label_issues(0.7))
    assert [row["train_loss"] for row in found.net_.history] == [
        row["train_loss"] for row in expected.net_.history
    ]
    before = expected.net_.get_params(deep=False)
    for key in ("lr", "max_epochs", "batch_size", "amp", "seed", "optimizer"):
        assert found.net_.get_params(deep=False)[key] == before[key]


def test_tables(on_table, table, tmp_path):
    found = there_and_back(on_table, tmp_path / "a")
    assert_same_classifier(found, on_table, table[0])


def test_images(on_pictures, pictures, tmp_path):
    found = there_and_back(on_pictures, tmp_path / "a")
    assert_same_classifier(found, on_pictures, pictures[0])
    np.testing.assert_array_equal(
        found.predict_proba(pictures[0][3]), on_pictures.predict_proba(pictures[0][3])
    )
    with pytest.raises(ValueError, match="fitted on"):
        found.predict(pictures[0][:, 1:])
    with pytest.raises(ValueError, match="floating-point"):
        found.predict(pictures[0] / 255)


def test_the_documented_views_of_images_come_back(pictures, tmp_path):
    x, y = pictures
    clf = MixNNClassifier(**SHORT, augmentation=ImageViews(flip=False, policy=0.3)).fit(x, y)
    found = there_and_back(clf, tmp_path / "a")
    assert found.augmentation.get_params() == clf.augmentation.get_params()
    np.testing.assert_array_equal(found.predict_proba(x), clf.predict_proba(x))


def test_the_kind_of_pixels_is_kept(on_pictures, pictures, tmp_path):
    assert there_and_back(on_pictures, tmp_path / "a")._input._is_bytes is True
    x, y = pictures
    clf = MixNNClassifier(**SHORT).fit(x.astype(np.int64), y)
    assert there_and_back(clf, tmp_path / "b")._input._is_bytes is False


def test_every_part_of_an_image_input_is_known(on_pictures):
    opened = on_pictures._input
    assert opened.is_image
    found = type(opened).restore(**opened.moments, state=opened.state)
    assert vars(found).keys() == vars(opened).keys()
    assert found.state == opened.state
    assert_equal(found.moments, opened.moments)


def test_the_loaded_one_goes_on_working(on_table, table, tmp_path):
    X, y = table
    found = there_and_back(on_table, tmp_path / "a")
    again = pickle.loads(pickle.dumps(found))
    assert_same_classifier(again, on_table, X)
    assert_equal(clone(found).get_params(deep=False), clone(on_table).get_params(deep=False))
    twin = clone(found).fit(X, y)
    np.testing.assert_array_equal(twin.label_distributions_, on_table.label_distributions_)
    assert found.compact()._features is None
    assert_same_classifier(there_and_back(found, tmp_path / "b"), copy.copy(on_table).compact(), X)


def test_a_second_save_is_the_same_file(on_pictures, tmp_path):
    found = there_and_back(on_pictures, tmp_path / "a")
    found.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_compact_makes_the_file_smaller(on_table, tmp_path):
    on_table.save(tmp_path / "a")
    compact = copy.copy(on_table).compact()
    compact.save(tmp_path / "b")
    saved = (tmp_path / "a").stat().st_size - (tmp_path / "b").stat().st_size
    assert saved >= on_table._features.nbytes
    assert load(tmp_path / "b")._features is None


def test_the_hallucinator_makes_the_same_anchors(table, tmp_path):
    clf = AnchorHallucinationClassifier(backbone=SMALL, **SHORT).fit(*table)
    found = there_and_back(clf, tmp_path / "a")
    rows = torch.from_numpy(clf._features).float()
    made = [
        c.hallucinator_.hallucinate(
            rows, torch.from_numpy(c._given), generator=torch.Generator().manual_seed(0)
        ).features
        for c in (clf, found)
    ]
    assert len(made[0]) and torch.equal(*made)
    assert found.resolved_params_["hallucinator"] is found.hallucinator_


def test_every_kind_of_parameter(table, tmp_path):
    X, y = table
    clf = AnchorHallucinationClassifier(
        max_epochs=np.int64(3),
        lr=np.float32(0.001),
        optimizer=torch.optim.Adam,
        class_weight={"a": 1.0, "b": 2, "c": np.float64(0.5)},
        backbone=MLPBackbone(8, dropout=0.0),
        selector=PuritySelector(0.8),
        hallucinator=InterpolationHallucinator(0.6, 2),
        neighbors="exact",
        decode_size=(8, 9),
        checkpoint_dir=None,
        net_params={"ema_decay": 0, "optimizer__betas": (0.8, 0.99)},
        device="cpu",
        random_state=np.random.RandomState(3),
    ).fit(X, y)
    found = there_and_back(clf, tmp_path / "a")
    assert found.get_params()["selector__purity"] == 0.8
    assert found.backbone.dropout == 0.0 and found.decode_size == (8, 9)
    assert found.optimizer is torch.optim.Adam
    assert found.net_.optimizer is torch.optim.Adam
    assert found.net_.optimizer_.param_groups[0]["betas"] == (0.8, 0.99)
    assert found.random_state.randint(1 << 30) == copy.deepcopy(clf.random_state).randint(1 << 30)
    assert found.class_weight == clf.class_weight
    np.testing.assert_array_equal(found.predict_proba(X), clf.predict_proba(X))


def test_names_of_columns_are_kept(table, tmp_path):
    X = pd.DataFrame(table[0], columns=["one", "two", "three", "four"])
    clf = MixNNClassifier(backbone=SMALL, **SHORT).fit(X, table[1])
    found = there_and_back(clf, tmp_path / "a")
    assert_same_classifier(found, clf, X)
    with pytest.raises(ValueError, match="feature names"):
        found.predict(X.rename(columns={"one": "eins"}))


def test_one_class_and_rows_of_weight_zero(table, tmp_path):
    X, y = table
    clf = AnchorHallucinationClassifier(backbone=SMALL, **SHORT).fit(X, np.zeros(len(X)))
    assert_same_classifier(there_and_back(clf, tmp_path / "a"), clf, X)
    weight = np.arange(len(X)) > 9
    clf = MixNNClassifier(backbone=SMALL, **SHORT).fit(X, y, sample_weight=weight)
    assert_same_classifier(there_and_back(clf, tmp_path / "b"), clf, X)


@pytest.mark.parametrize("layout", ["grey", "channels_first", "floats"])
def test_layouts(layout, pictures, tmp_path):
    x, y = pictures
    x = {"grey": x[..., 0], "channels_first": x.transpose(0, 3, 1, 2), "floats": x / 255}[layout]
    clf = MixNNClassifier(**SHORT).fit(x, y)
    assert_same_classifier(there_and_back(clf, tmp_path / "a"), clf, x)


@pytest.mark.parametrize("frozen", [False, True])
def test_pretrained_weights_are_not_needed_again(frozen, pictures, tmp_path):
    x, y = pictures
    weights = tmp_path / "resnet.pt"
    trunk = ResNetBackbone(stem="large").build((3, 10, 9), 3)
    torch.save(trunk.state_dict(), weights)
    # The images are small, but the weights are of the large stem, and "auto" follows them.
    backbone = ResNetBackbone(weights=weights, frozen=frozen)
    clf = MixNNClassifier(backbone=backbone, **{**SHORT, "max_epochs": 1}).fit(x[:8], y[:8])
    clf.save(tmp_path / "a")
    weights.unlink()
    found = load(tmp_path / "a")
    assert found.backbone_.weights == weights
    assert found.net_.module_.frozen == frozen
    assert [p.requires_grad for p in found.net_.module_.parameters()] == [
        p.requires_grad for p in clf.net_.module_.parameters()
    ]
    np.testing.assert_array_equal(found.predict_proba(x), clf.predict_proba(x))


def test_modules_of_the_user_are_asked_for(pictures, tmp_path, global_random_state_untouched):
    x, y = pictures
    with torch.random.fork_rng(devices=[]):
        fitted, fresh, other = Plain(), Plain(), Plain(4)
    clf = MixNNClassifier(backbone=fitted, **SHORT).fit(x, y)
    clf.save(tmp_path / "a")
    with pytest.raises(ValueError, match=r"load\(path, backbone=Plain\(...\)\)"):
        load(tmp_path / "a")
    with pytest.raises(ValueError, match="backbone Plain returned logits of shape"):
        load(tmp_path / "a", backbone=other)
    before = {key: value.clone() for key, value in fresh.state_dict().items()}
    found = load(tmp_path / "a", backbone=fresh)
    assert found.backbone_ is fresh and found.backbone is fresh
    np.testing.assert_array_equal(found.predict_proba(x), clf.predict_proba(x))
    np.testing.assert_array_equal(found.embed(x), clf.embed(x))
    assert all(torch.equal(before[key], value) for key, value in fresh.state_dict().items())
    found.save(tmp_path / "b")
    np.testing.assert_array_equal(
        load(tmp_path / "b", backbone=fresh).predict_proba(x), clf.predict_proba(x)
    )


def test_builders_of_the_user_are_asked_for(table, tmp_path, global_random_state_untouched):
    X, y = table
    clf = MixNNClassifier(backbone=Builder(), **SHORT).fit(X, y)
    found = there_and_back(clf, tmp_path / "a", backbone=Builder())
    np.testing.assert_array_equal(found.predict_proba(X), clf.predict_proba(X))
    with pytest.raises(ValueError, match="are not those of"):
        load(tmp_path / "a", backbone=MLPBackbone(9))


def test_a_backbone_that_is_not_needed_is_refused(on_table, tmp_path):
    on_table.save(tmp_path / "a")
    with pytest.raises(ValueError, match="leave backbone out"):
        load(tmp_path / "a", backbone=MLPBackbone(16))


class TaughtSelector(PuritySelector):
    """A user's selector."""


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"augmentation": lambda x, generator: x}, r"^augmentation=.*set_params\(augmentation="),
        ({"selector": TaughtSelector()}, "^selector=TaughtSelector.*pickle"),
        ({"neighbors": NearestNeighbors()}, "^neighbors=NearestNeighbors"),
        ({"optimizer": type("Mine", (torch.optim.SGD,), {})}, "^optimizer=.*Mine"),
        ({"net_params": {"predict_nonlinearity": nn.Softmax}}, r"^net_params\['predict_nonlin"),
    ],
    ids=["augmentation", "selector", "neighbors", "optimizer", "net_params"],
)
def test_code_is_refused_by_name(params, words, table, tmp_path):
    clf = MixNNClassifier(backbone=SMALL, **SHORT, **params).fit(*table)
    with pytest.raises(TypeError, match=words):
        clf.save(tmp_path / "a")
    assert not [*tmp_path.iterdir()]
    (name,) = params
    if name in ("augmentation", "optimizer", "net_params"):
        found = there_and_back(clf.set_params(**{name: None}), tmp_path / "a")
        np.testing.assert_array_equal(found.predict_proba(table[0]), clf.predict_proba(table[0]))


def test_callbacks_are_left_out_with_a_warning(table, tmp_path):
    from skorch.callbacks import PrintLog

    clf = MixNNClassifier(backbone=SMALL, callbacks=[PrintLog(sink=str)], **SHORT).fit(*table)
    with pytest.warns(NoisyLabelWarning, match="PrintLog"):
        clf.save(tmp_path / "a")
    assert load(tmp_path / "a").callbacks is None


def test_a_backbone_that_was_changed_after_fit_is_told(table, tmp_path):
    clf = MixNNClassifier(backbone=MLPBackbone(8), **SHORT).fit(*table)
    clf.backbone_.hidden_units = 9
    with pytest.raises(ValueError, match="changed after fit"):
        clf.save(tmp_path / "a")


def test_a_device_that_is_absent_becomes_the_cpu(on_table, table, tmp_path, monkeypatch):
    clf = copy.copy(on_table)
    clf.device = "cuda"
    clf.save(tmp_path / "a")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = load(tmp_path / "a")
    assert found.device == "cuda"
    assert found.net_.device == "cpu"
    np.testing.assert_array_equal(found.predict_proba(table[0]), clf.predict_proba(table[0]))
    with pytest.raises(ValueError, match="no GPU"):
        load(tmp_path / "a", device="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_a_gpu_saved_loads_on_the_cpu(pictures, tmp_path):
    x, y = pictures
    clf = AnchorHallucinationClassifier(**{**SHORT, "device": "cuda"}).fit(x, y)
    found = there_and_back(clf, tmp_path / "a", device="cpu")
    assert next(found.net_.module_.parameters()).device.type == "cpu"
    np.testing.assert_allclose(found.predict_proba(x), clf.predict_proba(x), atol=2e-2)
    np.testing.assert_array_equal(load(tmp_path / "a").predict_proba(x), clf.predict_proba(x))
    found.save(tmp_path / "b")


def test_files_that_exist_are_kept(on_table, tmp_path):
    path = tmp_path / "a"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        on_table.save(path)
    assert path.read_text() == "mine"
    on_table.save(str(path), overwrite=True)
    load(str(path))
    with pytest.raises(IsADirectoryError):
        on_table.save(tmp_path, overwrite=True)


def test_a_save_that_fails_leaves_the_old_file(on_table, tmp_path, monkeypatch):
    on_table.save(tmp_path / "a")
    before = (tmp_path / "a").read_bytes()

    def full(tensors, path, metadata):
        Path(path).write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr("nllearn.file_format._container.save_file", full)
    with pytest.raises(OSError, match="no space"):
        on_table.save(tmp_path / "a", overwrite=True)
    assert (tmp_path / "a").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_only_fitted_classifiers_of_the_package_are_saved(table, tmp_path):
    with pytest.raises(NotFittedError):
        MixNNClassifier().save(tmp_path / "a")
    with pytest.raises(TypeError, match=r"estimator is a Mine.*pickle"):
        type("Mine", (MixNNClassifier,), {})(backbone=SMALL, **SHORT).fit(*table).save(
            tmp_path / "a"
        )


def test_nothing_is_unpickled(on_table, tmp_path):
    on_table.save(tmp_path / "a")
    # Of every unpickler in the process, those written in C included.
    found, listening = [], True
    sys.addaudithook(
        lambda event, args: listening and event == "pickle.find_class" and found.append(args)
    )
    load(tmp_path / "a")
    assert not found
    pickle.loads(pickle.dumps(Path()))
    listening = False
    assert found


def test_global_random_state_is_left_alone(on_table, tmp_path, global_random_state_untouched):
    there_and_back(on_table, tmp_path / "a")


# -- labels and indexes of every kind

TEXT = st.text(st.characters(exclude_characters="\0"), max_size=5)


def three(elements):
    return st.lists(elements, min_size=3, max_size=3, unique=True).map(sorted)


LABELS = st.one_of(
    three(TEXT).map(np.array),
    three(st.text(max_size=5)).map(lambda x: np.array(x, dtype=object)),
    hnp.arrays(
        st.sampled_from(["i1", "<i4", ">i8", "u2", "u8", "f2", "f4", ">f8"]),
        3,
        elements=st.sampled_from([0, 1, 2, 100]),
        unique=True,
    ).map(np.sort),
    three(st.floats(allow_nan=False)).map(np.array),
    hnp.arrays(st.sampled_from(["M8[D]", "M8[ns]", "m8[s]"]), 3, unique=True).map(np.sort),
)


def with_labels(clf, classes):
    clf = copy.copy(clf)
    clf.classes_ = classes
    clf.corrected_labels_ = classes[clf._corrected]
    return clf


@settings(max_examples=40, deadline=None)
@given(classes=LABELS)
def test_labels_of_every_kind(one_fitted, scratch, table, classes):
    clf = with_labels(one_fitted, classes)
    clf.save(scratch, overwrite=True)
    found = load(scratch)
    for key in ("classes_", "corrected_labels_"):
        assert_equal(getattr(found, key), getattr(clf, key))
    assert_equal(found.predict(table[0]), clf.predict(table[0]))


def test_text_that_is_no_unicode(one_fitted, tmp_path):
    clf = with_labels(one_fitted, np.array(["\0", "a\0", "\udc80"], dtype=object))
    clf._index = pd.Index(["\ud800"] * 60, dtype=object)
    found = there_and_back(clf, tmp_path / "a")
    assert_equal(found.classes_, clf.classes_)
    pd.testing.assert_index_equal(found._index, clf._index)


def test_labels_that_are_bool(table, tmp_path):
    clf = MixNNClassifier(backbone=SMALL, **SHORT).fit(table[0], table[1] == "a")
    found = there_and_back(clf, tmp_path / "a")
    assert_same_classifier(found, clf, table[0])
    assert found.predict(table[0]).dtype == bool


NAMES = st.one_of(st.none(), st.text(max_size=3), st.integers(), st.tuples(st.text(max_size=2)))
N = 60


def many(elements):
    return st.lists(elements, min_size=N, max_size=N)


INDEXES = st.one_of(
    st.builds(lambda a, b: pd.RangeIndex(a, a + N * b, b), st.integers(-9, 9), st.integers(1, 5)),
    many(st.integers(-(2**63), 2**63 - 1)).map(lambda x: pd.Index(x, dtype="int64")),
    many(st.integers(0, 255)).map(lambda x: pd.Index(x, dtype="uint8")),
    many(st.floats()).map(lambda x: pd.Index(x, dtype="float64")),
    many(st.booleans()).map(pd.Index),
    many(st.text(st.characters(exclude_categories=["Cs"]), max_size=4)).map(
        lambda x: pd.Index(x, dtype="str")
    ),
    many(st.text(max_size=4)).map(lambda x: pd.Index(x, dtype=object)),
    many(st.integers(-(2**40), 2**40)).map(lambda x: pd.DatetimeIndex(np.array(x, "M8[s]"))),
    st.sampled_from(["UTC", "Europe/Berlin", "+02:00"]).map(
        lambda tz: pd.date_range("2024-03-30", periods=N, freq="h", tz=tz)._with_freq(None)
    ),
    many(st.integers(-(2**40), 2**40)).map(lambda x: pd.TimedeltaIndex(np.array(x, "m8[ms]"))),
)


@settings(max_examples=60, deadline=None)
@given(index=INDEXES, name=NAMES)
def test_indexes_of_every_kind(one_fitted, scratch, index, name):
    clf = copy.copy(one_fitted)
    clf._index = index.rename(name)
    clf.save(scratch, overwrite=True)
    pd.testing.assert_frame_equal(load(scratch).label_issues(), clf.label_issues())


@pytest.mark.parametrize(
    "index",
    [
        pd.MultiIndex.from_product([range(6), range(10)]),
        pd.CategoricalIndex(["a", "b"] * 30),
        pd.Index([1, "a"] * 30, dtype=object),
        pd.Index(["a", None] * 30, dtype="str"),
        pd.period_range("2024", periods=60, freq="M"),
        pd.Index([*range(59), None], dtype="Int64"),
    ],
    ids=lambda index: f"{type(index).__name__}-{index.dtype}",
)
def test_other_indexes_are_lost_with_a_warning(index, one_fitted, tmp_path):
    clf = copy.copy(one_fitted)
    clf._index = index
    with pytest.warns(NoisyLabelWarning, match="index of the training rows"):
        clf.save(tmp_path / "a")
    found = load(tmp_path / "a").label_issues()
    pd.testing.assert_frame_equal(found, clf.label_issues().reset_index(drop=True))


@pytest.fixture(scope="module")
def one_fitted(table):
    """One classifier, fitted to the table."""
    return MixNNClassifier(backbone=SMALL, **SHORT).fit(*table)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """A file to overwrite."""
    return tmp_path_factory.mktemp("scratch") / "a"
