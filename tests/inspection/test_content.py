"""What a reviewer sees of a row."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nllearn.inspection._content import content_reader, rows_within


def decoded(uri):
    head, data = uri.split(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def blocks(dtype, high):
    """Two pictures, 8 by 8: the first red, the second blue."""
    images = np.zeros((2, 8, 8, 3), dtype)
    images[0, ..., 0] = images[1, ..., 2] = high
    return images


@pytest.mark.parametrize("layout", ["last", "first", "paths", "pil"])
@pytest.mark.parametrize(
    ("dtype", "high"), [(np.uint8, 255), (np.float32, 1.0), (float, 255.0), (float, 16.0)]
)
def test_pictures(tmp_path, layout, dtype, high):
    images = blocks(dtype, high)
    if layout == "first":
        images = images.transpose(0, 3, 1, 2)
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


def test_refusals():
    assert content_reader(None, None, None) is None
    with pytest.raises(ValueError, match="images and texts were passed"):
        content_reader(np.zeros((2, 4, 4)), ["a", "b"], None)
    with pytest.raises(ValueError, match="texts is a str"):
        content_reader(None, "abc", None)
    with pytest.raises(ValueError, match=r"images have shape \(2, 4\)"):
        content_reader(np.zeros((2, 4)), None, None)
    with pytest.raises(ValueError, match="an image has shape"):
        content_reader([np.zeros((5, 5, 7))], None, None).read(0)


def test_the_budget_keeps_the_first_rows():
    reader = content_reader(None, ["x" * 10] * 5, None)
    assert list(rows_within([3, 1, 3, 0], 25, reader)) == [3, 1]
    assert list(rows_within([3, 1, 0], 30, reader)) == [3, 1, 0]
