"""How often a fit searches for neighbours: never twice for the same features."""

from __future__ import annotations

import numpy as np
import pytest

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.neighbors import ExactNeighbors

both = pytest.mark.parametrize("cls", [MixNNClassifier, AnchorHallucinationClassifier])


class CountedSearch(ExactNeighbors):
    """Exact search that keeps the number of rows of every search."""

    searched: list[int] = []  # of the class: a fit searches with a clone

    def fit(self, X, y=None):
        self.searched.append(len(X))
        return super().fit(X, y)


@pytest.fixture
def search():
    CountedSearch.searched = []
    return CountedSearch()


def phases(clf):
    """Phases of the epochs that began with a refresh."""
    return [row["phase"] for row in clf.history_ if "seconds_collect" in row]


def test_the_posterior_of_a_table_is_searched_for_once_in_a_fit(search):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    X = rng.normal(size=(300, 6)) + 2 * np.eye(6)[y]
    clf = MixNNClassifier(max_epochs=8, neighbors=search, random_state=0).fit(X, y)
    # The robust phase mixes neighbours in the features of the moment: once each time. The
    # posterior phase and the end of the fit share one estimate.
    assert set(phases(clf)) == {"robust", "posterior"}
    assert search.searched == [300] * (phases(clf).count("robust") + 1)


@both
def test_images_are_searched_once_in_a_refresh_and_once_at_the_end(cls, search):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    X = (100 + 50 * y[:, None, None] + rng.normal(0, 30, (60, 8, 8))).clip(0, 255).astype(np.uint8)
    clf = cls(max_epochs=6, neighbors=search, random_state=0).fit(X, y)
    n_refreshes = len(phases(clf))
    if cls is AnchorHallucinationClassifier:
        n_refreshes = phases(clf).count("posterior")
    assert search.searched == [60] * (n_refreshes + 1)
