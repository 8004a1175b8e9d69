"""What a reviewer sees of a row."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import sparse
from torch.utils.data import Dataset

from nllearn.images import decode_images
from nllearn.inspection import content_reader, rows_within


def decoded(uri):
    head, data = uri.split(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def blocks(dtype, high):
    """Two pictures, 8 by 8: the first red, the second blue."""
    images = np.zeros((2, 8, 8, 3), dtype)
    images[0, ..., 0] = images[1, ..., 2] = high
    return images


class Pairs(Dataset):
    """Items ``(image, label)``."""

    def __init__(self, images, samples=None):
        self.images = images
        if samples is not None:
            self.samples = samples

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        return self.images[row], row % 2


@pytest.mark.parametrize(
    "layout", ["last", "first", "list", "tensor", "tensors", "dataset", "paths", "pil"]
)
@pytest.mark.parametrize(
    ("dtype", "high"), [(np.uint8, 255), (np.float32, 1.0), (float, 255.0), (float, 16.0)]
)
def test_pictures(tmp_path, layout, dtype, high):
    images = blocks(dtype, high)
    tensor = torch.from_numpy(images.transpose(0, 3, 1, 2))
    if layout == "first":
        images = images.transpose(0, 3, 1, 2)
    elif layout in ("list", "tensor", "tensors", "dataset"):
        choices = {"list": list(images), "tensor": tensor, "tensors": list(tensor)}
        images = choices.get(layout, Pairs(tensor))
    elif layout in ("paths", "pil"):
        pictures = [Image.fromarray(image) for image in blocks(np.uint8, 255)]
        for i, picture in enumerate(pictures):
            picture.save(tmp_path / f"{i}.png")
        paths = np.array([str(tmp_path / f"{i}.png") for i in range(2)])
        images = paths if layout == "paths" else pictures
    reader = content_reader(images, None, None)
    assert (reader.kind, reader.n_rows) == ("images", 2)
    for row, channel in ((0, 0), (1, 2)):
        pixel = decoded(reader.read(row))[4, 4]
        assert pixel[channel] > 220
        assert np.delete(pixel, channel).max() < 40


def test_grey_standardised_and_large_pictures():
    images = np.linspace(-2, 2, 2 * 300 * 200).reshape(2, 300, 200)
    reader = content_reader(images, None, None)
    picture = decoded(reader.read(1))
    assert picture.shape == (96, 64, 3)
    assert picture[-1, -1].min() > 245
    assert decoded(reader.read(0))[0, 0].max() < 10


def test_files_are_read_as_training_reads_them(tmp_path):
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, :60, 0], wide[:, 60:, 2] = 255, 255  # red on the left, blue on the right
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright: left is shown at the top
    Image.fromarray(wide).save(tmp_path / "turned.png", exif=turned)
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    clear = Image.new("RGBA", (30, 30), (0, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    Image.new("P", (30, 30), 3).save(tmp_path / "palette.gif")
    names = ["turned.png", "deep.png", "clear.png", "palette.gif"]
    reader = content_reader([tmp_path / name for name in names], None, None)
    assert reader.names == names
    pictures = [decoded(reader.read(row)) for row in range(4)]
    assert pictures[0].shape == (96, 32, 3)
    assert pictures[0][5, 16, 0] > 200 and pictures[0][90, 16, 2] > 200
    for name, picture in zip(names[1:], pictures[1:], strict=True):
        expected = decode_images([tmp_path / name], n_channels=3)[0].transpose(1, 2, 0)
        assert picture.shape == expected.shape
        assert np.abs(picture - expected.astype(int)).mean() < 3, name
    # The same as opened images.
    opened = [Image.open(tmp_path / name) for name in names]
    again = content_reader(opened, None, None)
    assert decoded(again.read(0)).shape == (96, 32, 3)
    assert np.abs(decoded(again.read(1)) - pictures[1]).max() < 3
    assert again.names is None


def test_nothing_is_cut_off_and_nothing_enlarged(tmp_path):
    Image.new("RGB", (1000, 100), "red").save(tmp_path / "a.jpg")
    Image.new("RGB", (20, 10), "red").save(tmp_path / "b.jpg")
    paths = [str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg")]
    reader = content_reader(paths, None, None, side=192)
    assert decoded(reader.read(0)).shape == (19, 192, 3)
    assert decoded(reader.read(1)).shape == (10, 20, 3)


def test_deep_arrays_and_values_that_are_not_finite():
    deep = np.linspace(0, 60000, 2 * 16 * 16).reshape(2, 16, 16).astype(np.uint16)
    reader = content_reader(deep, None, None)
    assert decoded(reader.read(0)).min() < 10
    assert decoded(reader.read(1)).max() > 245
    holes = np.zeros((2, 16, 16), np.float32)
    holes[0, :8] = 1.0
    holes[0, 12:] = np.nan
    picture = decoded(content_reader(holes, None, None).read(0))
    assert picture[2].min() > 245 and picture[-2].max() < 10
    half = content_reader(torch.from_numpy(holes).nan_to_num().bfloat16(), None, None)
    assert decoded(half.read(0))[2].min() > 245


def test_tensors_have_their_channels_first():
    # Three rows and three columns of channels: only the convention tells them apart.
    narrow = torch.zeros(1, 3, 8, 3)
    narrow[0, 0] = 1.0
    for images in (narrow, list(narrow), Pairs(narrow)):
        picture = decoded(content_reader(images, None, None).read(0))
        assert picture.shape == (8, 3, 3)
        assert picture[4, 1, 0] > 220 and picture[4, 1, 1:].max() < 40


def test_names_of_files(tmp_path):
    for folder in ("cat", "dog"):
        (tmp_path / folder).mkdir()
        Image.new("L", (4, 4)).save(tmp_path / folder / "1.png")
    paths = [str(tmp_path / folder / "1.png") for folder in ("cat", "dog")]
    assert content_reader(paths, None, None).names == ["cat/1.png", "dog/1.png"]
    tensors = torch.zeros(2, 1, 4, 4)
    listed = Pairs(tensors, [(path, 0) for path in paths])
    assert content_reader(listed, None, None).names == ["cat/1.png", "dog/1.png"]
    assert content_reader(Pairs(tensors), None, None).names is None
    assert content_reader(tensors, None, None).names is None


def test_tables_of_other_libraries():
    rows = sparse.csr_array(np.array([[0.0, 1.5], [2.0, 0.0]]))
    reader = content_reader(None, None, rows)
    assert (reader.n_rows, reader.columns, reader.read(0)) == (2, ["0", "1"], ["0", "1.5"])
    pyarrow = pytest.importorskip("pyarrow")
    reader = content_reader(None, None, pyarrow.table({"a": [1, 2], "b": ["x", None]}))
    assert (reader.columns, reader.read(1)) == (["a", "b"], ["2", ""])


def test_texts_and_tables_are_cut():
    reader = content_reader(None, ["a", "b" * 5000], None)
    assert reader.read(0) == "a"
    assert len(reader.read(1)) == 2000
    assert reader.read(1).endswith("…")
    frame = pd.DataFrame({"x": [0.123456789, np.nan], "y": ["z" * 300, None], 3: [7, 8]})
    reader = content_reader(None, None, frame)
    assert reader.columns == ["x", "y", "3"]
    assert reader.read(0)[0::2] == ["0.123457", "7"]
    assert len(reader.read(0)[1]) == 200
    assert reader.read(1) == ["", "", "8"]
    assert len(content_reader(None, None, np.ones((2, 80))).columns) == 50


def test_a_table_stands_below_texts_and_pictures():
    frame = pd.DataFrame({"x": [1, 2], "y": ["u", None]}, index=["p", "q"])
    reader = content_reader(None, ["a", "b"], frame)
    assert (reader.kind, reader.columns) == ("texts", ["x", "y"])
    assert reader.read(1) == ["b", "2", ""]
    assert rows_within([0, 1], 15, reader) == {0: ["a", "1", "u"]}
    reader = content_reader(np.zeros((2, 4, 4)), None, frame)
    assert reader.kind == "images" and reader.read(0)[1:] == ["1", "u"]
    assert reader.read(0)[0].startswith("data:image")
    with pytest.raises(ValueError, match="table has 3 rows and texts has 2"):
        content_reader(None, ["a", "b"], pd.DataFrame({"x": [1, 2, 3]}))


def test_refusals():
    assert content_reader(None, None, None) is None
    with pytest.raises(ValueError, match="images and texts were passed"):
        content_reader(np.zeros((2, 4, 4)), ["a", "b"], None)
    with pytest.raises(ValueError, match="texts is a str"):
        content_reader(None, "abc", None)
    with pytest.raises(ValueError, match=r"images have shape \(2, 4\)"):
        content_reader(np.zeros((2, 4)), None, None)
    with pytest.raises(ValueError, match="images is a single path, 'cats'"):
        content_reader("cats", None, None)
    with pytest.raises(ValueError, match=r"gone\.png does not exist"):
        content_reader(["gone.png"], None, None).read(0)
    with pytest.raises(ValueError, match="an image has shape"):
        content_reader([np.zeros((5, 5, 7))], None, None).read(0)


def test_the_budget_keeps_the_first_rows():
    reader = content_reader(None, ["x" * 10] * 5, None)
    assert list(rows_within([3, 1, 3, 0], 25, reader)) == [3, 1]
    assert list(rows_within([3, 1, 0], 30, reader)) == [3, 1, 0]
