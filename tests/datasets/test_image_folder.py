"""Folders of images: order, labels from folders and tables, and what is out of place."""

import numpy as np
import pytest
from PIL import Image

from nllearn.datasets import load_image_folder
from nllearn.images import decode_images, is_path_like_column


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def relative(root, data):
    return [str(path).removeprefix(f"{root}/") for path in data]


def test_sub_folders_are_classes_in_sorted_order(tmp_path):
    touch(tmp_path, "dog/b.png", "cat/2.JPG", "cat/10.jpeg", "cat/more/1.webp", "dog/a.bmp")
    images = load_image_folder(tmp_path)
    assert relative(tmp_path, images.data) == [
        "cat/10.jpeg",
        "cat/2.JPG",
        "cat/more/1.webp",
        "dog/a.bmp",
        "dog/b.png",
    ]
    assert images.target.tolist() == [0, 0, 0, 1, 1]
    assert images.target.dtype == np.int64
    assert images.target_names == ["cat", "dog"]
    assert images.data.shape == (5,) and is_path_like_column(images.data)


def test_the_paths_can_be_decoded(tmp_path):
    for name, colour in [("a", "red"), ("b", "blue")]:
        (tmp_path / name).mkdir()
        Image.new("RGB", (3, 2), colour).save(tmp_path / name / "1.png")
    images = decode_images(load_image_folder(str(tmp_path)).data)
    assert images[:, :, 0, 0].tolist() == [[255, 0, 0], [0, 0, 255]]


def test_other_and_hidden_files_are_passed_over(tmp_path):
    touch(
        tmp_path,
        *["cat/1.png", "dog/1.png", "readme.txt", "cat/notes.csv", "cat/._1.png", "cat/.x/1.png"],
        *[".cache/1.png", "dog/Thumbs.db", ".hidden.png"],
    )
    assert relative(tmp_path, load_image_folder(tmp_path).data) == ["cat/1.png", "dog/1.png"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "has no sub-folders"),
        (["cat/1.png", "dog/1.png", "loose.png"], r"loose\.png lies outside of the class folders"),
        (["cat/1.png", "dog/readme.txt"], r"class folder .*dog holds no image"),
        (["cat/1.png"], r"one class only, 'cat'.*Is root=.*cat' meant"),
        (
            ["train/cat/1.png", "train/dog/1.png", "val/cat/1.png"],
            r"no image lies directly in a sub-folder.*Is root=.*train' meant",
        ),
    ],
)
def test_folders_out_of_place_are_named(tmp_path, names, message):
    touch(tmp_path, *names)
    with pytest.raises(ValueError, match=message):
        load_image_folder(tmp_path)


def test_no_folder_at_all(tmp_path):
    touch(tmp_path, "file.png")
    for root in (tmp_path / "none", tmp_path / "file.png"):
        with pytest.raises(ValueError, match=r"root='.*' is no folder"):
            load_image_folder(root)


@pytest.mark.parametrize("column", ["path", "file_name"])
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_table_gives_labels_in_its_own_order(tmp_path, column, suffix):
    touch(tmp_path, "x/b.png", "a.jpg", "c.png", "unlisted.png")
    table = tmp_path / f"labels.{suffix}"
    text = f"id,{column},label\n1,x/b.png,sea lion\n2,{tmp_path}/c.png,NA\n3,a.jpg, sea lion\n"
    table.write_text(text.replace(",", "\t" if suffix == "tsv" else ","), encoding="utf-8-sig")
    images = load_image_folder(tmp_path, labels=table)
    assert relative(tmp_path, images.data) == ["x/b.png", "c.png", "a.jpg"]
    assert images.target_names == ["NA", "sea lion"]
    assert images.target.tolist() == [1, 0, 1]


def test_whole_numbers_are_sorted_as_numbers(tmp_path):
    touch(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "l.csv").write_text("path,label\na.png,10\nb.png,9\nc.png,10\n")
    images = load_image_folder(tmp_path, labels=tmp_path / "l.csv")
    assert images.target_names == [9, 10]
    assert images.target.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.png,x\nnone.png,y\n", r"row 3: .*none\.png does not exist; .*relative"),
        ("path,label\na.png,x\n,y\n", r"row 3: the label 'y' has no file"),
        ("path,label\na.png,x\nb.png,\n", r"row 3: b\.png has no label"),
        ("path,label\na.png,x\nb.png\n", r"row 3: b\.png has no label"),
        ("path,label\na.png,x\na.png,y\n", r"row 3: .*a\.png is already in row 2"),
        ("path,label\na.png,x\nb.png,x\n", "one class only, 'x'"),
        ("path,label\n", "has no rows"),
        ("path,class\na.png,x\n", r"has the columns path, class; .*'label'"),
        ("image,label\na.png,x\n", r"has the columns image, label; .*'path'"),
        ("", "is no table"),
    ],
)
def test_tables_with_gaps_are_told_with_the_row(tmp_path, text, message):
    touch(tmp_path, "a.png", "b.png")
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        load_image_folder(tmp_path, labels=tmp_path / "labels.csv")
    assert "labels.csv" in str(error.value)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"labels='.*none\.csv' does not exist"):
        load_image_folder(tmp_path, labels=tmp_path / "none.csv")
