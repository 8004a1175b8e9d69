"""Images that cannot be read: all told at once, or left out with every row in its place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from nllearn import AnchorHallucinationClassifier, MixNNClassifier, load

pillow = pytest.importorskip("PIL.Image")
ImageFile = pytest.importorskip("PIL.ImageFile").ImageFile


def write(folder, n=40, bad=(), side=8):
    """Two classes of small images, some of the files cut off, empty or absent."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    files = [folder / f"{i:03d}.png" for i in range(n)]
    for i, file in enumerate(files):
        pixels = rng.integers(0, 100, (side, side)) + 120 * y[i]
        pillow.fromarray(pixels.astype(np.uint8)).save(file)
    for number, row in enumerate(bad):
        if number % 3 == 0:
            files[row].write_bytes(files[row].read_bytes()[:30])
        elif number % 3 == 1:
            files[row].write_bytes(b"")
        else:
            files[row].unlink()
    return files, y


def test_all_bad_images_are_told_in_one_error(cls, tmp_path):
    files, y = write(tmp_path, bad=(0, 7, 12, 39))
    with pytest.raises(ValueError) as caught:
        cls(max_epochs=3).fit(files, y)
    told = str(caught.value)
    assert told.startswith("4 of 40 images cannot be read") and "on_bad_image='skip'" in told
    assert [f"{row:03d}.png" in told for row in (0, 7, 12, 39, 1)] == [True] * 4 + [False]


def test_of_many_the_first_twenty_are_told_and_the_number(tmp_path):
    files, y = write(tmp_path, n=60, bad=range(5, 40))
    with pytest.raises(ValueError, match="35 of 60 images cannot be read") as caught:
        MixNNClassifier(max_epochs=3).fit(files, y)
    told = str(caught.value)
    assert "024.png" in told and "025.png" not in told and "and 15 more" in told


def test_entries_that_are_no_paths_are_told_with_the_others(tmp_path):
    files, y = write(tmp_path, bad=(3,))
    files[5], files[9] = None, 7
    with pytest.raises(ValueError, match=r"3 of 40.*003\.png.*row 5 is missing.*row 9 is 7"):
        MixNNClassifier(max_epochs=3).fit(files, y)


@pytest.mark.parametrize("on_bad_image", ["raise", "skip"])
def test_sizes_that_differ_are_told_together_and_never_skipped(tmp_path, on_bad_image):
    files, y = write(tmp_path)
    for row in (4, 8, 20):
        pillow.new("L", (5, 6)).save(files[row])
    with pytest.raises(ValueError, match=r"000\.png is 8 x 8, .*004.*008.*020.*decode_size"):
        MixNNClassifier(max_epochs=3, on_bad_image=on_bad_image).fit(files, y)


def test_bad_images_are_told_together_when_predicted(tmp_path):
    files, y = write(tmp_path)
    clf = MixNNClassifier(max_epochs=3, on_bad_image="skip", random_state=0).fit(files, y)
    for row in (2, 30):
        files[row].write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"2 of 40 images cannot be read.*002.*030"):
        clf.predict(files)


