"""Further predictors count as far as they agree with the neighbours."""

from __future__ import annotations

import torch

from nllearn.label_model import mix_by_agreement


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


def test_rows_of_weight_zero_do_not_count():
    votes = torch.log(torch.eye(2)[torch.arange(8) % 2] * 0.8 + 0.1)
    weights = torch.tensor([1.0] * 6 + [0.0, 0.0])
    mine = torch.eye(2)[torch.tensor([0, 1, 0, 0, 1, 0, 1, 0])]  # 3 of 6
    theirs = torch.eye(2)[torch.tensor([0, 1, 1, 0, 1, 0, 0, 1])]  # 2 of 6
    scores = mine.clone()
    mix_by_agreement(scores, [theirs], votes, weights)
    torch.testing.assert_close(scores, torch.lerp(mine, theirs, 0.5 / 1.5))
