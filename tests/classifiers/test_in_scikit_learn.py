"""Inside scikit-learn's own tools, and determinism."""

from __future__ import annotations

import os
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.hallucinators import InterpolationHallucinator
from nllearn.selectors import PuritySelector


def test_pipeline_predicts_right_after_fit(cls, blobs):
    X, clean, noisy = blobs
    pipe = make_pipeline(StandardScaler(), cls(max_epochs=15, random_state=0))
    assert (pipe.fit(X, noisy).predict(X) == clean).mean() > 0.9


@pytest.mark.parametrize(
    "estimator, grid",
    [
        (
            AnchorHallucinationClassifier(max_epochs=6, random_state=0),
            {"lambda_p": [0.6, 0.9], "n_votes": [3, 7]},
        ),
        (
            MixNNClassifier(max_epochs=6, random_state=0),
            {"n_neighbors": [1, 3], "alpha": [0.5, 0.9]},
        ),
        (
            AnchorHallucinationClassifier(
                max_epochs=6, hallucinator=InterpolationHallucinator(), random_state=0
            ),
            {"hallucinator__lambda_p": [0.6, 0.9]},
        ),
        (
            MixNNClassifier(max_epochs=6, selector=PuritySelector(), random_state=0),
            {"selector__purity": [0.7, 0.95]},
        ),
    ],
    ids=["ah", "mixnn", "nested hallucinator", "nested selector"],
)
def test_grid_search_in_two_processes(blobs, estimator, grid):
    X, clean, noisy = blobs
    search = GridSearchCV(estimator, grid, cv=2, n_jobs=2, error_score="raise").fit(X, noisy)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.score(X, clean) > 0.8


def test_routed_weights_and_trusted(cls, blobs):
    import sklearn

    X, clean, noisy = blobs
    weight, trusted = np.linspace(0.5, 2, len(X)), np.zeros(len(X), bool)
    trusted[:30] = True
    with sklearn.config_context(enable_metadata_routing=True):
        clf = cls(max_epochs=6, random_state=0)
        clf.set_fit_request(sample_weight=True, trusted=True)
        clf.set_score_request(sample_weight=False)
        search = GridSearchCV(clf, {"lr": [1e-3, 3e-3]}, cv=2, error_score="raise")
        search.fit(X, np.where(trusted, clean, noisy), sample_weight=weight, trusted=trusted)
    assert (search.best_estimator_.label_quality_[trusted] == 1).all()


def test_calibrated_voting_and_bagging(cls, blobs):
    X, clean, noisy = blobs
    base = cls(max_epochs=8, random_state=0)
    for model in (
        CalibratedClassifierCV(base, cv=2),
        VotingClassifier([("ours", base), ("lr", LogisticRegression())], voting="soft"),
        BaggingClassifier(base, n_estimators=2, random_state=0),
    ):
        assert (model.fit(X, noisy).predict(X) == clean).mean() > 0.85, model


def test_cross_validation_on_sorted_labels_has_no_nan(cls, blobs):
    X, _, noisy = blobs
    order = np.argsort(noisy, kind="stable")
    scores = cross_val_score(cls(max_epochs=6, random_state=0), X[order], noisy[order], cv=3)
    assert np.isfinite(scores).all()


PROGRAM = """
import sys, numpy as np, torch
torch.set_num_threads(1)
from sklearn.datasets import make_blobs
import nllearn
X, y = make_blobs(200, centers=3, n_features=8, random_state=0)
clf = getattr(nllearn, sys.argv[1])(max_epochs=6, random_state=0).fit(X, y)
print(clf.label_distributions_.tobytes().hex()[:4000])
print(clf.predict_proba(X).tobytes().hex()[:4000])
"""


def test_two_processes_agree_to_the_bit(cls):
    runs = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM, cls.__name__],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        ).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1] and len(runs[0]) > 1000


def _fit_here(cls, X, y):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    clf = cls(max_epochs=6, random_state=0).fit(X, y)
    torch.set_num_threads(before)
    return clf.label_distributions_


def test_loky_workers_agree_with_this_process(cls, blobs):
    X, _, noisy = blobs
    there = joblib.Parallel(n_jobs=2)(joblib.delayed(_fit_here)(cls, X, noisy) for _ in range(2))
    here = _fit_here(cls, X, noisy)
    np.testing.assert_array_equal(there[0], here)
    np.testing.assert_array_equal(there[1], here)


def test_another_number_of_threads_gives_the_same_labels(cls, blobs):
    import torch

    X, _, noisy = blobs
    one = cls(max_epochs=6, random_state=0).fit(X, noisy)
    torch.set_num_threads(2)
    try:
        two = cls(max_epochs=6, random_state=0).fit(X, noisy)
        assert torch.get_num_threads() == 2, "fit must leave the caller's thread count"
    finally:
        torch.set_num_threads(1)
    assert (one.corrected_labels_ == two.corrected_labels_).mean() >= 0.999
    np.testing.assert_allclose(one.label_distributions_, two.label_distributions_, atol=1e-3)
