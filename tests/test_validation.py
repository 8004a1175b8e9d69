"""What the checks say: every mistake at once, with the way out."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions

from nllearn._validation import (
    as_float64,
    check_not_sparse,
    check_params,
    check_rows,
    check_trusted,
    check_weights,
    refuse_overflow,
    resolve_device,
)

CONSTRAINTS = {
    "size": [Interval(Integral, 1, None, closed="left"), None],
    "rate": [Interval(Real, 0, 1, closed="both")],
    "mode": [StrOptions({"balanced", "threshold", "purity"}), callable],
}


class Estimator(BaseEstimator):
    def __init__(self, size=1, rate=0.5, mode="balanced"):
        self.size = size
        self.rate = rate
        self.mode = mode


# Parameters


@pytest.mark.parametrize(
    "params", [{}, {"size": None}, {"rate": 1}, {"mode": len}, {"size": np.int64(3), "rate": 0.0}]
)
def test_parameters_within_their_constraints_pass(params):
    assert check_params(Estimator(**params), CONSTRAINTS) is None


def test_all_mistakes_are_told_at_once():
    with pytest.raises(InvalidParameterError) as error:
        check_params(Estimator(size=0, rate=2.0, mode="balance"), CONSTRAINTS)
    message = str(error.value)
    assert "Estimator has 3 invalid parameter(s)" in message
    for told in ("size=0 must be", "rate=2.0 must be", "mode='balance' must be"):
        assert told in message
    assert "an int in the range [1, inf) or None" in message
    assert "a float in the range [0.0, 1.0]" in message
    assert isinstance(error.value, ValueError)  # for callers that know no scikit-learn


@pytest.mark.parametrize(
    ("typed", "meant"), [("balance", "balanced"), ("treshold", "threshold"), ("Purity", "purity")]
)
def test_a_word_that_is_nearly_right_is_suggested(typed, meant):
    with pytest.raises(InvalidParameterError, match=rf"\(did you mean '{meant}'\?\)"):
        check_params(Estimator(mode=typed), CONSTRAINTS)


@pytest.mark.parametrize("params", [{"mode": "xyz"}, {"mode": 3}, {"rate": "balanced"}])
def test_nothing_is_suggested_where_nothing_is_near(params):
    with pytest.raises(InvalidParameterError) as error:
        check_params(Estimator(**params), CONSTRAINTS)
    assert "did you mean" not in str(error.value)
    assert "has 1 invalid parameter(s)" in str(error.value)


def test_right_parameters_are_not_mentioned():
    with pytest.raises(InvalidParameterError) as error:
        check_params(Estimator(rate=-1), CONSTRAINTS)
    assert "size" not in str(error.value) and "mode" not in str(error.value)


# Sparse data


@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix])
def test_sparse_data_are_refused_with_the_way_out(make):
    with pytest.raises(TypeError) as error:
        check_not_sparse(make(np.eye(3)))
    for told in (make.__name__, "(3, 3)", "dense data is required", "TruncatedSVD", "X.toarray()"):
        assert told in str(error.value)


@pytest.mark.parametrize("X", [np.eye(2), [[1, 2]], pd.DataFrame({"a": [1]}), None])
def test_dense_data_pass(X):
    assert check_not_sparse(X) is None


# Trusted rows


@pytest.mark.parametrize(
    "trusted",
    [
        [True, False, True],
        [1, 0, 1],
        np.array([1.0, 0.0, 1.0]),
        (True, False, True),
        pd.Series([True, False, True], index=[7, 8, 9]),
        pd.array([True, False, True], dtype="boolean"),
        np.array([True, False, True], dtype=object),
    ],
)
def test_masks_of_many_kinds_are_accepted(trusted):
    mask = check_trusted(trusted, 3)
    assert mask.dtype == bool and mask.tolist() == [True, False, True]


def test_nothing_is_trusted_without_a_mask():
    assert check_trusted(None, 4).tolist() == [False] * 4


@pytest.mark.parametrize("trusted", [[True], [], [[True], [False], [True]], True, np.eye(3)])
def test_a_mask_of_another_shape_is_refused(trusted):
    shape = str(np.shape(trusted)).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=rf"trusted has shape {shape}; expected .*\(3,\)"):
        check_trusted(trusted, 3)


@pytest.mark.parametrize("trusted", [[0, 2, 5], [0.5, 1, 0], [np.nan, 1, 0], ["yes", "no", "no"]])
def test_row_numbers_are_no_mask(trusted):
    with pytest.raises(ValueError, match="pass a bool mask, not row numbers"):
        check_trusted(trusted, 3)


def test_a_mask_with_missing_values_is_refused():
    with pytest.raises(ValueError, match="trusted"):
        check_trusted(pd.array([True, None, False], dtype="boolean"), 3)


def test_the_mask_is_a_copy():
    trusted = np.array([True, False])
    check_trusted(trusted, 2)[:] = False
    assert trusted.tolist() == [True, False]


# Weights

X = np.zeros((5, 2))
CLASSES = np.array(["a", "b"])
CODES = np.array([0, 0, 0, 1, 1])


def weights(sample_weight=None, class_weight=None):
    return check_weights(sample_weight, class_weight, X, CLASSES, CODES)


def test_without_weights_all_count_one():
    row_weight, loss_weight = weights()
    assert row_weight.dtype == loss_weight.dtype == np.float32
    assert row_weight.tolist() == loss_weight.tolist() == [1.0] * 5


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_weights_have_mean_one_over_rows_that_count(kind, scale):
    for made in weights(kind([2 * scale, 0, 4 * scale, 6 * scale, 0])):
        np.testing.assert_allclose(made, [0.5, 0, 1, 1.5, 0], rtol=1e-6)


def test_class_weights_multiply_the_loss_by_given_label():
    row_weight, loss_weight = weights(None, {"a": 1.0, "b": 3.0})
    assert row_weight.tolist() == [1.0] * 5
    np.testing.assert_allclose(loss_weight, np.array([1, 1, 1, 3, 3]) / 1.8, rtol=1e-6)
    row_weight, loss_weight = weights([1, 1, 2, 1, 0], {"a": 1.0, "b": 3.0})
    np.testing.assert_allclose(row_weight, np.array([1, 1, 2, 1, 0]) / 1.25, rtol=1e-6)
    np.testing.assert_allclose(loss_weight, np.array([1, 1, 2, 3, 0]) / 1.75, rtol=1e-6)


def test_balanced_classes_weigh_the_same():
    _, loss_weight = weights(None, "balanced")
    assert loss_weight[CODES == 0].sum() == pytest.approx(loss_weight[CODES == 1].sum())
    assert loss_weight.mean() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("sample_weight", "told"),
    [
        ([1, -1, 1, 1, 1], "Negative values in data passed to `sample_weight`"),
        ([0, 0, 0, 0, 0], "zero"),
        ([1, np.nan, 1, 1, 1], "NaN"),
        ([1, np.inf, 1, 1, 1], "infinity"),
        ([1, 1], r"\(2,\)"),
    ],
)
def test_wrong_sample_weights_are_refused(sample_weight, told):
    with pytest.raises(ValueError, match=told):
        weights(sample_weight)


@pytest.mark.parametrize(
    ("sample_weight", "class_weight"),
    [
        (None, {"a": 0, "b": 0}),
        ([1, 1, 1, 0, 0], {"a": 0, "b": 1}),
        (None, {"a": -1.0, "b": 9.0}),
        (None, {"a": -1.0, "b": 1.0}),
    ],
)
def test_negative_class_weights_and_those_that_leave_no_row_are_refused(
    sample_weight, class_weight
):
    with pytest.raises(ValueError, match=r"class_weight=\{.*positive weight"):
        weights(sample_weight, class_weight)


def test_class_weights_of_unknown_classes_are_refused():
    with pytest.raises(ValueError, match="class_weight"):
        weights(None, "balance")
    with pytest.raises(ValueError, match="classes"):
        weights(None, {"c": 1.0})


def test_the_given_weights_are_not_changed():
    sample_weight = np.array([2.0, 1, 1, 1, 1])
    row_weight, _ = weights(sample_weight, "balanced")
    row_weight[:] = 7
    assert sample_weight.tolist() == [2, 1, 1, 1, 1]


# Overflow and devices


def test_columns_that_overflow_are_named():
    rows = np.array([[1.0, 1e300], [2.0, -1e300]])
    with pytest.raises(ValueError, match=r"column 1 of X .*up to 1e\+300.*rescale"):
        refuse_overflow(rows, np.array([0.5, np.inf]))
    with pytest.raises(ValueError, match="column 0 of X"):
        refuse_overflow(rows, np.array([np.nan, np.inf]))
    assert refuse_overflow(rows, np.array([0.5, 0.0])) is None


def test_devices():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ValueError, match="device='gpu' is no torch device"):
        resolve_device("gpu")


def test_a_gpu_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(ValueError, match=r"device='cuda:1' .*sees no GPU; use 'auto'"):
        resolve_device("cuda:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == torch.device("cuda")
    assert resolve_device("cuda") == torch.device("cuda")


@pytest.mark.parametrize("device", ["mps", "meta"])
def test_a_device_of_another_kind_is_refused(device):
    with pytest.raises(ValueError, match=f"device='{device}' is not supported.*float64.*'auto'"):
        resolve_device(device)


@pytest.mark.parametrize("X", [np.eye(3), np.ma.masked_array(np.eye(3)), None, "a", [[1]], {}])
def test_other_rows_pass(X):
    assert check_rows(X) is None


@pytest.mark.parametrize("weight", [[1, 0, 0], [1e300, 1, 1], [1.0, 1e-60, 1e-60]])
def test_one_row_is_too_few_to_train_on(weight):
    y = np.arange(3)
    with pytest.raises(ValueError, match="above zero for 1 row only"):
        check_weights(np.array(weight, float), None, y, y, y)


@pytest.mark.parametrize("factor", [1e-320, 1e-300, 1e300, 1.7e308])
def test_a_common_factor_of_the_weights_changes_nothing(factor):
    y = np.array([0, 1, 0, 1])
    plain = check_weights(np.ones(4), None, y, np.arange(2), y)
    scaled = check_weights(np.full(4, factor), None, y, np.arange(2), y)
    for one, two in zip(plain, scaled, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "values", [["a"], [1j], np.zeros(2, "M8[s]"), [object()], [[1], [1, 2]], pd.Series(["a"])]
)
def test_what_is_no_number_is_refused_by_name(values):
    with pytest.raises(ValueError, match="weights must hold real numbers; found"):
        as_float64("weights", values)


def test_numbers_become_doubles():
    assert as_float64("weights", [True, 2]).dtype == np.float64
    assert as_float64("weights", np.array([1, 2], dtype=object)).tolist() == [1.0, 2.0]
