"""Expected accuracy, and further predictors that count as far as they agree."""

from __future__ import annotations

import pytest
import torch

from nllearn.label_model import (
    ExpectedAccuracy,
    NoisyLabels,
    accuracy_with_trusted,
    mix_by_agreement,
)


def test_further_predictions_count_by_their_odds_to_agree_with_the_neighbours():
    votes = torch.log(torch.eye(2)[torch.arange(8) % 2] * 0.8 + 0.1)
    weights = torch.ones(8)
    mine = torch.eye(2)[torch.tensor([0, 1, 0, 1, 0, 1, 1, 0])]  # right in 6 of 8: odds 3
    theirs = torch.eye(2)[torch.tensor([0, 1, 0, 1, 1, 0, 1, 0])]  # right in 4 of 8: odds 1
    scores = mine.clone()
    mix_by_agreement(scores, [theirs], votes, weights)
    torch.testing.assert_close(scores, 0.75 * mine + 0.25 * theirs)
    # Predictions are divided by their mean top value, as the scores are.
    scores = mine.clone()
    mix_by_agreement(scores, [0.5 * theirs + 0.25], votes, weights)
    torch.testing.assert_close(scores, 0.75 * mine + 0.25 * (0.5 * theirs + 0.25) / 0.75)
    # Where none agrees with the neighbours, the scores stay.
    scores = 1 - torch.eye(2)[torch.arange(8) % 2]
    mix_by_agreement(scores, [scores.clone()], votes, weights)
    torch.testing.assert_close(scores, 1 - torch.eye(2)[torch.arange(8) % 2])


def test_trusted_rows_count_by_the_size_of_their_class():
    # 30 rows of class 0 and 10 of class 1; two trusted rows of each. Those of class 0 are
    # predicted right, those of class 1 wrong: 0.75, and 50 rows of agreement beside the four.
    codes = torch.tensor([0] * 30 + [1] * 10)
    trusted = torch.zeros(40, dtype=torch.bool)
    trusted[[0, 1, 30, 31]] = True
    labels = NoisyLabels(codes, 2, torch.ones(40), trusted)
    found = accuracy_with_trusted(torch.zeros(40, dtype=torch.int64), 0.9, labels)
    assert found == pytest.approx((4 * 0.75 + 50 * 0.9) / 54)


def test_a_checkpoint_holds_the_accuracy():
    accuracy = ExpectedAccuracy(0.75, 0.5, is_boundary=True)
    back = ExpectedAccuracy.from_tensor(accuracy.as_tensor())
    assert (back.expected, back.conservative, back.is_boundary) == (0.75, 0.5, True)
    assert ExpectedAccuracy.from_tensor(torch.full((3,), torch.nan)) is None
