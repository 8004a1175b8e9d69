"""Evidence for corrected labels, and what fit_resample does with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nllearn.cleaning._evidence import gather_evidence
from nllearn.cleaning._resample import apply_action
from nllearn.label_model import LabelPosterior, NoiseEstimate


def test_the_predictors_of_a_corrected_label():
    # Rows: trusted, both agree, regression alone, neighbours alone, given label, noise model.
    corrected = np.array([0, 1, 1, 1, 0, 2])
    given = np.array([0, 0, 0, 0, 0, 0])
    scores = F.one_hot(torch.tensor([1, 1, 1, 0, 1, 1]), 3).float()
    votes = torch.log(
        torch.tensor([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]] * 2)[[0, 1, 2, 1, 1, 1]]
    )
    easy_votes = votes.flip(1)
    easy = torch.tensor([True, False] * 3)
    trusted = np.arange(6) == 0
    noise = NoiseEstimate(None, votes, None, None, easy, easy_votes)
    posterior = LabelPosterior(scores, np.eye(3), scores, votes, torch.zeros(6, 1), noise)
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
    np.testing.assert_allclose(found["easy_share_given"], [0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    np.testing.assert_allclose(found["easy_share_corrected"], [0.1, 0.7, 0.3, 0.7, 0.1, 0.2])
    assert found["is_easy"].tolist() == easy.tolist()


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
