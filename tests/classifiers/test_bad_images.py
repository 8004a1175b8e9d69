"""Image files that cannot be read: all told at once, or left out with every row in its place."""

from __future__ import annotations

import numpy as np
import pytest

from nllearn import AnchorHallucinationClassifier, MixNNClassifier, load

pillow = pytest.importorskip("PIL.Image")


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
    monkeypatch.setattr("nllearn.classifiers._preprocessing._MOST_BYTES_CPU", 0)
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
    seen, open_image = [], pillow.open
    monkeypatch.setattr(pillow, "open", lambda file, *a: seen.append(file) or open_image(file, *a))
    MixNNClassifier(max_epochs=3, random_state=0).fit(files, y)
    # The first one also tells the shape.
    assert len(seen) <= len(files) + 1
