"""scikit-learn's own checks of both classifiers, with their default parameters."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from nllearn import AnchorHallucinationClassifier, MixNNClassifier

# Impossible for training by mini-batches, where a weight of 2 and a repeated row draw
# different batches; scikit-learn excuses its own SGDClassifier from it for that reason.
# tests/classifiers/test_weights.py tests instead that the two act alike within noise.
EXPECTED_TO_FAIL = {
    "check_sample_weight_equivalence_on_dense_data": "mini-batches depend on the number of rows"
}
CLASSIFIERS = [AnchorHallucinationClassifier, MixNNClassifier]


@parametrize_with_checks(
    [cls(random_state=0) for cls in CLASSIFIERS],
    expected_failed_checks=lambda estimator: EXPECTED_TO_FAIL,
)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [cls(random_state=0, max_epochs=6) for cls in CLASSIFIERS],
    expected_failed_checks=lambda estimator: EXPECTED_TO_FAIL,
)
def test_scikit_learn_check_of_short_fits(estimator, check):
    check(estimator)


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_the_suite_is_whole(cls):
    # The check of sample weights is there, so weights are not hidden from the suite.
    names = [check.func.__name__ for _, check in estimator_checks_generator(cls(), legacy=True)]
    assert len(names) >= 60
    assert set(EXPECTED_TO_FAIL) <= set(names)
    assert cls().__sklearn_tags__().non_deterministic is False
