"""What fit leaves, what the options do, and what bad input is told."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.neighbors import NearestNeighbors

from nllearn.cleaning import LabelCleaner
from nllearn.datasets import (
    make_classification_noise,
    make_pairflip_noise,
    make_symmetric_noise,
)
from nllearn.exceptions import NoisyLabelWarning
from nllearn.metrics import detection_auroc, quality_calibration_error


def fitted(X, y, **settings):
    arguments = {
        k: settings.pop(k)
        for k in ("sample_weight", "trusted", "pred_probs", "neighbor_graph")
        if k in settings
    }
    return LabelCleaner(random_state=0, **settings).fit(X, y, **arguments)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))[:1000]
    return X[order], y[order]


@pytest.mark.parametrize(
    ("noise", "least", "settings"),
    [
        (lambda X, y: make_symmetric_noise(y, noise_rate=0.4, random_state=0), 0.94, {}),
        (lambda X, y: make_pairflip_noise(y, noise_rate=0.3, random_state=0), 0.95, {}),
        (
            lambda X, y: make_classification_noise(X, y, noise_rate=0.2, random_state=0),
            0.88,
            {"boundary_noise": True},
        ),
        (lambda X, y: y.copy(), 0.995, {}),
    ],
    ids=["symmetric", "pair", "classification", "none"],
)
def test_labels_of_digits_are_cleaned(digits, noise, least, settings):
    X, y = digits
    noisy = noise(X, y)
    cleaner = fitted(X, noisy, **settings)
    assert (cleaner.corrected_labels_ == y).mean() >= least
    assert abs(cleaner.noise_rate_ - (noisy != y).mean()) < 0.1
    if (noisy != y).any():
        assert detection_auroc(y, noisy, cleaner.label_quality_) > 0.95
        assert quality_calibration_error(y, noisy, cleaner.label_quality_) < 0.09


def test_a_large_class_does_not_give_its_boundary_away():
    # Refitted with every class alike, the three small classes win rows of the two large ones:
    # 0.71 of the labels were right.
    X, y = load_digits(return_X_y=True)
    y = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 3])[y]
    noisy = make_classification_noise(X, y, noise_rate=0.4, random_state=0)
    assert (fitted(X, noisy, boundary_noise=True).corrected_labels_ == y).mean() > 0.85


def test_the_refits_at_the_boundary_do_not_bend_to_wrong_labels():
    # With the ridge at which they agree most with neighbours and given labels .83 were right.
    X, y = load_breast_cancer(return_X_y=True)
    right = []
    for seed in range(3):
        noisy = make_classification_noise(X, y, noise_rate=0.4, random_state=seed)
        right.append((fitted(X, noisy, boundary_noise=True).corrected_labels_ == y).mean())
    assert np.mean(right) > 0.93


def test_invariants(blobs):
    X, _, noisy = blobs
    words = np.array(["a", "b", "c", "d"])[noisy]
    cleaner = fitted(X, words)
    rows = np.arange(len(X))
    q = cleaner.label_distributions_
    np.testing.assert_allclose(q.sum(1), 1, atol=1e-5)
    assert q.dtype == np.float32
    np.testing.assert_array_equal(cleaner.label_quality_, q[rows, noisy])
    np.testing.assert_allclose(cleaner.transition_matrix_.sum(1), 1)
    assert cleaner.corrected_labels_.dtype == words.dtype
    table = cleaner.label_issues()
    assert table["is_label_issue"].equals(pd.Series(cleaner.corrected_labels_ != words))
    assert set(table["decided_by"]) <= {
        "trusted",
        "all",
        "regression",
        "neighbors",
        "given label",
        "noise model",
    }
    unit = X - X.mean(0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    near = NearestNeighbors(algorithm="brute").fit(unit).kneighbors(return_distance=False)
    assert (
        np.mean([a == b for a, b in zip(table["neighbor_rows"], near.tolist(), strict=True)]) > 0.99
    )


def test_the_index_is_kept_and_shapes_of_labels_do_not_matter(blobs):
    X, _, noisy = blobs
    index = [f"row {i}" for i in range(len(X))]
    frame = pd.DataFrame(X, index=index).add_prefix("c")
    named = fitted(frame, pd.Series(noisy * 10 + 5, index=index))
    assert named.label_issues().index.tolist() == index
    plain = fitted(X, noisy)
    # Another memory layout sums in another order.
    np.testing.assert_allclose(named.label_quality_, plain.label_quality_, atol=1e-4)
    np.testing.assert_array_equal(named.corrected_labels_, plain.corrected_labels_ * 10 + 5)


def test_equal_seeds_give_equal_bits_and_global_states_stay(blobs, global_random_state_untouched):
    X, _, noisy = blobs
    one, two = fitted(X, noisy), fitted(X, noisy)
    np.testing.assert_array_equal(one.label_distributions_, two.label_distributions_)
    two.fit(X[:100], noisy[:100]).fit(X, noisy)
    np.testing.assert_array_equal(one.label_distributions_, two.label_distributions_)


@pytest.mark.parametrize("kind", ["float64", "float16", "list", "csr", "memmap"])
def test_kinds_of_input(blobs, kind, tmp_path):
    X, y, noisy = blobs
    given = {
        "float64": lambda: X.astype(np.float64),
        "float16": lambda: X.astype(np.float16),
        "list": lambda: X.tolist(),
        "csr": lambda: sparse.csr_array(X),
        "memmap": lambda: _memmap(X, tmp_path),
    }[kind]()
    assert (fitted(given, noisy).corrected_labels_ == y).mean() > 0.93


def _memmap(X, folder):
    file = np.memmap(folder / "X.bin", dtype=np.float32, mode="w+", shape=X.shape)
    file[:] = X
    file.flush()
    return np.memmap(folder / "X.bin", dtype=np.float32, mode="r", shape=X.shape)


def test_units_of_columns_do_not_matter_where_they_differ_wildly(blobs):
    X, y, noisy = blobs
    rng = np.random.default_rng(1)
    skewed = np.column_stack([X, 1e6 * rng.normal(size=len(X))])
    cleaner = fitted(skewed, noisy)
    assert cleaner.resolved_params_["standardized"]
    assert (cleaner.corrected_labels_ == y).mean() > 0.9


@pytest.mark.parametrize("spread", [1e-12, 1e10, 1e13])
def test_one_column_of_a_far_larger_spread_hides_no_other(blobs, spread):
    X, y, noisy = blobs
    wide = spread * (np.random.default_rng(1).normal(size=len(X)) + 50)
    cleaner = fitted(np.column_stack([X, wide]), noisy)
    assert cleaner.has_signal_
    assert (cleaner.corrected_labels_ == y).mean() > 0.9


def test_one_column_is_enough():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 50)
    noisy = y.copy()
    noisy[[3, 60, 120]] = [2, 0, 1]
    cleaner = fitted((y * 10.0 + rng.normal(size=150)).reshape(-1, 1), noisy)
    assert (cleaner.corrected_labels_ == y).all()


# -- what can be passed beside X and y


def test_trusted_rows_are_never_changed(blobs):
    X, _, noisy = blobs
    issues = np.flatnonzero(fitted(X, noisy).corrected_labels_ != noisy)[:5]
    trusted = np.zeros(len(X), dtype=bool)
    trusted[issues] = True
    cleaner = fitted(X, noisy, trusted=trusted)
    np.testing.assert_array_equal(cleaner.corrected_labels_[issues], noisy[issues])
    assert (cleaner.label_quality_[issues] == 1).all()
    assert (cleaner.label_issues().loc[issues, "decided_by"] == "trusted").all()


def test_trusted_rows_vote_as_they_are_and_measure_the_predictors(blobs):
    X, y, noisy = blobs
    # The predictors contradict every one of the first labels, and agree with most of the second.
    wrong = (noisy != y) & (np.arange(len(X)) % 2 == 0)
    contradicted, plain, confirmed = (
        fitted(X, noisy, trusted=rows) for rows in (wrong, None, noisy == y)
    )
    np.testing.assert_array_equal(contradicted._predictors.vote_labels.cpu().numpy(), noisy)
    proba = [c.label_issues()["predicted_proba"].mean() for c in (contradicted, plain, confirmed)]
    assert proba[0] < proba[1] - 0.05 < proba[1] < proba[2]


def test_weights(blobs):
    X, y, noisy = blobs
    one = fitted(X, noisy)
    seven = fitted(X, noisy, sample_weight=np.full(len(X), 7.0))
    np.testing.assert_allclose(one.label_quality_, seven.label_quality_, atol=1e-4)
    # Rows of weight 0 are scored by the others.
    weight = np.ones(len(X))
    weight[:40] = 0
    given = noisy.copy()
    given[:40] = (y[:40] + 1) % 4
    cleaner = fitted(X, given, sample_weight=weight)
    assert cleaner.label_quality_[:40].mean() < 0.3
    assert (cleaner.corrected_labels_[40:] == y[40:]).mean() > 0.9


def test_out_of_sample_probabilities_are_a_predictor(blobs):
    X, y, noisy = blobs
    rng = np.random.default_rng(0)
    poor = rng.normal(size=X.shape).astype(np.float32) + 0.25 * X
    good = 0.85 * np.eye(4)[y] + 0.15 / 4
    alone = (fitted(poor, noisy).corrected_labels_ == y).mean()
    helped = (fitted(poor, noisy, pred_probs=good).corrected_labels_ == y).mean()
    assert helped > alone + 0.01


@pytest.mark.parametrize("form", ["indices", "pair", "sparse"])
def test_a_known_graph_takes_the_place_of_the_search(blobs, form):
    X, _, noisy = blobs
    unit = X - X.mean(0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    # Two thirds of a class: 50 would be too many for 60 rows of each.
    near = NearestNeighbors(n_neighbors=40, algorithm="brute").fit(unit)
    graph = {
        "indices": lambda: near.kneighbors(return_distance=False),
        "pair": lambda: near.kneighbors(),
        "sparse": lambda: near.kneighbors_graph(mode="distance"),
    }[form]()
    got = fitted(X, noisy, neighbor_graph=graph)
    np.testing.assert_allclose(got.label_quality_, fitted(X, noisy).label_quality_, atol=1e-3)
    # A graph of random rows changes the votes.
    wrong = (np.arange(240)[:, None] + np.arange(1, 51) * 4) % 240
    assert (
        np.abs(fitted(X, noisy, neighbor_graph=wrong).label_quality_ - got.label_quality_).max()
        > 0.02
    )


def test_foreign_search_and_names_agree(blobs):
    X, _, noisy = blobs
    exact = fitted(X, noisy, neighbors="exact")
    foreign = fitted(X, noisy, neighbors=NearestNeighbors())
    np.testing.assert_allclose(exact.label_quality_, foreign.label_quality_, atol=1e-3)


def test_no_rows_are_kept_but_the_float16_ones(blobs):
    X, _, noisy = blobs
    wide = np.random.default_rng(0).normal(size=(240, 4000)).astype(np.float32)
    wide[:, :6] = 20 * X
    for search in (None, NearestNeighbors()):
        cleaner = fitted(wide, noisy, neighbors=search, n_landmarks=10)
        assert len(pickle.dumps(cleaner)) < 0.75 * wide.nbytes
        assert len(pickle.dumps(cleaner.compact())) < 0.25 * wide.nbytes


# -- control


def test_threshold_and_budget(blobs):
    X, _, noisy = blobs
    plain = fitted(X, noisy)
    n = int(plain.label_issues()["is_label_issue"].sum())
    more = plain.label_issues(threshold=0.99)["is_label_issue"]
    assert more.sum() > n
    np.testing.assert_array_equal(
        more, (plain.corrected_labels_ != noisy) | (plain.label_quality_ < 0.99)
    )
    assert fitted(X, noisy, threshold=0.99).label_issues()["is_label_issue"].equals(more)
    few = fitted(X, noisy, budget=5).label_issues()
    assert few["is_label_issue"].sum() == 5
    issues = plain.corrected_labels_ != noisy
    worst = np.sort(plain.label_quality_[issues])[:5]
    np.testing.assert_array_equal(np.sort(few.loc[few["is_label_issue"], "label_quality"]), worst)
    assert fitted(X, noisy, budget=0.05).label_issues()["is_label_issue"].sum() == 12


def test_a_vanished_class_is_named():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 60)
    X = rng.normal(size=(120, 4)) + 6 * y[:, None]
    noisy = y.copy()
    noisy[10] = 2
    with pytest.warns(NoisyLabelWarning, match=r"\[2\]"):
        fitted(X, noisy, boundary_noise=True)


def test_new_rows_are_scored(blobs):
    X, y, noisy = blobs
    cleaner = fitted(X[:180], noisy[:180])
    quality = cleaner.score_labels(X[180:], noisy[180:])
    assert quality.shape == (60,) and quality.dtype == np.float32
    assert detection_auroc(y[180:], noisy[180:], quality) > 0.95
    with pytest.raises(ValueError, match=r"has not seen: \[9\]"):
        cleaner.score_labels(X[:2], [0, 9])
    before = cleaner.label_issues()
    with pytest.raises(ValueError, match="compact"):
        cleaner.compact().score_labels(X[:2], [0, 1])
    assert before.equals(cleaner.label_issues())


def test_rows_without_a_label_are_predicted(blobs):
    X, y, noisy = blobs
    words = np.array(["a", "b", "c", "d"])
    cleaner = fitted(X[:180], words[noisy[:180]])
    proba = cleaner.label_proba(X[180:])
    assert proba.shape == (60, 4) and proba.dtype == np.float32
    np.testing.assert_allclose(proba.sum(1), 1, atol=1e-5)
    assert (cleaner.classes_[proba.argmax(1)] == words[y[180:]]).mean() > 0.9
    # One row alone, and a row far from all others.
    np.testing.assert_allclose(cleaner.label_proba(X[180:181]), proba[:1], atol=1e-5)
    assert np.isfinite(cleaner.label_proba(1e30 * X[:2].astype(np.float64))).all()
    with pytest.raises(ValueError, match="label_proba compares"):
        cleaner.compact().label_proba(X[:2])


@pytest.fixture(scope="module")
def hard(blobs):
    """The blobs so close together that no predictor is confident."""
    X, y, noisy = blobs
    return 0.3 * X + np.random.default_rng(0).normal(size=X.shape).astype(np.float32), y, noisy


def mean_of_leaves(forest, row):
    """The shares of the leaf of every tree, found node by node."""
    found = []
    for node in forest.roots.tolist():
        while forest.columns[node] >= 0:
            below = row[int(forest.columns[node])] <= float(forest.thresholds[node])
            node = int((forest.left if below else forest.right)[node])
        found.append(forest.shares[int(forest.left[node])])
    return torch.stack(found).mean(0)


def test_probabilities_of_new_rows_against_loops(hard):
    X, _, noisy = hard
    cleaner = fitted(X[:200], noisy[:200], n_neighbors=12, device="cpu")
    known, noise = cleaner._predictors, cleaner._predictors.noise
    bank, unit = known.X_unit.float(), known.scale.apply(X[200:], torch.device("cpu"))
    found = cleaner.label_proba(X[200:])
    assert 0.4 < found.max(1).mean() < 0.9
    for i in range(0, 40, 4):
        cosines, near = (bank @ unit[i]).sort(descending=True)
        mean = bank[near[:10]].mean(0)
        mixed = unit[i] / 2 + mean / mean.norm() / 2
        scores = known.regression.predict(unit[i : i + 1])
        scores = (scores + known.smoothed_regression.predict((mixed / mixed.norm())[None]))[0] / 2
        scores = known.factors[0] * scores
        if known.forest is not None:
            scores = scores + known.factors[1] * mean_of_leaves(known.forest, X[200 + i])
        votes = torch.full((4,), 0.5 / 4)
        for row, cosine in zip(near[:12], cosines[:12], strict=True):
            weight = known.vote_weights[row]
            votes[known.vote_labels[row]] += torch.exp(5 * (cosine - cosines[0])) * weight
        votes = votes / votes.sum()
        # Both compared with the prototypes: rows of a transition matrix.
        fit = (scores / noise.score_sum @ noise.prototypes) / noise.score_top
        evidence = fit + 0.12 * ((votes @ noise.prototypes).clamp_min(0) + 1e-3).log()
        margin = evidence.sort(descending=True).values
        error = np.interp(float(margin[0] - margin[1]), noise.margins, noise.errors)
        expected = (noise.inverse_temperature * evidence).softmax(0)
        # The class of the largest evidence is right with one less the error; the others share it.
        best = int(evidence.argmax())
        expected *= error / (1 - expected[best])
        expected[best] = 1 - error
        np.testing.assert_allclose(found[i], expected, atol=2e-3)


def test_the_prediction_does_not_look_at_the_given_label(blobs):
    # What the table says of a row is about what label_proba says, had it not been fitted.
    X, y, noisy = blobs
    table = fitted(X, noisy).label_issues()
    wrong = noisy != y
    assert (table["predicted_label"][wrong] == y[wrong]).mean() > 0.9
    assert (table["predicted_label"] == y).mean() > 0.9
    row = int(np.flatnonzero(wrong)[0])
    others = np.delete(np.arange(240), row)
    proba = fitted(X[others], noisy[others]).label_proba(X[row : row + 1])[0]
    assert proba.argmax() == table["predicted_label"][row]
    assert abs(proba.max() - table["predicted_proba"][row]) < 0.1


def test_scored_rows_agree_with_fitted_ones(blobs):
    # A copy of a fitted row with the same label gets about the same quality.
    X, _, noisy = blobs
    cleaner = fitted(X, noisy)
    again = cleaner.score_labels(X, noisy)
    assert np.corrcoef(again, cleaner.label_quality_)[0, 1] > 0.95
    right = fitted(X, noisy > 1)
    np.testing.assert_array_equal(
        right.score_labels(X, noisy > 1), right.score_labels(X, (noisy > 1).tolist())
    )


def test_new_rows_are_as_sure_as_those_of_weight_zero(hard):
    # Neither took part in the fit; only the row itself is one neighbour more of the first.
    X, _, noisy = hard
    cleaner = fitted(X, noisy, sample_weight=np.arange(240) < 180)
    known = cleaner.label_issues()["predicted_proba"].to_numpy()[180:]
    assert np.abs(cleaner.label_proba(X[180:]).max(1) - known).mean() < 0.02


def test_evidence_names_rows_without_holding_the_graph(blobs):
    X, _, noisy = blobs
    cleaner = fitted(X, noisy)
    assert cleaner._named.base is None and cleaner._named.shape == (240, 5)


def test_blocks_of_rows_change_nothing(blobs, monkeypatch):
    from nllearn.functional import blocks

    X, _, noisy = blobs
    whole = fitted(X, noisy)
    monkeypatch.setattr(blocks, "_BLOCK", 37)
    monkeypatch.setattr("nllearn.predictors._nystroem._MOST_KEPT", 0)
    parts = fitted(X, noisy)
    np.testing.assert_allclose(whole.label_quality_, parts.label_quality_, atol=2e-3)


def test_progress_goes_to_stderr_only(blobs, capsys):
    X, _, noisy = blobs
    fitted(X, noisy, verbose=1)
    out, err = capsys.readouterr()
    assert not out and "noise" in err


def test_importing_the_package_loads_no_imblearn():
    code = "import sys, nllearn; print('imblearn' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.fixture(scope="module")
def boundary():
    """Digits, and labels of which 15 % follow a poor classifier: wrong near the boundaries."""
    X, y = load_digits(return_X_y=True)
    return X, y, make_classification_noise(X, y, noise_rate=0.15, random_state=4)


def test_noise_at_the_boundary_is_left_undecided_unless_asked_for(boundary):
    X, y, noisy = boundary
    auto, asked = fitted(X, noisy), fitted(X, noisy, boundary_noise=True)
    assert (asked.corrected_labels_ == y).mean() > (auto.corrected_labels_ == y).mean() + 0.03
    assert (asked.corrected_labels_ == y).mean() > 0.92
    assert not auto.resolved_params_["boundary_noise"] and asked.resolved_params_["boundary_noise"]
    # What is left open is counted, and its quality under the other assumption is shown.
    differ = auto.corrected_labels_ != asked.corrected_labels_
    assert auto.n_undecided_ > 0.5 * differ.sum() and asked.n_undecided_ == 0
    table = auto.label_issues()
    lower = table["boundary_quality"] < table["label_quality"]
    assert lower[noisy != y].mean() > 0.9
    assert "boundary_quality" not in asked.label_issues()
    never = fitted(X, noisy, boundary_noise=False)
    mixed = 0.95 * never.label_quality_ + 0.05 * table["boundary_quality"]
    np.testing.assert_allclose(auto.label_quality_, mixed, atol=1e-6)
    assert never.n_undecided_ == 0


def test_thirty_trusted_rows_decide_where_noise_lies(boundary):
    X, y, noisy = boundary
    noisy, open_ = noisy.copy(), fitted(X, noisy).label_issues()
    # Checked are rows that the two assumptions differ about.
    doubtful = np.flatnonzero(open_["boundary_quality"] < 0.5)
    trusted = np.zeros(len(y), dtype=bool)
    trusted[np.random.default_rng(0).choice(doubtful, 30, replace=False)] = True
    noisy[trusted] = y[trusted]
    cleaner = fitted(X, noisy, trusted=trusted)
    assert cleaner.resolved_params_["boundary_noise"] and cleaner.n_undecided_ == 0
    assert (cleaner.corrected_labels_ == y).mean() > 0.92
    # The same rows, where the given labels are right and the classes overlap.
    X, y = overlapping(0)
    open_ = fitted(X, y).label_issues()
    trusted = np.zeros(len(y), dtype=bool)
    trusted[np.flatnonzero(open_["boundary_quality"] < 0.5)[:30]] = True
    cleaner = fitted(X, y, trusted=trusted)
    assert not cleaner.resolved_params_["boundary_noise"]
    assert (cleaner.corrected_labels_ == y).mean() > 0.985


# -- do no harm


def overlapping(seed):
    """Right labels of four classes that overlap: no predictor names more than some 70 %."""
    return make_classification(
        1200,
        12,
        n_informative=8,
        n_classes=4,
        class_sep=0.7,
        flip_y=0.0,
        n_clusters_per_class=1,
        random_state=seed,
    )


@pytest.mark.parametrize("seed", range(3))
def test_right_labels_of_overlapping_classes_are_kept(seed):
    X, y = overlapping(seed)
    cleaner = fitted(X, y)
    # Otherwise there is nothing to be kept against.
    assert (cleaner.label_issues()["predicted_label"] == y).mean() < 0.93
    assert (cleaner.corrected_labels_ == y).mean() >= 0.985
    assert cleaner.noise_rate_ < 0.05


def test_right_labels_of_a_real_table_are_kept():
    X, y = load_breast_cancer(return_X_y=True)
    assert (fitted(X, y).corrected_labels_ == y).mean() >= 0.985


@pytest.mark.parametrize("n_classes", [2, 5])
def test_without_signal_nothing_is_changed(n_classes):
    rng = np.random.default_rng(n_classes)
    X, y = rng.normal(size=(400, 8)), rng.integers(n_classes, size=400)
    with pytest.warns(NoisyLabelWarning, match="tell nothing about the labels"):
        cleaner = fitted(X, y)
    assert not cleaner.has_signal_ and cleaner.n_undecided_ == 0
    np.testing.assert_array_equal(cleaner.corrected_labels_, y)
    # Of the noise rate all is possible from none to that of labels by chance.
    half = 0.5 * (n_classes - 1) / n_classes
    np.testing.assert_allclose(cleaner.label_quality_, 1 - half, atol=2e-3)
    assert cleaner.noise_rate_ == pytest.approx(half, abs=1e-3)
    # New rows get about the same probability for every class.
    np.testing.assert_allclose(cleaner.label_proba(X[:9]), 1 / n_classes, atol=1e-3)
    with pytest.warns(NoisyLabelWarning, match="tell nothing about the labels"):
        np.testing.assert_array_equal(fitted(X, y, boundary_noise=True).corrected_labels_, y)


def test_with_one_row_per_class_nothing_is_changed():
    rng = np.random.default_rng(0)
    cleaner = fitted(rng.normal(size=(10, 4)), np.arange(10))
    assert cleaner.corrected_labels_.tolist() == list(range(10))
