"""A bar by default: in a terminal, after ten seconds, in the main process."""

import io
import multiprocessing
import sys
from itertools import count

import numpy as np
import pytest
from joblib import Parallel, delayed

from nllearn import AnchorHallucinationClassifier, LabelCleaner, MixNNClassifier

Y = np.arange(60) % 2
X = 4 * np.eye(2)[Y] + np.random.default_rng(0).normal(size=(60, 2))
ESTIMATORS = [
    (LabelCleaner, {}),
    (MixNNClassifier, {"max_epochs": 3}),
    (AnchorHallucinationClassifier, {"max_epochs": 3}),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown_at_a_terminal(estimator):
    """What a fit writes; pytest puts its own standard error back before every test."""
    kept, sys.stderr = sys.stderr, Terminal()
    try:
        estimator.fit(X, Y)
        return sys.stderr.getvalue()
    finally:
        sys.stderr = kept


@pytest.fixture
def slow_clock(monkeypatch):
    """Every look at the clock is six seconds later, for the bar alone."""
    ticks = count(0, 6)
    monkeypatch.setattr("tqdm.std.time", lambda: float(next(ticks)))


@pytest.mark.parametrize(
    ("cls", "params"), ESTIMATORS, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_long_fit_shows_a_bar_in_a_terminal(cls, params, slow_clock):
    assert "100%" in shown_at_a_terminal(cls(random_state=0, **params))


@pytest.mark.parametrize(
    ("cls", "params"), ESTIMATORS, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_short_fit_shows_none(cls, params):
    assert shown_at_a_terminal(cls(random_state=0, **params)) == ""


def test_a_long_fit_is_silent_outside_of_a_terminal(capsys, slow_clock):
    LabelCleaner(random_state=0).fit(X, Y)
    assert capsys.readouterr() == ("", "")


def test_0_shows_none(slow_clock):
    assert shown_at_a_terminal(LabelCleaner(random_state=0, verbose=0)) == ""


def shown_in_a_worker():
    """What a long fit writes in a worker process whose standard error is a terminal."""
    assert multiprocessing.parent_process() is not None
    with pytest.MonkeyPatch.context() as patch:
        ticks = count(0, 6)
        patch.setattr("tqdm.std.time", lambda: float(next(ticks)))
        return shown_at_a_terminal(LabelCleaner(random_state=0))


def test_workers_of_a_search_show_none():
    assert Parallel(n_jobs=2)(delayed(shown_in_a_worker)() for _ in range(2)) == ["", ""]
