"""The audit of labels: rows drawn for a person to look at, and what the answers say."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from nllearn._labels import label_values
from nllearn.functional.audit import (
    allocate_sample,
    bound_totals,
    boundary_log_ratio,
    draw_sample,
    quality_strata,
    sampling_density,
    stratified_mean,
    total_between_strata,
)

__all__ = ["Audit", "AuditedLabels", "Interval", "audit_labels", "draw_audit_sample"]

# Log-likelihood ratio from which one of two hypotheses is taken: ten to one.
_DECIDING_LOG_RATIO = np.log(10.0)
# The more answers, the more thresholds have a bound of their own: one more part of every stratum
# (of four) with so many answers, which is eight or more in each part.
_ANSWERS_PER_PART, _MOST_PARTS = 40, 4


class Interval(NamedTuple):
    """An estimate with its confidence interval.

    Parameters
    ----------
    value : float
        The estimate; NaN where there is nothing to estimate.
    low, high : float
        Ends of the interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class AuditedLabels:
    """What an audit needs to know about n labels.

    Parameters
    ----------
    given, corrected : int64 ndarray of shape (n,)
        Positions in `classes`.
    quality : float ndarray of shape (n,)
        Claimed probability that the given label is right.
    classes : ndarray of shape (n_classes,)
    corrected_proba : float ndarray of shape (n,), optional
        Claimed probability of the corrected label.
    boundary_quality : float ndarray of shape (n,), optional
        The quality if noise lies at the class boundary.
    """

    given: np.ndarray
    corrected: np.ndarray
    quality: np.ndarray
    classes: np.ndarray
    corrected_proba: np.ndarray | None = None
    boundary_quality: np.ndarray | None = None

    @property
    def changed(self) -> np.ndarray:
        """Rows whose corrected label differs from the given one, bool of shape (n,)."""
        return self.corrected != self.given

    @cached_property
    def density(self) -> np.ndarray:
        """Share of a sample that is drawn from every row, float64 of shape (n,)."""
        return sampling_density(self.quality, self.changed, self.boundary_quality)

    @cached_property
    def strata(self) -> np.ndarray:
        """Stratum of every row, by rising quality, int64 of shape (n,)."""
        return quality_strata(self.quality, self.changed, self.density)


