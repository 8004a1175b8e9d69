"""The map: similar rows are near each other, with and without t-SNE for all of them."""

import numpy as np
import pytest

from nllearn.inspection import feature_map

RNG = np.random.default_rng(0)
GROUP = np.arange(240) % 3
FEATURES = (6.0 * np.eye(3, 10)[GROUP] + RNG.normal(size=(240, 10))).astype(np.float32)


def share_of_own_group(places, group):
    """Share of the rows whose nearest other row on the plane is of their group."""
    distance = ((places[:, None] - places[None]) ** 2).sum(2)
    np.fill_diagonal(distance, np.inf)
    return (group[distance.argmin(1)] == group).mean()


@pytest.mark.parametrize("max_tsne", [60, 1000])
def test_groups_stay_together(max_tsne):
    places = feature_map(FEATURES, max_tsne=max_tsne)
    assert places.shape == (240, 2)
    assert places.dtype == np.float32
    assert np.abs(places).max() == pytest.approx(1.0)
    assert share_of_own_group(places, GROUP) > 0.95


def test_the_same_twice():
    first, second = (feature_map(FEATURES, max_tsne=60) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_global_random_state_is_left_alone(global_random_state_untouched):
    feature_map(FEATURES[:50], max_tsne=40)


@pytest.mark.parametrize(
    "features",
    [np.zeros((0, 4)), np.ones((1, 4)), np.ones((40, 4)), np.arange(30.0)[:, None], np.eye(5)],
    ids=["none", "one", "equal", "one column", "few"],
)
def test_odd_inputs(features):
    places = feature_map(features)
    assert places.shape == (len(features), 2)
    assert np.isfinite(places).all()


def test_refusals():
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        feature_map(np.ones(3))
    with pytest.raises(ValueError, match="NaN"):
        feature_map(np.full((3, 2), np.nan))
