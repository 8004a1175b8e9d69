"""Plots of a fitted classifier in the manner of scikit-learn's displays."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nllearn.exceptions import MissingExtraError
from nllearn.functional.easiness import scale_losses, small_loss_posterior

__all__ = [
    "LabelQualityDisplay",
    "LossMixtureDisplay",
    "TransitionMatrixDisplay",
    "axes_or_new",
    "given_codes",
]


def axes_or_new(ax: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Figure and axes to draw on; new ones for None.

    Parameters
    ----------
    ax : matplotlib Axes or None
        To draw on.
    **kwargs
        For ``plt.subplots``.

    Returns
    -------
    figure : matplotlib Figure
    ax : matplotlib Axes

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingExtraError("plots need matplotlib: pip install 'nllearn[report]'") from error
    if ax is None:
        return plt.subplots(**kwargs)
    return ax.figure, ax


def given_codes(estimator: Any) -> np.ndarray:
    """Given labels of the training rows as positions in ``classes_``.

    Parameters
    ----------
    estimator : fitted classifier
        What ``fit`` left is plotted.

    Returns
    -------
    codes : int64 ndarray of shape (n,)
    """
    check_is_fitted(estimator)
    given = estimator.label_issues()["given_label"].to_numpy()
    return np.searchsorted(estimator.classes_, given)


class LossMixtureDisplay:
    """Histogram of the scaled losses with the fitted two-component mixture.

    Parameters
    ----------
    losses : ndarray of shape (n,)
        Scaled to [0, 1].
    mixture : dict or None
        `means`, `variances` and `weights`, two of each; None when the losses cannot be split.
    is_issue : bool ndarray of shape (n,) or None, default=None
        Rows drawn in another colour.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Only after ``plot``.
    figure_ : matplotlib Figure
        Only after ``plot``.

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.inspection import LossMixtureDisplay
    >>> display = LossMixtureDisplay.from_predictions(np.r_[np.zeros(50), np.ones(20)])
    >>> display.ax_.get_xlabel()
    'loss, scaled'
    """

    def __init__(
        self,
        losses: np.ndarray,
        mixture: dict[str, np.ndarray] | None,
        *,
        is_issue: np.ndarray | None = None,
    ):
        self.losses = losses
        self.mixture = mixture
        self.is_issue = is_issue

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, bins: int = 50) -> Any:
        """Plot the losses of the training rows of a fitted classifier.

        Parameters
        ----------
        estimator : fitted classifier
            What ``fit`` left is plotted.
        ax : matplotlib Axes, optional
            To draw on; new ones when None.
        bins : int, default=50
            Bins of the histogram.

        Returns
        -------
        display : LossMixtureDisplay

        Raises
        ------
        ValueError
            For a label cleaner, which trains no network and has no losses.
        """
        given = given_codes(estimator)
        if not hasattr(estimator, "_network_proba"):
            raise ValueError(
                f"{type(estimator).__name__} trains no network, so it has no losses; pass losses "
                "of a model to from_predictions"
            )
        own = np.asarray(estimator._network_proba, dtype=float)[np.arange(len(given)), given]
        issue = estimator.label_issues()["is_label_issue"].to_numpy(dtype=bool)
        losses = -np.log(np.maximum(own, 1e-12))
        return cls.from_predictions(losses, is_issue=issue, ax=ax, bins=bins)

    @classmethod
    def from_predictions(
        cls, losses: Any, *, is_issue: Any = None, ax: Any = None, bins: int = 50
    ) -> Any:
        """Scale losses, fit the mixture and plot both.

        Parameters
        ----------
        losses : array-like of shape (n,)
            Finite, of every row against its given label.
        is_issue : array-like of bool of shape (n,), optional
            Rows drawn in another colour.
        ax : matplotlib Axes, optional
            To draw on; new ones when None.
        bins : int, default=50
            Bins of the histogram.

        Returns
        -------
        display : LossMixtureDisplay

        Raises
        ------
        ValueError
            If the losses are no finite numbers, or there are none.
        """
        losses = np.asarray(losses, dtype=float)
        if losses.ndim != 1 or len(losses) == 0 or not np.isfinite(losses).all():
            raise ValueError(f"losses of shape {losses.shape} must be (n,), n > 0, and finite")
        _, mixture = small_loss_posterior(losses)
        if is_issue is not None:
            is_issue = np.asarray(is_issue, dtype=bool)
        return cls(scale_losses(losses), mixture, is_issue=is_issue).plot(ax=ax, bins=bins)

    def plot(self, ax: Any = None, *, bins: int = 50) -> LossMixtureDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            To draw on; new ones when None.
        bins : int, default=50
            Bins of the histogram.

        Returns
        -------
        self : LossMixtureDisplay
        """
        self.figure_, self.ax_ = axes_or_new(ax)
        edges = np.linspace(0.0, 1.0, bins + 1)
        if self.is_issue is None:
            self.ax_.hist(self.losses, edges, alpha=0.6, label="rows")
        else:
            groups = [self.losses[~self.is_issue], self.losses[self.is_issue]]
            self.ax_.hist(groups, edges, stacked=True, alpha=0.6, label=["no issue", "issue"])
        if self.mixture is not None:
            x = np.linspace(0.0, 1.0, 400)
            scale = len(self.losses) / bins
            names = ("small-loss part", "large-loss part")
            styles = ("-", "--")
            for k, part in enumerate(np.argsort(self.mixture["means"])):
                variance = self.mixture["variances"][part]
                density = np.exp(-((x - self.mixture["means"][part]) ** 2) / (2.0 * variance))
                density *= self.mixture["weights"][part] / np.sqrt(2.0 * np.pi * variance)
                self.ax_.plot(x, scale * density, styles[k], color="black", label=names[k])
        self.ax_.set(xlabel="loss, scaled", ylabel="rows")
        self.ax_.legend()
        return self


