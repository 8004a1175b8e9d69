"""Refits that fail, labels beside arrays, and other input that was paired or read wrongly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from nllearn import CleanedClassifier, LabelCleaner, MixNNClassifier
from nllearn.datasets import make_annotator_labels, make_symmetric_noise
from nllearn.model_selection import WeightedAccuracyScorer


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    X = np.eye(3)[y] @ rng.normal(size=(3, 4)) * 2 + 0.3 * rng.normal(size=(150, 4))
    return X, y, make_symmetric_noise(y, noise_rate=0.2, random_state=0)


def test_a_scaler_may_make_an_array_of_a_shuffled_frame(data):
    X, _, noisy = data
    frame = pd.DataFrame(X, columns=list("abcd")).sample(frac=1.0, random_state=1)
    labels = pd.Series(noisy).loc[frame.index]
    straight = LabelCleaner(random_state=0).fit(StandardScaler().fit_transform(frame), labels)
    plain = LabelCleaner(random_state=0).fit(
        StandardScaler().fit_transform(frame), labels.to_numpy()
    )
    np.testing.assert_array_equal(straight.label_quality_, plain.label_quality_)
    model = make_pipeline(StandardScaler(), CleanedClassifier(LogisticRegression()))
    assert model.fit(frame, labels).score(frame, labels) > 0.7
    # What has the rows in another order than the labels is still refused.
    weight = pd.Series(np.ones(150), index=range(150))
    with pytest.raises(ValueError, match="sample_weight has the rows of y in another order"):
        LabelCleaner().fit(frame.to_numpy(), labels, sample_weight=weight.loc[::-1])


@pytest.mark.parametrize(
    ("estimator", "changes"),
    [
        (LabelCleaner(random_state=0), {"device": "cuda:7"}),
        (MixNNClassifier(max_epochs=3, random_state=0), {"device": "cuda:7"}),
    ],
)
def test_a_refit_that_fails_leaves_no_mixture(estimator, changes, data):
    X, _, noisy = data
    estimator.fit(X, noisy)
    with pytest.raises(ValueError, match="cuda"):
        estimator.set_params(**changes).fit(X[:, :2], np.array(list("abc"))[noisy])
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)
    assert not hasattr(estimator, "classes_") and not hasattr(estimator, "corrected_labels_")


def test_parameters_that_are_wrong_leave_the_earlier_fit(data):
    X, _, noisy = data
    cleaner = LabelCleaner(random_state=0).fit(X, noisy)
    quality = cleaner.label_quality_.copy()
    with pytest.raises(ValueError, match="n_landmarks=-1"):
        cleaner.set_params(n_landmarks=-1).fit(X[:, :2], noisy)
    np.testing.assert_array_equal(cleaner.score_labels(X, noisy).shape, (150,))
    np.testing.assert_array_equal(cleaner.label_quality_, quality)


def test_a_classifier_that_fails_after_the_cleaning_leaves_no_mixture(data):
    class Failing(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            if y.dtype.kind == "U":
                raise RuntimeError("no text")
            return super().fit(X, y, sample_weight)

    X, _, noisy = data
    model = CleanedClassifier(Failing()).fit(X, noisy)
    with pytest.raises(RuntimeError, match="no text"):
        model.fit(X, np.array(list("abc"))[noisy])
    with pytest.raises(NotFittedError):
        model.predict(X)


@pytest.mark.parametrize("dtype", ["Int64", "int64"])
def test_a_column_of_large_whole_numbers_stays_exact(dtype, data):
    X, _, noisy = data
    labels = pd.Series(2**53 + noisy, dtype=dtype)
    cleaner = LabelCleaner(random_state=0)
    with pytest.warns(UserWarning, match="column-vector"):
        cleaner.fit(X, labels.to_frame())
    assert cleaner.classes_.tolist() == [2**53, 2**53 + 1, 2**53 + 2]


def test_a_scorer_leaves_the_entries_of_a_sparse_table_as_they_are(data):
    X, _, noisy = data
    table = sparse.csr_matrix(X)
    table.indices = table.indices.reshape(-1, 4)[:, ::-1].ravel().copy()
    table.data = table.data.reshape(-1, 4)[:, ::-1].ravel().copy()
    table.has_sorted_indices = False
    before = table.indices.copy()
    table.indices.setflags(write=False)
    table.data.setflags(write=False)
    WeightedAccuracyScorer(table, noisy, np.ones(150))
    np.testing.assert_array_equal(table.indices, before)


@pytest.mark.parametrize("dtype", ["f2", ">i4", "g"])
def test_labels_of_rare_dtypes_work_after_the_fit(dtype, data):
    X, y, noisy = data
    cleaner = LabelCleaner(random_state=0).fit(X, noisy.astype(dtype))
    rows = cleaner.audit_sample(20, random_state=0)
    assert 0 <= cleaner.audit(rows, y[rows].astype(dtype)).noise_rate.value < 0.6
    assert cleaner.score_labels(X, noisy.astype(dtype)).shape == (150,)
    WeightedAccuracyScorer(X, noisy.astype(dtype), cleaner.label_quality_)
    LabelCleaner(random_state=0).fit(X, noisy.astype(dtype), classes=np.arange(4).astype(dtype))


def test_a_common_factor_of_the_weights_changes_nothing_with_annotators(data):
    X, y, _ = data
    labels = make_annotator_labels(
        y, quality=[0.8, 0.7, 0.6, 0.5], labels_per_row=3, random_state=0
    )
    one, other = (
        MixNNClassifier(max_epochs=4, random_state=0).fit(
            X, labels, sample_weight=np.full(150, factor)
        )
        for factor in (1.0, 1e-3)
    )
    np.testing.assert_allclose(one.label_distributions_, other.label_distributions_, atol=1e-5)


def test_decisions_from_a_generator_reach_the_refit(data):
    from nllearn.inspection import Decision

    X, y, noisy = data
    cleaner = LabelCleaner(random_state=0).fit(X, noisy)
    wrong = np.flatnonzero(noisy != y)[:5]
    decided = (Decision(int(row), "other", str(noisy[row]), str(y[row])) for row in wrong)
    final = cleaner.apply_decisions(decided, refit=True, X=X)
    np.testing.assert_array_equal(final[wrong], y[wrong])


def test_text_beside_numbers_is_refused_by_the_display(data):
    pytest.importorskip("matplotlib")
    from nllearn.inspection import LabelQualityDisplay

    X, y, noisy = data
    cleaner = LabelCleaner(random_state=0).fit(X, noisy)
    with pytest.raises(ValueError, match="text and numbers are never equal"):
        LabelQualityDisplay.from_estimator(cleaner, y.astype(str))
