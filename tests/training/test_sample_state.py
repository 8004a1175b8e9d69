"""The book per row: trusted rows stand, changes are dated."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from nllearn.training import SampleState

N, C = 8, 3


def start(trusted=()):
    mask = torch.zeros(N, dtype=torch.bool)
    mask[list(trusted)] = True
    return SampleState.start(
        torch.arange(N) % C, C, weight=torch.ones(N), row_weight=torch.ones(N), trusted=mask
    )


def soft(seed=0, n=N):
    logits = torch.randn(n, C, generator=torch.Generator().manual_seed(seed))
    return (3 * logits).softmax(1)


def update(state, epoch=4, targets=None, **changes):
    values = {
        "clean_proba": torch.linspace(0, 0.9, N),
        "confidence": torch.linspace(0.1, 0.5, N),
        "easy": torch.arange(N) % 2 == 0,
        "labelled": torch.arange(N) % 4 == 0,
    }
    targets = soft() if targets is None else targets
    state.update(epoch=epoch, targets=targets, **{**values, **changes})


def test_at_the_start_every_row_is_easy_and_keeps_its_label():
    state = start()
    assert state.n_classes == C
    assert state.targets.dtype == torch.float32
    assert state.targets.tolist() == [[float(i % C == c) for c in range(C)] for i in range(N)]
    assert state.easy.all() and state.labelled.all()
    assert (state.clean_proba == 1).all() and (state.confidence == 1).all()
    assert (state.changed_at == -1).all() and state.changed_at.dtype == torch.int64


def test_fields_share_no_memory():
    state = start()
    state.clean_proba.zero_(), state.easy.zero_(), state.changed_at.zero_()
    assert state.confidence.all() and state.labelled.all()
    assert state.given.tolist() == [i % C for i in range(N)]


def test_an_update_writes_what_it_is_told():
    state = start()
    update(state)
    torch.testing.assert_close(state.targets, soft())
    assert state.clean_proba.tolist() == torch.linspace(0, 0.9, N).tolist()
    assert state.confidence.tolist() == torch.linspace(0.1, 0.5, N).tolist()
    assert state.easy.tolist() == [i % 2 == 0 for i in range(N)]
    assert state.labelled.tolist() == [i % 4 == 0 for i in range(N)]


@given(st.sets(st.integers(0, N - 1)), st.lists(st.integers(0, 2**16), max_size=3))
def test_trusted_rows_keep_their_given_label(trusted, seeds):
    state = start(trusted)
    for epoch, seed in enumerate(seeds):
        update(state, epoch, soft(seed))
    for i in trusted:
        assert state.targets[i].tolist() == [float(i % C == c) for c in range(C)]
        assert state.clean_proba[i] == state.confidence[i] == 1
        assert state.easy[i] and state.labelled[i]
        assert state.changed_at[i] == -1
    if seeds:
        for i in set(range(N)) - trusted:
            torch.testing.assert_close(state.targets[i], soft(seeds[-1])[i])
            assert state.easy[i] == (i % 2 == 0)


@given(st.lists(st.integers(0, 2**16), min_size=1, max_size=5))
def test_changes_are_dated_by_the_epoch_of_the_last_one(seeds):
    state = start()
    classes, expected = [i % C for i in range(N)], [-1] * N
    for step, seed in enumerate(seeds):
        targets = soft(seed)
        update(state, 10 + step, targets)
        for i, best in enumerate(targets.argmax(1).tolist()):
            if best != classes[i]:
                classes[i], expected[i] = best, 10 + step
    assert state.changed_at.tolist() == expected


def test_a_softer_target_of_the_same_class_is_no_change():
    state = start()
    update(state, targets=0.9 * state.targets + 0.1 / C)
    assert (state.changed_at == -1).all()


def test_what_is_handed_in_is_not_changed():
    state = start(trusted=[0, 3])
    values = {
        "targets": soft(),
        "clean_proba": torch.full((N,), 0.5),
        "confidence": torch.full((N,), 0.5),
        "easy": torch.zeros(N, dtype=torch.bool),
        "labelled": torch.zeros(N, dtype=torch.bool),
    }
    before = {name: tensor.clone() for name, tensor in values.items()}
    state.update(epoch=0, **values)
    state.update(epoch=1, **values)
    for name, tensor in values.items():
        assert torch.equal(tensor, before[name])
