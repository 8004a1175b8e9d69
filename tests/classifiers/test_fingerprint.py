"""What a checkpoint remembers of X: every number of an array in memory, samples of the rest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Dataset

from nllearn import MixNNClassifier
from nllearn.classifiers._fingerprint import digest_of_rows
from nllearn.images import ArrayRecords, DatasetRecords, PathRecords


@pytest.fixture(scope="module")
def images():
    """More images than are read of a file: (2500, 5, 4, 3) bytes."""
    return np.random.default_rng(0).integers(0, 256, (2500, 5, 4, 3)).astype(np.uint8)


@given(pixel=st.tuples(*(st.integers(0, size - 1) for size in (2500, 5, 4, 3))))
def test_one_changed_pixel_anywhere_is_seen(images, pixel):
    other = images.copy()
    other[pixel] ^= 1
    for kind in (np.uint8, np.float64):
        one, two = (ArrayRecords(x.astype(kind), "channels_last") for x in (images, other))
        assert digest_of_rows(one) != digest_of_rows(two)


def test_equal_images_have_one_digest_in_every_memory_layout(images, monkeypatch):
    layouts = (images.copy(), np.asfortranarray(images), np.repeat(images, 2, 0)[::2])
    digests = {digest_of_rows(ArrayRecords(x, "channels_last")) for x in layouts}
    assert len(digests) == 1
    monkeypatch.setattr("nllearn.classifiers._fingerprint._HASHED_BYTES", 999)
    assert {digest_of_rows(ArrayRecords(images, "channels_last"))} == digests
    # The same bytes as other numbers, and in another shape.
    assert digest_of_rows(images.reshape(2500, 60)) not in digests
    table = images.reshape(2500, 60)
    assert digest_of_rows(table) != digest_of_rows(table.view(np.int8))


def test_of_a_memmap_some_rows_are_read(images, tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, images)
    first = np.load(path, mmap_mode="r+")
    # As scikit-learn's checks hand it over: a plain array that views the memmap.
    view = np.asarray(first)
    assert type(view) is np.ndarray
    digest = digest_of_rows(ArrayRecords(view, "channels_last"))
    assert digest == digest_of_rows(ArrayRecords(first, "channels_last"))
    assert digest.startswith("2500 rows")
    first[0, 0, 0, 0] ^= 1
    assert digest_of_rows(ArrayRecords(view, "channels_last")) != digest
    first[0, 0, 0, 0] ^= 1
    first[1, 0, 0, 0] ^= 1  # between two of the thousand
    assert digest_of_rows(ArrayRecords(view, "channels_last")) == digest
    assert digest_of_rows(view.reshape(2500, 60)).startswith("2500 rows")


def test_files_are_compared_by_size_too(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.setattr("nllearn.classifiers._fingerprint._HASHED_ROWS", 2)
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        Image.fromarray(np.full((6, 6, 3), i, dtype=np.uint8)).save(path)
    digest = digest_of_rows(PathRecords(paths, None))
    assert digest_of_rows(PathRecords(paths, None)) == digest
    # The one in the middle is not decoded, but it is longer now.
    Image.fromarray(np.eye(6, dtype=np.uint8) * 77).convert("RGB").save(paths[1])
    assert digest_of_rows(PathRecords(paths, None)) != digest
    paths[1].unlink()
    assert digest_of_rows(PathRecords(paths, None)) != digest


class Pictures(Dataset):
    """Images of which one can be changed."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        return self.images[row]


def test_of_a_dataset_some_items_are_read(images):
    digest = digest_of_rows(DatasetRecords(Pictures(images), "channels_last"))
    other = images.copy()
    other[-1] ^= 1
    assert digest_of_rows(DatasetRecords(Pictures(other), "channels_last")) != digest


def test_a_fit_of_other_images_is_refused(images, tmp_path):
    x, y = images[:1200], np.arange(1200) % 2
    params = {"max_epochs": 3, "batch_size": 400, "random_state": 0, "device": "cpu"}
    clf = MixNNClassifier(**params, image_layout="channels_last", checkpoint_dir=tmp_path)
    clf.fit(x, y)
    other = x.copy()
    other[601, 2, 2, 1] ^= 1
    with pytest.raises(ValueError, match="X is not the same"):
        clf.fit(other, y)
    clf.fit(x.copy(), y)
