"""Which axis is which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nllearn.images import as_channels_first_shape, resolve_layout

CHANNELS = st.sampled_from([1, 3, 4])
SIDE = st.integers(5, 300)


@given(CHANNELS, SIDE, SIDE)
def test_auto_finds_the_one_axis_that_can_hold_channels(c, h, w):
    assert resolve_layout((9, h, w, c), "auto") == "channels_last"
    assert resolve_layout((9, c, h, w), "auto") == "channels_first"
    assert resolve_layout((9, h, w), "auto") == "grey"


@given(CHANNELS, CHANNELS, SIDE)
def test_auto_refuses_to_guess(a, b, side):
    for shape in ((9, a, side, b), (9, side, side, side)):
        with pytest.raises(ValueError, match=r"image_layout='channels_first'"):
            resolve_layout(shape, "auto")


@given(CHANNELS, SIDE, SIDE)
def test_a_named_layout_is_taken_at_its_word(c, h, w):
    assert resolve_layout((9, c, h, c), "channels_last") == "channels_last"
    assert as_channels_first_shape((9, h, w, c), "channels_last") == (c, h, w)
    assert as_channels_first_shape((9, c, h, w), "channels_first") == (c, h, w)
    assert as_channels_first_shape((9, h, w), "grey") == (1, h, w)


@pytest.mark.parametrize("shape", [(9,), (9, 4), (9, 2, 3, 4, 5)])
def test_other_numbers_of_axes_are_no_images(shape):
    with pytest.raises(ValueError, match=r"\(n, H, W\)"):
        resolve_layout(shape, "auto")


def test_images_without_pixels_are_refused():
    with pytest.raises(ValueError, match="no pixels"):
        resolve_layout((9, 0, 5, 3), "auto")
