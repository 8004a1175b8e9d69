"""CleanedClassifier: clean the labels, then fit a classifier of the user's on them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    clone,
    is_classifier,
)
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from nllearn._doc_links import DocLinkMixin
from nllearn._frames import to_pandas
from nllearn._nested_params import NestedParamsMixin
from nllearn._validation import check_params, forget_failed_fit, read_sample_weight
from nllearn.cleaning._label_cleaner import LabelCleaner
from nllearn.exceptions import NoisyLabelWarning
from nllearn.functional.resampling import keep_every_class

__all__ = ["CleanedClassifier"]

_CONSTRAINTS: dict[str, list[Any]] = {
    "estimator": [HasMethods(["fit", "predict"])],
    "cleaner": [HasMethods(["fit", "label_issues", "training_rows"]), None],
    "action": [StrOptions({"relabel", "drop", "weight"})],
}


def _estimator_has(name: str) -> Any:
    """Whether the classifier has a method; its own AttributeError where it has none."""

    def check(self: CleanedClassifier) -> bool:
        getattr(getattr(self, "estimator_", self.estimator), name)
        return True

    return check


class CleanedClassifier(
    DocLinkMixin, NestedParamsMixin, MetaEstimatorMixin, ClassifierMixin, BaseEstimator
):
    """Clean the labels, then fit a classifier of your own on them.

    ``fit`` cleans the labels of the rows that it is given, and of these alone: in
    cross-validation, grid search and calibration every training fold is cleaned for itself, and
    validation labels stay as given. Prediction is the classifier's; nothing is cleaned then.

    No class is lost. Where cleaning would leave a class without a row, its rows keep their
    given labels, and a warning names it.

    Parameters
    ----------
    estimator : classifier
        Any scikit-learn classifier. A clone of it is fitted.
    cleaner : LabelCleaner, classifier of nllearn or None, default=None
        Finds the label issues. None is ``LabelCleaner(random_state=0)``. Its parameters are
        reached as ``cleaner__threshold`` where it is an instance. Its rows are those of X, so
        X must be numbers without gaps: put encoders and imputers in front.
    action : {"relabel", "drop", "weight"}, default="relabel"
        What happens to label issues before the classifier is fitted. "relabel" gives them the
        corrected label, "drop" leaves their rows out, "weight" keeps all given labels and
        weights every row by its label quality. "weight" needs a classifier whose ``fit`` takes
        `sample_weight`. `threshold` of the cleaner acts on "drop", `budget` on "relabel" and
        "drop".

    Attributes
    ----------
    estimator_ : classifier
        Fitted on the cleaned labels.
    cleaner_ : estimator
        The fitted cleaner, with ``label_issues()``, ``report(path)``, ``noise_rate_`` and
        ``transition_matrix_``.
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    corrected_labels_ : ndarray of shape (n_samples,)
        Most probable label of every row, in the dtype of y.
    label_quality_ : float32 ndarray of shape (n_samples,)
        Probability that the given label is right.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only where X had names.

    See Also
    --------
    LabelCleaner : Cleans labels without fitting a classifier.

    Notes
    -----
    A validation score uses labels as they were given. `nllearn.model_selection` has scorers for
    validation labels that are partly wrong.

    With metadata routing, `sample_weight` and `trusted` are requested by
    ``set_fit_request(sample_weight=True, trusted=True)``; the classifier gets weights, also those
    of ``action="weight"``, only where it requests `sample_weight` itself.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import train_test_split
    >>> from nllearn import CleanedClassifier
    >>> from nllearn.datasets import make_symmetric_noise
    >>> X, y = load_digits(return_X_y=True)
    >>> X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0)
    >>> y_noisy = make_symmetric_noise(y, noise_rate=0.4, random_state=0)
    >>> model = LogisticRegression(max_iter=300)
    >>> bool(model.fit(X, y_noisy).score(X_test, y_test) < 0.9)
    True
    >>> clf = CleanedClassifier(model).fit(X, y_noisy)
    >>> bool(clf.score(X_test, y_test) > 0.93)
    True
    >>> bool((clf.corrected_labels_ == y).mean() > 0.95)
    True
    """

    _parameter_constraints = dict.fromkeys(_CONSTRAINTS, "no_validation")

    def __init__(self, estimator: Any, cleaner: Any = None, action: str = "relabel"):
        self.estimator = estimator
        self.cleaner = cleaner
        self.action = action

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, trusted: Any = None
    ) -> CleanedClassifier:
        """Clean the labels, and fit a clone of the classifier on them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            What the cleaner and the classifier both take; for :class:`LabelCleaner` numbers, as
            an array, a frame of pandas, polars or pyarrow, or a sparse matrix.
        y : array-like of shape (n_samples,)
            Given labels of any dtype, some of them wrong.
        sample_weight : array-like of shape (n_samples,), optional
            Importance of the rows, for the cleaner and for the classifier.
        trusted : array-like of bool of shape (n_samples,), optional
            Rows whose label is known to be right. They keep label and weight, and measure the
            accuracy of the cleaner's predictors.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For bad parameters or data, and for weights that the classifier does not take.

        Warns
        -----
        NoisyLabelWarning
            Where the rows of a class keep their given labels, since cleaning left it none.
        """
        check_params(self, _CONSTRAINTS)
        self._check_parts()
        takes_weights = self._check_weights(sample_weight)
        cleaner = LabelCleaner(random_state=0) if self.cleaner is None else clone(self.cleaner)
        cleaner.fit(X, y, sample_weight=sample_weight, trusted=trusted)
        with forget_failed_fit(self):
            self._set_fitted(cleaner)
            self.estimator_ = self._fit_estimator(cleaner, X, sample_weight, takes_weights)
        return self

    def _fit_estimator(self, cleaner: Any, X: Any, sample_weight: Any, takes_weights: bool) -> Any:
        """A clone of the classifier, fitted on what cleaning left."""
        kept, labels = self._training_labels(cleaner)
        params = {}
        if takes_weights:
            weight = read_sample_weight(to_pandas(sample_weight), X)
            if self.action == "weight":
                rows = np.arange(len(weight))
                weight *= cleaner.label_distributions_[rows, cleaner.training_rows().given]
            params["sample_weight"] = weight[kept]
        if len(kept) < len(self.label_quality_):
            X = _safe_indexing(X, kept)
        return clone(self.estimator).fit(X, labels, **params)

    @available_if(_estimator_has("predict"))
    def predict(self, X: Any) -> np.ndarray:
        """Predict labels with the fitted classifier.

        Parameters
        ----------
        X : array-like of shape (m, n_features)
            Rows with the columns that fit saw.

        Returns
        -------
        labels : ndarray of shape (m,)
            In the dtype of the labels that were fitted.
        """
        check_is_fitted(self)
        return self.estimator_.predict(X)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities of the fitted classifier.

        Parameters
        ----------
        X : array-like of shape (m, n_features)
            Rows with the columns that fit saw.

        Returns
        -------
        proba : ndarray of shape (m, n_classes)
            Columns in the order of ``classes_``.
        """
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)

    @available_if(_estimator_has("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of the class probabilities of the fitted classifier.

        Parameters
        ----------
        X : array-like of shape (m, n_features)
            Rows with the columns that fit saw.

        Returns
        -------
        log_proba : ndarray of shape (m, n_classes)
            Columns in the order of ``classes_``.
        """
        check_is_fitted(self)
        return self.estimator_.predict_log_proba(X)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X: Any) -> np.ndarray:
        """Decision values of the fitted classifier.

        Parameters
        ----------
        X : array-like of shape (m, n_features)
            Rows with the columns that fit saw.

        Returns
        -------
        scores : ndarray of shape (m,) or (m, n_classes)
            As the classifier gives them.
        """
        check_is_fitted(self)
        return self.estimator_.decision_function(X)

    def get_metadata_routing(self) -> MetadataRouter:
        """Routing of `sample_weight` and `trusted`: to this estimator, and on to the classifier.

        Returns
        -------
        routing : MetadataRouter
        """
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(
                estimator=self.estimator,
                method_mapping=MethodMapping().add(caller="fit", callee="fit"),
            )
        )

    def __sklearn_tags__(self) -> Any:
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.input_tags.positive_only = inner.input_tags.positive_only
        tags.non_deterministic = inner.non_deterministic
        if inner.classifier_tags is not None:
            tags.classifier_tags.multi_class = inner.classifier_tags.multi_class
            tags.classifier_tags.poor_score = inner.classifier_tags.poor_score
        return tags

    # -- the parts of fit

    def _check_parts(self) -> None:
        """Refuse what is no classifier, and an action of the cleaner that would have no effect."""
        if not is_classifier(self.estimator):
            raise ValueError(
                f"estimator={self.estimator!r} is no classifier; pass one, such as "
                "sklearn.linear_model.LogisticRegression()"
            )
        action = getattr(self.cleaner, "action", "relabel")
        if action not in ("relabel", self.action):
            raise ValueError(
                f"action={action!r} of the cleaner has no effect here; leave it out, and set "
                "action of CleanedClassifier to 'relabel', 'drop' or 'weight'"
            )

    def _check_weights(self, sample_weight: Any) -> bool:
        """Whether the classifier gets weights; an error where it should and takes none."""
        if sample_weight is None and self.action != "weight":
            return False
        if get_config()["enable_metadata_routing"]:
            # Which parts ask for weights; the weights themselves are not there yet.
            routed = process_routing(self, "fit", sample_weight=np.ones(1))
            takes = "sample_weight" in routed.estimator.fit
            advice = "call set_fit_request(sample_weight=True) of it"
        else:
            takes = has_fit_parameter(self.estimator, "sample_weight")
            advice = (
                "put CleanedClassifier inside the Pipeline as its last step"
                if hasattr(self.estimator, "steps")
                else "take a classifier that does"
            )
        if takes:
            return True
        name = type(self.estimator).__name__
        if self.action == "weight":
            raise ValueError(
                f"action='weight' passes sample_weight to the fit of {name}, which does not take "
                f"it; {advice}, or use action='relabel' or 'drop'"
            )
        if not get_config()["enable_metadata_routing"]:
            raise ValueError(
                f"sample_weight was passed, but fit of {name} does not take it; {advice}, or leave "
                "sample_weight out"
            )
        return False

    def _set_fitted(self, cleaner: Any) -> None:
        """Set what the cleaner found."""
        self.cleaner_ = cleaner
        self.classes_ = cleaner.classes_
        self.corrected_labels_ = cleaner.corrected_labels_
        self.label_quality_ = cleaner.label_quality_
        self.n_features_in_ = cleaner.n_features_in_
        if hasattr(cleaner, "feature_names_in_"):
            self.feature_names_in_ = cleaner.feature_names_in_
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_  # of an earlier fit

    def _training_labels(self, cleaner: Any) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the rows that the classifier is fitted on, and their labels."""
        rows = cleaner.training_rows()
        given = rows.given
        labels, kept = given, np.ones(len(given), dtype=bool)
        if self.action != "weight":
            issue = to_pandas(cleaner.row_issues())["is_label_issue"].to_numpy()
            if self.action == "relabel":
                labels = np.where(issue, rows.corrected, given)
            else:
                kept = ~issue
        labels, kept, restored = keep_every_class(labels, kept, given)
        if len(restored):
            warnings.warn(
                f"cleaning would leave no row with the label(s) "
                f"{self.classes_[restored].tolist()}; their rows keep their given labels",
                NoisyLabelWarning,
                stacklevel=4,
            )
        kept = np.flatnonzero(kept)
        return kept, self.classes_[labels[kept]]
