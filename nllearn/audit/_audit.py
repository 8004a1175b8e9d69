"""What the answers about a sample say about all labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nllearn.audit._labels import AuditedLabels
from nllearn.functional.audit import (
    bound_totals,
    boundary_log_ratio,
    quality_strata,
    stratified_mean,
    total_between_strata,
)

__all__ = ["Audit", "Interval"]

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
        corrected label is right with the probability that the posterior gives it among the others,
        for the value and the lower end; for the upper end it is right. Without a posterior, it is
        wrong for the lower end, and right in half of the cases for the value.
        """
        changed = self.audited.changed
        n = len(changed)
        if not changed.any():
            return Interval(0.0, 0.0, 0.0)
        least, middle, most = self._corrected_right()
        bounds = [
            self._bound(values - self.right, changed, upper=upper, limits=(-1.0, 1.0))
            for values, upper in ((least, False), (most, True))
        ]
        # Without an answer in a stratum nothing is claimed about its changes.
        value = self._mean(middle - self.right, changed, np.zeros(n))
        return _interval(value * changed.mean(), bounds[0] / n, bounds[1] / n)

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
        quality = self.audited.quality[self.rows]
        at_boundary = self.audited.boundary_quality[self.rows]
        # Rows on which both say the same tell how well each is calibrated, not where noise lies.
        open_rows = (quality >= 0.5) != (at_boundary >= 0.5)
        ratio = boundary_log_ratio(
            self.right[open_rows], quality[open_rows], at_boundary[open_rows]
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

    def _corrected_right(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Least, expected and largest probability that a checked row's corrected label is right."""
        corrected = self.audited.corrected[self.rows]
        known = self.true >= 0
        seen = (corrected == self.true).astype(np.float64)
        least, expected = np.zeros(len(seen)), np.full(len(seen), 0.5)
        if self.audited.corrected_proba is not None:
            others = 1.0 - self.audited.quality[self.rows].astype(np.float64)
            share = self.audited.corrected_proba[self.rows] / np.maximum(others, 1e-12)
            least = expected = np.minimum(share, 1.0)
        most = np.ones(len(seen))
        least, expected, most = (np.where(known, seen, part) for part in (least, expected, most))
        return least, expected, most


def _interval(value: float, low: float, high: float) -> Interval:
    return Interval(float(np.clip(value, low, high)), float(low), float(high))


def _percent(interval: Interval) -> str:
    return f"{interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def _word(answer: bool | None) -> str:
    return {True: "yes", False: "no", None: "undecided"}[answer]
