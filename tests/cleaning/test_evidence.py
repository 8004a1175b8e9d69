"""Evidence for corrected labels, and what fit_resample does with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from torch.nn import functional as F

from nllearn import LabelCleaner
from nllearn.cleaning._evidence import gather_evidence
from nllearn.datasets import make_symmetric_noise
from nllearn.functional.resampling import apply_action
from nllearn.label_model import LabelPosterior, NoiseModel


def without_noise(n_classes):
    """A noise model of right labels."""
    identity, none = torch.eye(n_classes), np.zeros(1)
    return NoiseModel(identity, 1.0, 1.0, 1.0, none, none, identity)


def test_the_predictors_of_a_corrected_label():
    # Rows: trusted, both agree, regression alone, neighbours alone, given label, noise model.
    corrected = np.array([0, 1, 1, 1, 0, 2])
    given = np.array([0, 0, 0, 0, 0, 0])
    scores = F.one_hot(torch.tensor([1, 1, 1, 0, 1, 1]), 3).float()
    votes = torch.log(
        torch.tensor([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]] * 2)[[0, 1, 2, 1, 1, 1]]
    )
    trusted = np.arange(6) == 0
    posterior = LabelPosterior(
        scores, np.eye(3), scores, votes, torch.zeros(6, 1), without_noise(3)
    )
    found = gather_evidence(posterior, given, corrected, trusted)
    assert found["decided_by"].tolist() == [
        "trusted",
        "all",
        "regression",
        "neighbors",
        "given label",
        "noise model",
    ]
    np.testing.assert_allclose(found["neighbor_share_given"], [0.7, 0.2, 0.6, 0.2, 0.2, 0.2])
    np.testing.assert_allclose(found["neighbor_share_corrected"], [0.7, 0.7, 0.3, 0.7, 0.2, 0.1])
    assert "boundary_quality" not in found


def test_neighbours_that_do_not_vote_are_no_evidence():
    X, y = load_iris(return_X_y=True)
    noisy = make_symmetric_noise(y, noise_rate=0.2, random_state=0)
    table = LabelCleaner(predictors=["kernel_ridge"], random_state=0).fit(X, noisy).label_issues()
    assert not {"neighbor_share_given", "neighbor_share_corrected"} & set(table.columns)
    # Before, votes of one for every class named the first one.
    assert set(table["decided_by"]) <= {"regression", "given label", "noise model"}
    assert (table["decided_by"] == "regression").mean() > 0.8


def test_the_quality_at_the_boundary_is_shown_where_it_is_left_open():
    one, quality = torch.eye(2), torch.tensor([0.3, 0.9])
    near = torch.zeros(2, 1)
    posterior = LabelPosterior(
        one, np.eye(2), one, one, near, without_noise(2), boundary_quality=quality
    )
    found = gather_evidence(posterior, np.arange(2), np.arange(2), np.zeros(2, bool))
    assert found["boundary_quality"].tolist() == quality.tolist()


@pytest.mark.parametrize(
    ("action", "kept", "labels"),
    [
        ("relabel", None, [0, 2, 1, 3, 0]),
        ("drop", [0, 4], [0, 0]),
        ("relabel_or_drop", [0, 1, 4], [0, 2, 0]),
    ],
)
def test_actions_by_hand(action, kept, labels):
    # Rows: no issue; a probable and a less probable correction; an issue by quality alone; no
    # issue, since the budget was spent.
    given, corrected = np.array([0, 1, 2, 3, 0]), np.array([0, 2, 1, 3, 1])
    issue = np.array([False, True, True, True, False])
    q = np.full((5, 4), 0.1)
    q[np.arange(5), corrected] = [0.9, 0.8, 0.79, 0.95, 0.9]
    found, rows = apply_action(action, 0.8, issue, given, corrected, q)
    assert found.tolist() == labels
    assert (rows if rows is None else rows.tolist()) == kept
