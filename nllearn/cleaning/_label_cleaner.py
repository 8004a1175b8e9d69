"""LabelCleaner: the door, the stages in order, and what fit leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from nllearn._judgement import (
    Findings,
    GivenLabels,
    Graph,
    Outlook,
    choose_scale,
    hear_witnesses,
    warn_of_lost_classes,
)
from nllearn._labels import check_labels
from nllearn._validation import (
    check_params,
    check_rows,
    check_same_rows,
    check_trusted,
    read_sample_weight,
    resolve_device,
)
from nllearn.cleaning._evidence import gather_evidence, name_neighbors, predict_alone
from nllearn.cleaning._fitted import FittedMethods
from nllearn.cleaning._graph import find_graph
from nllearn.cleaning._inputs import (
    check_neighbor_graph,
    check_pred_probs,
    check_sparse_size,
)
from nllearn.cleaning._model import add_model
from nllearn.cleaning._resample import apply_action, warn_of_dropped_classes
from nllearn.cleaning._sampler import SamplerBase
from nllearn.functional.transition import fused_transition, noise_rate

__all__ = ["LabelCleaner"]

_STAGES = ("neighbours", "regression", "regression of mixed rows", "verdict")


class LabelCleaner(FittedMethods, SamplerBase):
    """Find and correct wrong labels of embeddings or tables, in seconds, without training.

    Three witnesses say what they think of every row's label without having seen it:
    the row's neighbours, and two kernel ridge regressions in closed-form leave-one-out
    (one on rows mixed with their neighbours). How far they are believed follows from
    how often they agree. Their opinion is fused with the given label through an
    estimated transition matrix; then the surest rows of each class vote as well, with their
    fused labels, and the fusion is repeated. Where noise prefers some wrong labels, a row's
    class is the one whose row of the transition matrix fits best what the witnesses say of
    all labels. Where noise sits at the boundary of the classes
    alone, the regressions are fitted anew on the rows away from it, and a given label that
    is probably wrong speaks against its class.

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
    neighbors : {"auto", "exact", "descent"}, search or None, default=None
        Neighbour search with scikit-learn's ``fit`` and ``kneighbors``. None is
        "auto": exact up to 60,000 rows on a CPU and 500,000 on a GPU, where
        approximate descent becomes the faster one.
    device : str, default="auto"
        "auto" takes a GPU where torch sees one.
    verbose : int, default=0
        Above 0 shows a progress bar over the stages.
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
            "neighbors",
            "device",
            "verbose",
            "random_state",
        ),
        "no_validation",
    )
    _constraints = {
        "action": [StrOptions({"relabel", "drop", "relabel_or_drop"})],
        "confidence": [Interval(Real, 0, 1, closed="both")],
        "threshold": [Interval(Real, 0, 1, closed="both"), None],
        "budget": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="right"),
            None,
        ],
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "n_landmarks": [Interval(Integral, 2, None, closed="left")],
        "neighbors": [StrOptions({"auto", "exact", "descent"}), HasMethods("kneighbors"), None],
        "device": [str],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        action: str = "relabel",
        confidence: float = 0.8,
        threshold: float | None = None,
        budget: float | None = None,
        n_neighbors: int | None = None,
        n_landmarks: int = 1000,
        neighbors: Any = None,
        device: str = "auto",
        verbose: int = 0,
        random_state: Any = None,
    ):
        self.action = action
        self.confidence = confidence
        self.threshold = threshold
        self.budget = budget
        self.n_neighbors = n_neighbors
        self.n_landmarks = n_landmarks
        self.neighbors = neighbors
        self.device = device
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
        X : array-like of shape (n_samples, n_features)
            Embeddings or a table of numbers: array, memmap, DataFrame or sparse matrix.
        y : array-like of shape (n_samples,)
            Given labels of any dtype, some of them wrong.
        sample_weight : array-like of shape (n_samples,), optional
            Importance in votes, regressions, noise rate and transition matrix; a common
            factor changes nothing. A row of weight 0 is scored, and is no witness.
        trusted : array-like of bool of shape (n_samples,), optional
            Rows whose label is known to be right: never changed, quality 1, and used
            to measure the witnesses.
        pred_probs : array-like of shape (n_samples, n_classes), optional
            Out-of-sample probabilities of any model, as one more witness; columns in
            the order of the sorted labels, or a DataFrame whose columns are named by
            the labels. A DataFrame with another index than X is refused.
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
            For bad parameters (all are told at once) or bad data.
        """
        index = getattr(X, "index", None) if hasattr(X, "iloc") else None
        check_same_rows(X, y=y, sample_weight=sample_weight, trusted=trusted, pred_probs=pred_probs)
        X, y = self._check_data(X, y)
        self._clean(X, y, sample_weight, trusted, pred_probs, neighbor_graph)
        self._index = index
        return self

    def _check_data(self, X: Any, y: Any) -> tuple[Any, np.ndarray]:
        """Check parameters, rows and labels."""
        check_params(self, self._constraints)
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
        self._clean(X, y, sample_weight, trusted, pred_probs, neighbor_graph)
        self._index = None
        labels, kept = apply_action(
            self.action,
            self.confidence,
            self._issues(self.threshold),
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

        with self._progress() as advance:
            scale = choose_scale(X, codes, n_classes, weight, generator)
            if scale is None:
                raise ValueError(
                    f"X is constant: none of its {X.shape[1]} column(s) varies over the rows that "
                    "take part (or by less than 1e-150), so nothing can be learnt from it; pass "
                    "features or embeddings that differ between rows"
                )
            self._scale = scale
            unit = scale.apply(X, device)
            graph, searched = find_graph(
                unit, self.neighbors, self.n_neighbors, n_classes, known_graph, seed
            )
            weights = torch.from_numpy(weight.astype(np.float32)).to(device)

            def add_probs(scores: torch.Tensor, log_votes: torch.Tensor) -> None:
                if probs is not None:
                    add_model(scores, probs, log_votes, weights)

            findings = hear_witnesses(
                unit,
                graph,
                GivenLabels(
                    torch.from_numpy(codes).to(device),
                    n_classes,
                    weights,
                    torch.from_numpy(trusted).to(device),
                ),
                self.n_landmarks,
                generator,
                # Rows of the user's: no witness has seen them.
                outlook=lambda agreed, log_votes: Outlook(agreed, agreed),
                revise=add_probs,
                advance=advance,
            )
        self._leave(findings, graph, codes, trusted, weight)
        verdict, fits = findings.verdict, findings.regressions
        self._fits, self._noise = fits, verdict.noise
        self._unit = unit.half()
        self._vote_labels, self._vote_weights = verdict.labels, verdict.voters
        self.resolved_params_ = {
            "device": str(device),
            "n_neighbors": graph.rows.shape[1],
            "neighbors": searched,
            "n_landmarks": len(fits[0].kmap.landmarks),
            "random_state": seed,
            "ridges": tuple(fit.ridge for fit in fits),
            "standardized": bool(len(np.unique(self._scale.scale)) > 1),
            "sharpness": verdict.noise.sharpness,
            "boundary_noise": verdict.noise.boundary > 0,
            "class_templates": findings.by_templates,
        }

    def _leave(
        self,
        findings: Findings,
        graph: Graph,
        given: np.ndarray,
        trusted: np.ndarray,
        weight: np.ndarray,
    ) -> None:
        """Set the fitted attributes and the evidence."""
        verdict, scores, log_votes = findings.verdict, findings.scores, findings.log_votes
        distributions = verdict.distributions.cpu().numpy()
        rows = np.arange(len(given))
        quality = distributions[rows, given]
        corrected = np.where(quality >= distributions.max(1), given, distributions.argmax(1))
        self._given, self._corrected = given, corrected
        self.label_distributions_, self.label_quality_ = distributions, quality
        self.corrected_labels_ = self.classes_[corrected]
        self.noise_rate_ = noise_rate(quality, weight)
        self.transition_matrix_ = fused_transition(distributions, given, weight)
        warn_of_lost_classes(self.classes_, given, corrected, stacklevel=4)
        self._predicted, self._predicted_proba = predict_alone(scores, verdict.votes, verdict.noise)
        self._evidence = gather_evidence(
            scores, log_votes, verdict.easy_votes, verdict.easy, given, corrected, trusted
        )
        self._named = name_neighbors(graph.rows)

    @contextmanager
    def _progress(self) -> Iterator[Any]:
        """A bar over the stages, or nothing."""
        if not self.verbose:
            yield lambda: None
            return
        from tqdm.auto import tqdm

        with tqdm(total=len(_STAGES), desc=_STAGES[0], unit="stage", dynamic_ncols=True) as bar:

            def advance() -> None:
                bar.update()
                if bar.n < len(_STAGES):
                    bar.set_description(_STAGES[bar.n])

            yield advance
