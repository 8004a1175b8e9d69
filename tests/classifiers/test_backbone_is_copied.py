"""The user's backbone is a parameter: fit copies it, and changes neither it nor its weights."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from torch import nn

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.networks import MLP, MLPBackbone

SHORT = {"max_epochs": 3, "device": "cpu", "random_state": 0}


class Counting:
    """A user's backbone that remembers how often it built."""

    def __init__(self):
        self.built = 0

    def build(self, input_shape, n_classes):
        self.built += 1
        return MLP(input_shape[0], n_classes, hidden_units=7)


@pytest.fixture(scope="module")
def table():
    X, y = make_blobs(60, centers=3, n_features=4, random_state=0)
    return X, y


def backbones():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    return {"module": module, "ours": MLPBackbone(8), "foreign": Counting()}


@pytest.mark.parametrize("cls", [AnchorHallucinationClassifier, MixNNClassifier])
@pytest.mark.parametrize("kind", ["module", "ours", "foreign"])
def test_two_fits_from_one_backbone_are_equal(cls, kind, table, global_random_state_untouched):
    backbone = backbones()[kind]
    before = copy.deepcopy(vars(backbone))
    one = cls(backbone=backbone, **SHORT).fit(*table)
    two = cls(backbone=backbone, **SHORT).fit(*table)
    np.testing.assert_array_equal(one.predict_proba(table[0]), two.predict_proba(table[0]))
    np.testing.assert_array_equal(one.label_quality_, two.label_quality_)
    assert one.backbone is backbone
    assert one.backbone_ is not backbone and one.backbone_ is not two.backbone_
    assert type(one.backbone_) is type(backbone)
    if kind == "module":
        for name, value in backbone.state_dict().items():
            fresh = backbones()[kind].state_dict()[name]
            assert torch.equal(value, fresh), name
        assert not any(p.grad is not None for p in backbone.parameters())
        assert backbone.training
    else:
        assert vars(backbone) == before
    if kind == "ours":
        backbone.hidden_units = 99
        assert one.backbone_.hidden_units == 8
