"""Anchors: their parents and labels, what the learned ones learn, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn
from torch.nn import functional as F

from nllearn.functional.hallucination import hallucination_loss
from nllearn.hallucinators import (
    Anchors,
    BaseHallucinator,
    InterpolationHallucinator,
    LearnedHallucinator,
)

N, D, C = 60, 6, 3


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def clustered(seed=0, spread=0.3):
    """Centred features of three classes, and their labels."""
    labels = torch.arange(N) % C
    centres = 3 * torch.eye(C, D)
    rows = centres[labels] + spread * torch.randn(N, D, generator=generator(seed))
    return rows - rows.mean(0), labels


def linear_head(seed=0):
    """A head with parameters, drawn without the global generator."""
    head = nn.utils.skip_init(nn.Linear, D, C)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator(seed)))
    return head


def indifferent(rows):
    """Logits that say nothing, so that only the similarity terms of eq. 2 are left."""
    return 0.0 * rows[:, :C]


def fitted(name, features, labels, phases=3, seed=0, head=None, **params):
    maker = {"interpolation": InterpolationHallucinator, "learned": LearnedHallucinator}[name]
    hallucinator = maker(**params)
    for phase in range(phases):
        hallucinator.partial_fit(
            features, labels, head=head or linear_head(), generator=generator(seed + phase)
        )
    return hallucinator


both = pytest.mark.parametrize("name", ["interpolation", "learned"])


@both
@pytest.mark.parametrize("n_anchors", [1, 3])
def test_anchors_take_the_label_of_their_first_parent(name, n_anchors):
    features, labels = clustered()
    labels[5], labels[10] = 2, 0
    hallucinator = fitted(name, features, labels, n_anchors=n_anchors)
    anchors = hallucinator.hallucinate(features, labels, generator=generator(9))
    assert isinstance(anchors, Anchors) and len(anchors) == N * n_anchors
    assert anchors.features.shape == (N * n_anchors, D)
    assert anchors.features.dtype == torch.float32 and not anchors.features.requires_grad
    assert anchors.labels.dtype == anchors.parents.dtype == torch.int64
    assert anchors.parents[:, 0].tolist() == [i for i in range(N) for _ in range(n_anchors)]
    for label, (u, v) in zip(anchors.labels.tolist(), anchors.parents.tolist(), strict=True):
        assert label == labels[u] != labels[v]


@both
def test_anchors_are_made_of_the_parents_that_are_told(name):
    features, labels = clustered()
    hallucinator = fitted(name, features, labels)
    anchors = hallucinator.hallucinate(features, labels, generator=generator())
    for i, (u, v) in enumerate(anchors.parents.tolist()):
        with torch.no_grad():
            made = hallucinator._combine(features[u : u + 1], features[v : v + 1])[0]
        torch.testing.assert_close(anchors.features[i], made, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("lambda_p", [0.5, 0.8, 1.0])
def test_interpolation_equals_its_formula(lambda_p):
    features, labels = clustered()
    features[7] *= 100  # lengths do not matter
    anchors = InterpolationHallucinator(lambda_p, 2).hallucinate(
        features, labels, generator=generator()
    )
    rows = features.numpy().astype(float)
    for made, (u, v) in zip(anchors.features, anchors.parents.tolist(), strict=True):
        expected = lambda_p * rows[u] / np.sqrt((rows[u] ** 2).sum()) + (1 - lambda_p) * rows[
            v
        ] / np.sqrt((rows[v] ** 2).sum())
        np.testing.assert_allclose(made.numpy(), expected, atol=1e-6)


def eq2(hallucinator, features, labels, head, lambda_p):
    anchors = hallucinator.hallucinate(features, labels, generator=generator(99))
    first, second = features[anchors.parents[:, 0]], features[anchors.parents[:, 1]]
    with torch.no_grad():
        return float(
            hallucination_loss(
                anchors.features, first, second, head(anchors.features), anchors.labels, lambda_p
            )
        )


@pytest.mark.parametrize("lambda_p", [0.5, 0.75, 1.0])
def test_learning_lowers_the_loss_of_equation_2(lambda_p):
    features, labels = clustered()
    head = linear_head()
    fresh = fitted("learned", features, labels, phases=0, lambda_p=lambda_p)
    fresh._start(features, generator())
    before = eq2(fresh, features, labels, head, lambda_p)
    trained = fitted("learned", features, labels, 200, head=head, lambda_p=lambda_p)
    after = eq2(trained, features, labels, head, lambda_p)
    assert after < before - 0.5
    assert trained.loss_ == pytest.approx(after, abs=0.1)  # of the training pairs


def test_loss_is_the_mean_of_equation_2_over_the_steps_of_the_phase(monkeypatch):
    seen = []

    def recorded(*args):
        loss = hallucination_loss(*args)
        seen.append(loss.item())
        return loss

    monkeypatch.setattr("nllearn.hallucinators._learned.hallucination_loss", recorded)
    hallucinator = fitted("learned", *clustered(), phases=2, n_anchors=2, batch_size=50)
    assert len(seen) == 6  # three steps in each phase
    assert hallucinator.loss_ == pytest.approx(sum(seen[3:]) / 3)


def wished_similarity(anchors, first, second, lambda_p):
    """What the anchors reach of what eq. 2 wishes, and the most there is."""
    reached = lambda_p * F.cosine_similarity(anchors, first) + (1 - lambda_p) * F.cosine_similarity(
        anchors, second
    )
    best = lambda_p * F.normalize(first) + (1 - lambda_p) * F.normalize(second)
    return reached.mean(), best.norm(dim=1).mean()


def test_learning_brings_anchors_nearer_to_the_wished_direction():
    features, labels = clustered()
    # Rows of one class are ten times as long: the start, an interpolation of raw rows, is off.
    features = torch.where((labels == 0).unsqueeze(1), 10 * features, features)
    gaps = []
    for phases in (1, 300):
        hallucinator = fitted("learned", features, labels, phases, head=indifferent, lr=3e-3)
        made = hallucinator.hallucinate(features, labels, generator=generator(99))
        reached, best = wished_similarity(
            made.features, features[made.parents[:, 0]], features[made.parents[:, 1]], 0.75
        )
        gaps.append(float(best - reached))
    assert 0 <= gaps[1] < 0.5 * gaps[0]


def test_lambda_p_decides_how_near_anchors_stay_to_their_own_side():
    features, labels = clustered()
    near = {}
    for lambda_p in (0.5, 0.75, 1.0):
        hallucinator = fitted("learned", features, labels, 100, head=indifferent, lambda_p=lambda_p)
        made = hallucinator.hallucinate(features, labels, generator=generator(99))
        near[lambda_p] = float(
            F.cosine_similarity(made.features, features[made.parents[:, 0]]).mean()
        )
    assert near[0.5] + 0.05 < near[0.75] < near[1.0] - 0.02


def test_cross_entropy_pulls_anchors_to_the_right_side_of_the_head():
    features, labels = clustered(spread=1.5)
    head = linear_head(4)
    shares = []
    for phases in (1, 300):
        hallucinator = fitted(
            "learned", features, labels, phases, head=head, lambda_p=0.5, hidden_units=64, lr=1e-2
        )
        made = hallucinator.hallucinate(features, labels, generator=generator(99))
        with torch.no_grad():
            shares.append(float((head(made.features).argmax(1) == made.labels).float().mean()))
    assert shares[1] > 0.9 > shares[0]


@pytest.mark.parametrize("grads", ["none", "kept"])
def test_the_head_and_the_features_get_no_gradient(grads):
    features, labels = clustered()
    features.requires_grad_()
    head = linear_head()
    if grads == "kept":
        for parameter in head.parameters():
            parameter.grad = torch.full_like(parameter, 7.0)
    before = [parameter.clone() for parameter in head.parameters()]
    fitted("learned", features, labels, 3, head=head)
    for parameter, old in zip(head.parameters(), before, strict=True):
        assert torch.equal(parameter, old) and parameter.requires_grad
        assert parameter.grad is None if grads == "none" else (parameter.grad == 7.0).all()
    assert features.grad is None


def test_learning_works_through_a_head_without_gradients():
    features, labels = clustered()
    head = linear_head().requires_grad_(False)
    with_frozen = fitted("learned", features, labels, 2, head=head)
    with_free = fitted("learned", features, labels, 2, head=linear_head())
    assert with_frozen.loss_ == with_free.loss_


@both
def test_a_generator_decides_everything(name, global_random_state_untouched):
    features, labels = clustered()

    def make(seed, draw):
        return fitted(name, features, labels, 2, seed=seed).hallucinate(
            features, labels, generator=generator(draw)
        )

    one, two = make(0, 5), make(0, 5)
    assert torch.equal(one.features, two.features) and torch.equal(one.parents, two.parents)
    assert not torch.equal(one.parents, make(0, 6).parents)
    if name == "learned":
        assert not torch.equal(one.features, make(1, 5).features)


@both
def test_anchors_of_one_row_differ_with_their_partner(name):
    # A hallucinator that ignores the second parent makes one prototype per row.
    features, labels = clustered()
    hallucinator = fitted(name, features, labels, 200, n_anchors=8)
    made = hallucinator.hallucinate(features, labels, generator=generator(3))
    unit = F.normalize(made.features).view(N, 8, D)
    assert unit.var(dim=1).sum(1).min() > 1e-3


def test_the_network_sees_both_parents():
    features, labels = clustered()
    hallucinator = fitted("learned", features, labels, 1, n_anchors=8)
    made = hallucinator.hallucinate(features, labels, generator=generator(3))
    start = torch.lerp(features[made.parents[:, 1]], features[made.parents[:, 0]], 0.75)
    added = (made.features - start).view(N, 8, D)
    assert added.var(dim=1).sum(1).min() > 1e-3


def test_the_whole_weight_on_the_first_parent_is_that_degenerate_case():
    features, labels = clustered()
    made = InterpolationHallucinator(1.0, 8).hallucinate(features, labels, generator=generator(3))
    assert made.features.view(N, 8, D).var(dim=1).max() < 1e-10


def test_first_anchors_start_from_the_interpolation():
    features, labels = clustered()
    hallucinator = LearnedHallucinator(0.75, n_anchors=2)
    hallucinator._start(features, generator())
    nn.init.zeros_(hallucinator.module_[2].weight)
    made = hallucinator.hallucinate(features, labels, generator=generator())
    first, second = features[made.parents[:, 0]], features[made.parents[:, 1]]
    torch.testing.assert_close(made.features, 0.75 * first + 0.25 * second)


@pytest.mark.parametrize(("hidden_units", "width"), [(None, D), (17, 17)])
def test_module_has_two_layers(hidden_units, width):
    hallucinator = fitted("learned", *clustered(), phases=1, hidden_units=hidden_units)
    shapes = [tuple(p.shape) for p in hallucinator.module_.parameters()]
    assert shapes == [(width, 2 * D), (width,), (D, width), (D,)]


def test_network_and_optimiser_live_on_between_phases():
    features, labels = clustered()
    hallucinator = fitted("learned", features, labels, 1)
    module, before = hallucinator.module_, hallucinator.module_[0].weight.clone()
    hallucinator.partial_fit(features, labels, head=linear_head(), generator=generator(1))
    assert hallucinator.module_ is module and not torch.equal(module[0].weight, before)


@pytest.mark.parametrize(
    ("steps", "batch_size", "expected"), [(3, 10, 3), (40, 100, 2), (40, 512, 1), (1, 1, 1)]
)
def test_steps_of_a_phase(steps, batch_size, expected):
    features, labels = clustered()
    seen = []

    def head(rows):
        seen.append(len(rows))
        return indifferent(rows)

    fitted(
        "learned",
        features,
        labels,
        1,
        head=head,
        n_anchors=2,
        steps=steps,
        batch_size=batch_size,
    )
    assert seen == [min(batch_size, 2 * N)] * expected  # 2 * N pairs


@both
def test_one_class_has_no_anchors(name):
    features, labels = clustered()
    hallucinator = fitted(name, features, torch.zeros_like(labels), n_anchors=2)
    made = hallucinator.hallucinate(features, torch.zeros_like(labels), generator=generator())
    assert len(made) == 0
    assert made.features.shape == (0, D) and made.parents.shape == (0, 2)
    # A later phase with two classes goes on as if nothing had been.
    hallucinator.partial_fit(features, labels, head=linear_head(), generator=generator())
    assert len(hallucinator.hallucinate(features, labels, generator=generator())) == 2 * N


@both
@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"n_anchors": 0}, "n_anchors=0 must be at least 1"),
        ({"lambda_p": 0.4}, r"lambda_p=0\.4 must be in \[0\.5, 1\]"),
        ({"lambda_p": 1.1}, r"lambda_p=1\.1"),
        ({"lambda_p": float("nan")}, "lambda_p=nan"),
    ],
)
def test_parameters_out_of_range_are_named(name, params, told):
    features, labels = clustered()
    with pytest.raises(ValueError, match=told):
        fitted(name, features, labels, 1, **params)
    hallucinator = fitted(name, features, labels, 1).set_params(**params)
    with pytest.raises(ValueError, match=told):
        hallucinator.hallucinate(features, labels, generator=generator())


@pytest.mark.parametrize("name", ["steps", "batch_size", "hidden_units"])
def test_sizes_of_zero_are_named(name):
    features, labels = clustered()
    with pytest.raises(ValueError, match=f"{name}=0"):
        fitted("learned", features, labels, 1, **{name: 0})


def test_parameters_are_checked_by_phases_and_not_by_the_constructor():
    assert LearnedHallucinator(lambda_p=3).lambda_p == 3
    assert InterpolationHallucinator(n_anchors=-1).n_anchors == -1


@both
def test_clones_are_not_fitted(name):
    hallucinator = fitted(name, *clustered(), n_anchors=3)
    again = clone(hallucinator)
    assert again.get_params() == hallucinator.get_params()
    assert not hasattr(again, "module_")


def test_a_learned_hallucinator_that_learned_nothing_makes_no_anchors():
    with pytest.raises(AttributeError):
        LearnedHallucinator().hallucinate(*clustered(), generator=generator())


def test_a_hallucinator_without_a_rule_says_so():
    class Forgetful(BaseHallucinator):
        n_anchors, lambda_p = 1, 0.75

    with pytest.raises(TypeError, match="Forgetful does not define _combine"):
        Forgetful().hallucinate(*clustered(), generator=generator())


def test_a_hallucinator_of_ones_own_fills_one_room():
    class Middle(BaseHallucinator):
        n_anchors, lambda_p = 1, 0.5

        def _combine(self, first, second):
            return (first + second) / 2

    features, labels = clustered()
    own = Middle().partial_fit(features, labels, head=indifferent, generator=generator())
    made = own.hallucinate(features, labels, generator=generator())
    u, v = made.parents.T
    torch.testing.assert_close(made.features, (features[u] + features[v]) / 2)
