"""LabelCleaner: parameters, the stages of fit in their order, and the fitted attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from nllearn._annotators import set_annotators
from nllearn._base import LabelIssuesMixin, TrainingRows
from nllearn._frames import library_of, to_pandas
from nllearn._labels import check_labels
from nllearn._torch_state import LEAST_WORK, torch_state
from nllearn._validation import (
    check_params,
    check_rows,
    check_same_rows,
    forget_failed_fit,
    resolve_device,
)
from nllearn.cleaning._evidence import as_cells, gather_evidence, nearest_rows, predict_alone
from nllearn.cleaning._inputs import (
    align_predictions,
    check_fit_data,
    check_is_table,
    check_predictions_alone,
    log_probabilities,
    row_index,
)
from nllearn.cleaning._new_rows import NewRowsMixin
from nllearn.cleaning._parameters import CONSTRAINTS
from nllearn.cleaning._predictors import check_predictors
from nllearn.cleaning._sampler import SamplerBase, warn_of_dropped_classes
from nllearn.cleaning._saved_file import write_cleaner
from nllearn.cleaning._stages import fit_stages, fit_work, stage_progress
from nllearn.functional.resampling import apply_action
from nllearn.functional.transition import noise_rate
from nllearn.label_model import (
    LabelPosterior,
    ReadAnnotators,
    read_annotators,
    warn_of_doubt,
    warn_of_lost_classes,
)

__all__ = ["LabelCleaner"]


class LabelCleaner(NewRowsMixin, LabelIssuesMixin, SamplerBase):
    """Find and correct wrong labels of embeddings or tables, in seconds, without training.

    Every row's label is predicted from the other rows: by its nearest neighbours, by two
    kernel ridge regressions in closed-form leave-one-out (one on rows smoothed over their
    neighbours), and where there are few columns by the out-of-bag trees of a random forest. Where
    two classes get nearly the same score the predictors err, where one leads
    by far they hardly do; what differs from the given label there is noise. From this floor
    follow the error of every prediction and the transition matrix, and Bayes' rule combines the
    prediction with the given label. Where noise prefers some wrong labels, the predictions are
    compared with the rows of the transition matrix as class prototypes. Labels that the rows
    tell nothing about are kept.

    Nothing is n x n; X may be a memmap.

    Parameters
    ----------
    action : {"relabel", "drop", "relabel_or_drop"}, default="relabel"
        What ``fit_resample`` does with label issues: give the corrected label, leave
        the row out, or relabel the rows whose corrected label has a probability of at
        least `confidence` and leave the others out.
    confidence : float in [0, 1], default=0.8
        See `action`; otherwise without effect.
    threshold : float in [0, 1] or None, default=None
        Rows whose quality is below are issues too.
    budget : int, float in (0, 1] or None, default=None
        At most so many rows (or this share of them) are issues: those with the lowest
        quality. ``corrected_labels_`` does not depend on it.
    n_neighbors : int or None, default=None
        Neighbours that vote on every row. None is 50 (30 with approximate search), or two
        thirds of the rows per class where that is fewer.
    n_landmarks : int, default=1000
        Landmarks of the kernel regressions; cost grows with n times its square.
    boundary_noise : bool or "auto", default="auto"
        Whether wrong labels are taken to lie at the boundaries of the classes, as those that a
        classifier made do. There rows that are hard and rightly labelled look the same. "auto"
        decides by the trusted rows; without them it keeps these labels and counts the rows in
        `n_undecided_`.
    predictors : list or None, default=None
        What predicts the labels. None is ``["neighbors", "kernel_ridge", "forest"]``; without
        "forest", a random forest on the columns, where X has more than 100 of them. Beside
        regressions the forest counts where it improves on them. The list also takes
        scikit-learn classifiers with ``predict_proba``, which are cross-validated in 5 shuffled
        stratified folds of the rows as they are passed, and objects with
        ``predict_out_of_sample(X, y_soft, sample_weight)``, which get rows of length one.
        Regressions and others are weighted by stacked regression: a poor one counts nothing.
    neighbors : {"auto", "exact", "descent"}, search or None, default=None
        Neighbour search with scikit-learn's ``fit`` and ``kneighbors``. None is
        "auto": exact where that is fast enough, on a CPU up to about 100,000 rows of 400
        columns. Beyond, approximate descent, if on 10,000 drawn rows it votes as exact search
        does; else exact.
    device : str, default="auto"
        "auto" chooses the GPU if torch finds one.
    n_jobs : int or None, default=None
        Threads of torch; -1 is one per CPU that the process may use. None takes torch's
        number, at most one per such CPU, and a single thread where the work is too small to
        gain from more. The caller's number for torch is restored.
    verbose : int or None, default=None
        Above 0 shows a progress bar over the stages, 0 none. None shows it after ten seconds, in
        a terminal alone.
    random_state : int, RandomState or None, default=None
        Draws the landmarks, and the rows of estimates above 100,000 rows.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only where X had names.
    label_distributions_ : float32 ndarray of shape (n_samples, n_classes)
        Probability of the true label given the row and its given label.
    label_quality_ : float32 ndarray of shape (n_samples,) or (n_samples, n_annotators)
        Probability that the given label is right; NaN where an annotator gave none.
    corrected_labels_ : ndarray of shape (n_samples,)
        Most probable label, in the dtype of y; ties go to the given one.
    frame_library_ : {"polars", "pyarrow"} or None
        Library of the frames that `fit` got, in which tables are given back; None for pandas.
    has_signal_ : bool
        Whether the features tell anything about the labels. If not, no label is changed.
    n_undecided_ : int
        Rows near a class boundary whose most probable label depends on where noise is taken to
        lie, and whose label was kept. Some thirty of them, checked and passed as `trusted`,
        decide.
    noise_rate_ : float
        Estimated share of wrong labels.
    transition_matrix_ : float64 ndarray of shape (n_classes, n_classes)
        ``T[i, j] = P(given j | true i)`` of the estimate, rows sum to one. Of several annotators
        what they have in common.
    annotators_ : ndarray of shape (n_annotators,)
        Only with several annotators: names of the columns of y, or numbers from 0.
    annotator_quality_ : float64 ndarray of shape (n_annotators,)
        Only with several annotators: probability that a label of each is right.
    annotator_transition_matrices_ : float64 ndarray of shape (n_annotators, n_classes, n_classes)
        Only with several annotators: ``T[a, i, j] = P(annotator a says j | true i)``.
    annotator_agreement_ : float64 ndarray of shape (n_annotators, n_annotators)
        Only with several annotators: share of the rows labelled by both on which two agree; NaN
        without such rows.
    annotator_dependence_ : float64 ndarray of shape (n_annotators, n_annotators)
        Only with several annotators: share of the labels that one of two seems to have from the
        other, near 1 for those who copy. 0 between two annotators alone, of whom it cannot be
        told.
    resolved_params_ : dict
        What every None became, and what was chosen from the data.
    sampling_strategy_ : dict
        Only after ``fit_resample``; always empty; imbalanced-learn expects the attribute.
    sample_indices_ : int64 ndarray of shape (n_kept,)
        Only after ``fit_resample`` with an `action` that drops rows: those kept.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from nllearn import LabelCleaner
    >>> from nllearn.datasets import make_symmetric_noise
    >>> X, y = load_digits(return_X_y=True)
    >>> y_noisy = make_symmetric_noise(y, noise_rate=0.4, random_state=0)
    >>> cleaner = LabelCleaner(random_state=0).fit(X, y_noisy)
    >>> bool((cleaner.corrected_labels_ == y).mean() > 0.96)
    True
    """

    _parameter_constraints = dict.fromkeys(CONSTRAINTS, "no_validation")

    def __init__(
        self,
        *,
        action: str = "relabel",
        confidence: float = 0.8,
        threshold: float | None = None,
        budget: float | None = None,
        n_neighbors: int | None = None,
        n_landmarks: int = 1000,
        boundary_noise: bool | str = "auto",
        predictors: Any = None,
        neighbors: Any = None,
        device: str = "auto",
        n_jobs: int | None = None,
        verbose: int | None = None,
        random_state: Any = None,
    ):
        self.action = action
        self.confidence = confidence
        self.threshold = threshold
        self.budget = budget
        self.n_neighbors = n_neighbors
        self.n_landmarks = n_landmarks
        self.boundary_noise = boundary_noise
        self.predictors = predictors
        self.neighbors = neighbors
        self.device = device
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        trusted: Any = None,
        pred_probs: Any = None,
        neighbor_graph: Any = None,
        classes: Any = None,
    ) -> LabelCleaner:
        """Clean the labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or None
            Embeddings or a table of numbers: array, memmap, sparse matrix, or frame of pandas,
            polars or pyarrow. None takes the logarithms of `pred_probs` as the rows: labels are
            then cleaned by predictions alone.
        y : array-like of shape (n_samples,) or (n_samples, n_annotators)
            Given labels of any dtype, some of them wrong. A column for each annotator, at least
            two, with None, NaN or NaT where there is no label; a DataFrame names them. Rows
            without any label are predicted.
        sample_weight : array-like of shape (n_samples,), optional
            Importance in votes, regressions, noise rate and transition matrix; a common
            factor changes nothing. A row of weight 0 is scored, and its label is used for no
            other row; as a neighbour it still smooths the features of others.
        trusted : array-like of bool of shape (n_samples,), optional
            Rows whose label is known to be right: never changed, quality 1, and used
            to measure the accuracy of the predictors.
        pred_probs : array-like of shape (n_samples, n_classes), optional
            Out-of-sample probabilities of any model, as one more predictor; columns in
            the order of the sorted classes, or a DataFrame whose columns are named by
            the labels. A DataFrame is put into the order of the index of X; where it lacks
            some of it, this raises an error.
        neighbor_graph : array-like, pair of arrays or sparse matrix, optional
            Neighbours of every row, without the row itself: row numbers of shape
            (n_samples, k), or what scikit-learn's ``kneighbors`` or
            ``kneighbors_graph`` returns. Takes the place of the search.
        classes : array-like of shape (n_classes,), optional
            All classes, also those that occur in no label but have a column of `pred_probs`.
            None takes the labels of y.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For bad parameters (all are reported at once) or bad data.
        """
        library = library_of(pred_probs, y) if X is None else library_of(X, y)
        X, y, sample_weight, trusted = map(to_pandas, (X, y, sample_weight, trusted))
        classes, graph = to_pandas(classes), to_pandas(neighbor_graph)
        pred_probs = align_predictions(to_pandas(pred_probs), y if X is None else X)
        beside = dict(sample_weight=sample_weight, trusted=trusted, pred_probs=pred_probs)
        self._check_parameters()
        alone = X is None
        if alone:
            check_same_rows(y, to="y", y=y, **beside)
            index = row_index(pred_probs, y)
            beside["pred_probs"] = check_predictions_alone(y, pred_probs, classes)
            X = log_probabilities(beside["pred_probs"])
        else:
            check_same_rows(X, y=y, **beside)
            index = row_index(X)
        with torch_state(self.n_jobs), forget_failed_fit(self):
            X, y = self._check_data(X, y)
            self._clean(X, y, **beside, neighbor_graph=graph, classes=classes, alone=alone)
        self._index, self.frame_library_ = index, library
        return self

    # -- after fit

    def training_rows(self) -> TrainingRows:
        check_is_fitted(self, "label_quality_")
        return TrainingRows(
            given=self._given,
            corrected=self._corrected,
            predicted=self._predicted,
            predicted_proba=self._predicted_proba,
            evidence={**self._evidence, "neighbor_rows": as_cells(self._named)},
            index=self._index,
            predicted_by="all predictors",
        )

    def training_features(self) -> np.ndarray | None:
        check_is_fitted(self, "label_quality_")
        X_unit = self._predictors.X_unit
        return None if X_unit is None else X_unit.cpu().numpy()

    def _write_state(self, writer: Any) -> dict[str, Any]:
        return write_cleaner(writer, self.get_params(deep=False), vars(self))

    # -- the stages of fit

    def _check_parameters(self) -> None:
        check_params(self, CONSTRAINTS)
        check_predictors(self.predictors)

    def _check_data(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Check rows and labels."""
        check_is_table(X)
        check_rows(X)
        annotators = read_annotators(y)
        if annotators is not None:
            return self._check_annotated(X, annotators), annotators
        formats = {"accept_sparse": ["csr", "csc"], "ensure_min_samples": 2}
        X, y = validate_data(self, X, check_labels(y), dtype="numeric", **formats)
        check_classification_targets(y)
        return X, y

    def _check_annotated(self, X: Any, annotators: ReadAnnotators) -> Any:
        """Check rows beside the labels of several annotators."""
        annotators.refuse_boundary_noise(self.boundary_noise)
        formats = {"accept_sparse": ["csr", "csc"], "ensure_min_samples": 2}
        X = validate_data(self, X, dtype="numeric", **formats)
        if X.shape[0] != len(annotators.codes):
            raise ValueError(
                f"X has {X.shape[0]} rows and y has {len(annotators.codes)}; they must be the same "
                "rows"
            )
        return X

    def _fit_resample(self, X: Any, y: Any, **beside: Any) -> tuple[Any, np.ndarray]:
        """Clean, then relabel or drop the issues."""
        with torch_state(self.n_jobs), forget_failed_fit(self):
            self._clean(X, y, **beside)
        self._index = None
        labels, kept = apply_action(
            self.action,
            self.confidence,
            self._find_issues(self.training_rows(), None),
            self._given,
            self._corrected,
            self.label_distributions_,
        )
        if kept is None:
            # Of an earlier call with another action.
            self.__dict__.pop("sample_indices_", None)
            return X, self.classes_[labels]
        self.sample_indices_ = kept
        warn_of_dropped_classes(self.action, self.classes_, self._corrected, labels, stacklevel=4)
        return X[kept], self.classes_[labels]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.sparse = True
        if getattr(tags, "sampler_tags", None) is not None:
            tags.sampler_tags.sample_indices = self.action != "relabel"
        return tags

    def _clean(self, X: Any, y: Any, *, alone: bool = False, **beside: Any) -> None:
        """Estimate the posterior and set the fitted attributes; `beside` as for ``fit``.

        `alone` says that the rows are those of ``pred_probs``.
        """
        data = check_fit_data(X, y, **beside)
        self.classes_, self._without_rows = data.classes, alone
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        device = resolve_device(self.device)
        small = fit_work(data.X.shape, self.n_landmarks, len(data.classes)) < LEAST_WORK
        with (
            torch_state(self.n_jobs, is_small=small) as n_threads,
            stage_progress(self.verbose) as advance,
        ):
            fitted = fit_stages(
                data,
                neighbors=self.neighbors,
                n_neighbors=self.n_neighbors,
                n_landmarks=self.n_landmarks,
                boundary_noise=self.boundary_noise,
                predictors=self.predictors,
                compare_rows=not alone,
                seed=seed,
                device=device,
                advance=advance,
            )
        self._set_fitted(fitted.posterior, fitted.given, data.trusted, data.weight)
        self._evidence |= fitted.duplicates
        set_annotators(self, fitted.annotators, data.weight)
        self._predictors = fitted.predictors
        self.resolved_params_ = {"n_jobs": n_threads, "random_state": seed, **fitted.resolved}

    def _set_fitted(
        self, posterior: LabelPosterior, given: np.ndarray, trusted: np.ndarray, weight: np.ndarray
    ) -> None:
        """Set the fitted attributes and the evidence."""
        noise = posterior.noise
        distributions, quality, corrected = posterior.corrected(given)
        self._given, self._corrected = given, corrected
        self.label_distributions_, self.label_quality_ = distributions, quality
        self.corrected_labels_ = self.classes_[corrected]
        self.noise_rate_ = noise_rate(quality, weight)
        self.transition_matrix_ = posterior.transition
        self.has_signal_, self.n_undecided_ = posterior.has_signal, posterior.n_undecided
        warn_of_lost_classes(self.classes_, given, corrected, stacklevel=4)
        warn_of_doubt(self.has_signal_, self.n_undecided_, len(given), stacklevel=4)
        self._predicted, self._predicted_proba = predict_alone(
            posterior.scores, posterior.log_votes, noise
        )
        self._evidence = gather_evidence(posterior, given, corrected, trusted)
        self._named = nearest_rows(posterior.neighbor_indices)
