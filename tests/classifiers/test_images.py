"""Images of every kind go in, and the same images go in at predict."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.networks import ResNetBackbone, SmallBackbone

SIDE = 10
SHORT = {"max_epochs": 4, "batch_size": 20, "random_state": 0}


@pytest.fixture(scope="module")
def pictures():
    """Coloured squares in three classes: uint8 (n, H, W, C), clean y, noisy y."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    x = rng.integers(0, 60, (90, SIDE, SIDE, 3)).astype(np.uint8)
    for row, label in enumerate(y):
        x[row, 2:8, 2:8, label] += 150
    noisy = np.where(rng.random(90) < 0.2, rng.integers(0, 3, 90), y)
    return x, y, np.array(["red", "green", "blue"])[noisy]


@pytest.fixture(scope="module")
def files(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{row:03d}.png" for row in range(len(pictures[0]))]
    for path, pixels in zip(paths, pictures[0], strict=True):
        Image.fromarray(pixels).save(path)
    return paths


class Items(Dataset):
    """A Dataset whose labels are in its items alone."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        return Image.fromarray(self.images[row]), self.labels[row]


class Plain(nn.Module):
    """A user's classifier that returns logits alone."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())
        self.last = nn.Linear(8 * (SIDE - 2) ** 2, 3)

    def forward(self, x):
        return self.last(self.body(x))


@pytest.fixture(scope="module", params=[AnchorHallucinationClassifier, MixNNClassifier])
def fitted(request, pictures):
    x, _, noisy = pictures
    return request.param(**{**SHORT, "max_epochs": 12}).fit(x, noisy)


def test_it_learns_and_cleans(fitted, pictures):
    x, y, noisy = pictures
    truth = np.array(["red", "green", "blue"])[y]
    assert fitted.score(x, truth) > 0.95
    assert (fitted.corrected_labels_ == truth).mean() > (noisy == truth).mean() + 0.05
    assert fitted.image_shape_ == (SIDE, SIDE, 3)
    assert fitted.n_features_in_ == SIDE
    assert isinstance(fitted.backbone_, SmallBackbone)
    assert fitted.embed(x[:4]).shape[0] == 4
    assert len(fitted.label_issues()) == len(x)


def test_single_images_predict_as_in_a_batch(fitted, pictures):
    x = pictures[0]
    np.testing.assert_allclose(
        fitted.predict_proba(x[5]), fitted.predict_proba(x[:9])[5:6], atol=1e-5
    )


def test_pickle_and_clone(fitted, pictures):
    x, _, noisy = pictures
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(x), fitted.predict_proba(x))
    twin = clone(fitted).fit(x, noisy)
    np.testing.assert_array_equal(twin.label_distributions_, fitted.label_distributions_)


def test_global_random_state_is_left_alone(cls, pictures, global_random_state_untouched):
    cls(**SHORT).fit(pictures[0], pictures[2])


def test_every_way_in_gives_the_same_fit(cls, pictures, files, tmp_path):
    x, _, noisy = pictures
    expected = cls(**SHORT).fit(x, noisy).label_distributions_

    on_disk = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, x.shape)
    on_disk[:] = x
    on_disk.flush()
    ways = {
        "channels first": x.transpose(0, 3, 1, 2),
        "memmap": np.load(tmp_path / "x.npy", mmap_mode="r"),
        "paths": [str(path) for path in files],
        "Dataset": Items(x, noisy),
        "TensorDataset": TensorDataset(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())),
    }
    for name, way in ways.items():
        found = cls(**SHORT).fit(way, noisy).label_distributions_
        np.testing.assert_array_equal(found, expected, err_msg=name)
    np.testing.assert_array_equal(
        cls(**SHORT).fit(Items(x, noisy)).label_distributions_, expected, err_msg="y=None"
    )


def test_range_of_the_values_makes_no_difference(cls, pictures):
    x, _, noisy = pictures
    whole = cls(**SHORT).fit(x, noisy)
    unit = cls(**SHORT).fit((x / 255).astype(np.float32), noisy)
    # Rounding differs in the last digit, and training carries that on.
    assert (unit.corrected_labels_ == whole.corrected_labels_).mean() > 0.93


def test_images_that_do_not_fit_are_read_on_the_way(cls, pictures, files, monkeypatch):
    x, _, noisy = pictures
    expected = cls(**SHORT).fit(x, noisy)
    monkeypatch.setattr("nllearn.classifiers._image_input._MOST_BYTES_CPU", 1000)
    for workers in (0, 1):
        params = {"iterator_train__num_workers": workers}
        streamed = cls(net_params=params, **SHORT).fit(files, noisy)
        np.testing.assert_array_equal(streamed.label_distributions_, expected.label_distributions_)


def test_files_and_folders_are_predicted(cls, pictures, files):
    x, _, noisy = pictures
    clf = cls(**SHORT).fit(pd.Series(files, index=np.arange(len(files)) + 7), noisy)
    assert clf.label_issues().index[0] == 7
    expected = clf.predict_proba(x)
    np.testing.assert_allclose(clf.predict_proba(files), expected, atol=1e-6)
    np.testing.assert_allclose(clf.predict_proba(str(files[3])), expected[3:4], atol=1e-6)
    np.testing.assert_allclose(clf.predict_proba(files[0].parent), expected, atol=1e-6)


