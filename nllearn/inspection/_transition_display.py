"""Plot of the transition matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nllearn.inspection._axes import axes_or_new

__all__ = ["TransitionMatrixDisplay"]


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
