"""Plot of features and anchors on a plane."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from nllearn._frames import to_pandas
from nllearn.inspection._axes import axes_or_new, given_codes
from nllearn.inspection._map import feature_map

__all__ = ["FeatureMapDisplay"]

_MAX_NAMED = 20


class FeatureMapDisplay:
    """Features of the training rows on a plane, with anchors where a hallucinator made them.

    Parameters
    ----------
    places : ndarray of shape (n, 2)
        Where the rows are.
    labels : ndarray of shape (n,)
        Colour of the rows.
    anchor_places : ndarray of shape (m, 2), default=None
        Where the anchors are.
    anchor_labels : ndarray of shape (m,), default=None
        Colour of the anchors.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Only after ``plot``.
    figure_ : matplotlib Figure
        Only after ``plot``.

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.inspection import FeatureMapDisplay
    >>> rows = np.random.default_rng(0).normal(size=(30, 4))
    >>> display = FeatureMapDisplay.from_predictions(rows, np.arange(30) % 2)
    >>> display.places.shape
    (30, 2)
    """

    def __init__(
        self,
        places: np.ndarray,
        labels: np.ndarray,
        *,
        anchor_places: np.ndarray | None = None,
        anchor_labels: np.ndarray | None = None,
    ):
        self.places = places
        self.labels = labels
        self.anchor_places = anchor_places
        self.anchor_labels = anchor_labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        color_by: str = "corrected",
        n_anchors: int = 200,
        max_rows: int = 3000,
        random_state: int = 0,
        ax: Any = None,
    ) -> Any:
        """Plot the training rows of a fitted classifier or label cleaner.

        Where it has a hallucinator, anchors are made anew from the easy rows and the features of
        the finished fit, as they were during training.

        Parameters
        ----------
        estimator : fitted classifier or LabelCleaner
            What ``fit`` left is plotted.
        color_by : {"given", "corrected"}, default="corrected"
            Label that gives a row its colour.
        n_anchors : int, default=200
            Most anchors drawn; 0 for none.
        max_rows : int, default=3000
            Most rows drawn.
        random_state : int, default=0
            Draws rows, partners and the start of t-SNE.
        ax : matplotlib Axes, optional
            To draw on; new ones when None.

        Returns
        -------
        display : FeatureMapDisplay

        Raises
        ------
        ValueError
            After ``compact()``, which drops the features; or for a bad argument.
        """
        check_is_fitted(estimator)
        if color_by not in ("given", "corrected"):
            raise ValueError(f"color_by={color_by!r} must be 'given' or 'corrected'")
        features = estimator.training_features()
        if features is None:
            raise ValueError("the features were dropped by compact(); fit again to plot them")
        given = given_codes(estimator)
        labels = estimator.classes_[given] if color_by == "given" else estimator.corrected_labels_
        features = np.asarray(features, dtype=np.float32)
        rng = check_random_state(random_state)
        rows = np.arange(len(features))
        if len(rows) > max_rows:
            rows = np.sort(rng.choice(len(rows), max_rows, replace=False))
        made, made_codes = _make_anchors(estimator, features, given, n_anchors, rng)
        return cls.from_predictions(
            features[rows],
            labels[rows],
            anchors=made,
            anchor_labels=estimator.classes_[made_codes],
            random_state=random_state,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        features: Any,
        labels: Any,
        *,
        anchors: Any = None,
        anchor_labels: Any = None,
        random_state: int = 0,
        ax: Any = None,
    ) -> Any:
        """Place features, and anchors among them, on a plane and plot them.

        Parameters
        ----------
        features : array-like of shape (n, d)
            Of the fitted network.
        labels : array-like of shape (n,)
            Colour of the rows.
        anchors : array-like of shape (m, d), optional
            Placed together with the rows.
        anchor_labels : array-like of shape (m,), optional
            Colour of the anchors.
        random_state : int, default=0
            Seed of t-SNE.
        ax : matplotlib Axes, optional
            To draw on; new ones when None.

        Returns
        -------
        display : FeatureMapDisplay

        Raises
        ------
        ValueError
            If lengths differ.
        """
        features, labels = np.asarray(features, dtype=np.float32), np.asarray(labels)
        if len(features) != len(labels):
            raise ValueError(f"{len(features)} rows of features and {len(labels)} labels")
        if (anchors is None) != (anchor_labels is None):
            raise ValueError("pass anchors and anchor_labels together, or neither")
        if anchors is None or len(anchors) == 0:
            places = feature_map(features, max_tsne=3000, random_state=random_state)
            return cls(places, labels).plot(ax)
        if len(anchors) != len(anchor_labels):
            raise ValueError(f"{len(anchors)} anchors and {len(anchor_labels)} anchor_labels")
        both = np.concatenate([features, np.asarray(anchors, dtype=np.float32)])
        places = feature_map(both, max_tsne=4000, random_state=random_state)
        return cls(
            places[: len(features)],
            labels,
            anchor_places=places[len(features) :],
            anchor_labels=np.asarray(anchor_labels),
        ).plot(ax)

    def plot(self, ax: Any = None) -> FeatureMapDisplay:
        """Draw rows as dots and anchors as crosses in the colours of their labels.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            To draw on; new ones when None.

        Returns
        -------
        self : FeatureMapDisplay
        """
        self.figure_, self.ax_ = axes_or_new(ax)
        import matplotlib as mpl

        anchors, names = self.anchor_places, self.anchor_labels
        if anchors is None or names is None:
            anchors, names = self.places[:0], self.labels[:0]
        classes = np.unique(np.concatenate([self.labels, names]))
        colours = mpl.colormaps["tab20" if len(classes) > 10 else "tab10"]
        for k, label in enumerate(classes):
            colour = colours(k % colours.N)
            rows, crosses = self.places[self.labels == label], anchors[names == label]
            self.ax_.scatter(*rows.T, s=8, color=colour, label=str(label))
            self.ax_.scatter(*crosses.T, s=45, color=colour, marker="x", linewidths=1.2)
        self.ax_.set(xticks=[], yticks=[], aspect="equal")
        if len(names):
            self.ax_.scatter([], [], marker="x", color="gray", label="anchor")
        if len(classes) <= _MAX_NAMED:
            self.ax_.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        return self


def _make_anchors(
    estimator: Any, features: np.ndarray, given: np.ndarray, n_anchors: int, rng: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Anchors of some easy rows, and their labels as positions in the classes."""
    none = np.zeros((0, features.shape[1]), dtype=np.float32), np.zeros(0, dtype=np.int64)
    hallucinator = getattr(estimator, "hallucinator_", None)
    if hallucinator is None or n_anchors < 1:
        return none
    issues = to_pandas(estimator.row_issues())
    easy = np.flatnonzero(issues["is_easy"].to_numpy(dtype=bool))
    if len(np.unique(given[easy])) < 2:
        return none
    mean = features.mean(0)
    # The hallucinator is on the device of its training.
    device = next(estimator.net_.module_.parameters()).device
    made = hallucinator.hallucinate(
        torch.from_numpy(features[easy] - mean).to(device),
        torch.from_numpy(given[easy]).to(device),
        generator=torch.Generator().manual_seed(int(rng.randint(np.iinfo(np.int32).max))),
    )
    shown = np.sort(rng.permutation(len(made))[:n_anchors])
    return made.features.cpu().numpy()[shown] + mean, made.labels.cpu().numpy()[shown]
