"""The small network: any size of image, what it computes, and what is refused."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from sklearn.base import clone
from torch import nn
from torch.nn import functional as F

from nllearn.networks import SmallBackbone, SmallNet, adapt_module, check_head, find_head


def images(n=2, channels=3, height=8, width=None, seed=0):
    shape = (n, channels, height, width or height)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize(
    ("channels", "height", "width"),
    [
        (1, 2, 2),
        (1, 8, 8),
        (1, 28, 28),
        (3, 32, 32),
        (4, 33, 9),
        (3, 96, 96),
        (3, 3, 100),
        (3, 130, 224),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_images_of_any_size(channels, height, width, training):
    module = SmallBackbone(width=4).build((channels, height, width), 5).train(training)
    logits, features = module(images(2, channels, height, width))
    assert logits.shape == (2, 5) and features.shape == (2, 16)
    assert logits.isfinite().all()
    assert find_head(module) is module.head
    check_head(module, images(2, channels, height, width))


def slow_forward(module, x):
    """Layer by layer from the weights alone."""
    weights = list(module.body.parameters())
    x = F.conv2d(x, weights[0], weights[1]).relu()
    for block in range(3):
        for place in range(2):
            kernel, scale, shift = weights[2 + 6 * block + 3 * place :][:3]
            x = F.conv2d(x, kernel, padding=1)
            if place == 0:
                n, c, h, w = x.shape
                if h > 1:  # square images
                    x = x[:, :, : h // 2 * 2, : w // 2 * 2]
                    x = x.reshape(n, c, h // 2, 2, w // 2, 2).amax((3, 5))
            mean = x.mean((0, 2, 3), keepdim=True)
            var = x.var((0, 2, 3), keepdim=True, correction=0)
            x = (x - mean) / (var + 1e-5).sqrt()
            x = (x * scale[:, None, None] + shift[:, None, None]).relu()
    features = x.mean((2, 3))
    return features @ module.head.weight.T + module.head.bias, features


@pytest.mark.parametrize("side", [8, 13, 32])
def test_forward_equals_the_layers_written_out(side):
    module = SmallBackbone(width=4).build((3, side, side), 5).double()
    x = images(3, height=side).double()
    for out, expected in zip(module(x), slow_forward(module, x), strict=True):
        torch.testing.assert_close(out, expected)


@pytest.mark.parametrize(
    ("side", "stride"), [(8, 1), (32, 1), (47, 1), (49, 2), (64, 2), (96, 3), (128, 4), (512, 4)]
)
def test_large_images_are_reduced_by_the_first_layer(side, stride):
    first = SmallNet((3, side, side), 2).body[0]
    assert first.stride == (stride, stride)
    assert first(torch.zeros(1, 3, side, side)).shape[-1] == (side - 1) // stride


def test_the_width_sets_the_widths_of_all_layers():
    module = SmallBackbone(width=16).build((3, 32, 32), 7)
    widths = [m.out_channels for m in module.modules() if isinstance(m, nn.Conv2d)]
    assert widths == [12, 16, 16, 32, 32, 64, 64]
    assert module.head.weight.shape == (7, 64)
    assert SmallBackbone().build((3, 32, 32), 10).head.in_features == 128
    assert SmallBackbone(width=1).build((1, 8, 8), 2)(images(channels=1))[0].shape == (2, 2)


def test_evaluation_treats_images_one_by_one():
    module = SmallBackbone(width=4).build((3, 16, 16), 3).eval()
    x = images(4, height=16)
    torch.testing.assert_close(module(x)[0][2:3], module(x[2:3])[0])


def test_memory_format_and_lower_precision_are_followed():
    module = SmallBackbone(width=8).build((3, 16, 16), 3).eval()
    x = images(4, height=16)
    plain = module(x)[0]
    last = module(x.contiguous(memory_format=torch.channels_last))[0]
    torch.testing.assert_close(last, plain, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = module(x)[0]
    torch.testing.assert_close(half.float(), plain, rtol=0.1, atol=0.05)


def textures(seed):
    """White noise, and noise that is smooth along the rows, half of the images each."""
    x, y = images(32, 1, 12, seed=seed), torch.arange(32) % 2
    x[y == 1] = x[y == 1].cumsum(3) / 3
    return x, y


def test_it_learns_a_texture():
    module = SmallBackbone(width=4).build((1, 12, 12), 2)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    for step in range(60):
        x, y = textures(step)
        optimizer.zero_grad()
        F.cross_entropy(module(x)[0], y).backward()
        assert all(p.grad is not None for p in module.parameters())
        optimizer.step()
    x, y = textures(1000)
    assert (module.eval()(x)[0].argmax(1) == y).double().mean() > 0.9


def test_the_settings_are_a_scikit_learn_estimator():
    backbone = SmallBackbone(width=24)
    assert clone(backbone).get_params() == {"width": 24}
    assert backbone.build((3, 8, 8), 2) is not backbone.build((3, 8, 8), 2)


def test_the_network_is_copied_pickled_and_taken_as_it_is():
    module = SmallBackbone(width=4).build((3, 8, 8), 3)
    adapted = adapt_module(module, images(), 3)
    assert type(adapted) is SmallNet
    expected = module.eval()(images())[0]
    for twin in (adapted, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(twin.eval()(images())[0], expected)


@pytest.mark.parametrize(
    ("width", "shape", "told"),
    [
        (0, (3, 8, 8), "width=0 must be at least 1"),
        (32, (5,), r"needs images.*\(5,\); use MLPBackbone"),
        (32, (3, 8, 1), "images of 8x1 pixels are too small.*needs 2 on both sides"),
    ],
)
def test_what_it_cannot_build_is_named(width, shape, told):
    backbone = SmallBackbone(width=width)  # the constructor only stores
    with pytest.raises(ValueError, match=told):
        backbone.build(shape, 2)