def test_skipped_rows_keep_their_place_and_their_label(cls, tmp_path):
    bad = (0, 7, 12, 39)
    files, y = write(tmp_path, bad=bad)
    given = np.where(np.arange(40) == 9, 1 - y, y).astype(str)
    clf = cls(max_epochs=6, on_bad_image="skip", random_state=0).fit(files, given)
    assert list(clf.skipped_images_) == list(bad)
    assert all(f"{row:03d}.png" in why for row, why in clf.skipped_images_.items())
    rows, codes = np.array(bad), y[list(bad)]
    assert (clf.corrected_labels_[rows] == given[rows]).all()
    for name in ("label_distributions_", "label_quality_", "clean_proba_"):
        values = getattr(clf, name)
        assert len(values) == 40 and np.isfinite(values).all()
    np.testing.assert_allclose(clf.label_distributions_.sum(1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(clf.label_quality_[rows], clf.label_distributions_[rows, codes])
    for row in bad:
        same = np.setdiff1d(np.flatnonzero(given == given[row]), rows)
        mean = clf.label_distributions_[same].mean(0)
        np.testing.assert_allclose(clf.label_distributions_[row], mean, atol=1e-5)
    table = clf.label_issues()
    assert len(table) == 40 and not table.isna().any().any()
    assert not table["is_easy"].to_numpy()[rows].any()
    # No other row was trained with them or compared with them.
    kept = np.setdiff1d(np.arange(40), rows)
    assert not np.isin(table["nearest_row"].to_numpy()[kept], rows).any()


def test_skipping_is_training_with_weight_zero(tmp_path):
    files, y = write(tmp_path, bad=(3, 11))
    skipped = MixNNClassifier(max_epochs=4, on_bad_image="skip", random_state=0).fit(files, y)
    good, _ = write(tmp_path)
    weight = np.ones(40)
    weight[[3, 11]] = 0
    weighted = MixNNClassifier(max_epochs=4, random_state=0).fit(good, y, weight)
    assert skipped.noise_rate_ == weighted.noise_rate_
    np.testing.assert_array_equal(skipped.predict_proba(good), weighted.predict_proba(good))
    assert weighted.skipped_images_ == {}


def test_skipped_images_do_not_hinder_streaming(tmp_path, monkeypatch):
    files, y = write(tmp_path, bad=(0, 5))
    params = {"max_epochs": 4, "on_bad_image": "skip", "augmentation": None, "random_state": 0}
    at_once = MixNNClassifier(**params).fit(files, y)
    monkeypatch.setattr("nllearn.classifiers._image_input._MOST_BYTES_CPU", 0)
    streamed = MixNNClassifier(**params).fit(files, y)
    assert list(streamed.skipped_images_) == [0, 5]
    np.testing.assert_allclose(
        streamed.label_distributions_, at_once.label_distributions_, atol=1e-4
    )


def test_what_was_skipped_is_saved(tmp_path):
    files, y = write(tmp_path, bad=(3,))
    clf = AnchorHallucinationClassifier(max_epochs=3, on_bad_image="skip", random_state=0)
    clf.fit(files, y).save(tmp_path / "a.safetensors")
    assert load(tmp_path / "a.safetensors").skipped_images_ == clf.skipped_images_


def test_a_trusted_row_that_is_skipped_stays_trusted(tmp_path):
    files, y = write(tmp_path, bad=(3, 4))
    trusted = np.arange(40) == 3
    clf = MixNNClassifier(max_epochs=3, on_bad_image="skip", random_state=0)
    clf.fit(files, y, trusted=trusted)
    assert clf.label_quality_[3] == 1.0 and clf.corrected_labels_[3] == y[3]


def test_where_nothing_is_left_the_error_says_so(tmp_path):
    files, y = write(tmp_path, n=6, bad=range(1, 6))
    with pytest.raises(ValueError, match="5 of 6 images cannot be read, and fewer than 2 rows"):
        MixNNClassifier(max_epochs=3, on_bad_image="skip").fit(files, y)
    files[0].unlink()
    with pytest.raises(ValueError, match="6 of 6 images cannot be read"):
        MixNNClassifier(max_epochs=3, on_bad_image="skip").fit(files, y)


def test_a_class_of_skipped_images_alone_is_believed(tmp_path):
    files, y = write(tmp_path, bad=(3, 4))
    y[[3, 4]] = 2
    clf = MixNNClassifier(max_epochs=3, on_bad_image="skip", random_state=0).fit(files, y)
    assert (clf.label_distributions_[[3, 4], 2] == 1).all()


def test_files_are_decoded_once(tmp_path, monkeypatch):
    files, y = write(tmp_path)
    seen, load = [], ImageFile.load

    def counting(image):
        if image.tile:  # its pixels are not decoded yet; a header alone is no decoding
            seen.append(image.filename)
        return load(image)

    monkeypatch.setattr(ImageFile, "load", counting)
    MixNNClassifier(max_epochs=3, random_state=0).fit(files, y)
    # The first one also tells the shape.
    assert len(files) <= len(seen) <= len(files) + 1


class Items(Dataset):
    """Items (image, label), some of which are no image or raise an error."""

    def __init__(self, images, y, odd):
        self.images, self.y, self.odd = images, y, odd

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        odd = self.odd.get(row, self.images[row])
        if isinstance(odd, Exception):
            raise odd
        return odd, self.y[row]


class Targets(Items):
    """The same with its labels at hand, as torchvision's Datasets have them."""

    @property
    def targets(self):
        return self.y.tolist()


def images_of(kind, files):
    """Good images as a Dataset may give them."""
    arrays = [np.asarray(pillow.open(file)) for file in files]
    if kind == "pillow":
        return [pillow.fromarray(array) for array in arrays]
    if kind == "tensor":
        return [torch.tensor(array[None] / 255, dtype=torch.float32) for array in arrays]
    return arrays


ODD = {
    0: OSError("truncated"),
    7: None,
    12: KeyError("absent"),
    21: np.full((8, 8), np.nan),
    30: "no image",
    39: pillow.new("F", (8, 8), float("inf")),
}


@pytest.mark.parametrize("kind", ["array", "tensor", "pillow"])
def test_items_of_a_dataset_are_skipped_as_files_are(kind, tmp_path):
    files, y = write(tmp_path)
    images = images_of(kind, files)
    with pytest.raises(ValueError, match=r"6 of 40 images.*item 0 .*truncated.*skip") as caught:
        MixNNClassifier(max_epochs=3).fit(Items(images, y, ODD), y)
    assert isinstance(caught.value.__cause__, OSError)
    params = {"max_epochs": 4, "on_bad_image": "skip", "random_state": 0}
    skipped = MixNNClassifier(**params).fit(Targets(images, y, ODD))
    assert list(skipped.skipped_images_) == list(ODD)
    assert all(f"item {row} " in why for row, why in skipped.skipped_images_.items())
    # The same as with the files, of which the same rows are bad.
    weight = np.ones(40)
    weight[list(ODD)] = 0
    whole = Targets(images, y, {})
    weighted = MixNNClassifier(max_epochs=4, random_state=0).fit(whole, sample_weight=weight)
    assert weighted.skipped_images_ == {}
    np.testing.assert_array_equal(skipped.predict_proba(whole), weighted.predict_proba(whole))
    with pytest.raises(ValueError, match=r"6 of 40 images cannot be read.*item 39 "):
        skipped.predict(Targets(images, y, ODD))


def test_items_are_skipped_where_they_are_streamed(tmp_path, monkeypatch):
    files, y = write(tmp_path)
    items = Targets(images_of("pillow", files), y, ODD)
    monkeypatch.setattr("nllearn.classifiers._image_input._MOST_BYTES_CPU", 0)
    clf = MixNNClassifier(max_epochs=3, on_bad_image="skip", random_state=0).fit(items)
    assert list(clf.skipped_images_) == list(ODD)
    assert (clf.corrected_labels_[list(ODD)] == y[list(ODD)]).all()


def test_labels_of_items_that_cannot_be_read_are_asked_for(tmp_path):
    files, y = write(tmp_path)
    items = Items(images_of("array", files), y, {3: OSError("torn"), 5: OSError("cut")})
    with pytest.raises(ValueError, match=r"2 of 40 .*item 3 .*torn.*item 5 .*pass y"):
        MixNNClassifier(max_epochs=3, on_bad_image="skip").fit(items)


def test_a_dataset_whose_code_is_wrong_shows_its_own_error(tmp_path):
    files, y = write(tmp_path)
    odd = dict.fromkeys(range(40), NameError("name 'imread' is not defined"))
    with pytest.raises(ValueError, match=r"40 of 40 .*'imread' is not defined") as caught:
        MixNNClassifier(max_epochs=3, on_bad_image="skip").fit(Targets(files, y, odd))
    assert isinstance(caught.value.__cause__, NameError)


@pytest.mark.parametrize("other", [np.zeros((8, 8)), np.zeros((8, 8, 3), np.uint8)])
def test_items_of_another_kind_of_number_or_size_are_told(other, tmp_path):
    files, y = write(tmp_path)
    items = Targets(images_of("array", files), y, {4: other})
    with pytest.raises(ValueError, match=r"item 0 .*8 x 8 of uint8, item 4 .*in the Dataset"):
        MixNNClassifier(max_epochs=3, on_bad_image="skip").fit(items)


def test_pillow_images_of_a_dataset_are_read_as_files_are(tmp_path):
    """Palettes, transparency and the rotation that a camera notes."""
    files, y = write(tmp_path)
    exif = pillow.Exif()
    exif[0x0112] = 6
    for row, file in enumerate(files):
        image = pillow.open(file).convert("RGB")
        if row % 4 == 0:
            image.quantize(16).save(file)
        elif row % 4 == 1:
            image.putalpha(pillow.linear_gradient("L").resize((8, 8)))
            image.save(file)
        elif row % 4 == 2:
            image.save(file, exif=exif)
    params = {"max_epochs": 3, "random_state": 0}
    of_files = MixNNClassifier(**params).fit(files, y)
    of_items = MixNNClassifier(**params).fit(Targets([pillow.open(f) for f in files], y, {}))
    np.testing.assert_array_equal(of_items.label_distributions_, of_files.label_distributions_)
