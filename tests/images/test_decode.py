"""Image files: modes, orientation, sizes, threads, and files that are none."""

import builtins
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from nllearn.exceptions import MissingExtraError
from nllearn.images import (
    PathRecords,
    _pixels,
    decode_images,
    image_size,
    is_path_like_column,
)


def decode_image(path, **params):
    """The only image of a list of one."""
    return decode_images([path], **params)[0]


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)


def save(array, path, mode=None, **options):
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tiff", "gif"])
def test_lossless_formats_give_the_pixels_back(tmp_path, rgb, suffix):
    array = rgb if suffix != "gif" else rgb // 128 * 255
    path = save(array, tmp_path / f"a.{suffix}")
    image = decode_image(path)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, array.transpose(2, 0, 1))


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
def test_rows_keep_their_order_with_any_number_of_threads(tmp_path, n_jobs):
    arrays = np.random.default_rng(0).integers(0, 256, (40, 4, 6, 3), dtype=np.uint8)
    paths = [save(array, tmp_path / f"{i}.png") for i, array in enumerate(arrays)]
    images = decode_images(paths, n_jobs=n_jobs)
    np.testing.assert_array_equal(images, arrays.transpose(0, 3, 1, 2))
    assert images.flags.c_contiguous


def test_threads_are_used(tmp_path, rgb, monkeypatch):
    path = save(rgb, tmp_path / "a.png")
    seen, open_image = set(), Image.open
    both = threading.Barrier(2, timeout=20)

    def noted(*args):
        thread = threading.current_thread()
        if thread is not threading.main_thread() and thread not in seen:
            seen.add(thread)
            both.wait()
        return open_image(*args)

    monkeypatch.setattr(Image, "open", noted)
    decode_images([path] * 33, n_jobs=2)
    assert len(seen) == 2


@pytest.mark.parametrize(("worker", "several"), [(None, True), (object(), False)])
def test_one_thread_in_a_worker_of_a_data_loader(tmp_path, rgb, monkeypatch, worker, several):
    path = save(rgb, tmp_path / "a.png")
    seen, open_image = set(), Image.open

    def noted(*args):
        seen.add(threading.current_thread() is threading.main_thread())
        return open_image(*args)

    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    monkeypatch.setattr("nllearn.images._decode.get_worker_info", lambda: worker)
    monkeypatch.setattr(Image, "open", noted)
    decode_images([path] * 33)
    assert (False in seen) == several


@pytest.mark.parametrize("wrap", [list, np.array, pd.Series, tuple])
def test_paths_may_be_str_or_path_in_any_column(tmp_path, rgb, wrap):
    path = save(rgb, tmp_path / "a.png")
    assert decode_images(wrap([str(path), str(path)])).shape == (2, 3, 7, 5)
    assert decode_images([path, Path(path)]).shape == (2, 3, 7, 5)


def test_the_first_file_decides_between_grey_and_colour(tmp_path, rgb):
    colour = save(rgb, tmp_path / "c.png")
    grey = save(rgb[..., 0], tmp_path / "g.png")
    assert decode_images([colour, grey]).shape[1] == 3
    assert decode_images([grey, colour]).shape[1] == 1
    np.testing.assert_array_equal(decode_image(grey, n_channels=3)[2], rgb[..., 0])
    expected = np.asarray(Image.fromarray(rgb).convert("L"))
    np.testing.assert_array_equal(decode_image(colour, n_channels=1)[0], expected)


@pytest.mark.parametrize("grey_at", [0, 3, 249])
def test_a_grey_file_among_others_takes_no_colours(tmp_path, rgb, grey_at):
    colour = save(rgb, tmp_path / "c.png")
    grey = save(rgb[..., 0], tmp_path / "g.png")
    files = [colour] * 250
    files[grey_at] = grey
    assert PathRecords(files, None).shape[0] == 3
    assert PathRecords([grey] * 5, None).shape[0] == 1


def test_two_colours_are_black_and_white(tmp_path):
    bits = np.eye(4, dtype=bool)
    np.testing.assert_array_equal(decode_image(save(bits, tmp_path / "a.png"))[0], bits * 255)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bits_are_scaled_to_8(tmp_path, suffix):
    values = np.array([[0, 128, 129, 257], [32768, 65278, 65407, 65535]], dtype=np.uint16)
    image = decode_image(save(values, tmp_path / f"a.{suffix}"))
    np.testing.assert_array_equal(image[0], np.round(values / 257))
    assert decode_image(tmp_path / f"a.{suffix}", n_channels=3).shape == (3, 2, 4)


def test_pixels_of_unknown_range_are_refused(tmp_path):
    for array in (np.full((2, 2), 70000, np.int32), np.full((2, 2), 0.5, np.float32)):
        path = save(array, tmp_path / "a.tiff")
        with pytest.raises(ValueError, match=r"a\.tiff.*convert the file to 8 bits"):
            decode_image(path)


