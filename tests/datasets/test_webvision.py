"""WebVision on a tiny tree in its official layout."""

import shutil

import numpy as np
import pytest

from nllearn.datasets import load_webvision

SYNSETS = ["n01440764 tench, Tinca tinca", "n01443537 goldfish", "n01484850 great white shark"]
TRAIN = [("google/q0002/b.jpg", 1), ("google/q0001/a.jpg", 0), ("google/q0009/c.jpg", 2)]
VAL = [("val000001.jpg", 2), ("val000002.jpg", 0), ("val000003.jpg", 1)]


def lines(pairs):
    return "".join(f"{path} {label}\n" for path, label in pairs)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "webvision"
    (root / "info").mkdir(parents=True)
    (root / "info" / "train_filelist_google.txt").write_text(lines(TRAIN))
    (root / "info" / "val_filelist.txt").write_text(lines(VAL))
    (root / "info" / "synsets.txt").write_text("\n".join(SYNSETS) + "\n")
    for path in [path for path, _ in TRAIN] + [f"val_images_256/{path}" for path, _ in VAL]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def test_training_images_of_the_first_classes(root):
    bunch = load_webvision(root, n_classes=2)
    assert bunch.data.tolist() == [f"{root}/google/q0002/b.jpg", f"{root}/google/q0001/a.jpg"]
    assert bunch.target.tolist() == [1, 0]
    assert bunch.target.dtype == np.int64
    assert bunch.target_names == ["tench, Tinca tinca", "goldfish"]
    assert bunch.synsets == ["n01440764", "n01443537"]
    assert "'train': 2 images of the first 2 classes" in bunch.DESCR


@pytest.mark.parametrize("folder", ["val_images_256", "val_images"])
def test_validation_images(root, folder):
    if folder != "val_images_256":
        (root / "val_images_256").rename(root / folder)
    bunch = load_webvision(root, subset="val", n_classes=None)
    assert bunch.data.tolist() == [f"{root}/{folder}/{path}" for path, _ in VAL]
    assert bunch.target.tolist() == [2, 0, 1]
    assert len(bunch.target_names) == 3


def test_everything_that_is_missing_is_told_at_once(root):
    shutil.rmtree(root / "val_images_256")
    (root / "info" / "synsets.txt").unlink()
    message = r"lacks info/synsets\.txt, val_images_256 or val_images\. .*data\.vision\.ee\.ethz"
    with pytest.raises(ValueError, match=message):
        load_webvision(root, subset="val", n_classes=2)
    with pytest.raises(ValueError, match=r"lacks info/train_filelist_google\.txt, .*, google\."):
        load_webvision(root / "nowhere")


def test_folders_that_are_not_unpacked_matter_for_their_classes_only(root):
    shutil.rmtree(root / "google" / "q0009")
    assert len(load_webvision(root, n_classes=2).data) == 2
    with pytest.raises(ValueError, match=r"1 of 3 image folders .*google/q0009"):
        load_webvision(root, n_classes=3)


@pytest.mark.parametrize("n_classes", [0, 4, 2.0, True, "2"])
def test_numbers_of_classes_out_of_range(root, n_classes):
    with pytest.raises(ValueError, match=rf"n_classes={n_classes!r}; .* from 1 to 3"):
        load_webvision(root, n_classes=n_classes)


def test_unknown_subsets_and_unreadable_lines_are_named(root):
    with pytest.raises(ValueError, match=r"subset='test'; .*'train' or 'val'"):
        load_webvision(root, subset="test")
    (root / "info" / "val_filelist.txt").write_text("val000001.jpg 1\n\nval000002.jpg\n")
    with pytest.raises(ValueError, match=r"val_filelist\.txt, line 3: 'val000002\.jpg'"):
        load_webvision(root, subset="val", n_classes=2)


def test_no_image_of_the_first_classes(root):
    (root / "info" / "val_filelist.txt").write_text("val000001.jpg 2\n")
    with pytest.raises(ValueError, match="lists no images"):
        load_webvision(root, subset="val", n_classes=2)
