"""Plot of the losses with the fitted mixture."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nllearn._frames import to_pandas
from nllearn.functional.loss_mixture import scale_losses, small_loss_posterior
from nllearn.inspection._axes import axes_or_new

__all__ = ["LossMixtureDisplay"]


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
        check_is_fitted(estimator)
        losses = estimator.training_rows().losses
        if losses is None:
            raise ValueError(
                f"{type(estimator).__name__} trains no network, so it has no losses; pass losses "
                "of a model to from_predictions"
            )
        issues = to_pandas(estimator.row_issues())
        issue = issues["is_label_issue"].to_numpy(dtype=bool)
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
