"""Scorers for searches whose validation labels are partly wrong."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.metadata_routing import MetadataRequest

from nllearn._labels import label_arrays
from nllearn._validation import check_same_rows
from nllearn.model_selection._checks import (
    check_classes,
    check_distributions,
    check_quality,
    check_transition,
)
from nllearn.model_selection._estimates import (
    expected_accuracy,
    forward_log_likelihood,
    weighted_accuracy,
)
from nllearn.model_selection._rows import RowTable

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11 on

__all__ = [
    "ExpectedAccuracyScorer",
    "ForwardScorer",
    "WeightedAccuracyScorer",
]


class _Scorer(ABC):
    """What scikit-learn asks of a scorer beside the call."""

    _weight_request: bool | str | None = None

    @abstractmethod
    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float: ...

    def set_score_request(self, *, sample_weight: bool | str | None) -> Self:
        """Say whether a search passes its sample weights on, where metadata routing is on.

        Without metadata routing, a search that gets `sample_weight` passes it on.

        Parameters
        ----------
        sample_weight : bool, str or None
            True: pass it on. False: do not. None: raise an error where it is given. A str is
            the name under which the search gets it.

        Returns
        -------
        self : object
        """
        self._weight_request = sample_weight
        self.get_metadata_routing()
        return self

    def get_metadata_routing(self) -> MetadataRequest:
        """Tell scikit-learn which metadata the scorer requests.

        Returns
        -------
        routing : MetadataRequest
        """
        request = MetadataRequest(owner=self)
        request.score.add_request(param="sample_weight", alias=self._weight_request)
        return request

    def _accept_sample_weight(self) -> bool:
        # A search with several scorers asks for this.
        return True


class WeightedAccuracyScorer(_Scorer):
    """Accuracy weighted by the probability that each given label is right.

    The formula is in :func:`weighted_accuracy`. The scorer identifies the rows of a fold by
    their content and label, so it needs no metadata routing, and works in other processes,
    in nested cross-validation and around a Pipeline.

    Parameters
    ----------
    X : array-like of shape (n, ...)
        The very rows that the search will get. Only hashes of them are kept.
    y : array-like of shape (n,)
        Their given labels, any dtype.
    label_quality : array-like of shape (n,), float in [0, 1]
        Probability that each given label is right, such as ``label_quality_`` of a cleaner or
        classifier fitted to all of X and y.

    Raises
    ------
    ValueError
        For bad arrays; when called, for rows or labels that are not in X and y.

    See Also
    --------
    ExpectedAccuracyScorer : Uses the whole distribution of the true label.
    ForwardScorer : Needs no values per row.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from nllearn import LabelCleaner
    >>> from nllearn.datasets import make_symmetric_noise
    >>> from nllearn.model_selection import WeightedAccuracyScorer
    >>> X, y = load_iris(return_X_y=True)
    >>> y_noisy = make_symmetric_noise(y, noise_rate=0.3, random_state=0)
    >>> cleaner = LabelCleaner(random_state=0).fit(X, y_noisy)
    >>> scorer = WeightedAccuracyScorer(X, y_noisy, cleaner.label_quality_)
    >>> model = DecisionTreeClassifier(random_state=0)
    >>> search = GridSearchCV(model, {"max_depth": [2, None]}, scoring=scorer).fit(X, y_noisy)
    >>> search.best_params_
    {'max_depth': 2}
    """

    def __init__(self, X: Any, y: Any, label_quality: Any):
        (labels,) = label_arrays(y=y)
        check_same_rows(X, y=y, label_quality=label_quality)
        self._rows = RowTable(X, labels, check_quality(label_quality, len(labels)))

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score a fitted classifier.

        Parameters
        ----------
        estimator : classifier
            Has ``predict``.
        X : array-like of shape (m, ...)
            Some of the rows that the scorer was made from.
        y : array-like of shape (m,)
            Their given labels.
        sample_weight : array-like of shape (m,), optional
            Importance of the rows.

        Returns
        -------
        accuracy : float in [0, 1]
            High is good.
        """
        quality = self._rows.look_up(X, y).clip(0, 1)
        return weighted_accuracy(y, estimator.predict(X), quality, sample_weight=sample_weight)


