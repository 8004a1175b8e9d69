"""LabelCleaner: parameters, the stages of fit in their order, and the fitted attributes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from nllearn._base import LabelIssuesMixin, TrainingRows
from nllearn._labels import check_labels, label_index
from nllearn._progress import progress_delay
from nllearn._torch_state import LEAST_WORK, torch_state
from nllearn._validation import (
    check_params,
    check_rows,
    check_same_rows,
    check_trusted,
    read_sample_weight,
    resolve_device,
)
from nllearn.cleaning._evidence import (
    as_cells,
    duplicate_evidence,
    gather_evidence,
    nearest_rows,
    predict_alone,
)
from nllearn.cleaning._fitted import FittedPredictors
from nllearn.cleaning._graph import find_graph
from nllearn.cleaning._inputs import (
    check_is_table,
    check_neighbor_graph,
    check_pred_probs,
    check_sparse_size,
    log_probabilities,
    row_index,
)
from nllearn.cleaning._parameters import CONSTRAINTS
from nllearn.cleaning._resample import apply_action, warn_of_dropped_classes
from nllearn.cleaning._sampler import SamplerBase
from nllearn.cleaning._state import write_cleaner
from nllearn.functional.near_duplicates import row_hashes
from nllearn.functional.transition import noise_rate
from nllearn.label_model import (
    LabelPosterior,
    NoisyLabels,
    choose_scaling,
    estimate_label_posterior,
    warn_of_doubt,
    warn_of_lost_classes,
)
from nllearn.predictors import GivenPredictions

__all__ = ["LabelCleaner"]

# Above so many rows the search is approximate.
_MOST_SEARCHED = 60_000
_STAGES = ("neighbours", "regression", "regression of smoothed rows", "noise")


def _work(shape: tuple[int, ...], n_landmarks: int, n_classes: int) -> float:
    """Multiply-adds of a regression and of the search, roughly."""
    n, d = shape
    return float(n) * (n_landmarks * (n_landmarks + n_classes) + min(n, _MOST_SEARCHED) * d)


class LabelCleaner(LabelIssuesMixin, SamplerBase):
    """Find and correct wrong labels of embeddings or tables, in seconds, without training.

    Every row's label is predicted from the other rows: by its nearest neighbours, and by two
    kernel ridge regressions in closed-form leave-one-out (one on rows smoothed over their
    neighbours). Where two classes get nearly the same score the predictors err, where one leads
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
    neighbors : {"auto", "exact", "descent"}, search or None, default=None
        Neighbour search with scikit-learn's ``fit`` and ``kneighbors``. None is
        "auto": exact up to 60,000 rows on a CPU and 500,000 on a GPU, where
        approximate descent becomes the faster one.
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
    label_quality_ : float32 ndarray of shape (n_samples,)
        Probability that the given label is right.
    corrected_labels_ : ndarray of shape (n_samples,)
        Most probable label, in the dtype of y; ties go to the given one.
    has_signal_ : bool
        Whether the features tell anything about the labels. If not, no label is changed.
    n_undecided_ : int
        Rows near a class boundary whose most probable label depends on where noise is taken to
        lie, and whose label was kept. Some thirty of them, checked and passed as `trusted`,
        decide.
    noise_rate_ : float
        Estimated share of wrong labels.
    transition_matrix_ : float64 ndarray of shape (n_classes, n_classes)
        ``T[i, j] = P(given j | true i)`` of the estimate, rows sum to one.
    resolved_params_ : dict
        What every None became, and what was chosen from the data.
    sampling_strategy_ : dict
        Only after ``fit_resample``; imbalanced-learn's, always empty of meaning here.
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

    _parameter_constraints = dict.fromkeys(
        (
            "action",
            "confidence",
            "threshold",
            "budget",
            "n_neighbors",
            "n_landmarks",
            "boundary_noise",
            "neighbors",
            "device",
            "n_jobs",
            "verbose",
            "random_state",
        ),
        "no_validation",
    )

    _predictors: FittedPredictors

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
    ) -> LabelCleaner:
        """Clean the labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or None
            Embeddings or a table of numbers: array, memmap, DataFrame or sparse matrix. None
            takes the logarithms of `pred_probs` as the rows: labels are then cleaned by
            predictions alone.
        y : array-like of shape (n_samples,)
            Given labels of any dtype, some of them wrong.
        sample_weight : array-like of shape (n_samples,), optional
            Importance in votes, regressions, noise rate and transition matrix; a common
            factor changes nothing. A row of weight 0 is scored, and is used for no other row.
        trusted : array-like of bool of shape (n_samples,), optional
            Rows whose label is known to be right: never changed, quality 1, and used
            to measure the accuracy of the predictors.
        pred_probs : array-like of shape (n_samples, n_classes), optional
            Out-of-sample probabilities of any model, as one more predictor; columns in
            the order of the sorted labels, or a DataFrame whose columns are named by
            the labels. A DataFrame with another index than X raises an error.
        neighbor_graph : array-like, pair of arrays or sparse matrix, optional
            Neighbours of every row, without the row itself: row numbers of shape
            (n_samples, k), or what scikit-learn's ``kneighbors`` or
            ``kneighbors_graph`` returns. Takes the place of the search.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For bad parameters (all are reported at once) or bad data.
        """
        named = dict(y=y, sample_weight=sample_weight, trusted=trusted, pred_probs=pred_probs)
        self._without_rows = X is None
        if X is None:
            check_same_rows(y, to="y", **named)
            index = row_index(pred_probs, y)
            pred_probs = self._check_predictions(y, pred_probs)
            X = log_probabilities(pred_probs)
        else:
            check_same_rows(X, **named)
            index = row_index(X)
        X, y = self._check_data(X, y)
        with torch_state(self.n_jobs):
            self._clean(X, y, sample_weight, trusted, pred_probs, neighbor_graph)
        self._index = index
        return self

    # -- after fit

    def score_labels(self, X_new: Any, y_new: Any) -> np.ndarray:
        """Quality of the given labels of rows that fit has not seen.

        Parameters
        ----------
        X_new : array-like of shape (m, n_features)
            Rows with the columns that fit saw; of a fit without X predictions of shape
            (m, n_classes).
        y_new : array-like of shape (m,)
            Their given labels, from ``classes_``.

        Returns
        -------
        quality : float32 ndarray of shape (m,)
            Probability that each label is right, under the noise of the fitted labels.

        Raises
        ------
        ValueError
            For a label that fit has not seen, or after :meth:`compact`.
        """
        self._check_can_score("score_labels")
        X_new = self._check_new_rows(X_new)
        y_new = check_labels(y_new)
        X_new, y_new = validate_data(
            self, X_new, y_new, dtype="numeric", accept_sparse="csr", reset=False
        )
        with self._threads(X_new.shape):
            return self._predictors.label_quality(X_new, self._codes_of(y_new))

    def label_proba(self, X_new: Any) -> np.ndarray:
        """Probability of every label for rows that have none.

        Predictions of neighbours and regressions, as in `predicted_proba` of
        :meth:`label_issues`. For a row that has a label :meth:`score_labels` uses it too; a
        classifier to keep is better trained on the cleaned labels.

        Parameters
        ----------
        X_new : array-like of shape (m, n_features)
            Rows with the columns that fit saw; of a fit without X predictions of shape
            (m, n_classes).

        Returns
        -------
        proba : float32 ndarray of shape (m, n_classes)
            Columns in the order of ``classes_``; rows sum to one.

        Raises
        ------
        ValueError
            After :meth:`compact`.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from nllearn import LabelCleaner
        >>> X, y = load_iris(return_X_y=True)
        >>> cleaner = LabelCleaner(random_state=0).fit(X[10:], y[10:])
        >>> cleaner.classes_[cleaner.label_proba(X[:3]).argmax(1)].tolist()
        [0, 0, 0]
        """
        self._check_can_score("label_proba")
        X_new = self._check_new_rows(X_new)
        X_new = validate_data(self, X_new, dtype="numeric", accept_sparse="csr", reset=False)
        with self._threads(X_new.shape):
            return self._predictors.label_proba(X_new)

    def compact(self) -> Any:
        """Drop the float16 rows of the training data, the largest thing that fit keeps.

        :meth:`label_issues` works as before, :meth:`score_labels` and
        :meth:`label_proba` no longer.

        Returns
        -------
        self : object
        """
        check_is_fitted(self, "label_quality_")
        self._predictors = dataclasses.replace(self._predictors, X_unit=None)
        return self

    def training_rows(self) -> TrainingRows:
        """Labels, predictions and evidence of the training rows.

        Returns
        -------
        rows : TrainingRows
            Arrays by name: `given`, `corrected`, `predicted` (positions in ``classes_``),
            `predicted_proba`, `evidence`, `index`, `network_proba` and `losses` (None without a
            network), `predicted_by`.
        """
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
        """Training rows of unit length, as they were compared.

        Returns
        -------
        features : float16 ndarray of shape (n_samples, d) or None
            None after :meth:`compact`.
        """
        check_is_fitted(self, "label_quality_")
        X_unit = self._predictors.X_unit
        return None if X_unit is None else X_unit.cpu().numpy()

    def _find_issues(self, rows: TrainingRows, threshold: float | None) -> np.ndarray:
        """Mark the label issues by the parameters, within the budget."""
        from nllearn.inspection import mark_label_issues

        return mark_label_issues(
            rows.given,
            rows.corrected,
            self.label_quality_,
            threshold=self.threshold if threshold is None else threshold,
            budget=self.budget,
        )

    def _write_state(self, writer: Any) -> dict[str, Any]:
        return write_cleaner(writer, self.get_params(deep=False), vars(self))

    def _check_can_score(self, method: str) -> None:
        """Refuse to compare new rows with rows that are gone."""
        check_is_fitted(self, "label_quality_")
        if self._predictors.X_unit is None:
            raise ValueError(f"compact() dropped the rows that {method} compares with; fit again")

    def _check_new_rows(self, X_new: Any) -> Any:
        """New rows of a kind that can be read; of a fit without rows the logarithms."""
        check_rows(X_new)
        if not self._without_rows:
            return X_new
        probs: Any = check_pred_probs(X_new, len(X_new), self.classes_)
        return log_probabilities(probs)

    def _threads(self, shape: tuple[int, ...]) -> Any:
        """Threads for new rows of a shape beside the fitted ones."""
        n = len(self._given)
        small = float(shape[0]) * (n * shape[1] + self.n_landmarks**2) < LEAST_WORK
        return torch_state(self.n_jobs, is_small=small)

    def _codes_of(self, labels: np.ndarray) -> np.ndarray:
        """Positions in ``classes_``; a label that is not there is an error."""
        import pandas as pd

        codes = label_index(self.classes_).get_indexer(label_index(labels)).astype(np.int64)
        if (codes < 0).any():
            unknown = pd.unique(pd.Series(labels[codes < 0]))[:5].tolist()
            raise ValueError(
                f"y_new has labels that fit has not seen: {unknown}; known are "
                f"{self.classes_[:20].tolist()}"
            )
        return codes

    # -- the stages of fit

    def _check_data(self, X: Any, y: Any) -> tuple[Any, np.ndarray]:
        """Check parameters, rows and labels."""
        check_params(self, CONSTRAINTS)
        check_is_table(X)
        check_rows(X)
        X, y = validate_data(
            self,
            X,
            check_labels(y),
            dtype="numeric",
            accept_sparse=["csr", "csc"],
            ensure_min_samples=2,
        )
        check_classification_targets(y)
        return X, y

    def _check_predictions(self, y: Any, pred_probs: Any) -> Any:
        """Probabilities that take the place of the rows."""
        if pred_probs is None:
            raise ValueError(
                "X is None; pass the rows, or out-of-sample predictions as pred_probs, which then "
                "take their place"
            )
        labels = column_or_1d(check_labels(y))
        probs: Any = check_pred_probs(pred_probs, len(labels), np.unique(labels))
        if (probs == probs[:1]).all():
            raise ValueError(
                "pred_probs is the same in every row, which tells nothing of a label; pass "
                "predictions of a model that was fitted on the rows"
            )
        return probs

    def _fit_resample(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        trusted: Any = None,
        pred_probs: Any = None,
        neighbor_graph: Any = None,
    ) -> tuple[Any, np.ndarray]:
        """Clean, then relabel or drop the issues."""
        self._without_rows = False
        with torch_state(self.n_jobs):
            self._clean(X, y, sample_weight, trusted, pred_probs, neighbor_graph)
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

    # -- the stages

    def _clean(
        self,
        X: Any,
        y: np.ndarray,
        sample_weight: Any,
        trusted: Any,
        pred_probs: Any,
        neighbor_graph: Any,
    ) -> None:
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y has 1 class, {self.classes_[0]!r}; at least 2 classes are needed to tell a "
                "wrong label"
            )
        X = check_sparse_size(X)
        n, n_classes = len(codes), len(self.classes_)
        codes = codes.astype(np.int64)
        trusted = check_trusted(trusted, n)
        weight = read_sample_weight(sample_weight, X)
        weight /= weight[weight > 0].mean()
        if np.count_nonzero(weight) < 2:
            raise ValueError(
                "sample_weight is above zero for 1 row only; at least 2 rows must take part"
            )
        probs = check_pred_probs(pred_probs, n, self.classes_)
        known_graph = check_neighbor_graph(neighbor_graph, n)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        device = resolve_device(self.device)
        generator = torch.Generator().manual_seed(seed)

        # What a fit that fails leaves must not pass for fitted.
        self.__dict__.pop("label_quality_", None)
        small = _work(X.shape, self.n_landmarks, n_classes) < LEAST_WORK
        with torch_state(self.n_jobs, is_small=small) as n_threads, self._progress() as advance:
            scale = choose_scaling(X, codes, n_classes, weight, generator)
            if scale is None:
                raise ValueError(
                    f"X is constant: none of its {X.shape[1]} column(s) varies over the rows that "
                    "take part (or by less than 1e-150), so nothing can be learnt from it; pass "
                    "features or embeddings that differ between rows"
                )
            X_unit = scale.apply(X, device)
            hashes = None if self._without_rows else row_hashes(X)
            graph, searched = find_graph(
                X_unit, self.neighbors, self.n_neighbors, n_classes, known_graph, seed
            )
            labels = NoisyLabels(
                torch.from_numpy(codes).to(device),
                n_classes,
                torch.from_numpy(weight.astype(np.float32)).to(device),
                torch.from_numpy(trusted).to(device),
            )
            posterior = estimate_label_posterior(
                X_unit,
                graph,
                labels,
                generator,
                n_landmarks=self.n_landmarks,
                predictors=() if probs is None else (GivenPredictions(probs),),
                boundary_noise=self.boundary_noise,
                advance=advance,
            )
        self._set_fitted(posterior, codes, trusted, weight)
        if hashes is not None:
            self._evidence |= duplicate_evidence(graph, hashes, codes)
        noise, fits = posterior.noise, posterior.regressions
        assert noise is not None
        self._predictors = FittedPredictors(
            scale=scale,
            X_unit=X_unit.half(),
            regression=fits[0],
            smoothed_regression=fits[1],
            noise=noise,
            vote_labels=labels.codes,
            vote_weights=labels.weights,
            n_neighbors=graph.indices.shape[1],
        )
        self.resolved_params_ = {
            "device": str(device),
            "n_jobs": n_threads,
            "n_neighbors": graph.indices.shape[1],
            "neighbors": searched,
            "n_landmarks": len(fits[0].kmap.landmarks),
            "random_state": seed,
            "ridges": tuple(fit.ridge for fit in fits),
            "standardized": bool(len(np.unique(scale.scale)) > 1),
            "boundary_noise": noise.at_boundary,
        }

    def _set_fitted(
        self, posterior: LabelPosterior, given: np.ndarray, trusted: np.ndarray, weight: np.ndarray
    ) -> None:
        """Set the fitted attributes and the evidence."""
        noise = posterior.noise
        assert noise is not None
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

    @contextmanager
    def _progress(self) -> Iterator[Any]:
        """A bar over the stages, or nothing."""
        delay = progress_delay(self.verbose)
        if delay is None:
            yield lambda: None
            return
        from tqdm.auto import tqdm

        with tqdm(
            total=len(_STAGES), desc=_STAGES[0], unit="stage", dynamic_ncols=True, delay=delay
        ) as bar:

            def advance() -> None:
                if bar.n + 1 < len(_STAGES):
                    bar.set_description(_STAGES[bar.n + 1], refresh=False)
                bar.update()

            yield advance
