"""Reliability diagram of the label quality."""

from __future__ import annotations

from typing import Any

import numpy as np

from nllearn._frames import to_pandas
from nllearn._labels import joint_codes
from nllearn.inspection._axes import axes_or_new, given_codes

__all__ = ["LabelQualityDisplay"]


class LabelQualityDisplay:
    r"""Reliability diagram of the label quality against true labels.

    Of the labels with quality 0.8, eight in ten should be right.

    Rows are put into bins of equal width by their label quality. Each bin shows the mean quality
    against the share of rows whose given label is the true one. The expected calibration error is
    :math:`\sum_b \frac{n_b}{n} |\bar q_b - a_b|`. It needs true labels, which training never
    sees.

    Parameters
    ----------
    mean_quality : ndarray of shape (n_bins,)
        Of each bin that has rows.
    share_right : ndarray of shape (n_bins,)
        Share of rows whose given label is right.
    counts : int ndarray of shape (n_bins,)
        Rows.

    Attributes
    ----------
    expected_calibration_error_ : float
        In [0, 1], 0 is best.
    ax_ : matplotlib Axes
        Only after ``plot``.
    figure_ : matplotlib Figure
        Only after ``plot``.

    Examples
    --------
    >>> from nllearn.inspection import LabelQualityDisplay
    >>> display = LabelQualityDisplay.from_predictions(
    ...     [0, 1, 1, 0], [0, 1, 0, 1], [0.9, 0.9, 0.1, 0.1], n_bins=5)
    >>> round(display.expected_calibration_error_, 3)
    0.1
    """

    def __init__(self, mean_quality: np.ndarray, share_right: np.ndarray, counts: np.ndarray):
        self.mean_quality = mean_quality
        self.share_right = share_right
        self.counts = counts
        gap = np.abs(mean_quality - share_right)
        self.expected_calibration_error_ = float((counts * gap).sum() / max(1, counts.sum()))

    @classmethod
    def from_estimator(
        cls, estimator: Any, y_true: Any, *, n_bins: int = 10, ax: Any = None
    ) -> Any:
        """Plot the quality of the training labels of a fitted classifier.

        Parameters
        ----------
        estimator : fitted classifier
            What ``fit`` left is plotted.
        y_true : array-like of shape (n,)
            True labels of the training rows.
        n_bins : int, default=10
            Bins of equal width from 0 to 1.
        ax : matplotlib Axes, optional
            To draw on; new ones when None.

        Returns
        -------
        display : LabelQualityDisplay
        """
        given = estimator.classes_[given_codes(estimator)]
        quality = to_pandas(estimator.row_issues())["label_quality"]
        return cls.from_predictions(y_true, given, quality, n_bins=n_bins, ax=ax)

    @classmethod
    def from_predictions(
        cls, y_true: Any, y_given: Any, label_quality: Any, *, n_bins: int = 10, ax: Any = None
    ) -> Any:
        """Plot label quality against true labels.

        Parameters
        ----------
        y_true, y_given : array-like of shape (n,)
            True labels, and those in the data.
        label_quality : array-like of shape (n,)
            In [0, 1].
        n_bins : int, default=10
            Bins of equal width from 0 to 1.
        ax : matplotlib Axes, optional
            To draw on; new ones when None.

        Returns
        -------
        display : LabelQualityDisplay

        Raises
        ------
        ValueError
            If shapes differ, there are no rows, a quality is outside [0, 1], or `n_bins` < 1.
        """
        true, given = np.asarray(y_true), np.asarray(y_given)
        quality = np.asarray(label_quality, dtype=float)
        if not true.shape == given.shape == quality.shape or quality.ndim != 1:
            raise ValueError(
                f"y_true {true.shape}, y_given {given.shape} and label_quality "
                f"{quality.shape} must all have shape (n,)"
            )
        if len(quality) == 0 or not ((quality >= 0.0) & (quality <= 1.0)).all():
            raise ValueError("label_quality must hold at least one value, all of them in [0, 1]")
        if n_bins < 1:
            raise ValueError(f"n_bins={n_bins!r} must be at least 1")
        true, given = joint_codes(y_true=y_true, y_given=y_given)
        bins = np.minimum((quality * n_bins).astype(int), n_bins - 1)
        counts = np.bincount(bins, minlength=n_bins)
        filled = counts > 0
        total = np.bincount(bins, quality, n_bins)[filled]
        right = np.bincount(bins, true == given, n_bins)[filled]
        counts = counts[filled]
        return cls(total / counts, right / counts, counts).plot(ax)

    def plot(self, ax: Any = None) -> LabelQualityDisplay:
        """Draw; the area of a point grows with its rows.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            To draw on; new ones when None.

        Returns
        -------
        self : LabelQualityDisplay
        """
        self.figure_, self.ax_ = axes_or_new(ax)
        error = self.expected_calibration_error_
        self.ax_.plot([0, 1], [0, 1], ":", color="gray", label="perfectly calibrated")
        self.ax_.plot(self.mean_quality, self.share_right, label=f"label quality, ECE {error:.3f}")
        size = 20.0 + 180.0 * self.counts / self.counts.max()
        self.ax_.scatter(self.mean_quality, self.share_right, s=size)
        self.ax_.set(
            xlabel="mean label quality of the bin",
            ylabel="share of right given labels",
            xlim=(-0.02, 1.02),
            ylim=(-0.02, 1.02),
        )
        self.ax_.legend()
        return self
