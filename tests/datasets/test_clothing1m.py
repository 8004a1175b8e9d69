"""Clothing1M on a tiny tree in its official layout."""

import shutil

import numpy as np
import pytest

from nllearn.datasets import load_clothing1m

NAMES = ["T-Shirt", "Shirt", "Knitwear", "Down Coat"]
NOISY = {"images/0/00/1,2.jpg": 3, "images/0/01/a b.jpg": 0, "images/7/70/3.jpg": 1}
CLEAN = {"images/0/00/1,2.jpg": 2, "images/9/90/4.jpg": 1, "images/9/91/5.jpg": 0}
LISTS = {
    "noisy_train": ["images/7/70/3.jpg", "images/0/00/1,2.jpg", "images/0/01/a b.jpg"],
    "clean_train": ["images/0/00/1,2.jpg"],
    "clean_val": ["images/9/90/4.jpg"],
    "clean_test": ["images/9/91/5.jpg"],
}


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "clothing1m"
    for key in NOISY | CLEAN:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).touch()
    for name, labels in [("noisy", NOISY), ("clean", CLEAN)]:
        lines = "".join(f"{key} {label}\n" for key, label in labels.items())
        (root / f"{name}_label_kv.txt").write_text(lines)
    for subset, keys in LISTS.items():
        (root / f"{subset}_key_list.txt").write_text("\n".join(keys) + "\n\n")
    (root / "category_names_eng.txt").write_text("\n".join(NAMES) + "\n")
    return root


@pytest.mark.parametrize("place", [".", "annotations"])
@pytest.mark.parametrize("subset", LISTS)
def test_each_subset_in_the_order_of_its_list(root, subset, place):
    (root / place).mkdir(exist_ok=True)
    if place != ".":
        for path in list(root.glob("*.txt")):
            shutil.move(path, root / place)
    bunch = load_clothing1m(root, subset=subset)
    labels = NOISY if subset == "noisy_train" else CLEAN
    assert bunch.data.tolist() == [f"{root}/{key}" for key in LISTS[subset]]
    assert bunch.target.tolist() == [labels[key] for key in LISTS[subset]]
    assert bunch.target.dtype == np.int64
    assert bunch.target_names == NAMES
    assert f"{subset!r}: {len(LISTS[subset])} images" in bunch.DESCR


def test_only_the_files_of_the_subset_are_needed(root):
    for name in ("noisy_label_kv.txt", "noisy_train_key_list.txt", "clean_val_key_list.txt"):
        (root / name).unlink()
    assert len(load_clothing1m(root, subset="clean_test").data) == 1


def test_everything_that_is_missing_is_told_at_once(root):
    (root / "noisy_label_kv.txt").unlink()
    (root / "category_names_eng.txt").unlink()
    shutil.rmtree(root / "images")
    message = (
        r"root='.*clothing1m' lacks noisy_label_kv\.txt, category_names_eng\.txt, images\. "
        r".*https://github\.com/Cysu/noisy_label"
    )
    with pytest.raises(ValueError, match=message):
        load_clothing1m(root)
    with pytest.raises(ValueError, match=r"nowhere' lacks noisy_train_key_list\.txt"):
        load_clothing1m(root / "nowhere")


def test_image_folders_that_are_not_unpacked(root):
    shutil.rmtree(root / "images" / "7")
    with pytest.raises(ValueError, match=r"1 of 3 image folders .*images/7/70\..*Unpack"):
        load_clothing1m(root)
    assert len(load_clothing1m(root, subset="clean_val").data) == 1


def test_an_image_without_a_label(root):
    with open(root / "noisy_train_key_list.txt", "a") as file:
        file.write("images/0/00/9.jpg\n")
    with pytest.raises(ValueError, match=r"images/0/00/9\.jpg of noisy_train.* has no label"):
        load_clothing1m(root)


@pytest.mark.parametrize("line", ["images/0/00/1.jpg", "images/0/00/1.jpg x", "images/1.jpg -1"])
def test_lines_that_cannot_be_read(root, line):
    with open(root / "noisy_label_kv.txt", "a") as file:
        file.write(f"{line}\n")
    with pytest.raises(ValueError, match=r"noisy_label_kv\.txt, line 4"):
        load_clothing1m(root)


def test_a_class_without_a_name(root):
    (root / "category_names_eng.txt").write_text("T-Shirt\nShirt\n")
    with pytest.raises(ValueError, match="has the class 3, but there are 2 names"):
        load_clothing1m(root)


def test_an_empty_list(root):
    (root / "noisy_train_key_list.txt").write_text("")
    with pytest.raises(ValueError, match="lists no images"):
        load_clothing1m(root)


def test_unknown_subsets_are_named(root):
    with pytest.raises(ValueError, match=r"subset='train'; .*'noisy_train', 'clean_train'"):
        load_clothing1m(root, subset="train")
