"""Failures of other packages, each tried here."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.datasets import make_part_dependent_noise


def same(a, b):
    np.testing.assert_array_equal(a.label_distributions_, b.label_distributions_)
    np.testing.assert_array_equal(a.corrected_labels_, b.corrected_labels_)
    for p, q in zip(a.net_.module_.parameters(), b.net_.module_.parameters(), strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())


def test_refit_on_other_data_equals_a_fresh_fit(cls, blobs, noisy_blobs):
    X, _, noisy = blobs
    other = noisy_blobs(150, 5, seed=3, n_features=4)
    used = cls(max_epochs=6, random_state=0).fit(other[0], other[2])
    assert len(used.classes_) == 5
    same(used.fit(X, noisy), cls(max_epochs=6, random_state=0).fit(X, noisy))


def test_clone_of_a_fitted_one_equals_a_fresh_fit(fitted, blobs):
    X, _, noisy = blobs
    same(clone(fitted).fit(X, noisy), fitted)


@pytest.mark.parametrize(
    "labels",
    [
        np.array([10, 20, 30]),
        np.array(["cat", "dog", "Übung"]),
        np.array(["a", "b", "c"], dtype=object),
        np.array([-1, 0, 7], dtype=np.int8),
        np.array([0.0, 1.0, 2.0]),
    ],
    ids=["tens", "str", "object", "int8", "float"],
)
def test_any_label_dtype(cls, blobs, labels):
    X, _, noisy = blobs
    base = cls(max_epochs=4, random_state=0).fit(X, noisy)
    named = cls(max_epochs=4, random_state=0).fit(X, labels[noisy])
    assert named.corrected_labels_.dtype == labels.dtype
    assert named.predict(X).dtype == labels.dtype
    np.testing.assert_array_equal(named.predict(X), labels[base.predict(X)])
    np.testing.assert_array_equal(named.corrected_labels_, labels[base.corrected_labels_])


def test_bool_labels(cls, blobs):
    X, _, noisy = blobs
    clf = cls(max_epochs=4, random_state=0).fit(X, noisy == 1)
    assert clf.predict(X).dtype == bool and clf.corrected_labels_.dtype == bool


def test_sorted_labels_do_no_harm(cls, noisy_blobs):
    X, y, noisy = noisy_blobs()
    order = np.argsort(noisy, kind="stable")
    clf = cls(max_epochs=20, random_state=0).fit(X[order], noisy[order])
    assert clf.score(X, y) > 0.95


def test_pandas_index_and_names_are_kept(cls, blobs):
    X, _, noisy = blobs
    index = [f"row {i}" for i in range(len(X))][::-1]
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(8)], index=index)
    clf = cls(max_epochs=4, random_state=0).fit(frame, pd.Series(noisy, index=index))
    table = clf.label_issues()
    assert list(table.index) == index
    assert list(clf.feature_names_in_) == list(frame.columns)
    same(clf, cls(max_epochs=4, random_state=0).fit(X, noisy))
    with pytest.raises(ValueError, match="feature names"):
        clf.predict(frame[frame.columns[::-1]])


def test_clean_data_flags_few_rows(cls, noisy_blobs):
    X, y, _ = noisy_blobs()
    table = cls(random_state=0).fit(X, y).label_issues()
    assert len(table) == len(X)
    assert table["is_label_issue"].mean() < 0.02


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_missing_values_are_an_error(cls, blobs, bad):
    X, _, noisy = blobs
    X = X.copy()
    X[3, 2] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        cls().fit(X, noisy)


def test_missing_labels_are_an_error(cls, blobs):
    X, _, noisy = blobs
    y = noisy.astype(float)
    y[5] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        cls().fit(X, y)


def test_class_with_one_row(cls, blobs):
    X, _, noisy = blobs
    y = noisy.copy()
    y[0] = 9
    clf = cls(max_epochs=6, random_state=0).fit(X, y)
    assert list(clf.classes_) == [0, 1, 2, 9]
    assert np.isfinite(clf.label_distributions_).all()


def test_one_class_predicts_it(cls, blobs):
    X = blobs[0]
    clf = cls(max_epochs=3, random_state=0).fit(X, np.full(len(X), "only"))
    assert set(clf.predict(X)) == {"only"}
    assert (clf.label_quality_ == 1).all()


def test_duplicated_rows(cls, blobs):
    X, _, noisy = blobs
    X = X.copy()
    X[: len(X) // 2] = X[0]
    clf = cls(max_epochs=6, random_state=0).fit(X, noisy)
    assert np.isfinite(clf.label_distributions_).all()


def test_constant_features(cls, blobs):
    noisy = blobs[2]
    clf = cls(max_epochs=4, random_state=0).fit(np.full((len(noisy), 4), 3.7), noisy)
    assert np.isfinite(clf.label_distributions_).all()
    assert np.isfinite(clf.predict_proba(np.zeros((2, 4)))).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int32, np.uint8])
def test_numeric_dtypes_agree(cls, dtype, noisy_blobs):
    X, _, noisy = noisy_blobs(120)
    whole = np.round((X - X.min()) * 4).clip(0, 255)
    want = cls(max_epochs=4, random_state=0).fit(whole, noisy)
    got = cls(max_epochs=4, random_state=0).fit(whole.astype(dtype), noisy)
    np.testing.assert_allclose(got.label_distributions_, want.label_distributions_, atol=1e-3)


def test_memmap_input_is_read_and_not_changed(cls, blobs, tmp_path):
    X, _, noisy = blobs
    path = tmp_path / "x.npy"
    np.save(path, X)
    mapped = np.load(path, mmap_mode="r")
    clf = cls(max_epochs=4, random_state=0).fit(mapped, noisy)
    np.testing.assert_array_equal(clf.predict(mapped), clf.predict(X))
    np.testing.assert_array_equal(np.load(path), X)


def test_inputs_are_not_changed(cls, blobs):
    X, _, noisy = blobs
    before = copy.deepcopy((X, noisy))
    weight, trusted = np.ones(len(X)), np.zeros(len(X), bool)
    cls(max_epochs=4, random_state=0).fit(X, noisy, sample_weight=weight, trusted=trusted)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(noisy, before[1])
    assert (weight == 1).all() and not trusted.any()


def test_scale_of_the_input_does_not_matter(cls, blobs):
    X, _, noisy = blobs
    a = cls(max_epochs=4, random_state=0).fit(X, noisy)
    b = cls(max_epochs=4, random_state=0).fit(X * 255.0, noisy)
    np.testing.assert_allclose(a.label_distributions_, b.label_distributions_, atol=1e-3)


def test_values_too_large_name_the_column(cls, blobs):
    X, _, noisy = blobs
    X = X.copy()
    X[:, 2] *= 1e300
    with pytest.raises(ValueError, match="column 2"):
        cls().fit(X, noisy)


def test_sparse_input_says_what_to_do(cls, blobs):
    from scipy import sparse

    with pytest.raises(TypeError, match="TruncatedSVD"):
        cls().fit(sparse.csr_matrix(blobs[0]), blobs[2])


def test_constructor_neither_seeds_nor_validates(cls, global_random_state_untouched):
    clf = cls(max_epochs=-3, lr="fast", random_state="x")
    assert clf.get_params()["max_epochs"] == -3


def test_fit_leaves_global_random_state(cls, blobs, global_random_state_untouched):
    X, _, noisy = blobs
    cls(max_epochs=4, random_state=0, augmentation="weak").fit(X, noisy).predict(X)


@pytest.mark.parametrize("unit", [1e-100, 1e-12, 1e9])
def test_units_of_the_columns_do_not_matter(cls, blobs, unit):
    X, y, noisy = blobs
    one, other = (cls(max_epochs=8, random_state=0).fit(X * u, noisy) for u in (1.0, unit))
    assert abs(one.score(X, y) - other.score(X * unit, y)) < 0.05


def test_what_rounding_left_of_a_column_is_not_blown_up(cls, blobs):
    X, y, noisy = blobs
    left = 1e-16 * np.random.default_rng(0).normal(size=(len(X), 300))
    one, other = (cls(max_epochs=8, random_state=0).fit(Z, noisy) for Z in (X, np.c_[X, left]))
    assert other.score(np.c_[X, left], y) > one.score(X, y) - 0.05


def test_random_state_instance_and_none(cls, blobs):
    X, _, noisy = blobs
    a = cls(max_epochs=3, random_state=np.random.RandomState(0)).fit(X, noisy)
    b = cls(max_epochs=3, random_state=np.random.RandomState(0)).fit(X, noisy)
    same(a, b)
    cls(max_epochs=3).fit(X, noisy)
    c = cls(max_epochs=3, random_state=1).fit(X, noisy)
    # The posterior of a table comes from its rows; the seed is that of the network.
    assert not np.array_equal(a.predict_proba(X), c.predict_proba(X))


def test_predict_does_not_augment(cls, blobs):
    X, _, noisy = blobs
    clf = cls(max_epochs=4, augmentation="strong", random_state=0).fit(X, noisy)
    np.testing.assert_array_equal(clf.predict_proba(X), clf.predict_proba(X))
    assert not clf.net_.module_.training
    # Losses and probabilities of the training rows come from unaugmented rows as well.
    np.testing.assert_allclose(
        clf.label_issues()["predicted_proba"], clf.predict_proba(X).max(1), atol=1e-4
    )


@pytest.mark.parametrize("n", [2, 3, 5, 17, 33, 257])
def test_last_batch_of_one_row(cls, n, noisy_blobs):
    X, _, noisy = noisy_blobs(n, 2)
    noisy[:2] = [0, 1]
    clf = cls(max_epochs=4, batch_size=16, random_state=0).fit(X, noisy)
    assert np.isfinite(clf.label_distributions_).all()


def test_batch_norm_and_a_last_batch_of_one_row(cls, noisy_blobs):
    from torch import nn

    X, _, noisy = noisy_blobs(33)
    net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    before = copy.deepcopy(net.state_dict())
    clf = cls(max_epochs=4, batch_size=16, backbone=net, random_state=0).fit(X, noisy)
    assert np.isfinite(clf.predict_proba(X)).all()
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name], err_msg="the user's module changed")


@pytest.mark.parametrize("max_epochs", [1, 2, 3, 4, 6])
def test_any_length_of_the_fit(cls, blobs, max_epochs):
    X, _, noisy = blobs
    clf = cls(max_epochs=max_epochs, random_state=0).fit(X, noisy)
    assert clf.n_iter_ == max_epochs
    if max_epochs >= 3:
        assert {"warm-up", "robust"} <= {row["phase"] for row in clf.history_}


@pytest.mark.parametrize("n", [12, 100])
def test_defaults_serve_small_data(cls, n, noisy_blobs):
    X, y, noisy = noisy_blobs(n, 2, rate=0.2)
    clf = cls(random_state=0).fit(X, noisy)
    assert clf.score(X, y) >= 0.9


def test_class_emptied_upstream(blobs):
    # A selector that calls no row of class 2 easy must not end the fit.
    class NoneOfClassTwo:
        def select(self, losses, labels):
            from nllearn.selectors import Selection

            return Selection(labels != 2, np.full(len(losses), 0.5, np.float32))

    X, _, noisy = blobs
    for cls in (AnchorHallucinationClassifier, MixNNClassifier):
        clf = cls(max_epochs=6, selector=NoneOfClassTwo(), random_state=0).fit(X, noisy)
        assert np.isfinite(clf.label_distributions_).all()


@pytest.mark.parametrize("easy", [True, False], ids=["all easy", "none easy"])
def test_empty_splits(blobs, easy):
    class Constant:
        def select(self, losses, labels):
            from nllearn.selectors import Selection

            return Selection(np.full(len(losses), easy), np.full(len(losses), easy, np.float32))

    X, _, noisy = blobs
    for cls in (AnchorHallucinationClassifier, MixNNClassifier):
        clf = cls(max_epochs=6, selector=Constant(), random_state=0).fit(X, noisy)
        assert np.isfinite(clf.label_distributions_).all()
        assert np.isfinite(clf.history_[-1]["train_loss"])


def test_pickle_predicts_the_same(fitted, blobs):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(blobs[0]), fitted.predict_proba(blobs[0]))
    assert again.label_issues().equals(fitted.label_issues())


def test_all_bad_parameters_are_told_at_once(cls, blobs):
    X, _, noisy = blobs
    with pytest.raises(ValueError, match=r"lr=-1 .*max_epochs=0") as error:
        cls(max_epochs=0, lr=-1).fit(X, noisy)
    assert "2 invalid" in str(error.value)
    with pytest.raises(ValueError, match="did you mean 'adamw'"):
        cls(optimizer="adam").fit(X, noisy)


def test_y_longer_than_x(cls, blobs):
    X, _, noisy = blobs
    with pytest.raises(ValueError, match="inconsistent"):
        cls().fit(X[:-1], noisy)


def test_diverging_training_says_so(cls, blobs):
    X, _, noisy = blobs
    with pytest.raises(FloatingPointError, match="lower lr"):
        cls(max_epochs=6, optimizer="sgd", lr=1e30, random_state=0).fit(X, noisy)


@pytest.mark.slow
def test_defaults_serve_ten_thousand_rows(cls, noisy_blobs):
    X, y, noisy = noisy_blobs(10_000, 10, rate=0.4, n_features=32)
    clf = cls(random_state=0).fit(X, noisy)
    assert clf.score(X, y) > 0.97
    assert (clf.corrected_labels_ == y).mean() > 0.97


def test_a_rare_class_keeps_its_labels(cls, noisy_blobs):
    X, y, _ = noisy_blobs(300)
    # Scattered over a clean class, three rows of a class of their own.
    y = y.copy()
    y[np.flatnonzero(y == 0)[[3, 30, 60]]] = 7
    clf = cls(max_epochs=20, random_state=0).fit(X, y)
    assert (clf.corrected_labels_ == 7).sum() == 3


def test_noise_is_found_where_rows_are_fewer_than_features_of_the_network(cls):
    # In 256 features of 133 rows the predictors memorised every label: no noise was found.
    X, y = load_wine(return_X_y=True)
    X, _, y, _ = train_test_split(X, y, test_size=0.25, random_state=0, stratify=y)
    X = StandardScaler().fit_transform(X)
    given = make_part_dependent_noise(X, y, noise_rate=0.4, random_state=0)
    clf = cls(random_state=0).fit(X, given)
    assert abs(clf.noise_rate_ - np.mean(given != y)) < 0.15
    assert np.mean(clf.corrected_labels_ == y) > np.mean(given == y) + 0.1
