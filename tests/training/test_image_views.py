"""Image views against loops over images and pixels, and what every view promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nllearn.training import (
    COLOUR_CHANGES,
    ImageViews,
    affine,
    crop,
    cutout,
    draw_affine,
    flip,
    make_image_views,
)

SHAPES = [(5, 3, 8, 8), (4, 1, 6, 9), (3, 4, 7, 5)]
VIEWS = {
    "weak": make_image_views("weak"),
    "strong": make_image_views("strong"),
    "cutout": ImageViews(pad=0, flip=False, cutout=0.6),
    "policy": ImageViews(pad=0, flip=False, policy=1.0),
    "nothing": ImageViews(pad=0, flip=False),
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed))


def uniform(*shape, low=-1.0, high=1.0, seed=1):
    return low + (high - low) * torch.rand(*shape, generator=generator(seed))


# The steps, each against a loop


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("pad_y", "pad_x"), [(1, 1), (2, 3), (0, 4), (4, 0)])
def test_crop_equals_a_loop(shape, pad_y, pad_x):
    x = images(*shape)
    n, _, height, width = shape
    top = torch.randint(2 * pad_y + 1, (n,), generator=generator(1))
    left = torch.randint(2 * pad_x + 1, (n,), generator=generator(2))
    top[0], left[0] = 2 * pad_y, 0  # the far ends
    view = crop(x, top, left, pad_y, pad_x)
    for i in range(n):
        padded = np.pad(x[i].numpy(), ((0, 0), (pad_y, pad_y), (pad_x, pad_x)), mode="reflect")
        window = padded[:, top[i] : top[i] + height, left[i] : left[i] + width]
        np.testing.assert_array_equal(view[i], window)


@pytest.mark.parametrize("shape", SHAPES)
def test_flip_equals_a_loop(shape):
    x = images(*shape)
    mirrored = torch.rand(len(x), generator=generator()) < 0.5
    view = flip(x, mirrored)
    for i in range(len(x)):
        expected = x[i].numpy()[:, :, ::-1] if mirrored[i] else x[i].numpy()
        np.testing.assert_array_equal(view[i], expected)


def slow_affine(image, angle, shear_x, shear_y, shift_x, shift_y):
    """One image (C, H, W), pixel by pixel."""
    height, width = image.shape[1:]
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = turn @ np.array([[1.0, shear_x], [shear_y, 1.0]])
    out = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            place = np.array([column - (width - 1) / 2, row - (height - 1) / 2])
            x, y = matrix @ place + np.array([shift_x * width, shift_y * height])
            x, y = x + (width - 1) / 2, y + (height - 1) / 2
            for i in (math.floor(y), math.floor(y) + 1):
                for j in (math.floor(x), math.floor(x) + 1):
                    if 0 <= i < height and 0 <= j < width:
                        out[:, row, column] += (1 - abs(y - i)) * (1 - abs(x - j)) * image[:, i, j]
    return out


@pytest.mark.parametrize("shape", SHAPES)
def test_affine_equals_a_loop(shape):
    x = images(*shape)
    settings = uniform(5, len(x), low=-0.5, high=0.5)
    view = affine(x, *settings)
    for i in range(len(x)):
        expected = slow_affine(x[i].double().numpy(), *settings[:, i].tolist())
        np.testing.assert_allclose(view[i], expected, atol=1e-4)


def test_affine_maps_of_known_result():
    x = images(1, 2, 6, 6)
    zero, quarter = torch.zeros(1), torch.full((1,), math.pi / 2)
    torch.testing.assert_close(affine(x, zero, zero, zero, zero, zero), x)
    turned = affine(x, quarter, zero, zero, zero, zero)
    torch.testing.assert_close(turned, x.rot90(1, (2, 3)), rtol=1e-4, atol=1e-5)
    moved = affine(x, zero, zero, zero, torch.full((1,), 1 / 6), zero)
    torch.testing.assert_close(moved[..., :-1], x[..., 1:], rtol=1e-4, atol=1e-5)
    assert moved[..., -1].abs().max() < 1e-4  # zeros come in from outside


def slow_colour(name, image, s):
    """One image (C, H, W) as float64, value by value."""
    channels, height, width = image.shape
    low, high = image.min(), image.max()
    out = np.empty_like(image)
    for k in range(channels):
        for i in range(height):
            for j in range(width):
                v = image[k, i, j]
                if name == "brightness":
                    new = v + s
                elif name == "contrast":
                    new = image.mean() + (1 + 0.9 * s) * (v - image.mean())
                elif name == "saturation":
                    grey = image[:, i, j].mean()
                    new = grey + (1 + 0.9 * s) * (v - grey)
                elif name == "solarize":
                    new = low + high - v if v > high - abs(s) * (high - low) else v
                elif name == "posterize":
                    levels = np.linspace(low, high, int(np.rint(2 ** (4 - 2 * abs(s)))))
                    new = levels[np.abs(levels - v).argmin()]
                else:
                    window = image[k, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
                    new = (1 - abs(s)) * v + abs(s) * window.mean()
                out[k, i, j] = new
    return out


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", COLOUR_CHANGES)
def test_colour_changes_equal_a_loop(name, shape):
    x, strength = images(*shape), uniform(shape[0])
    view = COLOUR_CHANGES[name](x, strength[:, None, None, None])
    for i in range(len(x)):
        expected = slow_colour(name, x[i].double().numpy(), float(strength[i]))
        np.testing.assert_allclose(view[i], expected, atol=1e-4)


@pytest.mark.parametrize("name", COLOUR_CHANGES)
def test_colour_changes_of_flat_and_grey_images(name):
    flat = torch.full((2, 3, 4, 4), 0.7)
    strength = torch.tensor([-0.6, 0.6])[:, None, None, None]
    view = COLOUR_CHANGES[name](flat, strength)
    shift = strength if name == "brightness" else torch.zeros_like(strength)
    torch.testing.assert_close(view, flat + shift)
    grey = images(2, 1, 4, 4)
    same = torch.equal(COLOUR_CHANGES[name](grey, strength), grey)
    assert same == (name == "saturation")


@pytest.mark.parametrize("shape", SHAPES)
def test_cutout_equals_a_loop(shape):
    x = images(*shape)
    n, _, height, width = shape
    y, x_middle = uniform(n, low=0, high=height), uniform(n, low=0, high=width, seed=2)
    side = uniform(n, low=1, high=5, seed=3)
    view = cutout(x, y, x_middle, side)
    n_zero = 0
    for i in range(n):
        for row in range(height):
            for column in range(width):
                inside = (
                    abs(row + 0.5 - y[i]) < side[i] / 2
                    and abs(column + 0.5 - x_middle[i]) < side[i] / 2
                )
                expected = torch.zeros(shape[1]) if inside else x[i, :, row, column]
                assert torch.equal(view[i, :, row, column], expected)
                n_zero += inside
    assert n_zero


# What is drawn


def test_one_or_two_affine_changes_are_drawn_within_their_ranges():
    drawn = torch.stack(draw_affine(torch.rand(5, 4000, generator=generator()), 0.5))
    ranges = 0.5 * torch.tensor([math.pi / 6, 0.3, 0.3, 0.3, 0.3])
    assert (drawn.abs() <= ranges[:, None]).all()
    assert (drawn.abs().amax(1) > 0.98 * ranges).all()
    assert drawn.mean(1).abs().max() < 0.01  # both signs
    n_on = (drawn != 0).sum(0)
    assert set(n_on.tolist()) == {1, 2}
    assert (n_on == 2).double().mean() == pytest.approx(0.5, abs=0.03)
    shares = (drawn != 0).double().mean(1)
    torch.testing.assert_close(shares, torch.full_like(shares, 0.3), rtol=0, atol=0.03)
    both = (drawn[:, n_on == 2] != 0).double()
    pairs = both @ both.T / both.shape[1]
    assert (pairs - 0.1 * torch.ones(5, 5))[~torch.eye(5, dtype=bool)].abs().max() < 0.03


def test_crops_reach_every_offset_evenly_and_half_is_mirrored():
    # Every pixel tells its place; the middle of the view tells which one it shows.
    place = torch.arange(64.0).view(1, 1, 8, 8).expand(6000, -1, -1, -1)
    view = ImageViews(pad=2, flip=False)(place, generator())
    counts = view[:, 0, 4, 4].long().bincount(minlength=64).view(8, 8)
    assert (counts[2:7, 2:7] > 0).all() and counts.sum() == counts[2:7, 2:7].sum()
    assert (counts[2:7, 2:7] / 6000 - 1 / 25).abs().max() < 0.01
    mirrored = ImageViews(pad=0)(place, generator())[:, 0, 0, 0] == 7
    assert mirrored.double().mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("side", "pad"), [(1, 0), (2, 1), (8, 1), (28, 3), (32, 4)])
def test_the_crop_shifts_by_an_eighth_of_the_side(side, pad):
    place = torch.arange(float(side)).view(1, 1, 1, side).expand(500, 1, side, side)
    view = ImageViews(flip=False)(place, generator())
    middle = side // 2
    shown = view[:, 0, 0, middle].long() - middle
    assert set(shown.tolist()) == ({-1, 0} if side == 2 else set(range(-pad, pad + 1)))


@pytest.fixture
def tagged(monkeypatch):
    """Colour changes that write their number into the image."""
    for k, name in enumerate(COLOUR_CHANGES):
        monkeypatch.setitem(COLOUR_CHANGES, name, lambda x, s, k=k: torch.full_like(x, k))


def test_every_image_gets_one_colour_change_and_each_comes_equally_often(tagged):
    view = VIEWS["policy"](images(600, 3, 2, 2), generator())
    assert (view == view[:, :1, :1, :1]).all()
    tags = view[:, 0, 0, 0].long()
    assert tags.bincount().tolist() == [100] * 6
    assert not torch.equal(tags[6:], tags[:-6])  # not by the place in the batch
    assert (tags[1:] != tags[:-1]).double().mean() == pytest.approx(5 / 6, abs=0.05)


def test_a_lone_image_gets_any_of_the_colour_changes(tagged):
    x, used = images(1, 3, 2, 2), generator()
    tags = [int(VIEWS["policy"](x, used)[0, 0, 0, 0]) for _ in range(600)]
    assert np.bincount(tags, minlength=6).min() > 60


def test_cutout_takes_half_to_the_whole_of_its_side():
    view = ImageViews(pad=0, flip=False, cutout=0.5)(torch.ones(2000, 1, 32, 32), generator())
    gone = view[:, 0] == 0
    sides = torch.maximum(gone.any(1).sum(1), gone.any(2).sum(1))
    assert sides.max() == 16
    inner = gone[:, [0, -1]].any((1, 2)) | gone[:, :, [0, -1]].any((1, 2))
    assert sides[~inner].min() == 8  # smaller ones are cut off at the border


# What every view promises


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_shape_dtype_layout_and_the_input_stay(name, dtype, layout, global_random_state_untouched):
    for shape in SHAPES:
        x = images(*shape).to(dtype).contiguous(memory_format=layout)
        before = x.clone()
        view = VIEWS[name](x, generator())
        assert torch.equal(x, before)
        assert view.data_ptr() != x.data_ptr()
        assert view.shape == x.shape and view.dtype == dtype and view.isfinite().all()
        assert view.is_contiguous(memory_format=layout)
        assert torch.equal(view, x) == (name == "nothing")


@pytest.mark.parametrize("name", VIEWS)
def test_the_layout_does_not_change_the_view(name):
    x = images(7, 3, 8, 8)
    other = VIEWS[name](x.contiguous(memory_format=torch.channels_last), generator())
    torch.testing.assert_close(VIEWS[name](x, generator()), other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["weak", "strong"])
def test_views_depend_on_the_generator_alone_and_take_one_number(name):
    x = images(6, 3, 8, 8)
    used = generator(3)
    one, two = VIEWS[name](x, used), VIEWS[name](x, used)
    assert torch.equal(one, VIEWS[name](x, generator(3))) and not torch.equal(one, two)
    expected = generator(3)
    for _ in range(2):
        torch.randint(2**62, (1,), generator=expected)
    assert torch.equal(used.get_state(), expected.get_state())


@pytest.mark.parametrize("name", ["weak", "strong"])
def test_equal_images_get_different_views(name):
    view = VIEWS[name](images(1, 3, 16, 16).expand(20, -1, -1, -1), generator())
    n_different = len(torch.unique(view.flatten(1), dim=0))
    assert n_different == 20 if name == "strong" else n_different > 10


@pytest.mark.parametrize("name", ["weak", "strong"])
@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (2, 1, 1, 1), (3, 3, 2, 5), (0, 3, 8, 8)])
def test_small_batches_and_small_images(name, shape):
    view = VIEWS[name](images(*shape), generator())
    assert view.shape == shape and view.isfinite().all()


def test_strong_views_differ_more_than_weak_ones():
    # Smooth images: white noise is as far from its shift as from anything.
    x = torch.nn.functional.interpolate(images(200, 3, 4, 4), size=32, mode="bicubic")
    far = {name: (VIEWS[name](x, generator()) - x).square().mean() for name in VIEWS}
    assert far["strong"] > far["weak"] > 0
    mild = ImageViews(pad=0, flip=False, policy=0.2)(x, generator())
    assert 0 < (mild - x).square().mean() < 0.5 * far["policy"]


# The parameter


def test_names_callables_and_none():
    def own(x, generator):
        return x

    assert make_image_views(None) is None
    x = images(2)
    assert make_image_views(own)(x, generator()) is x
    weak, strong = make_image_views("weak"), make_image_views("strong")
    assert not weak.policy and not weak.cutout and weak.flip
    assert strong.policy and strong.cutout and strong.flip


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"pad": -1}, "pad=-1 must be None or at least 0"),
        ({"policy": 1.5}, r"policy=1\.5 must be in \[0, 1\]"),
        ({"cutout": -0.1}, r"cutout=-0\.1 must be in \[0, 1\]"),
        ({"cutout": float("nan")}, "cutout=nan must be"),
    ],
)
def test_parameters_out_of_range_are_named(params, told):
    with pytest.raises(ValueError, match=told):
        ImageViews(**params)


def test_bad_parameters_that_were_set_later_are_named_at_use():
    views = ImageViews().set_params(policy=5.0)
    with pytest.raises(ValueError, match=r"policy=5\.0 must be in \[0, 1\]"):
        views(torch.zeros(2, 3, 8, 8), torch.Generator().manual_seed(0))


def test_tables_are_refused():
    with pytest.raises(ValueError, match=r"shape \(n, C, H, W\), got \(4, 7\)"):
        ImageViews()(torch.zeros(4, 7), generator())
