"""Searches and cleanings on a cluster, through joblib's Dask backend."""

from __future__ import annotations

import os

import joblib
import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from nllearn import AnchorHallucinationClassifier, LabelCleaner, MixNNClassifier

pytestmark = pytest.mark.xdist_group("cluster")


@pytest.fixture(scope="module")
def client():
    """Two worker processes of one thread each."""
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def noisy():
    """Rows and labels, of which a fifth is wrong."""
    X, y = make_blobs(90, centers=3, n_features=5, cluster_std=2.0, random_state=0)
    rng = np.random.default_rng(0)
    return X, np.where(rng.random(len(y)) < 0.2, (y + 1) % 3, y)


def test_jobs_run_in_the_workers(client):
    workers = set(client.run(os.getpid).values())
    assert len(workers) == 2
    with joblib.parallel_config(backend="dask"):
        used = joblib.Parallel()(joblib.delayed(os.getpid)() for _ in range(4))
    assert workers.issuperset(used) and os.getpid() not in workers


@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (
            AnchorHallucinationClassifier(max_epochs=4, random_state=0),
            {"easy_fraction": [0.5, 0.7]},
        ),
        (MixNNClassifier(max_epochs=4, random_state=0), {"n_neighbors": [3, 8]}),
    ],
    ids=["ah", "mixnn"],
)
def test_grid_search_on_a_cluster_gives_what_it_gives_here(client, noisy, estimator, grid):
    search = GridSearchCV(estimator, grid, cv=2, return_train_score=True)
    here = search.fit(*noisy).cv_results_
    with joblib.parallel_config(backend="dask"):
        there = search.fit(*noisy).cv_results_
    for name in ("mean_test_score", "mean_train_score", "params"):
        np.testing.assert_array_equal(there[name], here[name])
    # Refitted here, at the end.
    assert len(search.best_estimator_.corrected_labels_) == len(noisy[1])


def test_the_cleaner_inside_a_search_on_a_cluster(client, noisy):
    pipeline = pytest.importorskip("imblearn.pipeline")
    steps = [("clean", LabelCleaner(random_state=0)), ("fit", LogisticRegression())]
    grid = {"clean__action": ["relabel", "drop"], "fit__C": [0.1, 1.0]}
    search = GridSearchCV(pipeline.Pipeline(steps), grid, cv=2)
    here = search.fit(*noisy).cv_results_["mean_test_score"]
    with joblib.parallel_config(backend="dask"):
        there = search.fit(*noisy).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(there, here)


def clean(X, y):
    return LabelCleaner(random_state=0).fit(X, y).label_distributions_


def test_many_tables_are_cleaned_at_once(client, noisy):
    X, y = noisy
    tables = [(X[start:], y[start:]) for start in (0, 10, 20, 30)]
    with joblib.parallel_config(backend="dask"):
        there = joblib.Parallel()(joblib.delayed(clean)(*table) for table in tables)
    for found, table in zip(there, tables, strict=True):
        np.testing.assert_array_equal(found, clean(*table))
