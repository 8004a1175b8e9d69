"""Estimates of a classifier's accuracy from labels that are partly wrong: the formulas."""

from __future__ import annotations

from typing import Any

import numpy as np

from nllearn._labels import label_arrays
from nllearn._validation import check_row_weight
from nllearn.model_selection._checks import (
    check_classes,
    check_distributions,
    check_quality,
    check_transition,
    codes_of,
)

__all__ = [
    "expected_accuracy",
    "forward_log_likelihood",
    "weighted_accuracy",
]

# Share of uniform noise put into T where a likelihood is taken: an estimate that has no mass on
# a pair of labels must not let one row decide.
_UNSEEN = 0.01


def weighted_accuracy(
    y_given: Any, y_pred: Any, label_quality: Any, *, sample_weight: Any = None
) -> float:
    r"""Accuracy on the given labels, each weighted by the probability that it is right.

    With given labels :math:`\tilde y_i`, predictions :math:`h_i`, quality
    :math:`w_i = P(y_i = \tilde y_i \mid x_i, \tilde y_i)` and sample weights :math:`s_i`,

    .. math:: \frac{\sum_i s_i w_i [h_i = \tilde y_i]}{\sum_i s_i w_i}.

    If the quality is right, this estimates the accuracy on the rows whose label is right.
    That is the accuracy on all rows if the noise does not depend on the row. If it does, the
    rows with wrong labels are not seen: a model that learned the noise is neither rewarded for
    it, as by plain accuracy, nor punished, as by :func:`expected_accuracy`.

    Parameters
    ----------
    y_given : array-like of shape (n,)
        Labels in the data.
    y_pred : array-like of shape (n,)
        Predicted labels.
    label_quality : array-like of shape (n,), float in [0, 1]
        Probability that each given label is right.
    sample_weight : array-like of shape (n,), optional
        Importance of the rows, not negative.

    Returns
    -------
    accuracy : float in [0, 1]
        High is good.

    Raises
    ------
    ValueError
        If lengths differ, a number is out of range, or all weights are zero.

    Examples
    --------
    >>> from nllearn.model_selection import weighted_accuracy
    >>> weighted_accuracy(["a", "b", "b"], ["a", "b", "a"], [1.0, 0.75, 0.25])
    0.875
    """
    given, predicted = label_arrays(y_given=y_given, y_pred=y_pred)
    quality = check_quality(label_quality, len(given))
    weight = check_row_weight(sample_weight, len(given)) * quality
    if weight.sum() <= 0:
        raise ValueError(
            f"label_quality (times sample_weight) is zero in all {len(given)} rows; no label is "
            "left to score with. Take larger validation folds, or CleanValidationSplit"
        )
    known = np.unique(given)
    hit = codes_of(given, known) == codes_of(predicted, known)
    return float(np.average(hit, weights=weight))


def expected_accuracy(
    y_pred: Any, label_distributions: Any, *, classes: Any, sample_weight: Any = None
) -> float:
    r"""Accuracy expected under a distribution of the true label of every row.

    With :math:`q_i(k) = P(y_i = k \mid x_i, \tilde y_i)`, predictions :math:`h_i` and sample
    weights :math:`s_i`,

    .. math:: \frac{\sum_i s_i \, q_i(h_i)}{\sum_i s_i}.

    If the distributions are right, this estimates the accuracy on the true labels, whatever
    the noise depends on.

    Parameters
    ----------
    y_pred : array-like of shape (n,)
        Predicted labels. A label that is not in `classes` counts as wrong.
    label_distributions : array-like of shape (n, n_classes)
        Probability of every class being the true one; rows sum to one.
    classes : array-like of shape (n_classes,)
        Labels of the columns.
    sample_weight : array-like of shape (n,), optional
        Importance of the rows, not negative.

    Returns
    -------
    accuracy : float in [0, 1]
        High is good.

    Raises
    ------
    ValueError
        If shapes do not fit or rows are no distributions.

    Examples
    --------
    >>> from nllearn.model_selection import expected_accuracy
    >>> expected_accuracy(["a", "b"], [[0.75, 0.25], [0.5, 0.5]], classes=["a", "b"])
    0.625
    """
    (predicted,) = label_arrays(y_pred=y_pred)
    known = check_classes(classes)
    q = check_distributions("label_distributions", label_distributions, len(predicted), known)
    weight = check_row_weight(sample_weight, len(predicted))
    codes = codes_of(predicted, known)
    right = np.where(codes >= 0, q[np.arange(len(q)), codes], 0.0)
    return float(np.average(right, weights=weight))


def forward_log_likelihood(
    y_given: Any, y_pred: Any, transition_matrix: Any, *, classes: Any, sample_weight: Any = None
) -> float:
    r"""Mean log-likelihood of the given labels if the predictions were the true ones.

    With given labels :math:`\tilde y_i`, predictions :math:`h_i`, sample weights :math:`s_i` and
    :math:`T_{kj} = P(\tilde y = j \mid y = k)`,

    .. math:: \frac{\sum_i s_i \log T'_{h_i, \tilde y_i}}{\sum_i s_i},
              \qquad T' = 0.99 \, T + 0.01 / C.

    The prediction is passed forward through the noise and compared with what was observed. By
    Gibbs' inequality :math:`\sum_j T_{kj} \log T_{hj}` is highest for h = k: if the noise
    depends on the true class alone and T is right, a row of class k scores best with the
    prediction k, also where most given labels are wrong. The small uniform part keeps a pair of
    labels that T holds impossible from deciding alone.

    Parameters
    ----------
    y_given : array-like of shape (n,)
        Labels in the data, from `classes`.
    y_pred : array-like of shape (n,)
        Predicted labels, from `classes`.
    transition_matrix : array-like of shape (n_classes, n_classes)
        Probability of each given label (column) for each true one (row); rows sum to one.
    classes : array-like of shape (n_classes,)
        Labels of the rows and columns.
    sample_weight : array-like of shape (n,), optional
        Importance of the rows, not negative.

    Returns
    -------
    log_likelihood : float, at most 0
        High is good. No accuracy: compare it between models only.

    Raises
    ------
    ValueError
        If shapes do not fit, a row of T is no distribution, or a label is not in `classes`.

    Notes
    -----
    Predicted probabilities are left out on purpose: with them the score would also depend on
    a model's confidence, and in searches it chose models with a lower accuracy.

    References
    ----------
    G. Patrini et al., "Making Deep Neural Networks Robust to Label Noise: a Loss Correction
    Approach", CVPR 2017 (forward correction, there of a training loss).

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.model_selection import forward_log_likelihood
    >>> T = [[0.8, 0.2], [0.2, 0.8]]
    >>> value = forward_log_likelihood(["a", "b"], ["a", "b"], T, classes=["a", "b"])
    >>> round(float(np.exp(value)), 3)
    0.797
    """
    given, predicted = label_arrays(y_given=y_given, y_pred=y_pred)
    known = check_classes(classes)
    matrix = (1 - _UNSEEN) * check_transition(transition_matrix, len(known)) + _UNSEEN / len(known)
    weight = check_row_weight(sample_weight, len(given))
    rows = codes_of(predicted, known, name="y_pred")
    columns = codes_of(given, known, name="y_given")
    return float(np.average(np.log(matrix[rows, columns]), weights=weight))
