"""Channels at mean 0 and deviation 1, whatever the layout and the range."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nllearn.images import ChannelStandardizer, PreparedImages, to_channels_first


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (50, 3, 6, 5)).astype(np.uint8) // np.array(
        [1, 2, 5], dtype=np.uint8
    ).reshape(1, 3, 1, 1)


def scale_of(images, step=7):
    tensor = torch.from_numpy(np.ascontiguousarray(images))
    return ChannelStandardizer(tensor[i : i + step] for i in range(0, len(tensor), step))


def test_mean_and_deviation_are_those_of_all_pixels(images):
    scale = scale_of(images)
    np.testing.assert_allclose(scale.mean, images.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(scale.scale, images.std((0, 2, 3)), rtol=1e-9)


def test_a_large_mean_loses_no_digits(images):
    far = images.astype(np.float64) / 100 + 1e7
    np.testing.assert_allclose(scale_of(far).scale, far.std((0, 2, 3)), rtol=1e-6)


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("divide", [1, 255.0])
def test_layout_and_range_make_no_difference(images, layout, divide):
    raw = images if divide == 1 else (images / divide).astype(np.float32)
    scale = scale_of(raw)
    batch = torch.from_numpy(raw)
    if layout == "channels_last":
        batch = batch.permute(0, 2, 3, 1).contiguous()
    ready = PreparedImages(scale, layout, torch.device("cpu"))(batch)
    expected = (images - images.mean((0, 2, 3), keepdims=True)) / images.std(
        (0, 2, 3), keepdims=True
    )
    assert ready.dtype == torch.float32 and ready.shape == images.shape
    assert ready.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(ready.numpy(), expected, atol=2e-5)


def test_grey_images_get_one_channel(images):
    raw = torch.from_numpy(images[:, 0])
    scale = ChannelStandardizer([to_channels_first(raw, "grey")])
    assert PreparedImages(scale, "grey", torch.device("cpu"))(raw).shape == (50, 1, 6, 5)


def test_constant_channels_stay_at_zero(images):
    raw = images.astype(np.float32)
    raw[:, 1] = 0.1
    ready = PreparedImages(scale_of(raw), "channels_first", torch.device("cpu"))(
        torch.from_numpy(raw)
    )
    assert ready[:, 1].abs().max() < 1e-3


def test_input_is_not_changed(images):
    raw = torch.from_numpy(images.astype(np.float32))
    before = raw.clone()
    PreparedImages(scale_of(images), "channels_first", torch.device("cpu"))(raw)
    assert torch.equal(raw, before)


def test_values_too_large_are_refused(images):
    with pytest.raises(ValueError, match="channel 0 of the images"):
        scale_of(images.astype(np.float64) * 1e40)


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="no image of weight above zero"):
        ChannelStandardizer(iter(()))
