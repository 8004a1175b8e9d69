"""The cleaner as a sampler: checks, Pipeline, grid search, and life without imbalanced-learn."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from nllearn.cleaning import LabelCleaner
from nllearn.exceptions import NoisyLabelWarning

ACTIONS = ("relabel", "drop", "relabel_or_drop")
pytestmark = pytest.mark.filterwarnings("ignore::nllearn.exceptions.NoisyLabelWarning")


@parametrize_with_checks([LabelCleaner(random_state=0)])
def test_scikit_learn_check(estimator, check):
    check(estimator)


def imblearn_checks():
    try:
        from imblearn.utils.estimator_checks import estimator_checks_generator
    except ImportError:
        return []
    return [
        pytest.param(estimator, check, id=f"{action}-{check.func.__name__}")
        for action in ACTIONS
        for estimator, check in estimator_checks_generator(
            LabelCleaner(action=action, random_state=0)
        )
    ]


@pytest.mark.parametrize(("estimator", "check"), imblearn_checks())
def test_imbalanced_learn_check(estimator, check):
    check(estimator)


def test_all_fifteen_checks_are_run():
    pytest.importorskip("imblearn")
    assert len(imblearn_checks()) == 15 * len(ACTIONS)


def test_actions(blobs):
    X, _, noisy = blobs
    cleaner = LabelCleaner(random_state=0).fit(X, noisy)
    issue = cleaner.label_issues()["is_label_issue"].to_numpy()
    rows, labels = LabelCleaner(random_state=0).fit_resample(X, noisy)
    np.testing.assert_array_equal(rows, X)
    np.testing.assert_array_equal(labels, cleaner.corrected_labels_)

    drop = LabelCleaner(action="drop", random_state=0)
    rows, labels = drop.fit_resample(X, noisy)
    np.testing.assert_array_equal(drop.sample_indices_, np.flatnonzero(~issue))
    np.testing.assert_array_equal(rows, X[~issue])
    np.testing.assert_array_equal(labels, noisy[~issue])

    proba = cleaner.label_distributions_.max(1)
    level = float(np.median(proba[issue]))
    both = LabelCleaner(action="relabel_or_drop", confidence=level, random_state=0)
    rows, labels = both.fit_resample(X, noisy)
    sure = proba >= level
    kept = ~issue | sure
    assert 0 < kept.sum() < len(X) and (issue & sure).any()
    np.testing.assert_array_equal(labels, cleaner.corrected_labels_[kept])
    assert both.set_params(action="relabel").fit_resample(X, noisy)[0].shape == X.shape
    assert not hasattr(both, "sample_indices_")


def test_frames_come_back_as_frames(blobs):
    X, _, noisy = blobs
    frame, names = pd.DataFrame(X).add_prefix("c"), pd.Series(noisy, name="label")
    rows, labels = LabelCleaner(random_state=0, action="drop").fit_resample(frame, names)
    assert list(rows.columns) == list(frame.columns) and labels.name == "label"
    assert len(rows) == len(labels) < len(frame)


def test_pipeline_and_grid_search(blobs):
    pipeline = pytest.importorskip("imblearn.pipeline")
    X, y, noisy = blobs
    model = pipeline.Pipeline(
        [("clean", LabelCleaner(random_state=0)), ("clf", LogisticRegression())]
    )
    model.fit(X, noisy)
    np.testing.assert_array_equal(
        model.predict(X), clone(model["clf"]).fit(X, model["clean"].corrected_labels_).predict(X)
    )
    search = GridSearchCV(model, {"clean__action": ["relabel", "drop"], "clean__n_neighbors": [5]})
    assert search.fit(X, noisy).score(X, y) > 0.9


def test_a_class_that_is_dropped_is_named():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 60)
    X = rng.normal(size=(120, 4)) + 6 * y[:, None]
    # Class 2 is the worst of the rows, and a budget of one drops it.
    noisy = y.copy()
    noisy[10] = 2
    with pytest.warns(NoisyLabelWarning, match=r"\[2\]"):
        LabelCleaner(action="drop", boundary_noise=True, random_state=0).fit_resample(X, noisy)


def test_it_works_without_imbalanced_learn():
    code = """
import sys
sys.modules["imblearn"] = None
import numpy as np, pandas as pd
from nllearn.cleaning import LabelCleaner
assert "imblearn" not in {base.__module__.split(".")[0] for base in LabelCleaner.__mro__}
rng = np.random.default_rng(0)
y = np.repeat([0, 1], 40)
X = pd.DataFrame(rng.normal(size=(80, 3)) + 4 * y[:, None], columns=list("abc"))
noisy = pd.Series(y.copy(), name="label"); noisy[3] = 1
rows, labels = LabelCleaner(random_state=0).fit_resample(X, noisy)
assert labels.tolist() == y.tolist() and list(rows.columns) == list("abc")
rows, labels = LabelCleaner(action="drop", random_state=0).fit_resample(X.values, noisy.values)
assert len(rows) == 79 and isinstance(rows, np.ndarray)
LabelCleaner(random_state=0).fit(X, noisy).label_issues()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