class TransitionMatrixDisplay:
    """Heat map of a transition matrix: rows are true labels, columns given ones.

    Parameters
    ----------
    transition_matrix : ndarray of shape (n_classes, n_classes)
        Rows sum to one.
    classes : sequence of n_classes labels, default=None
        None takes 0, 1, ...

    Attributes
    ----------
    ax_ : matplotlib Axes
        Only after ``plot``.
    figure_ : matplotlib Figure
        Only after ``plot``.
    im_ : matplotlib AxesImage
        Only after ``plot``.

    Examples
    --------
    >>> from nllearn.inspection import TransitionMatrixDisplay
    >>> display = TransitionMatrixDisplay([[0.9, 0.1], [0.2, 0.8]], ["cat", "dog"]).plot()
    >>> display.ax_.get_ylabel()
    'true label'
    """

    def __init__(self, transition_matrix: Any, classes: Any = None):
        self.transition_matrix = transition_matrix
        self.classes = classes

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Any:
        """Plot the matrix that a fitted classifier estimated.

        Parameters
        ----------
        estimator : fitted classifier
            What ``fit`` left is plotted.
        ax : matplotlib Axes, optional
            To draw on; new ones when None.

        Returns
        -------
        display : TransitionMatrixDisplay
        """
        check_is_fitted(estimator)
        return cls(estimator.transition_matrix_, estimator.classes_).plot(ax)

    @classmethod
    def from_predictions(cls, y_true: Any, y_given: Any, *, ax: Any = None) -> Any:
        """Plot the shares of given labels among the rows of each true label.

        Parameters
        ----------
        y_true, y_given : array-like of shape (n,)
            True labels, and those in the data.
        ax : matplotlib Axes, optional
            To draw on; new ones when None.

        Returns
        -------
        display : TransitionMatrixDisplay
            A label that is never true has a row of zeros.

        Raises
        ------
        ValueError
            If the two differ in length.
        """
        y_true, y_given = np.asarray(y_true), np.asarray(y_given)
        if y_true.shape != y_given.shape or y_true.ndim != 1:
            raise ValueError(
                f"y_true has shape {y_true.shape} and y_given {y_given.shape}; expected (n,) both"
            )
        classes, codes = np.unique(np.concatenate([y_true, y_given]), return_inverse=True)
        counts = np.zeros((len(classes), len(classes)))
        np.add.at(counts, (codes[: len(y_true)], codes[len(y_true) :]), 1.0)
        return cls(counts / np.maximum(counts.sum(1, keepdims=True), 1.0), classes).plot(ax)

    def plot(self, ax: Any = None, *, colorbar: bool = True) -> TransitionMatrixDisplay:
        """Draw; the cells have their numbers up to 15 classes.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            To draw on; new ones when None.
        colorbar : bool, default=True
            Draw the scale of the colours.

        Returns
        -------
        self : TransitionMatrixDisplay

        Raises
        ------
        ValueError
            If the matrix is not square, or does not fit the classes.
        """
        matrix = np.asarray(self.transition_matrix, dtype=float)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise ValueError(f"transition_matrix has shape {matrix.shape}; it must be square")
        names = range(len(matrix)) if self.classes is None else self.classes
        if len(names) != len(matrix):
            raise ValueError(f"{len(names)} classes do not fit a matrix of {len(matrix)} rows")
        self.figure_, self.ax_ = axes_or_new(ax)
        self.im_ = self.ax_.imshow(matrix, cmap="Blues", vmin=0.0, vmax=1.0)
        if len(matrix) <= 15:
            for (i, j), value in np.ndenumerate(matrix):
                shade = "white" if value > 0.5 else "black"
                self.ax_.text(j, i, f"{value:.2f}", ha="center", va="center", color=shade)
        ticks, words = np.arange(len(matrix)), [str(name) for name in names]
        self.ax_.set(xticks=ticks, yticks=ticks, xlabel="given label", ylabel="true label")
        self.ax_.set_xticklabels(words, rotation=45, ha="right")
        self.ax_.set_yticklabels(words)
        if colorbar:
            self.figure_.colorbar(self.im_, ax=self.ax_, label="probability")
        return self


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
        return cls.from_predictions(y_true, given, estimator.label_quality_, n_bins=n_bins, ax=ax)

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
        y_true, y_given = np.asarray(y_true), np.asarray(y_given)
        quality = np.asarray(label_quality, dtype=float)
        if not y_true.shape == y_given.shape == quality.shape or quality.ndim != 1:
            raise ValueError(
                f"y_true {y_true.shape}, y_given {y_given.shape} and label_quality "
                f"{quality.shape} must all have shape (n,)"
            )
        if len(quality) == 0 or not ((quality >= 0.0) & (quality <= 1.0)).all():
            raise ValueError("label_quality must hold at least one value, all of them in [0, 1]")
        if n_bins < 1:
            raise ValueError(f"n_bins={n_bins!r} must be at least 1")
        bins = np.minimum((quality * n_bins).astype(int), n_bins - 1)
        counts = np.bincount(bins, minlength=n_bins)
        filled = counts > 0
        total = np.bincount(bins, quality, n_bins)[filled]
        right = np.bincount(bins, y_true == y_given, n_bins)[filled]
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
