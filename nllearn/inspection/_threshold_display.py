"""Precision and number flagged against the threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nllearn._frames import to_pandas
from nllearn.inspection._axes import axes_or_new
from nllearn.inspection._thresholds import threshold_table

__all__ = ["ThresholdDisplay"]


class ThresholdDisplay:
    """Precision of the flagged labels, and their number, against the threshold of the quality.

    Flagged are the rows whose label quality is below the threshold. Without an audit, the
    precision is what the model expects, and the legend says so. With one, it is an estimate with
    its interval.

    Parameters
    ----------
    table : DataFrame
        What :func:`nllearn.inspection.threshold_table` returns.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Only after ``plot``.
    count_ax_ : matplotlib Axes
        Only after ``plot``: the axis of the number flagged, on the right.
    figure_ : matplotlib Figure
        Only after ``plot``.

    Examples
    --------
    >>> from nllearn.inspection import ThresholdDisplay
    >>> display = ThresholdDisplay.from_quality([0.9, 0.1, 0.3, 1.0], thresholds=[0.2, 0.5])
    >>> display.table["n_flagged"].tolist()
    [1, 2]
    """

    def __init__(self, table: Any):
        self.table = table

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, audit: Any = None, thresholds: Any = None, ax: Any = None
    ) -> ThresholdDisplay:
        """Plot the training labels of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator
            One that left ``label_quality_``.
        audit : Audit, optional
            What ``estimator.audit`` returned.
        thresholds : array-like, optional
            In [0, 1]. None takes 0, 0.01 and so on to 1.
        ax : matplotlib Axes, optional
            To draw on; new ones when None.

        Returns
        -------
        display : ThresholdDisplay
        """
        check_is_fitted(estimator, "label_quality_")
        quality = to_pandas(estimator.row_issues())["label_quality"]
        return cls.from_quality(quality, audit=audit, thresholds=thresholds, ax=ax)

    @classmethod
    def from_quality(
        cls, label_quality: Any, *, audit: Any = None, thresholds: Any = None, ax: Any = None
    ) -> ThresholdDisplay:
        """Plot from the label quality alone.

        Parameters
        ----------
        label_quality : array-like of shape (n,)
            Probability that each given label is right.
        audit : Audit, optional
            Answers about these rows.
        thresholds : array-like, optional
            In [0, 1]. None takes 0, 0.01 and so on to 1.
        ax : matplotlib Axes, optional
            To draw on; new ones when None.

        Returns
        -------
        display : ThresholdDisplay
        """
        at = np.linspace(0.0, 1.0, 101) if thresholds is None else thresholds
        return cls(threshold_table(label_quality, at, audit=audit)).plot(ax)

    def plot(self, ax: Any = None) -> ThresholdDisplay:
        """Draw; precision on the left axis, the number flagged on the right one.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            To draw on; new ones when None.

        Returns
        -------
        self : ThresholdDisplay
        """
        self.figure_, self.ax_ = axes_or_new(ax, layout="constrained")
        table = self.table
        at, is_audited = table.index.to_numpy(), table["low"].notna().any()
        words = "precision by the audit" if is_audited else "precision, expected by the model"
        lines = self.ax_.plot(at, table["precision"], color="C0", label=words)
        if is_audited:
            self.ax_.fill_between(at, table["low"], table["high"], color="C0", alpha=0.2, lw=0)
        self.count_ax_ = self.ax_.twinx()
        lines += self.count_ax_.plot(
            at, table["n_flagged"], "--", color="C1", label="labels flagged"
        )
        self.ax_.set(
            xlabel="threshold of the label quality",
            ylabel="share of wrong labels among the flagged",
            xlim=(-0.02, 1.02),
            ylim=(-0.02, 1.02),
        )
        self.count_ax_.set_ylabel("labels flagged")
        self.count_ax_.set_ylim(bottom=0)
        self.ax_.legend(handles=lines, loc="lower right")
        return self