def test_transparent_pixels_are_white(tmp_path):
    rgba = np.zeros((1, 3, 4), dtype=np.uint8)
    rgba[..., 0] = 200
    rgba[0, :, 3] = [0, 255, 51]
    image = decode_image(save(rgba, tmp_path / "a.png"))
    blended = 200 * 0.2 + 255 * 0.8
    assert image[0].tolist() == [[255, 200, round(blended)]]
    assert image[1].tolist() == [[255, 0, 204]]


def test_grey_with_transparency_stays_grey(tmp_path):
    pixels = np.array([[[10, 0], [10, 255]]], dtype=np.uint8)
    assert decode_image(save(pixels, tmp_path / "a.png")).tolist() == [[[255, 10]]]


def test_palettes_become_colours(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 250, 20, 30])
    image.putdata([0, 1])
    image.save(tmp_path / "a.png")
    assert decode_image(tmp_path / "a.png")[:, 0].tolist() == [[0, 250], [0, 20], [0, 30]]
    image.save(tmp_path / "b.png", transparency=b"\x00\xff")
    assert decode_image(tmp_path / "b.png")[:, 0].tolist() == [[255, 250], [255, 20], [255, 30]]


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    red = decode_image(tmp_path / "a.jpg").mean((1, 2))
    assert red[0] > 250 and red[1] < 5 and red[2] < 5


def test_the_first_frame_of_an_animation_is_taken(tmp_path):
    frames = [Image.new("RGB", (3, 3), colour) for colour in ("red", "lime")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert decode_image(tmp_path / "a.gif")[:, 0, 0].tolist() == [255, 0, 0]


# Where the upper left pixel of the scene lies in the stored image, for each EXIF orientation.
@pytest.mark.parametrize(
    ("orientation", "store"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a)),
        (7, lambda a: np.rot90(a, 2).transpose(1, 0, 2)),
        (8, lambda a: np.rot90(a, -1)),
    ],
)
def test_exif_orientation_is_applied(tmp_path, rgb, orientation, store):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(np.ascontiguousarray(store(rgb)), tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(decode_image(path), rgb.transpose(2, 0, 1))
    assert image_size(path) == (7, 5)


def test_broken_exif_data_is_ignored(tmp_path, rgb):
    path = save(rgb, tmp_path / "a.jpg", exif=b"Exif\x00\x00no TIFF header")
    assert decode_image(path).shape == (3, 7, 5)


def cover_and_crop(array, height, width):
    """Two steps with Pillow, the slow way: resize so that it covers, then crop the middle."""
    h, w = array.shape[:2]
    scale = max(height / h, width / w)
    size = (round(w * scale), round(h * scale))
    resized = np.asarray(Image.fromarray(array).resize(size, Image.Resampling.BILINEAR))
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    return resized[top : top + height, left : left + width]


@pytest.mark.parametrize(
    ("shape", "size"), [((40, 20), 10), ((20, 40), 10), ((16, 24), (8, 4)), ((10, 10), (20, 10))]
)
def test_images_are_covered_and_cropped_in_the_middle(tmp_path, shape, size):
    array = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    path = save(array, tmp_path / "a.png")
    height, width = (size, size) if isinstance(size, int) else size
    image = decode_image(path, size=size)
    assert image.shape == (3, height, width)
    expected = cover_and_crop(array, height, width).transpose(2, 0, 1).astype(int)
    assert np.abs(image - expected).max() <= 1


def test_proportions_that_do_not_divide_evenly(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (37, 101, 3), dtype=np.uint8)
    path = save(array, tmp_path / "a.png")
    for size in (1, 7, (3, 50), (64, 2), (37, 101), 150):
        wanted = (size, size) if isinstance(size, int) else size
        assert decode_image(path, size=size).shape == (3, *wanted)
    np.testing.assert_array_equal(decode_image(path, size=(37, 101)), array.transpose(2, 0, 1))


def test_large_jpegs_are_decoded_smaller_with_the_same_result(tmp_path, monkeypatch):
    y, x = np.mgrid[0:400, 0:600] / 600
    array = (np.stack([x, y, np.sin(9 * x) / 2 + 0.5], axis=2) * 255).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(array, tmp_path / "a.jpg", quality=95, exif=exif)
    fast = decode_image(path, size=(48, 32)).astype(int)
    monkeypatch.setattr(_pixels, "_draft", lambda image, size: None)
    slow = decode_image(path, size=(48, 32))
    assert np.abs(fast - slow).max() <= 3
    assert fast.shape == (3, 48, 32)


def test_the_fraction_of_a_jpeg_leaves_something_to_shrink(tmp_path):
    path = save(np.zeros((400, 600, 3), np.uint8), tmp_path / "a.jpg")
    cases = [((20, 30), (75, 50)), ((32, 48), (150, 100)), ((100, 100), (300, 200))]
    for size, expected in [*cases, ((210, 50), (600, 400))]:
        with Image.open(path) as image:
            _pixels._draft(image, size)
            assert image.size == (expected[0], expected[1])
            assert image.size[1] >= 2 * size[0] or image.size == (600, 400)


def test_sizes_that_differ_are_told_with_both_files(tmp_path, rgb):
    a, b = save(rgb, tmp_path / "a.png"), save(rgb[:6], tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"a\.png is 7 x 5, .*b\.png is 6 x 5.*decode_size"):
        decode_images([a, a, b])
    assert decode_images([a, b], size=4).shape == (2, 3, 4, 4)


def test_truncated_and_corrupt_files_are_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for suffix in ("jpg", "png"):
        whole = save(noise, tmp_path / f"whole.{suffix}").read_bytes()
        cut = tmp_path / f"cut.{suffix}"
        cut.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=rf"cut\.{suffix} cannot be decoded: .*truncated"):
            decode_image(cut)
    other = tmp_path / "text.png"
    other.write_text("no image")
    with pytest.raises(ValueError, match=r"text\.png cannot be decoded: .*identify"):
        image_size(other)
    (tmp_path / "empty.png").touch()
    with pytest.raises(ValueError, match=r"empty\.png is empty"):
        decode_image(tmp_path / "empty.png")


