"""The contract of out-of-sample predictors, ours and foreign."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from nllearn.label_model import NoisyLabels, estimate_label_posterior
from nllearn.predictors import (
    BaseLabelPredictor,
    GivenPredictions,
    LeaveOneOutKernelRidge,
    LeaveOneOutRidge,
    NeighborGraph,
    NeighborVotes,
    OutOfBagForest,
    out_of_sample_predictions,
)

OURS = [
    NeighborVotes(7),
    LeaveOneOutKernelRidge(40, random_state=0),
    LeaveOneOutRidge(),
    LeaveOneOutRidge(in_blocks=True),
    OutOfBagForest(random_state=0),
]


class CrossValidated:
    """A foreign predictor: numpy in, numpy out, and no base class of ours."""

    def predict_out_of_sample(self, X, y_soft, sample_weight):
        assert all(type(values) is np.ndarray for values in (X, y_soft, sample_weight))
        return cross_val_predict(
            LogisticRegression(C=100.0), X, y_soft.argmax(1), cv=3, method="predict_proba"
        )


class Returning:
    """Returns what it was made with."""

    def __init__(self, scores):
        self.scores = scores

    def predict_out_of_sample(self, X, y_soft, sample_weight):
        return self.scores


@pytest.fixture
def rows():
    """Unit rows of three classes, and one-hot labels of which a fifth are wrong."""
    return drawn(0)


def drawn(seed):
    """The rows of one draw."""
    rng = np.random.default_rng(seed)
    y = np.arange(120) % 3
    X = rng.normal(size=(120, 5)) + 3 * np.eye(5)[y]
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    noisy = np.where(rng.random(120) < 0.2, (y + 1) % 3, y)
    return torch.from_numpy(X.astype(np.float32)), np.eye(3, dtype=np.float32)[noisy], y


@pytest.mark.parametrize("predictor", OURS, ids=repr)
def test_every_row_is_predicted_without_its_label(predictor, rows):
    X, y_soft, y = rows
    scores = predictor.predict_out_of_sample(X, y_soft)
    assert scores.shape == (120, 3) and scores.dtype == torch.float32
    assert (scores.argmax(1).numpy() == y).mean() > 0.9
    for row in (3, 50):
        changed = y_soft.copy()
        changed[row] = np.roll(changed[row], 1)
        other = predictor.predict_out_of_sample(X, changed)
        # The ridge and the scale may follow the label; the class that is predicted does not.
        assert other[row].argmax() == scores[row].argmax()


@pytest.mark.parametrize("predictor", OURS, ids=repr)
def test_a_row_of_weight_zero_is_used_for_no_other_row(predictor, rows):
    X, y_soft, _ = rows
    weight = np.ones(120, dtype=np.float32)
    weight[40:60] = 0
    one = predictor.predict_out_of_sample(X, y_soft, weight)
    changed = y_soft.copy()
    changed[40:60] = np.roll(changed[40:60], 1, axis=1)
    torch.testing.assert_close(one, predictor.predict_out_of_sample(X, changed, weight))


@pytest.mark.parametrize("predictor", OURS, ids=repr)
def test_labels_may_be_distributions(predictor, rows):
    X, y_soft, y = rows
    scores = predictor.predict_out_of_sample(X, 0.7 * y_soft + 0.1)
    assert (scores.argmax(1).numpy() == y).mean() > 0.9


def test_shapes_that_do_not_fit_are_refused(rows):
    X, y_soft, _ = rows
    with pytest.raises(ValueError, match=r"y_soft \(119, 3\)"):
        NeighborVotes().predict_out_of_sample(X, y_soft[1:])
    with pytest.raises(ValueError, match=r"sample_weight \(3,\)"):
        NeighborVotes().predict_out_of_sample(X, y_soft, np.ones(3))
    with pytest.raises(TypeError, match="does not define _predict"):
        BaseLabelPredictor().predict_out_of_sample(X, y_soft)


def checked(predictor, rows):
    X, y_soft, _ = rows
    return out_of_sample_predictions(predictor, X, torch.from_numpy(y_soft), torch.ones(120))


def test_a_foreign_predictor_works(rows):
    scores = checked(CrossValidated(), rows)
    assert scores.dtype == torch.float32 and (scores.argmax(1).numpy() == rows[2]).mean() > 0.75


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.ones((120, 2)), r"shape \(120, 2\); expected \(120, 3\)"),
        (np.ones(120), r"shape \(120,\)"),
        (np.full((120, 3), np.nan), "not finite"),
        (np.full((120, 3), -1.0), "mean top value is -1"),
    ],
)
def test_what_a_foreign_predictor_returns_is_checked(scores, message, rows):
    with pytest.raises(ValueError, match=message):
        checked(Returning(scores), rows)


@pytest.mark.parametrize("thing", [object(), LogisticRegression(), NeighborVotes])
def test_what_is_no_predictor_is_refused(thing, rows):
    with pytest.raises(TypeError, match="is no predictor"):
        checked(thing, rows)


def test_given_predictions_are_copied(rows):
    probs = np.full((120, 3), 1 / 3)
    probs.setflags(write=False)
    checked(GivenPredictions(probs), rows).zero_()
    assert (probs == 1 / 3).all()


def posterior_with(predictors, drawn_rows):
    """Posterior of the labels with further predictors, and the share that is right."""
    X, y_soft, y = drawn_rows
    similarities = X @ X.T
    similarities.fill_diagonal_(-2)
    graph = NeighborGraph(*similarities.topk(5, dim=1))
    codes = torch.from_numpy(y_soft.argmax(1))
    labels = NoisyLabels(codes, 3, torch.ones(120), torch.zeros(120, dtype=torch.bool))
    posterior = estimate_label_posterior(
        X, graph, labels, torch.Generator().manual_seed(0), predictors=predictors
    )
    return posterior, (posterior.distributions.argmax(1).numpy() == y).mean()


def test_the_label_model_takes_a_foreign_predictor(rows):
    wrong = Returning(np.eye(3)[(rows[2] + 2) % 3])
    found = [posterior_with(each, rows) for each in ((), (CrossValidated(),), (wrong,))]
    assert not torch.equal(found[0][0].scores, found[1][0].scores)
    # One that is always wrong agrees with the neighbours on no row, and counts for nothing.
    assert found[0][1] > 0.95 and found[2][1] > 0.95
    # The weights of a good one come from 120 noisy rows: in a single draw they may be off.
    assert found[1][1] > 0.93


def test_a_further_predictor_costs_nothing_on_few_rows_over_several_draws():
    alone, beside = (
        np.mean([posterior_with(each, drawn(seed))[1] for seed in range(10)])
        for each in ((), (CrossValidated(),))
    )
    assert beside > 0.95 and beside > alone - 0.005
