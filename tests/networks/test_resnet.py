"""ResNet: stems, weights from files and by name, a frozen trunk, and what is refused."""

from __future__ import annotations

import copy
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from nllearn import AnchorHallucinationClassifier, load
from nllearn.exceptions import MissingExtraError
from nllearn.networks import (
    ResNetBackbone,
    adapt_channels,
    adapt_module,
    check_head,
    find_head,
    read_state,
)

resnet = pytest.importorskip("torchvision.models.resnet")


def images(n=2, channels=3, side=8, seed=0):
    return torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def pretrained():
    """State dict of torchvision's ResNet-18 with random weights and running statistics."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        module = resnet.resnet18(num_classes=5)
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            buffer.fill_(0.01)
    return module.state_dict()


@pytest.fixture
def weights(pretrained, tmp_path):
    path = tmp_path / "net.pth"
    torch.save(pretrained, path)
    return path


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


# Shapes and stems


@pytest.mark.parametrize(
    ("depth", "width", "n_convs"), [(18, 512, 20), (34, 512, 36), (50, 2048, 53)]
)
def test_depth_gives_the_width_and_the_number_of_layers(depth, width, n_convs):
    module = ResNetBackbone(depth).build((3, 8, 8), 4).eval()
    logits, features = module(images())
    assert logits.shape == (2, 4) and features.shape == (2, width)
    assert sum(isinstance(m, nn.Conv2d) for m in module.modules()) == n_convs
    assert find_head(module) is module.head
    assert torch.allclose(module.head(features), logits, atol=1e-5)


@pytest.mark.parametrize(
    ("stem", "side", "is_small"),
    [
        ("auto", 32, True),
        ("auto", 64, True),
        ("auto", 65, False),
        ("small", 96, True),
        ("large", 32, False),
    ],
)
def test_stem(stem, side, is_small):
    trunk = ResNetBackbone(stem=stem).build((3, side, side), 2).trunk.eval()
    conv = trunk.conv1
    if is_small:
        assert conv.kernel_size == (3, 3) and conv.stride == (1, 1)
        assert isinstance(trunk.maxpool, nn.Identity)
    else:
        assert conv.kernel_size == (7, 7) and conv.stride == (2, 2)
        assert isinstance(trunk.maxpool, nn.MaxPool2d)
    seen = []
    trunk.layer1.register_forward_hook(lambda _, __, out: seen.append(out.shape[-1]))
    with torch.no_grad():
        trunk(images(1, side=side))
    assert seen == [side if is_small else -(-side // 4)]


def test_the_longer_side_decides_about_the_stem():
    assert ResNetBackbone().build((3, 16, 80), 2).trunk.conv1.kernel_size == (7, 7)


@pytest.mark.parametrize("stem", ["small", "large"])
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_any_number_of_channels(stem, channels):
    module = ResNetBackbone(stem=stem).build((channels, 12, 9), 3)
    check_head(module, torch.zeros(2, channels, 12, 9))
    assert module.trunk.conv1.in_channels == channels


def test_the_settings_are_a_scikit_learn_estimator():
    backbone = ResNetBackbone(depth=34, stem="small")
    assert clone(backbone).get_params() == backbone.get_params()
    assert backbone.build((3, 8, 8), 2) is not backbone.build((3, 8, 8), 2)


def test_the_network_is_copied_pickled_and_taken_as_it_is():
    module = ResNetBackbone().build((1, 8, 8), 3)
    adapted = adapt_module(module, images(channels=1), 3)
    assert type(adapted) is type(module)
    expected = module.eval()(images(channels=1))[0]
    for twin in (adapted, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(twin.eval()(images(channels=1))[0], expected)


# Weights


def test_weights_of_a_file_give_its_activations(pretrained, weights):
    reference = resnet.resnet18(num_classes=5)
    reference.load_state_dict(pretrained)
    module = ResNetBackbone(weights=weights).build((3, 32, 32), 5)  # auto takes the file's stem
    assert module.trunk.conv1.kernel_size == (7, 7)
    expected = reference.eval()(images(side=32))
    assert torch.equal(module.eval()(images(side=32))[0], expected)
    assert ResNetBackbone(weights=str(weights)).build((3, 32, 32), 5) is not None  # a str too


def test_a_head_of_another_shape_is_left_fresh(pretrained, weights):
    module = ResNetBackbone(weights=weights).build((3, 8, 8), 7)
    assert module.head.weight.shape == (7, 512)
    assert torch.equal(module.trunk.layer4[1].conv2.weight, pretrained["layer4.1.conv2.weight"])


def test_a_file_without_a_head_and_without_counters_loads(pretrained, tmp_path):
    kept = {k: v for k, v in pretrained.items() if not k.startswith("fc.") and "num_b" not in k}
    torch.save(kept, tmp_path / "trunk.pt")
    module = ResNetBackbone(weights=tmp_path / "trunk.pt").build((3, 8, 8), 5)
    assert torch.equal(module.trunk.conv1.weight, pretrained["conv1.weight"])


def test_weights_of_the_other_stem_leave_the_first_convolution_fresh(pretrained, weights):
    module = ResNetBackbone(stem="small", weights=weights).build((3, 32, 32), 5)
    assert module.trunk.conv1.kernel_size == (3, 3)
    assert 0 < module.trunk.conv1.weight.std() < 1
    assert torch.equal(module.trunk.layer1[0].conv1.weight, pretrained["layer1.0.conv1.weight"])


def test_a_network_of_ours_is_loaded_with_its_stem_and_head(tmp_path):
    first = ResNetBackbone().build((3, 16, 16), 4)
    torch.save(first.state_dict(), tmp_path / "ours.pt")
    # 96 pixels would get the large stem without weights.
    second = ResNetBackbone(weights=tmp_path / "ours.pt").build((3, 96, 96), 4)
    assert second.state_dict().keys() == first.state_dict().keys()
    for key, value in second.state_dict().items():
        assert torch.equal(value, first.state_dict()[key]), key


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_filters_for_other_channels_equal_a_loop(channels):
    weight = images(5, 3, 2).double()
    adapted = adapt_channels(weight, channels)
    for k in range(channels):
        expected = (
            weight[:, 0] + weight[:, 1] + weight[:, 2]
            if channels == 1
            else weight[:, k % 3] * 3 / channels
        )
        torch.testing.assert_close(adapted[:, k], expected)
    assert adapted.shape == (5, channels, 2, 2)
    assert adapt_channels(weight, 3) is weight


def test_a_grey_image_gives_what_three_equal_channels_gave(weights):
    colour = ResNetBackbone(weights=weights).build((3, 16, 16), 5).eval()
    grey = ResNetBackbone(weights=weights).build((1, 16, 16), 5).eval()
    x = images(channels=1, side=16)
    torch.testing.assert_close(grey(x)[0], colour(x.expand(-1, 3, -1, -1))[0], rtol=1e-3, atol=1e-4)


def test_weights_by_name_come_from_torchvision(pretrained, monkeypatch):
    asked = []

    def fetch(url, **kwargs):
        asked.append((url, kwargs["check_hash"]))
        return dict(pretrained)

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fetch)
    module = ResNetBackbone(weights="DEFAULT").build((3, 32, 32), 5)
    assert asked == [(resnet.ResNet18_Weights.DEFAULT.url, True)]
    assert torch.equal(module.trunk.conv1.weight, pretrained["conv1.weight"])


def test_a_failed_download_names_the_address(monkeypatch):
    def fetch(url, **kwargs):
        raise OSError("no route")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fetch)
    with pytest.raises(OSError, match=r"'DEFAULT' cannot be downloaded from https.*no route.*path"):
        ResNetBackbone(weights="DEFAULT").build((3, 8, 8), 2)


def test_safetensors_files_are_read_with_their_package(pretrained, tmp_path, monkeypatch):
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"whole")

    def load_file(name):
        if Path(name).read_bytes() != b"whole":
            raise KeyError("broken header")
        return pretrained

    package, module = types.ModuleType("safetensors"), types.ModuleType("safetensors.torch")
    package.SafetensorError, module.load_file = KeyError, load_file
    monkeypatch.setitem(sys.modules, "safetensors", package)
    monkeypatch.setitem(sys.modules, "safetensors.torch", module)
    built = ResNetBackbone(weights=path).build((3, 8, 8), 5)
    assert torch.equal(built.head.weight, pretrained["fc.weight"])
    path.write_bytes(b"half")
    with pytest.raises(ValueError, match=r"net\.safetensors' cannot be read"):
        read_state(path)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(MissingExtraError, match=r"net\.safetensors.*pip install safetensors"):
        read_state(path)


# A frozen trunk


def test_frozen_trains_the_head_alone(weights):
    module = ResNetBackbone(weights=weights, frozen=True).build((3, 8, 8), 3)
    assert [name for name, p in module.named_parameters() if p.requires_grad] == [
        "head.weight",
        "head.bias",
    ]
    before = copy.deepcopy(module.state_dict())
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(2):
        module.train()
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(images(4))[0], torch.tensor([0, 1, 2, 0])).backward()
        optimizer.step()
    changed = {k for k, v in module.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"head.weight", "head.bias"}


def test_frozen_batch_normalisation_stays_in_evaluation_mode(weights):
    module = ResNetBackbone(weights=weights, frozen=True).build((3, 8, 8), 3)
    for twin in (module, copy.deepcopy(module).eval().train()):
        assert twin.training and not any(m.training for m in twin.trunk.modules())
        # One image alone: statistics of the batch would fail or give zeros.
        assert torch.equal(twin(images(1))[1], module.eval()(images(1))[1])
        module.train()


def test_a_classifier_on_a_frozen_trunk(weights, tmp_path):
    y = np.arange(24) % 2
    noise = np.random.default_rng(0).integers(0, 100, (24, 8, 8, 3))
    X = (noise + 150 * y[:, None, None, None]).astype(np.uint8)
    y_noisy = y.copy()
    y_noisy[:3] = 1 - y[:3]
    backbone = ResNetBackbone(weights=weights, frozen=True)
    clf = AnchorHallucinationClassifier(
        backbone=backbone, max_epochs=8, lr=0.03, augmentation="weak", random_state=0
    ).fit(X, y_noisy)
    trunk = backbone.build((3, 8, 8), 2).trunk.state_dict()
    for name, value in clf.net_.module_.trunk.state_dict().items():
        assert torch.equal(value, trunk[name]), name
    # What is learnt on top of random features is enough for light and dark images.
    assert clf.score(X, y) == 1.0
    assert (clf.corrected_labels_ == y).mean() >= (y_noisy == y).mean()
    clf.save(tmp_path / "clf.nll")
    again = load(tmp_path / "clf.nll")
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_not_frozen_updates_everything(weights):
    module = ResNetBackbone(weights=weights).build((3, 8, 8), 3)
    before = copy.deepcopy(module.state_dict())
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    nn.functional.cross_entropy(module(images(4))[0], torch.tensor([0, 1, 2, 0])).backward()
    optimizer.step()
    assert not [k for k, v in module.state_dict().items() if torch.equal(v, before[k])]


# What is refused


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"depth": 20}, r"depth=20 must be one of \(18, 34, 50\)"),
        ({"stem": "tiny"}, "stem='tiny' must be one of"),
        ({"weights": "IMAGENET21K"}, r"weights='IMAGENET21K'.*'IMAGENET1K_V1', 'DEFAULT'.*\.pth"),
        ({"weights": Path("net.bin")}, r"weights='net\.bin' must end in one of"),
        ({"frozen": True}, "frozen=True keeps random layers.*set weights"),
    ],
)
def test_parameters_are_refused_when_it_builds(params, told):
    backbone = ResNetBackbone(**params)  # the constructor only stores
    with pytest.raises(ValueError, match=told):
        backbone.build((3, 8, 8), 2)


def test_tables_are_refused():
    with pytest.raises(ValueError, match=r"needs images.*\(5,\); use MLPBackbone"):
        ResNetBackbone().build((5,), 2)


def test_an_absent_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"weights='nowhere\.pth' is not a file"):
        ResNetBackbone(weights="nowhere.pth").build((3, 8, 8), 2)


def test_weights_that_do_not_fit_are_told_key_by_key(pretrained, weights, tmp_path):
    with pytest.raises(ValueError, match=r"depth=50.*lacks .*and \d+ more.*another shape of"):
        ResNetBackbone(depth=50, weights=weights).build((3, 8, 8), 2)
    state = {k: v for k, v in pretrained.items() if k != "bn1.weight"} | {"extra": torch.ones(1)}
    state["layer1.0.conv1.weight"] = torch.zeros(1, 2, 3, 3)
    torch.save(state, tmp_path / "odd.pt")
    told = (
        r"lacks bn1\.weight; it has the unknown extra; it has another shape of "
        r"layer1\.0\.conv1\.weight \(\(1, 2, 3, 3\), not \(64, 64, 3, 3\)\)$"
    )
    with pytest.raises(ValueError, match=told):
        ResNetBackbone(weights=tmp_path / "odd.pt").build((3, 8, 8), 2)


def test_a_first_convolution_that_does_not_fit_cannot_be_frozen(weights):
    with pytest.raises(ValueError, match=r"stem='small'.*conv1\.weight \(\(64, 3, 7, 7\)"):
        ResNetBackbone(stem="small", weights=weights, frozen=True).build((3, 32, 32), 2)


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit",))


@pytest.mark.parametrize(
    "content", [Bomb(), [torch.zeros(2)], {"epoch": 3}, {"state_dict": {"conv1.weight": 1}}]
)
def test_files_of_something_else_are_refused_and_run_no_code(content, tmp_path):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt.*torch\.save\(module\.state_dict\(\), path\)"):
        read_state(tmp_path / "other.pt")


def test_an_odd_first_layer_is_named(tmp_path):
    torch.save({"conv1.weight": torch.tensor(1.0)}, tmp_path / "odd.pt")
    with pytest.raises(ValueError, match=r"another shape of conv1\.weight \(\(\), not"):
        ResNetBackbone(weights=tmp_path / "odd.pt").build((3, 8, 8), 2)


@pytest.mark.parametrize("content", [b"", b"no zip file", np.zeros(9).tobytes()])
def test_broken_files_are_refused(content, tmp_path):
    (tmp_path / "broken.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.pth' cannot be read as a state dict"):
        read_state(tmp_path / "broken.pth")


def test_without_torchvision_the_extra_is_named(monkeypatch):
    for name in ("torchvision", "torchvision.models"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'nllearn\[images\]'"):
        ResNetBackbone().build((3, 8, 8), 2)