@dataclass(frozen=True, eq=False)
class Audit:
    """What the labels of a sample, looked at by a person, say about all labels.

    Every interval holds with probability `confidence_level` for rows that ``audit_sample`` drew.
    Rows of a choice of one's own are not random, and no interval holds for them.

    Parameters
    ----------
    audited : AuditedLabels
        Of all n rows.
    rows : int64 ndarray of shape (m,)
        Numbers of the rows that were looked at.
    right : bool ndarray of shape (m,)
        Their given label is right.
    true : int64 ndarray of shape (m,)
        Their true label as a position in the classes; -1 where it is not known.
    confidence_level : float, default=0.95
        Of every interval.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from nllearn import LabelCleaner
    >>> from nllearn.datasets import make_symmetric_noise
    >>> X, y = load_digits(return_X_y=True)
    >>> y_noisy = make_symmetric_noise(y, noise_rate=0.3, random_state=0)
    >>> cleaner = LabelCleaner(random_state=0).fit(X, y_noisy)
    >>> rows = cleaner.audit_sample(40, random_state=0)
    >>> audit = cleaner.audit(rows, y[rows])  # y[rows]: what a person sees in these rows
    >>> audit.noise_rate.low < 0.3 < audit.noise_rate.high, audit.changes_help
    (True, True)
    """

    audited: AuditedLabels = field(repr=False)
    rows: np.ndarray
    right: np.ndarray
    true: np.ndarray
    confidence_level: float = 0.95

    # -- intervals

    @cached_property
    def noise_rate(self) -> Interval:
        """Share of wrong labels among all rows, as (value, low, high)."""
        every = np.ones(len(self.audited.quality), dtype=bool)
        return self._share_wrong(every)

    def precision(self, threshold: float | None = None) -> Interval:
        """Share of wrong labels among the flagged rows.

        Parameters
        ----------
        threshold : float in [0, 1], optional
            Flagged are the rows whose quality is below it. Without it, flagged are the rows
            whose corrected label differs from the given one.

        Returns
        -------
        precision : Interval
            (value, low, high). The intervals of all thresholds hold together, so also that of a
            threshold chosen after a look at them: there are bounds of the level ``1 - alpha / k``
            at k ends of strata or parts of them (Bonferroni; k is 4, with 40 answers 8, from 120
            on 16), and between these the number of wrong labels grows by at most one a row.
            (NaN, 0, 1) where no row is flagged.

        Raises
        ------
        ValueError
            For a threshold outside [0, 1].
        """
        if threshold is None:
            return self._share_wrong(self.audited.changed)
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold={threshold!r} must be between 0 and 1, as a quality is")
        flagged = self.audited.quality < threshold
        n_flagged = int(flagged.sum())
        if n_flagged == 0:
            return Interval(float("nan"), 0.0, 1.0)
        low, high = total_between_strata(np.array([n_flagged]), **self._band)
        value = self._mean(1.0 - self.right, flagged, 1.0 - self.audited.quality)
        return _interval(value, low[0] / n_flagged, high[0] / n_flagged)

    def threshold_for(self, fdr: float = 0.1) -> float | None:
        """Largest threshold at which few of the flagged labels are right.

        Parameters
        ----------
        fdr : float in (0, 1), default=0.1
            Most that the false discovery rate may be: the share of right labels among the flagged
            ones, at the upper end of its interval.

        Returns
        -------
        threshold : float or None
            For ``label_issues(threshold=...)``. None where the answers assure this for none.

        Raises
        ------
        ValueError
            For a rate outside (0, 1).
        """
        if not 0.0 < fdr < 1.0:
            raise ValueError(f"fdr={fdr!r} must be between 0 and 1")
        ranked = np.sort(self.audited.quality.astype(np.float64))
        thresholds = np.unique(np.append(ranked, 1.0))
        flagged = np.searchsorted(ranked, thresholds)  # rows below each threshold
        low, _ = total_between_strata(flagged, **self._band)
        is_met = (flagged > 0) & (flagged - low <= fdr * flagged)
        return float(thresholds[is_met].max()) if is_met.any() else None

    @cached_property
    def accuracy_gain(self) -> Interval:
        """Share of right labels after the changes minus that before, as (value, low, high).

        Where only "wrong" is known of a changed label and there are more than two classes, the
        corrected label is right with the probability that the posterior gives it among the others;
        without a posterior anything between no and all of them is.
        """
        changed = self.audited.changed
        n = len(changed)
        if not changed.any():
            return Interval(0.0, 0.0, 0.0)
        least, most = self._corrected_right()
        bounds = [
            self._bound(values - self.right, changed, upper=upper, limits=(-1.0, 1.0))
            for values, upper in ((least, False), (most, True))
        ]
        # Without an answer in a stratum nothing is claimed about its changes.
        middle = self._mean((least + most) / 2 - self.right, changed, np.zeros(n))
        return _interval(middle * changed.mean(), bounds[0] / n, bounds[1] / n)

    # -- decisions

    @property
    def changes_help(self) -> bool | None:
        """Whether more corrected labels are right than given ones; None where undecided."""
        gain = self.accuracy_gain
        return True if gain.low > 0 else False if gain.high < 0 else None

    @cached_property
    def boundary_noise(self) -> bool | None:
        """Whether wrong labels lie at the class boundary; None where undecided.

        True or False where the answers are ten times as probable under one hypothesis as under
        the other. None also where the estimator leaves no `boundary_quality`.
        """
        if self.audited.boundary_quality is None:
            return None
        ratio = boundary_log_ratio(
            self.right, self.audited.quality[self.rows], self.audited.boundary_quality[self.rows]
        )
        return bool(ratio > 0) if abs(ratio) > _DECIDING_LOG_RATIO else None

    # -- a fit with the answers

    def trusted_mask(self) -> np.ndarray:
        """Rows whose true label is known now.

        Returns
        -------
        trusted : bool ndarray of shape (n,)
            For ``fit(X, audit.labels(), trusted=audit.trusted_mask())``.
        """
        trusted = np.zeros(len(self.audited.given), dtype=bool)
        trusted[self.rows[self.true >= 0]] = True
        return trusted

    def labels(self) -> np.ndarray:
        """Given labels, with the true ones in place where they are known.

        Returns
        -------
        labels : ndarray of shape (n,)
            In the dtype of the given labels.
        """
        codes = self.audited.given.copy()
        known = self.true >= 0
        codes[self.rows[known]] = self.true[known]
        return self.audited.classes[codes]

    # -- words

    def summary(self, fdr: float = 0.1) -> list[str]:
        """Say in lines what the answers show, and what to do next.

        Parameters
        ----------
        fdr : float in (0, 1), default=0.1
            For :meth:`threshold_for`.

        Returns
        -------
        lines : list of str
        """
        n, n_changed = len(self.audited.given), int(self.audited.changed.sum())
        level = f"{self.confidence_level:.0%} intervals in brackets"
        threshold = self.threshold_for(fdr)
        lines = [
            f"rows checked          {len(self.rows)} of {n}, {int((~self.right).sum())} labels "
            f"wrong ({level})",
            f"noise rate            {_percent(self.noise_rate)}",
            f"labels changed        {n_changed}",
        ]
        if n_changed:
            lines += [
                f"  given label wrong   {_percent(self.precision())}",
                f"  gain in accuracy    {_percent(self.accuracy_gain)}",
            ]
        name = f"threshold, FDR {fdr:.0%}"
        if threshold is None:
            lines.append(f"{name:<22}none is assured")
        else:
            n_flagged = int((self.audited.quality < threshold).sum())
            lines.append(f"{name:<22}{threshold:.6g}, flags {n_flagged} rows")
        lines.append(f"changes help          {_word(self.changes_help)}")
        if self.audited.boundary_quality is not None:
            lines.append(f"noise at the boundary {_word(self.boundary_noise)}")
        return [*lines, *(f"next: {step}" for step in self._next_steps(threshold))]

    def _next_steps(self, threshold: float | None) -> list[str]:
        steps = []
        if not self.audited.changed.any():
            steps.append("no label was changed; use the threshold, or check more rows")
        elif self.changes_help:
            steps.append("use the corrected labels")
        elif self.changes_help is False:
            steps.append("keep the given labels; the corrected ones have fewer right")
        elif threshold is not None:
            steps.append("undecided for all changes; those below the threshold are safe to review")
        else:
            steps.append("keep the given labels until more rows are checked")
        if self.boundary_noise is not None:
            steps.append(f"fit with boundary_noise={self.boundary_noise}")
        steps.append("fit again with the checked rows: labels() as y, trusted_mask() as trusted")
        return steps

    def __str__(self) -> str:
        return "\n".join(self.summary())

    # -- sums over strata

    @property
    def _alpha(self) -> float:
        """Probability with which one end of an interval may fail."""
        return (1.0 - self.confidence_level) / 2

    @cached_property
    def _band(self) -> dict[str, np.ndarray]:
        """Bounds of the wrong labels up to the end of every part of a stratum, for all together."""
        audited = self.audited
        n_parts = min(1 + len(self.rows) // _ANSWERS_PER_PART, _MOST_PARTS)
        parts = quality_strata(audited.quality, audited.changed, audited.density, n_parts=n_parts)
        sizes = np.bincount(parts)
        low, high = (
            bound_totals(
                1.0 - self.right,
                parts[self.rows],
                sizes,
                alpha=self._alpha / len(sizes),
                upper=upper,
                cumulative=True,
            )
            for upper in (False, True)
        )
        answers = np.zeros((2, len(audited.quality)), dtype=np.int64)
        answers[self.right.astype(np.int64), self.rows] = 1
        answers = answers[:, np.argsort(audited.quality, kind="stable")]
        seen_wrong, seen_right = np.pad(answers.cumsum(axis=1), ((0, 0), (1, 0)))
        return {
            "ends": np.cumsum(sizes),
            "low": low,
            "high": high,
            "seen_wrong": seen_wrong,
            "seen_right": seen_right,
        }

    def _share_wrong(self, among: np.ndarray) -> Interval:
        n_among = int(among.sum())
        if n_among == 0:
            return Interval(float("nan"), 0.0, 1.0)
        wrong = 1.0 - self.right
        low, high = (self._bound(wrong, among, upper=upper) / n_among for upper in (False, True))
        return _interval(self._mean(wrong, among, 1.0 - self.audited.quality), low, high)

    def _bound(
        self,
        values: np.ndarray,
        among: np.ndarray,
        *,
        upper: bool,
        limits: tuple[float, float] = (0.0, 1.0),
    ) -> float:
        """Bound of the total of the values of some rows."""
        strata, seen = self.audited.strata, among[self.rows]
        sizes = np.bincount(strata[among], minlength=strata.max() + 1)
        bounds = bound_totals(
            values[seen],
            strata[self.rows[seen]],
            sizes,
            alpha=self._alpha,
            upper=upper,
            limits=limits,
        )
        return float(bounds[0])

    def _mean(self, values: np.ndarray, among: np.ndarray, claimed: np.ndarray) -> float:
        """Stratified mean over some rows; what is claimed stands in where nothing was seen."""
        strata, seen = self.audited.strata, among[self.rows]
        n_strata = int(strata.max()) + 1
        sizes = np.bincount(strata[among], minlength=n_strata)
        claims = np.bincount(strata[among], weights=claimed[among], minlength=n_strata)
        expected = claims / np.maximum(sizes, 1)
        return stratified_mean(values[seen], strata[self.rows[seen]], sizes, expected)

    def _corrected_right(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest probability that the corrected label of a checked row is right."""
        corrected = self.audited.corrected[self.rows]
        known = self.true >= 0
        least = most = (corrected == self.true).astype(np.float64)
        if self.audited.corrected_proba is None:
            return np.where(known, least, 0.0), np.where(known, most, 1.0)
        others = 1.0 - self.audited.quality[self.rows].astype(np.float64)
        share = np.minimum(self.audited.corrected_proba[self.rows] / np.maximum(others, 1e-12), 1.0)
        return np.where(known, least, share), np.where(known, most, share)


def draw_audit_sample(audited: AuditedLabels, n: int, *, random_state: Any = None) -> np.ndarray:
    """Draw the rows to look at.

    Parameters
    ----------
    audited : AuditedLabels
        Of all rows.
    n : int
        From 1 to the number of rows.
    random_state : int, RandomState or None, default=None
        Draws the rows.

    Returns
    -------
    rows : int64 ndarray of shape (n,)
        In random order.

    Raises
    ------
    ValueError
        For another n.
    """
    n_rows = len(audited.given)
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 1 <= n <= n_rows:
        raise ValueError(f"n={n!r} must be a whole number from 1 to the number of rows, {n_rows}")
    counts = allocate_sample(audited.density, audited.strata, int(n))
    return draw_sample(audited.strata, counts, check_random_state(random_state))


def audit_labels(
    audited: AuditedLabels, rows: Any, right: Any, *, confidence_level: float = 0.95
) -> Audit:
    """Check the answers and make an audit of them.

    Parameters
    ----------
    audited : AuditedLabels
        Of all rows.
    rows : int array-like of shape (m,)
        Numbers of the rows that were looked at, each once.
    right : array-like of shape (m,)
        Bool: the given label is right. Otherwise the true labels, from the classes.
    confidence_level : float in (0, 1), default=0.95
        Of every interval.

    Returns
    -------
    audit : Audit

    Raises
    ------
    ValueError
        For rows that are no row numbers or come twice, for answers of another length, missing
        ones, and labels that are none of the classes.
    """
    rows = np.asarray(rows)
    n_rows = len(audited.given)
    if rows.ndim != 1 or len(rows) == 0 or rows.dtype.kind not in "iu":
        raise ValueError(
            f"rows has shape {rows.shape} and dtype {rows.dtype}; pass the row numbers that "
            "audit_sample returned and whose labels were looked at, at least one"
        )
    rows = rows.astype(np.int64)
    if rows.min() < 0 or rows.max() >= n_rows:
        bad = rows[(rows < 0) | (rows >= n_rows)][0]
        raise ValueError(f"rows has {bad}, but row numbers go from 0 to {n_rows - 1}")
    if len(np.unique(rows)) < len(rows):
        twice = np.unique(rows[pd.Series(rows).duplicated()])[0]
        raise ValueError(f"rows has {twice} twice; pass every row once, with one answer")
    if not 0.0 < confidence_level < 1.0:
        raise ValueError(f"confidence_level={confidence_level!r} must be between 0 and 1")
    answers = label_values("right", right)
    if len(answers) != len(rows):
        raise ValueError(f"right has {len(answers)} answers for {len(rows)} rows; pass one per row")
    given = audited.given[rows]
    if answers.dtype == object and all(isinstance(a, bool | np.bool_) for a in answers):
        answers = answers.astype(bool)
    if answers.dtype.kind == "b":
        correct = np.asarray(answers, dtype=bool)
        # Of two classes, a label that is not the one is the other.
        other = 1 - given if len(audited.classes) == 2 else np.full(len(rows), -1)
        true = np.where(correct, given, other)
    else:
        true = pd.Index(audited.classes).get_indexer(pd.Index(answers)).astype(np.int64)
        if (true < 0).any():
            unknown = pd.unique(pd.Series(answers[true < 0]))[:5].tolist()
            raise ValueError(
                f"right has labels that are none of the classes: {unknown}; known are "
                f"{audited.classes[:20].tolist()}. Where no class is right, pass bool answers"
            )
        correct = true == given
    return Audit(audited, rows, correct, true, confidence_level)


def _interval(value: float, low: float, high: float) -> Interval:
    return Interval(float(np.clip(value, low, high)), float(low), float(high))


def _percent(interval: Interval) -> str:
    return f"{interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def _word(answer: bool | None) -> str:
    return {True: "yes", False: "no", None: "undecided"}[answer]
