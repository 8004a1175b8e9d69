"""Our network, its builder, and the taking in of modules of the user's."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from sklearn.base import clone
from torch import nn

from nllearn.networks import MLP, Dropout, MLPBackbone, adapt_module, check_head, find_head


def sample(*shape, seed=0):
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(seed))


def plain(n_in=4, hidden=8, n_out=3):
    return nn.Sequential(nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, n_out))


class TwoOutputs(nn.Module):
    """Returns logits and features, as our own do."""

    def __init__(self, n_out=3, feature_dims=1):
        super().__init__()
        self.body = nn.Linear(4, 6)
        self.out = nn.Linear(6, n_out)
        self.feature_dims = feature_dims

    def forward(self, x):
        features = self.body(x).relu()
        return self.out(features), features if self.feature_dims == 1 else features[:, :, None]


class HeadFirst(nn.Module):
    """Registers its last layer before the others."""

    def __init__(self):
        super().__init__()
        self.classifier = nn.Linear(8, 3)
        self.body = nn.Linear(4, 8)

    def forward(self, x):
        return self.classifier(self.body(x).relu())


class ThreeOutputs(TwoOutputs):
    def forward(self, x):
        return (*super().forward(x), x)


# The network for tables


@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_mlp_shapes(n_layers):
    module = MLP(5, 3, hidden_units=7, n_layers=n_layers)
    logits, features = module(torch.zeros(9, 5))
    assert logits.shape == (9, 3) and features.shape == (9, 7)
    widths = [tuple(m.weight.shape) for m in module.modules() if isinstance(m, nn.Linear)]
    assert widths == [(7, 5)] + [(7, 7)] * (n_layers - 1) + [(3, 7)]


def test_logits_are_the_head_of_the_features():
    module = MLP(5, 3).eval()
    logits, features = module(sample(5))
    torch.testing.assert_close(logits, features @ module.head.weight.T + module.head.bias)
    assert (features >= 0).all()  # behind a ReLU


def test_dropout_works_in_training_and_rests_in_evaluation():
    x = torch.ones(200, 50)
    seen = {}
    module = MLP(50, 3, hidden_units=40, dropout=0.0, input_dropout=0.4)
    module.body[0].register_forward_hook(lambda _, args, out: seen.update(kept=(out != 0).float()))
    module.train()(x)
    assert seen["kept"].mean() == pytest.approx(0.6, abs=0.03)
    module.eval()(x)
    assert seen["kept"].mean() == 1
    dropped = MLP(50, 3, hidden_units=40, dropout=0.9, input_dropout=0.0)
    with torch.no_grad():
        dropped.body[1].bias.fill_(100.0)  # without dropout all units are on
    assert (dropped.train()(x)[1] == 0).float().mean() == pytest.approx(0.9, abs=0.03)
    assert (dropped.eval()(x)[1] != 0).all()


@pytest.mark.parametrize("p", [0.2, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dropout_keeps_numbers_one_by_one_and_scales_them(p, dtype):
    torch.manual_seed(0)
    x = torch.full((400, 300), 3.0, dtype=dtype, requires_grad=True)
    out = Dropout(p)(x)
    assert out.dtype == dtype
    kept = (out != 0).float()
    torch.testing.assert_close(out[kept > 0], torch.full_like(out[kept > 0], 3.0 / (1 - p)))
    assert kept.mean() == pytest.approx(1 - p, abs=0.005)
    # Neither rows nor columns nor neighbours fall together.
    assert kept.mean(0).std() == pytest.approx((p * (1 - p) / 400) ** 0.5, rel=0.2)
    assert kept.mean(1).std() == pytest.approx((p * (1 - p) / 300) ** 0.5, rel=0.2)
    assert (kept[:, 1:] * kept[:, :-1]).mean() == pytest.approx((1 - p) ** 2, abs=0.01)
    out.sum().backward()
    torch.testing.assert_close(x.grad, out.detach() / 3.0)


def test_dropout_is_a_draw_of_the_seed_and_rests_where_it_should():
    x = sample(50)
    draws = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        draws.append(Dropout(0.5)(x))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert torch.equal(Dropout(1.0)(x), torch.zeros_like(x))


def test_backbone_builds_what_it_was_told():
    backbone = MLPBackbone(hidden_units=11, n_layers=2, dropout=0.3, input_dropout=0.1)
    module = backbone.build((5,), 4)
    assert isinstance(module, MLP)
    logits, features = module(torch.zeros(2, 5))
    assert logits.shape == (2, 4) and features.shape == (2, 11)
    rates = [m.p for m in module.modules() if isinstance(m, nn.Dropout)]
    assert rates == [0.1, 0.3, 0.3]
    assert backbone.build((5,), 4) is not module
    assert clone(backbone).get_params() == backbone.get_params()


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"hidden_units": 0}, "hidden_units=0 must be at least 1"),
        ({"n_layers": 0}, "n_layers=0 must be at least 1"),
        ({"dropout": 1.0}, r"dropout=1\.0 must be in \[0, 1\)"),
        ({"dropout": -0.1}, r"dropout=-0\.1"),
        ({"input_dropout": 1.5}, r"input_dropout=1\.5 must be in \[0, 1\)"),
        ({"dropout": float("nan")}, "dropout=nan"),
    ],
)
def test_backbone_names_parameters_out_of_range_when_it_builds(params, told):
    backbone = MLPBackbone(**params)  # the constructor only stores
    with pytest.raises(ValueError, match=told):
        backbone.build((5,), 3)


# The head


def test_the_head_is_the_attribute_or_the_last_linear_layer():
    module = plain()
    assert find_head(module) is module[2]
    mlp = MLP(4, 3)
    assert find_head(mlp) is mlp.head
    named = plain()
    named.head = nn.Conv2d(1, 1, 1)  # by its name, whatever it is
    named.tail = nn.Linear(2, 2)
    assert find_head(named) is named.head
    function = plain()
    function.head = lambda x: x  # not a module: not meant
    assert find_head(function) is function[2]


def test_a_module_without_a_head_is_told_what_to_do():
    with pytest.raises(ValueError, match=r"Sequential has no attribute 'head'.*name the layer"):
        find_head(nn.Sequential(nn.Flatten(), nn.ReLU()))


# Modules of the user's


@pytest.mark.parametrize("training", [True, False])
def test_a_plain_classifier_gets_the_input_of_its_last_layer_as_features(training):
    user = plain().train(training)
    module = adapt_module(user, sample(4), 3)
    assert module.training is training
    x = sample(4, seed=1)
    logits, features = module.eval()(x)
    torch.testing.assert_close(logits, user(x))
    torch.testing.assert_close(features, user[1](user[0](x)))
    torch.testing.assert_close(logits, find_head(module)(features))


def test_features_with_more_dimensions_are_flattened():
    # A linear layer in front of a flattening end sees rows of two dimensions.
    user = nn.Sequential(nn.Unflatten(1, (2, 2)), nn.Linear(2, 1), nn.Flatten())
    logits, features = adapt_module(user, sample(4), 2)(sample(4))
    assert logits.shape == (2, 2) and features.shape == (2, 4)


def test_images_are_accepted():
    user = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 4 * 4, 3))
    logits, features = adapt_module(user, sample(1, 6, 6), 3)(sample(1, 6, 6))
    assert logits.shape == (2, 3) and features.shape == (2, 32)


def test_a_module_with_two_outputs_is_copied_and_left_as_it_is():
    user = TwoOutputs()
    module = adapt_module(user, sample(4), 3)
    assert type(module) is TwoOutputs and module is not user
    for made, expected in zip(module(sample(4)), user(sample(4)), strict=True):
        torch.testing.assert_close(made, expected)


@pytest.mark.parametrize("make", [plain, TwoOutputs, lambda: MLP(4, 3)])
@pytest.mark.parametrize("training", [True, False])
def test_the_users_module_is_untouched(make, training):
    user = make().train(training)
    before = copy.deepcopy(user.state_dict())
    module = adapt_module(user, sample(4), 3)
    module.train()
    assert not {id(p) for p in module.parameters()} & {id(p) for p in user.parameters()}
    logits, _ = module(sample(4))
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    logits.square().sum().backward()
    optimizer.step()
    assert user.training is training
    for name, values in user.state_dict().items():
        assert torch.equal(values, before[name])
    assert all(p.grad is None for p in user.parameters())
    for layer in [*user.modules(), *module.modules()]:
        assert not layer._forward_pre_hooks and not layer._forward_hooks


def test_trying_a_module_moves_no_running_statistics():
    user = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3))
    module = adapt_module(user, sample(4), 3)
    (norm,) = (m for m in module.modules() if isinstance(m, nn.BatchNorm1d))
    assert norm.num_batches_tracked == 0 and not norm.running_mean.any()


def test_gradients_flow_through_logits_and_features():
    module = adapt_module(plain(), sample(4), 3)
    first, _, last = module.module
    _, features = module(sample(4))
    features.sum().backward()
    assert first.weight.grad.any() and last.weight.grad is None
    module(sample(4))[0].square().sum().backward()
    assert last.weight.grad.any()


def test_an_adapted_module_can_be_copied_pickled_and_has_no_hook_left():
    module = adapt_module(plain(), sample(4), 3).eval()
    expected = module(sample(4))
    assert not any(m._forward_pre_hooks for m in module.modules())
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        for made, old in zip(again(sample(4)), expected, strict=True):
            torch.testing.assert_close(made, old)
    # In a copy the head must be the copy's own layer.
    again = copy.deepcopy(module)
    assert find_head(again) is again.module[2]
    other = adapt_module(plain(), sample(4), 3).eval()
    other.load_state_dict(module.state_dict())
    torch.testing.assert_close(other(sample(4))[0], expected[0])


def test_the_hook_is_gone_even_after_an_error():
    module = adapt_module(plain(), sample(4), 3)
    with pytest.raises(RuntimeError):
        module(sample(7))
    assert not any(m._forward_pre_hooks for m in module.modules())


@pytest.mark.parametrize("make", [plain, TwoOutputs])
def test_rows_of_the_wrong_width_are_named(make):
    with pytest.raises(ValueError, match=rf"{make().__class__.__name__} does not accept.*\(7,\)"):
        adapt_module(make(), sample(7), 3)


@pytest.mark.parametrize(
    ("module", "told"),
    [
        (TwoOutputs(n_out=5), r"TwoOutputs returned logits of shape \(2, 5\).*\(2, 3\)"),
        (TwoOutputs(feature_dims=2), r"features of shape \(2, 6, 1\); expected .*\(n, d\)"),
        (plain(n_out=5), r"logits of shape \(2, 5\) and features of shape \(2, 8\).*\(2, 3\)"),
        (nn.Sequential(plain(), nn.Flatten(0)), r"logits of shape \(6,\).*\(2, 3\)"),
    ],
)
def test_wrong_outputs_are_named(module, told):
    with pytest.raises(ValueError, match=told):
        adapt_module(module, sample(4), 3)


def test_wrong_logits_of_a_plain_classifier_are_told_with_its_own_name():
    with pytest.raises(ValueError, match="backbone Sequential returned logits"):
        adapt_module(plain(n_out=5), sample(4), 3)


def test_a_classifier_without_a_linear_layer_is_told_what_to_do():
    with pytest.raises(ValueError, match=r"Sequential has no attribute 'head'.*name the layer"):
        adapt_module(nn.Sequential(nn.Flatten(), nn.ReLU()), sample(3), 3)


def test_three_outputs_are_named():
    with pytest.raises(ValueError, match="ThreeOutputs"):
        adapt_module(ThreeOutputs(), sample(4), 3)


def test_a_head_that_was_registered_first_is_found():
    user = HeadFirst()
    module = adapt_module(user, sample(4), 3)
    logits, features = module(sample(4))
    assert features.shape == (2, 8)
    torch.testing.assert_close(logits, find_head(module)(features))


def test_a_head_that_does_not_give_the_logits_is_refused():
    class Tail(nn.Module):
        """Its last registered linear layer is not the one from features to logits."""

        def __init__(self):
            super().__init__()
            self.classify = nn.Linear(4, 3)
            self.unused = nn.Linear(4, 3)

        def forward(self, x):
            return self.classify(x), x

    with pytest.raises(ValueError, match="name the right layer 'head'"):
        check_head(Tail(), sample(4))
    good = Tail()
    good.head = good.classify
    assert check_head(good, sample(4)) is None
    assert check_head(MLP(4, 3), sample(4)) is None
