"""scikit-learn's own checks of both classifiers, with their default parameters."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from nllearn import AnchorHallucinationClassifier, MixNNClassifier

# Impossible for training by mini-batches, where a weight of 2 and a repeated row draw
# different batches; scikit-learn excuses its own SGDClassifier from it for that reason.
# tests/classifiers/test_weights.py tests instead that the two act alike within noise.
EXPECTED_TO_FAIL = {
    "check_sample_weight_equivalence_on_dense_data": "mini-batches depend on the number of rows"
}


@parametrize_with_checks(
    [
        AnchorHallucinationClassifier(random_state=0),
        MixNNClassifier(random_state=0),
        AnchorHallucinationClassifier(random_state=0, max_epochs=6),
        MixNNClassifier(random_state=0, max_epochs=6),
    ],
    expected_failed_checks=lambda estimator: EXPECTED_TO_FAIL,
)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("cls", [AnchorHallucinationClassifier, MixNNClassifier])
def test_only_one_check_is_excused(cls):
    assert list(EXPECTED_TO_FAIL) == ["check_sample_weight_equivalence_on_dense_data"]
    assert cls().__sklearn_tags__().non_deterministic is False