class ExpectedAccuracyScorer(_Scorer):
    """Accuracy expected under the distribution of every row's true label.

    The formula is in :func:`expected_accuracy`. The scorer identifies the rows of a fold by
    their content and label, so it needs no metadata routing, and works in other processes,
    in nested cross-validation and around a Pipeline.

    Parameters
    ----------
    X : array-like of shape (n, ...)
        The very rows that the search will get. Only hashes of them are kept.
    y : array-like of shape (n,)
        Their given labels, any dtype.
    label_distributions : array-like of shape (n, n_classes)
        Probability of the true label given the row and its given label, columns in the order
        of the sorted labels of y, such as ``label_distributions_`` of a cleaner or classifier
        fitted to all of X and y.

    Raises
    ------
    ValueError
        For bad arrays; when called, for rows or labels that are not in X and y.

    See Also
    --------
    WeightedAccuracyScorer : Needs the quality of the given label only.
    ForwardScorer : Needs no values per row.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from nllearn import LabelCleaner
    >>> from nllearn.datasets import make_symmetric_noise
    >>> from nllearn.model_selection import ExpectedAccuracyScorer
    >>> X, y = load_iris(return_X_y=True)
    >>> y_noisy = make_symmetric_noise(y, noise_rate=0.3, random_state=0)
    >>> cleaner = LabelCleaner(random_state=0).fit(X, y_noisy)
    >>> scorer = ExpectedAccuracyScorer(X, y_noisy, cleaner.label_distributions_)
    >>> model = DecisionTreeClassifier(random_state=0)
    >>> search = GridSearchCV(model, {"max_depth": [2, None]}, scoring=scorer).fit(X, y_noisy)
    >>> search.best_params_
    {'max_depth': 2}
    """

    def __init__(self, X: Any, y: Any, label_distributions: Any):
        (labels,) = label_arrays(y=y)
        self._classes = check_classes(np.unique(labels))
        check_same_rows(X, y=y, label_distributions=label_distributions)
        q = check_distributions(
            "label_distributions", label_distributions, len(labels), self._classes
        )
        self._rows = RowTable(X, labels, q)

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score a fitted classifier.

        Parameters
        ----------
        estimator : classifier
            Has ``predict``.
        X : array-like of shape (m, ...)
            Some of the rows that the scorer was made from.
        y : array-like of shape (m,)
            Their given labels.
        sample_weight : array-like of shape (m,), optional
            Importance of the rows.

        Returns
        -------
        accuracy : float in [0, 1]
            High is good.
        """
        q = self._rows.look_up(X, y)
        return expected_accuracy(
            estimator.predict(X), q, classes=self._classes, sample_weight=sample_weight
        )


class ForwardScorer(_Scorer):
    """Log-likelihood of the given labels if the predictions were the true ones.

    The formula is in :func:`forward_log_likelihood`. No information about single rows is used,
    so any rows can be scored, also new ones and those of a search that changes the columns. The
    noise is assumed to depend on the true class alone, and T must be accurate, which it often
    is not with few rows per class.

    Parameters
    ----------
    transition_matrix : array-like of shape (n_classes, n_classes)
        Probability of each given label (column) for each true one (row), such as
        ``transition_matrix_`` of a cleaner or classifier fitted to all rows.
    classes : array-like of shape (n_classes,)
        Labels of its rows and columns, such as ``classes_``.

    Raises
    ------
    ValueError
        For a bad matrix; when called, for labels that are not in `classes`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from nllearn import LabelCleaner
    >>> from nllearn.datasets import make_symmetric_noise
    >>> from nllearn.model_selection import ForwardScorer
    >>> X, y = load_iris(return_X_y=True)
    >>> y_noisy = make_symmetric_noise(y, noise_rate=0.3, random_state=0)
    >>> cleaner = LabelCleaner(random_state=0).fit(X, y_noisy)
    >>> scorer = ForwardScorer(cleaner.transition_matrix_, cleaner.classes_)
    >>> model = DecisionTreeClassifier(random_state=0)
    >>> search = GridSearchCV(model, {"max_depth": [2, None]}, scoring=scorer).fit(X, y_noisy)
    >>> search.best_params_
    {'max_depth': 2}
    """

    def __init__(self, transition_matrix: Any, classes: Any):
        self._classes = check_classes(classes)
        self._matrix = check_transition(transition_matrix, len(self._classes))

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score a fitted classifier.

        Parameters
        ----------
        estimator : classifier
            Has ``predict``.
        X : array-like of shape (m, ...)
            Rows.
        y : array-like of shape (m,)
            Their given labels.
        sample_weight : array-like of shape (m,), optional
            Importance of the rows.

        Returns
        -------
        log_likelihood : float, at most 0
            High is good.
        """
        return forward_log_likelihood(
            y,
            estimator.predict(X),
            self._matrix,
            classes=self._classes,
            sample_weight=sample_weight,
        )
