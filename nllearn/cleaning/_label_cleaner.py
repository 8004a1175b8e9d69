"""LabelCleaner: the door, the stages in order, and what fit leaves."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from nllearn._validation import check_params, check_trusted, resolve_device
from nllearn.classifiers._conclusion import warn_of_lost_classes
from nllearn.classifiers._review import ReviewMethods
from nllearn.cleaning._inputs import check_neighbor_graph, check_pred_probs, check_sparse_size
from nllearn.cleaning._rows import RowScale, choose_scale, row_blocks
from nllearn.cleaning._sampler import SamplerBase
from nllearn.cleaning._verdict import VOTE_WEIGHT, Verdict, fuse, judge
from nllearn.cleaning._witnesses import (
    Graph,
    ask_neighbors,
    find_graph,
    fit_regression,
    mixed_rows,
)
from nllearn.exceptions import NoisyLabelWarning
from nllearn.functional.geometry import cosine_topk
from nllearn.functional.reliability import agreement
from nllearn.functional.transition import noise_rate

__all__ = ["LabelCleaner"]

_STAGES = ("neighbours", "regression", "regression of mixed rows", "verdict")
# Neighbours named in the table of issues.
_N_NAMED = 5


class LabelCleaner(ReviewMethods, SamplerBase):
    """Find and correct wrong labels of embeddings or tables, in seconds, without training.

    Three witnesses say what they think of every row's label without having seen it:
    the row's neighbours, and two kernel ridge regressions in closed-form leave-one-out
    (one on rows mixed with their neighbours). How far they are believed follows from
    how often they agree. Their opinion is fused with the given label through an
    estimated transition matrix; then the surest rows of each class vote with their
    fused labels in place of the given ones, and the fusion is repeated. Noise that sits
    only where the witnesses are unsure is modelled there.

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
        Neighbours that vote on every row. None is 50, and 30 with approximate search.
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
            the order of the sorted labels.
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
        index = getattr(X, "index", None)
        X, y = self._check_data(X, y)
        self._clean(X, y, sample_weight, trusted, pred_probs, neighbor_graph)
        self._index = index
        return self

    def _check_data(self, X: Any, y: Any) -> tuple[Any, np.ndarray]:
        """Check parameters, rows and labels."""
        check_params(self, self._constraints)
        check_classification_targets(y)
        return validate_data(
            self, X, y, dtype="numeric", accept_sparse=["csr", "csc"], ensure_min_samples=2
        )

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
        issue = self._issues(self.threshold)
        labels = np.where(issue, self._corrected, self._given)
        if self.action == "relabel":
            # Of an earlier call with another action.
            self.__dict__.pop("sample_indices_", None)
            return X, self.classes_[labels]
        dropped = issue
        if self.action == "relabel_or_drop":
            rows = np.arange(len(issue))
            dropped = issue & (
                (self.label_distributions_[rows, self._corrected] < self.confidence)
                | (self._corrected == self._given)
            )
        self.sample_indices_ = np.flatnonzero(~dropped)
        labels = (labels if self.action == "relabel_or_drop" else self._given)[~dropped]
        gone = np.setdiff1d(self._corrected, labels)
        if len(gone):
            warnings.warn(
                f"action={self.action!r} leaves no row with the label(s) "
                f"{self.classes_[gone].tolist()}; use action='relabel' or trusted= to keep them",
                NoisyLabelWarning,
                stacklevel=4,
            )
        return X[self.sample_indices_], self.classes_[labels]

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
        weight = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True, copy=True
        )
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
            self._scale: RowScale = choose_scale(X, codes, n_classes, weight, generator)
            unit = self._scale.apply(X, device)
            given = torch.from_numpy(codes).to(device)
            weights = torch.from_numpy(weight.astype(np.float32)).to(device)
            vouched = torch.from_numpy(trusted).to(device)
            graph, searched = find_graph(unit, self.neighbors, self.n_neighbors, known_graph, seed)
            log_votes = ask_neighbors(graph, given, n_classes, weights)
            advance()
            scores = torch.zeros(n, n_classes, device=device)
            fits = []
            agreed = 0.0
            for mixing in (None, graph):
                fits.append(
                    fit_regression(
                        unit,
                        mixing,
                        given,
                        n_classes,
                        weights,
                        log_votes,
                        self.n_landmarks,
                        generator,
                        scores,
                    )
                )
                if mixing is None:
                    # Without neighbours mixed in, the two have the labels alone in common.
                    agreed = agreement(scores, log_votes, weights)
                advance()
            scores.mul_(0.5)
            if probs is not None:
                _add_model(scores, probs, log_votes, weights)
            verdict = judge(scores, log_votes, graph, given, weights, vouched, agreed, generator)
            advance()
        self._leave(verdict, scores, log_votes, graph, codes, trusted, weight)
        self._fits, self._noise = fits, verdict.noise
        self._unit: torch.Tensor | None = unit.half()
        self._vote_labels, self._vote_weights = verdict.labels, weights * verdict.easy
        self.resolved_params_ = {
            "device": str(device),
            "n_neighbors": graph.rows.shape[1],
            "neighbors": searched,
            "n_landmarks": len(fits[0].kmap.landmarks),
            "random_state": seed,
            "ridges": tuple(fit.ridge for fit in fits),
            "standardized": bool(len(np.unique(self._scale.scale)) > 1),
            "sharpness": verdict.noise.sharpness,
            "boundary_noise": verdict.noise.boundary,
        }

    def _leave(
        self,
        verdict: Verdict,
        scores: torch.Tensor,
        log_votes: torch.Tensor,
        graph: Graph,
        given: np.ndarray,
        trusted: np.ndarray,
        weight: np.ndarray,
    ) -> None:
        """Set the fitted attributes and the evidence."""
        distributions = verdict.distributions.cpu().numpy()
        rows = np.arange(len(given))
        quality = distributions[rows, given]
        corrected = np.where(quality >= distributions.max(1), given, distributions.argmax(1))
        self._given, self._corrected = given, corrected
        self.label_distributions_, self.label_quality_ = distributions, quality
        self.corrected_labels_ = self.classes_[corrected]
        self.noise_rate_ = noise_rate(quality, weight)
        self.transition_matrix_ = _transition_of(distributions, given, weight)
        warn_of_lost_classes(self.classes_, given, corrected, stacklevel=4)
        best = torch.as_tensor(corrected, device=scores.device).unsqueeze(1)
        own = torch.as_tensor(given, device=scores.device).unsqueeze(1)
        predicted = np.empty(len(given), dtype=np.int64)
        proba = np.empty(len(given), dtype=np.float32)
        for block in row_blocks(len(given)):
            evidence = scores[block] + VOTE_WEIGHT * verdict.easy_votes[block]
            top = (verdict.noise.sharpness * evidence).softmax(1).max(1)
            proba[block], predicted[block] = top.values.cpu().numpy(), top.indices.cpu().numpy()
        self._predicted, self._predicted_proba = predicted, proba

        def share(votes: torch.Tensor, of: torch.Tensor) -> np.ndarray:
            return votes.gather(1, of).squeeze(1).exp().cpu().numpy()

        by_regression = (scores.argmax(1, keepdim=True) == best).squeeze(1).cpu().numpy()
        by_neighbors = (log_votes.argmax(1, keepdim=True) == best).squeeze(1).cpu().numpy()
        decided = np.select(
            [
                trusted,
                by_regression & by_neighbors,
                by_regression,
                by_neighbors,
                corrected == given,
            ],
            ["trusted", "all", "regression", "neighbors", "given label"],
            default="noise model",
        )
        self._evidence = {
            "decided_by": decided,
            "neighbor_share_given": share(log_votes, own),
            "neighbor_share_corrected": share(log_votes, best),
            "easy_share_given": share(verdict.easy_votes, own),
            "easy_share_corrected": share(verdict.easy_votes, best),
            "is_easy": verdict.easy.cpu().numpy(),
        }
        self._named = graph.rows[:, :_N_NAMED].cpu().numpy()

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

    # -- after fit

    def _issues(self, threshold: float | None) -> np.ndarray:
        """Mark the label issues, within the budget."""
        issue = self._corrected != self._given
        if threshold is not None:
            issue = issue | (self.label_quality_ < threshold)
        if self.budget is None:
            return issue
        allowed = self.budget
        if not isinstance(allowed, Integral):
            allowed = int(np.floor(allowed * len(issue)))
        worst = np.flatnonzero(issue)
        worst = worst[np.argsort(self.label_quality_[worst], kind="stable")][: int(allowed)]
        within = np.zeros_like(issue)
        within[worst] = True
        return within

    def label_issues(self, threshold: float | None = None) -> Any:
        """Table of the training rows: which labels are issues, and why.

        Parameters
        ----------
        threshold : float in [0, 1], optional
            In place of the parameter `threshold`.

        Returns
        -------
        table : DataFrame
            One row per training row, with the index of X where it had one:
            `is_label_issue`, `label_quality`, `given_label`, `corrected_label`,
            `predicted_label`, `predicted_proba` (these two are the witnesses without the
            given label), then evidence: `decided_by` (the witnesses that the corrected
            label follows), vote shares of the given and the corrected label among all
            neighbours and among the easy ones, `is_easy`, and `neighbor_rows`, the
            numbers of the nearest rows.
        """
        check_is_fitted(self, "label_quality_")
        from nllearn.inspection import label_issue_table

        threshold = self.threshold if threshold is None else threshold
        proba = np.zeros((len(self._given), len(self.classes_)), dtype=np.float32)
        proba[np.arange(len(proba)), self._predicted] = self._predicted_proba
        table = label_issue_table(
            classes=self.classes_,
            given=self._given,
            corrected=self._corrected,
            quality=self.label_quality_,
            network_proba=proba,
            evidence={**self._evidence, "neighbor_rows": _as_objects(self._named)},
            index=self._index,
            threshold=threshold,
        )
        table["is_label_issue"] = self._issues(threshold)
        return table

    def score_labels(self, X_new: Any, y_new: Any) -> np.ndarray:
        """Quality of the given labels of rows that fit has not seen.

        Parameters
        ----------
        X_new : array-like of shape (m, n_features)
            Rows with the columns that fit saw.
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
        check_is_fitted(self, "label_quality_")
        if self._unit is None:
            raise ValueError(
                "compact() dropped the rows that score_labels compares with; fit again"
            )
        X_new, y_new = validate_data(
            self, X_new, y_new, dtype="numeric", accept_sparse="csr", reset=False
        )
        codes = np.searchsorted(self.classes_, y_new).clip(max=len(self.classes_) - 1)
        unknown = self.classes_[codes] != y_new
        if unknown.any():
            raise ValueError(
                f"y_new has labels that fit has not seen: "
                f"{np.unique(y_new[unknown])[:5].tolist()}; known are "
                f"{self.classes_[:20].tolist()}"
            )
        unit = self._scale.apply(X_new, self._unit.device)
        given = torch.from_numpy(codes.astype(np.int64)).to(unit.device)
        n_classes, k = len(self.classes_), self.resolved_params_["n_neighbors"]
        cosines, near = cosine_topk(unit, self._unit, k)
        scores = self._fits[0].predict(unit)
        mixed = torch.cat(
            [mixed_rows(unit[rows], near[rows], self._unit) for rows in row_blocks(len(unit))]
        )
        scores = (scores + self._fits[1].predict(mixed)) / 2
        votes = ask_neighbors(
            Graph(cosines, near), self._vote_labels, n_classes, self._vote_weights
        )
        fused = fuse(scores, votes, given, self._noise)
        return fused.gather(1, given.unsqueeze(1)).squeeze(1).cpu().numpy()

    def compact(self) -> LabelCleaner:
        """Drop the float16 rows of the training data, the largest thing that fit keeps.

        :meth:`label_issues` works as before, :meth:`score_labels` no longer.

        Returns
        -------
        self : object
        """
        check_is_fitted(self, "label_quality_")
        self._unit = None
        return self


def _add_model(
    scores: torch.Tensor, probs: np.ndarray, log_votes: torch.Tensor, weights: torch.Tensor
) -> None:
    """Mix a model's probabilities into the scores, by the odds that each agrees with the votes."""
    model = torch.as_tensor(probs, dtype=torch.float32, device=scores.device)

    def odds(witness: torch.Tensor) -> float:
        agreed = min(agreement(witness, log_votes, weights), 0.99)
        return agreed / (1.0 - agreed)

    mine, theirs = odds(scores), odds(model)
    share = theirs / max(mine + theirs, 1e-12)
    mean_top = float((weights * model.amax(1)).sum() / weights.sum())
    for rows in row_blocks(len(scores)):
        scores[rows] = torch.lerp(scores[rows], model[rows] / mean_top, share)


def _transition_of(distributions: np.ndarray, given: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Share of each given label under each true one, as the distributions have it."""
    n_classes = distributions.shape[1]
    counts = np.zeros((n_classes, n_classes))
    for code in range(n_classes):
        rows = given == code
        counts[:, code] = weight[rows] @ distributions[rows]
    totals = counts.sum(1, keepdims=True)
    return np.divide(counts, totals, out=np.eye(n_classes), where=totals > 0)


def _as_objects(rows: np.ndarray) -> np.ndarray:
    """One list of row numbers per cell."""
    cells = np.empty(len(rows), dtype=object)
    cells[:] = rows.tolist() if rows.shape[1] != 1 else [[row] for row in rows[:, 0].tolist()]
    return cells