def test_missing_files_and_folders_are_named(tmp_path):
    for read in (decode_image, image_size, lambda path: decode_images([path], size=4)):
        with pytest.raises(ValueError, match=r"none\.png does not exist"):
            read(tmp_path / "none.png")
        with pytest.raises(ValueError, match="is a folder"):
            read(tmp_path)


def test_the_first_of_several_bad_files_is_told(tmp_path, rgb):
    good = save(rgb, tmp_path / "a.png")
    paths = [good] * 100
    for row in (95, 50, 20):
        paths[row] = tmp_path / f"missing{row}.png"
    for _ in range(5):
        with pytest.raises(ValueError, match=r"missing20\.png"):
            decode_images(paths, n_jobs=4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: decode_images([]), "no paths"),
        (lambda p: decode_images(str(p)), "is one path"),
        (lambda p: decode_images([p, None]), "row 1 is missing"),
        (lambda p: decode_images(pd.Series([str(p), np.nan], dtype="str")), "row 1 is missing"),
        (lambda p: decode_images([3]), "row 0 is 3, a int"),
        (lambda p: decode_images([p, ""]), "row 1 is ''"),
        (lambda p: decode_images(np.array([[str(p)]])), r"shape \(1, 1\)"),
        (lambda p: decode_images([p], size=0), "size=0"),
        (lambda p: decode_images([p], size=(3, 4, 5)), r"size=\(3, 4, 5\)"),
        (lambda p: decode_images([p], size="small"), "size='small'"),
        (lambda p: decode_images([p], size=2.5), "size=2.5"),
        (lambda p: decode_images([p], n_channels=4), "n_channels=4"),
        (lambda p: decode_images([p], n_jobs=0), "n_jobs=0"),
        (lambda p: decode_image(p, n_channels=2), "n_channels=2"),
    ],
)
def test_bad_arguments_are_named(tmp_path, rgb, call, message):
    path = save(rgb, tmp_path / "a.png")
    with pytest.raises(ValueError, match=message):
        call(path)


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (["a.png"], True),
        ((Path("a.png"),), True),
        ([None, "a.png"], True),
        (np.array(["a.png"]), True),
        (np.array([Path("a.png"), 3], dtype=object), True),
        (pd.Series(["a.png"]), True),
        (pd.Series([Path("a.png")], index=[7]), True),
        (pd.Series(["a.png"], dtype="category"), True),
        ([], False),
        ([None], False),
        ("a.png", False),
        ([["a.png"]], False),
        ([1.0, 2.0], False),
        (np.array([["a.png"]]), False),
        (np.array([b"a.png"]), False),
        (np.zeros(3), False),
        (pd.Series([1, 2]), False),
        (pd.DataFrame({"path": ["a.png"]}), False),
        (torch.zeros(3), False),
        (None, False),
    ],
)
def test_what_is_a_column_of_paths(X, expected):
    assert is_path_like_column(X) is expected


def test_without_pillow_the_extra_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name == "PIL":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    for read in (decode_image, image_size, lambda path: decode_images([path], size=4)):
        with pytest.raises(MissingExtraError, match=r"nllearn\[images\]"):
            read(tmp_path / "a.png")
