"""Index and column names of pandas are heeded: by the cleaner, its sampler and in a Pipeline."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.linear_model import LogisticRegression

from nllearn import LabelCleaner, MixNNClassifier
from nllearn.datasets import make_symmetric_noise
from nllearn.inspection import export_issues

N = 90


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=N)
    X = pd.DataFrame(rng.normal(size=(3, 4))[y] * 2 + rng.normal(size=(N, 4)))
    names = np.array(["cat", "dog", "ant"])[y]
    noisy = make_symmetric_noise(names, noise_rate=0.2, random_state=1)
    classes = np.unique(names)
    probs = pd.DataFrame(np.eye(3)[np.searchsorted(classes, names)] * 0.94 + 0.02, columns=classes)
    return X, noisy, probs


def clean(X, y, probs):
    return LabelCleaner(random_state=0).fit(X, y, pred_probs=probs).label_distributions_


def test_columns_named_by_classes_are_found_by_name(data):
    X, y, probs = data
    expected = clean(X, y, probs.to_numpy())
    np.testing.assert_array_equal(clean(X, y, probs[["cat", "dog", "ant"]]), expected)
    np.testing.assert_array_equal(clean(X, y, probs.set_axis(range(3), axis=1)), expected)
    codes = pd.Series(y).map({"ant": 10, "cat": 2, "dog": 3})
    columns = probs.set_axis([10, 2, 3], axis=1)
    by_code = clean(X, codes, columns[[2, 3, 10]].to_numpy())
    np.testing.assert_array_equal(clean(X, codes, columns), by_code)
    np.testing.assert_array_equal(
        clean(X, codes, columns.set_axis(["10", "2", "3"], axis=1)), by_code
    )


@pytest.mark.parametrize(
    "names", [["ant", "kat", "dog"], ["ant", "ant", "dog"], ["a", "b", "c"], [1, 2, 3]]
)
def test_columns_with_other_names_are_refused(data, names):
    X, y, probs = data
    with pytest.raises(ValueError, match=r"pred_probs has the columns .*classes are \['ant'"):
        clean(X, y, probs.set_axis(names, axis=1))


@pytest.mark.parametrize("what", ["trusted", "sample_weight", "y"])
def test_rows_in_another_order_are_refused(data, what):
    X, y, probs = data
    given = {
        "y": pd.Series(y),
        "pred_probs": probs,
        "trusted": pd.Series(np.zeros(N, bool)),
        "sample_weight": pd.Series(np.ones(N)),
    }
    names = [f"r{i}" for i in range(N)]
    for index in (X.index, pd.Index(names)):
        frame = X.set_axis(index)
        values = {key: value.set_axis(index) for key, value in given.items()}
        LabelCleaner(random_state=0).fit(frame, **values)
        values[what] = values[what].iloc[::-1]
        with pytest.raises(ValueError, match=rf"{what} has the rows of X in another order"):
            LabelCleaner(random_state=0).fit(frame, **values)
        with pytest.raises(ValueError, match=rf"{what} has the rows of X in another order"):
            LabelCleaner(random_state=0).fit_resample(frame, **values)
        del values["pred_probs"]
        with pytest.raises(ValueError, match=rf"{what} has the rows of X in another order"):
            MixNNClassifier(max_epochs=3).fit(frame, **values)


def test_what_the_page_shows_in_another_order_is_refused(data, tmp_path):
    X, y, _ = data
    X = X.set_axis([f"r{i}" for i in range(N)])
    est = LabelCleaner(random_state=0).fit(X, y)
    turned = X.iloc[::-1]
    texts = pd.Series(y, index=turned.index)
    for shown in ({"table": turned}, {"texts": texts}, {"table": X, "names": texts}):
        (what,) = [name for name, value in shown.items() if value is not X]
        with pytest.raises(ValueError, match=rf"{what} has the rows of label_issues\(\) in ano"):
            est.report(tmp_path / "p.html", **shown)
    est.report(tmp_path / "p.html", table=turned.loc[est.label_issues().index])
    # Arrays, and what was fitted as an array, have no names of rows.
    est.report(tmp_path / "q.html", table=turned.to_numpy())
    LabelCleaner(random_state=0).fit(X.to_numpy(), y).report(tmp_path / "r.html", table=turned)


def test_what_comes_after_fit_in_another_order_is_refused(data, tmp_path):
    X, y, _ = data
    X = X.set_axis([f"r{i}" for i in range(N)])
    est = LabelCleaner(random_state=0).fit(X, y)
    turned, path = X.iloc[::-1], tmp_path / "issues.csv"
    with pytest.raises(ValueError, match=r"X has the rows of label_issues\(\) in another"):
        est.apply_decisions([], refit=True, X=turned)
    with pytest.raises(ValueError, match=r"groups has the rows of label_issues\(\) in another"):
        est.noise_by(pd.Series(0, index=turned.index))
    with pytest.raises(ValueError, match="content has the rows of issues in another"):
        export_issues(est.label_issues(), path, content=turned)
    export_issues(est.label_issues(), path, content=X)
    est.apply_decisions([], refit=True, X=X)
    # What was fitted as an array has no names of rows.
    est.fit(X.to_numpy(), y).noise_by(pd.Series(0, index=turned.index))
    export_issues(est.label_issues(), path, content=turned, overwrite=True)


def test_beside_an_array_the_labels_name_the_rows(data):
    X, y, probs = data
    turned = pd.Series(y).iloc[::-1]
    # The array has no names of rows, so it may be in the order of the labels.
    clean(X.to_numpy()[::-1], turned, probs.iloc[::-1])
    with pytest.raises(ValueError, match=r"pass pred_probs\.loc\[y\.index\], or pred_probs"):
        clean(X.to_numpy()[::-1], turned, probs.set_axis(np.random.default_rng(0).permutation(N)))
    with pytest.raises(ValueError, match=r"pass pred_probs\.sort_index\(\), or pred_probs"):
        clean(X.to_numpy(), y, probs.iloc[::-1])


def test_an_index_of_other_rows(data):
    X, y, probs = data
    with pytest.raises(ValueError, match="index of pred_probs is not that of X"):
        clean(X.set_axis(range(5, N + 5)), y, probs.set_axis(range(7, N + 7)))
    # One that counts from 0 says nothing, and arrays have none.
    clean(X.set_axis(range(5, N + 5)), y, probs)
    clean(X.to_numpy(), y, probs.set_axis(range(7, N + 7)))


@pytest.mark.parametrize("action", ["relabel", "drop", "relabel_or_drop"])
@pytest.mark.parametrize(
    "index",
    [
        pd.Index(np.random.default_rng(0).permutation(N)),
        pd.Index([f"r{i}" for i in range(N)], name="row"),
        pd.date_range("2024-01-01", periods=N),
        pd.MultiIndex.from_product([range(9), range(10)], names=["doc", "part"]),
    ],
)
def test_fit_resample_keeps_the_index(data, action, index):
    X, y, _ = data
    X = X.set_axis(index)
    cleaner = LabelCleaner(random_state=0, action=action)
    rows, labels = cleaner.fit_resample(X, pd.Series(y, index=index, name="animal"))
    kept = index if action == "relabel" else index[cleaner.sample_indices_]
    assert rows.index.equals(kept) and labels.index.equals(kept)
    assert labels.name == "animal" and len(kept) <= N
    assert cleaner.label_issues().index.equals(index)
    pd.testing.assert_frame_equal(rows, X.loc[kept])
    rows, labels = cleaner.fit_resample(X.to_numpy(), y)
    assert isinstance(rows, np.ndarray) and isinstance(labels, np.ndarray)


@pytest.mark.parametrize("dtype", ["category", "Int64", "int8", "Float32", "string", "object"])
def test_fit_resample_keeps_the_dtype_of_a_series(data, dtype):
    X, y, _ = data
    labels = pd.Series(y == "cat").astype(int).astype(dtype)
    for action in ("relabel", "drop"):
        _, found = LabelCleaner(random_state=0, action=action).fit_resample(X, labels)
        assert found.dtype == labels.dtype


def test_nothing_passed_to_a_pipeline_is_ignored(data):
    pipeline = pytest.importorskip("imblearn.pipeline")
    X, y, probs = data
    trusted = np.ones(N, dtype=bool)

    def make(cleaner):
        return pipeline.make_pipeline(cleaner, LogisticRegression())

    for name, value in {
        "trusted": trusted,
        "sample_weight": np.ones(N),
        "pred_probs": probs,
    }.items():
        with pytest.raises(TypeError, match=rf"does not pass '{name}' on .*set_config"):
            make(LabelCleaner(random_state=0)).fit(X, y, **{f"labelcleaner__{name}": value})
    make(LabelCleaner(random_state=0)).fit(X, y)
    with config_context(enable_metadata_routing=True):
        cleaner = LabelCleaner(random_state=0).set_fit_resample_request(trusted=True)
        assert make(cleaner).fit(X, y, trusted=trusted)[0].label_quality_.min() == 1
        for told in (False, True):
            cleaner.set_fit_request(trusted=told)
            assert make(cleaner).fit(X, y, trusted=trusted)[0].label_quality_.min() == 1
        with pytest.raises(Exception, match="not explicitly set"):
            make(LabelCleaner().set_fit_request(trusted=True)).fit(X, y, trusted=trusted)