def test_decode_size_brings_files_to_one_size(cls, pictures, tmp_path):
    x, _, noisy = pictures
    paths = []
    for row, pixels in enumerate(x[:40]):
        paths.append(tmp_path / f"{row:02d}.png")
        Image.fromarray(pixels).resize((SIDE + row % 3, SIDE)).save(paths[-1])
    with pytest.raises(ValueError, match="decode_size"):
        cls(**SHORT).fit(paths, noisy[:40])
    clf = cls(decode_size=12, **SHORT).fit(paths, noisy[:40])
    assert clf.image_shape_ == (3, 12, 12)
    clf = cls(decode_size=(8, 12), **SHORT).fit(paths, noisy[:40])
    assert clf.image_shape_ == (3, 8, 12)


def test_image_layout_decides_where_the_shape_does_not(cls, pictures):
    x, _, noisy = pictures
    narrow = x[:, :, :3]
    assert narrow.shape[1:] == (SIDE, 3, 3)
    narrow = narrow.transpose(0, 2, 1, 3)
    with pytest.raises(ValueError, match="image_layout"):
        cls(**SHORT).fit(narrow, noisy)
    tiny = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    last = cls(image_layout="channels_last", backbone=tiny, **SHORT).fit(narrow, noisy)
    first = cls(image_layout="channels_first", backbone=tiny, **SHORT).fit(narrow, noisy)
    assert last._input.shape == (3, 3, SIDE) and first._input.shape == (3, SIDE, 3)


@pytest.mark.parametrize(
    "backbone",
    [ResNetBackbone(18), Plain(), SmallBackbone()],
    ids=lambda b: type(b).__name__,
)
def test_backbones(cls, pictures, backbone):
    x, _, noisy = pictures
    clf = cls(backbone=backbone, **{**SHORT, "max_epochs": 3}).fit(x, noisy)
    assert clf.predict(x).shape == (90,)
    assert np.isfinite(clf.embed(x)).all()


@pytest.mark.parametrize("augmentation", ["weak", "strong"])
def test_views_change_training_and_never_prediction(cls, pictures, augmentation):
    x, _, noisy = pictures
    still = cls(augmentation=lambda x, generator: x, **SHORT).fit(x, noisy)
    moved = cls(augmentation=augmentation, **SHORT).fit(x, noisy)
    assert not np.allclose(still.predict_proba(x), moved.predict_proba(x))
    np.testing.assert_array_equal(moved.predict_proba(x), moved.predict_proba(x))


def test_bfloat16_trains_about_as_well(cls, pictures):
    x, y, noisy = pictures
    clf = cls(net_params={"amp": True}, **{**SHORT, "max_epochs": 12}).fit(x, noisy)
    assert clf.net_.amp
    assert clf.score(x, np.array(["red", "green", "blue"])[y]) > 0.95
    assert clf.predict_proba(x).dtype == np.float64


def test_images_of_weight_zero_do_not_count(cls, pictures):
    x, _, noisy = pictures
    weight = np.ones(len(x))
    weight[-10:] = 0
    other = x.copy()
    other[-10:] = 255 - other[-10:]
    one, two = (cls(**SHORT).fit(data, noisy, sample_weight=weight) for data in (x, other))
    np.testing.assert_array_equal(one.predict_proba(x), two.predict_proba(x))
    np.testing.assert_array_equal(one.label_distributions_[:-10], two.label_distributions_[:-10])


def test_cross_validation_takes_arrays_of_images(cls, pictures):
    x, _, noisy = pictures
    assert np.isfinite(cross_val_score(cls(**SHORT), x, noisy, cv=2)).all()


def test_predict_refuses_other_images(fitted, pictures):
    x = pictures[0]
    with pytest.raises(ValueError, match=r"\(3, 9, 10\).*fitted on \(3, 10, 10\)"):
        fitted.predict(x[:, 1:])
    with pytest.raises(ValueError, match=r"\(1, 10, 10\)"):
        fitted.predict(x[..., :1])
    with pytest.raises(ValueError, match="floating-point"):
        fitted.predict(x / 255)
    with pytest.raises(ValueError, match="was fitted on images"):
        fitted.predict(x.reshape(len(x), -1))


def test_bad_images_are_named(cls, pictures, files, tmp_path):
    x, _, noisy = pictures
    broken = tmp_path / "broken.png"
    broken.write_bytes(files[0].read_bytes()[:60])
    for bad, words in (
        ([*files[:5], broken], "broken.png"),
        ([*files[:5], tmp_path / "absent.png"], "absent.png"),
    ):
        with pytest.raises(ValueError, match=words):
            cls(**SHORT).fit(bad, noisy[:6])
    with pytest.raises(ValueError, match="90 images and y has 89"):
        cls(**SHORT).fit(files, noisy[:-1])
    with pytest.raises(ValueError, match="inconsistent numbers"):
        cls(**SHORT).fit(x, noisy[:-1])
    with pytest.raises(ValueError, match="requires y"):
        cls(**SHORT).fit(files)
    with pytest.raises(ValueError, match="requires y"):
        cls(**SHORT).fit(x)
    with pytest.raises(ValueError, match=r"minimum of 2|0 sample"):
        cls(**SHORT).fit(x[:0], noisy[:0])
    with pytest.raises(ValueError, match="NaN"):
        cls(**SHORT).fit(np.where(x > 200, np.nan, x / 255), noisy)
    with pytest.raises(ValueError, match=r"item 3 of the Dataset"):
        cls(**SHORT).fit(Items([*x[:3], x[3, 1:]], noisy[:4]), noisy[:4])


def test_out_of_memory_says_what_to_lower(cls, pictures):
    class Hungry(Plain):
        def forward(self, x):
            if self.training:
                torch.empty(1 << 50)
            return super().forward(x)

    with pytest.raises(MemoryError, match="batch_size"):
        cls(backbone=Hungry(), **SHORT).fit(pictures[0], pictures[2])
