"""The schedule: a pure function of sizes and of the epoch."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nllearn.training import Schedule, resolve_batch_size, resolve_schedule

shares = st.floats(0, 1, exclude_min=True, exclude_max=True)
posterior_shares = st.sampled_from([0.0, 0.1, 0.3])


def resolve(**changes):
    params = {
        "n_rows": 1000,
        "batch_size": 100,
        "max_epochs": 30,
        "warmup_epochs": 0.1,
        "refresh_every": None,
        "correction_start": 0.2,
    }
    return resolve_schedule(**{**params, **changes})


def corrections(schedule):
    """Epochs whose refresh corrects labels and after which another epoch follows."""
    return [
        epoch
        for epoch in range(schedule.max_epochs - 1)
        if schedule.is_robust(epoch) and schedule.is_refresh(epoch) and schedule.may_correct(epoch)
    ]


@given(
    max_epochs=st.integers(3, 300),
    warmup_epochs=shares,
    refresh_every=st.one_of(st.none(), st.integers(1, 400)),
    posterior_share=posterior_shares,
)
def test_a_fit_warms_up_corrects_and_learns_from_it(
    max_epochs, warmup_epochs, refresh_every, posterior_share
):
    # Correction starts with the end of the warm-up, as in Anchor Hallucination.
    schedule = resolve(
        max_epochs=max_epochs,
        warmup_epochs=warmup_epochs,
        refresh_every=refresh_every,
        correction_start=warmup_epochs,
        posterior_share=posterior_share,
    )
    assert schedule.max_epochs == max_epochs
    assert schedule.is_warmup(0) and not schedule.is_warmup(max_epochs - 1)
    assert corrections(schedule)


@given(
    max_epochs=st.integers(3, 300),
    warmup_epochs=shares,
    refresh_every=st.one_of(st.none(), st.integers(1, 400)),
    correction_start=shares,
    posterior_share=posterior_shares,
)
@example(30, 0.1, None, 0.95, 0.0)  # a late start
@example(30, 0.1, None, 0.75, 0.3)  # a start in the last phase
@example(8, 0.1, 20, 0.5, 0.0)  # rare refreshes
def test_a_later_start_of_the_correction_meets_a_refresh(
    max_epochs, warmup_epochs, refresh_every, correction_start, posterior_share
):
    schedule = resolve(
        max_epochs=max_epochs,
        warmup_epochs=warmup_epochs,
        refresh_every=refresh_every,
        correction_start=correction_start,
        posterior_share=posterior_share,
    )
    assert schedule.is_warmup(0) and corrections(schedule)


@given(max_epochs=st.integers(3, 300), warmup_epochs=shares, posterior_share=posterior_shares)
def test_two_epochs_stay_with_the_method_before_the_last_phase(
    max_epochs, warmup_epochs, posterior_share
):
    schedule = resolve(
        max_epochs=max_epochs, warmup_epochs=warmup_epochs, posterior_share=posterior_share
    )
    phases = [schedule.phase(epoch) for epoch in range(max_epochs)]
    assert sorted(phases, key=["warm-up", "robust", "posterior"].index) == phases
    assert phases.count("robust") >= 2
    assert phases.count("posterior") <= round(posterior_share * max_epochs)
    if schedule.warmup_epochs + 2 <= max_epochs - round(posterior_share * max_epochs):
        assert phases.count("posterior") == round(posterior_share * max_epochs)


@given(
    n_rows=st.integers(1, 10**8),
    batch_size=st.integers(1, 4096),
    warmup_epochs=st.one_of(shares, st.integers(0, 10)),
)
def test_the_length_of_a_fit_is_bounded(n_rows, batch_size, warmup_epochs):
    schedule = resolve(
        n_rows=n_rows, batch_size=batch_size, max_epochs=None, warmup_epochs=warmup_epochs
    )
    assert 30 <= schedule.max_epochs <= 200
    steps = schedule.max_epochs * -(-n_rows // batch_size)
    if 30 < schedule.max_epochs < 200:
        # As near to 3,000 steps as whole epochs allow.
        assert abs(steps - 3000) <= -(-n_rows // batch_size) / 2 + 1e-9
    elif schedule.max_epochs == 30:
        assert steps >= 3000 or abs(steps - 3000) <= -(-n_rows // batch_size) / 2
    assert schedule.is_warmup(0) or warmup_epochs == 0


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "expected"),
    [(100, 10, 200), (3000, 100, 100), (5001, 100, 59), (10**6, 256, 30)],
)
def test_the_length_of_a_fit_by_hand(n_rows, batch_size, expected):
    assert resolve(n_rows=n_rows, batch_size=batch_size, max_epochs=None).max_epochs == expected


@given(max_epochs=st.integers(1, 2), warmup_epochs=shares, correction_start=shares)
def test_the_shortest_fits_are_possible(max_epochs, warmup_epochs, correction_start):
    schedule = resolve(
        max_epochs=max_epochs, warmup_epochs=warmup_epochs, correction_start=correction_start
    )
    assert schedule.max_epochs == max_epochs
    assert schedule.is_warmup(0) and 1 <= schedule.warmup_epochs <= max_epochs


@given(max_epochs=st.integers(1, 50), warmup_epochs=st.integers(0, 80))
def test_whole_epochs_are_taken_at_their_word(max_epochs, warmup_epochs):
    schedule = resolve(max_epochs=max_epochs, warmup_epochs=warmup_epochs)
    warm = [schedule.is_warmup(epoch) for epoch in range(max_epochs)]
    assert warm == [epoch < warmup_epochs for epoch in range(max_epochs)]


def test_one_is_an_epoch_as_an_int_and_a_share_as_a_float():
    assert resolve(warmup_epochs=1).warmup_epochs == 1
    assert resolve(warmup_epochs=0.5).warmup_epochs == 15
    assert resolve(correction_start=7).correction_start == 7
    assert resolve(correction_start=0.5).correction_start == 15


@given(
    max_epochs=st.integers(1, 120),
    warmup_epochs=st.integers(0, 60),
    refresh_every=st.integers(1, 30),
    correction_start=st.integers(0, 130),
    posterior_start=st.integers(0, 130),
)
def test_phases_of_every_epoch(
    max_epochs, warmup_epochs, refresh_every, correction_start, posterior_start
):
    schedule = Schedule(
        max_epochs=max_epochs,
        warmup_epochs=warmup_epochs,
        refresh_every=refresh_every,
        correction_start=correction_start,
        posterior_start=posterior_start,
    )
    last = max(warmup_epochs, posterior_start)
    # Every so often in the robust phase and where the correction starts; once at the
    # start of the last phase.
    refreshes = {*range(warmup_epochs, last, refresh_every), last}
    if warmup_epochs <= correction_start < last:
        refreshes.add(correction_start)
    for epoch in range(max_epochs):
        names = ["warm-up"] * warmup_epochs + ["robust"] * (last - warmup_epochs)
        name = names[epoch] if epoch < last else "posterior"
        assert schedule.phase(epoch) == name
        assert schedule.is_warmup(epoch) == (name == "warm-up")
        assert schedule.is_robust(epoch) == (name == "robust")
        assert schedule.is_posterior(epoch) == (name == "posterior")
        assert schedule.is_refresh(epoch) == (epoch in refreshes)
        assert schedule.may_correct(epoch) == (epoch >= warmup_epochs and epoch >= correction_start)


@given(max_epochs=st.integers(3, 300), warmup_epochs=shares)
def test_about_five_refreshes_when_nothing_is_said(max_epochs, warmup_epochs):
    schedule = resolve(max_epochs=max_epochs, warmup_epochs=warmup_epochs)
    after = max_epochs - schedule.warmup_epochs
    refreshes = sum(schedule.is_refresh(epoch) for epoch in range(max_epochs))
    assert min(after, 4) <= refreshes <= 8
    if after >= 100:
        assert 4 <= refreshes <= 7


def test_refreshes_as_they_are_told():
    schedule = resolve(max_epochs=20, warmup_epochs=4, refresh_every=5)
    assert [e for e in range(20) if schedule.is_refresh(e)] == [4, 9, 14, 19]


@given(batch_size=st.integers(1, 5000), n_rows=st.integers(1, 10**6))
def test_a_batch_size_is_capped_at_the_rows(batch_size, n_rows):
    assert resolve_batch_size(batch_size, n_rows) == min(batch_size, n_rows)


@given(n_rows=st.integers(1, 10**6))
def test_a_batch_size_of_none_is_a_tenth_of_the_rows_within_bounds(n_rows):
    size = resolve_batch_size(None, n_rows)
    assert 1 <= size <= n_rows
    if n_rows >= 16:
        assert 16 <= size <= 256
    if 160 <= n_rows <= 2560:
        assert size == n_rows // 10
