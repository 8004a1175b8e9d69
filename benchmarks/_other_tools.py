"""Other ways to clean labels: cleanlab, cross-validated classifiers, votes of neighbours.

Each takes rows, given labels and a seed, and leaves labels and the quality of the given ones.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Cleaned = tuple[np.ndarray, np.ndarray]

CLASSIFIERS: dict[str, Callable[[int], object]] = {
    "logistic regression": lambda seed: make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=300)
    ),
    "gradient boosting": lambda seed: HistGradientBoostingClassifier(random_state=seed),
}
N_FOLDS, N_VOTES = 5, 21


class _Shown:
    """An array with an identity, so that one cross-validation serves two methods."""

    def __init__(self, X: np.ndarray, given: np.ndarray):
        self.X, self.given = X, given
        self.key = hash((X.tobytes(), given.tobytes()))

    def __hash__(self) -> int:
        return self.key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shown) and self.key == other.key


@functools.lru_cache(maxsize=2)
def _out_of_sample(name: str, shown: _Shown, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes, and probabilities of shuffled stratified folds."""
    classes, codes = np.unique(shown.given, return_inverse=True)
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", UserWarning)  # classes of fewer rows than folds
        model = CLASSIFIERS[name](seed)
        proba = cross_val_predict(model, shown.X, codes, cv=folds, method="predict_proba")
    return classes, proba


def of_cross_validation(X: np.ndarray, given: np.ndarray, seed: int, *, classifier: str) -> Cleaned:
    """Most probable class of a cross-validated classifier, whatever the given label."""
    classes, proba = _out_of_sample(classifier, _Shown(X, given), seed)
    return classes[proba.argmax(1)], _probability_of(given, classes, proba)


def of_cleanlab(X: np.ndarray, given: np.ndarray, seed: int, *, classifier: str) -> Cleaned:
    """CleanLearning of cleanlab: rows that it flags get the label that it predicts."""
    from cleanlab.classification import CleanLearning

    classes, proba = _out_of_sample(classifier, _Shown(X, given), seed)
    codes = np.searchsorted(classes, given)
    issues = CleanLearning(seed=seed).find_label_issues(labels=codes, pred_probs=proba)
    flagged = issues["is_label_issue"].to_numpy()
    labels = np.where(flagged, issues["predicted_label"].to_numpy(), codes)
    return classes[labels], issues["label_quality"].to_numpy()


def of_datalab(X: np.ndarray, given: np.ndarray, seed: int) -> Cleaned:
    """Datalab of cleanlab on standardised columns; flagged rows get the label it predicts."""
    from cleanlab import Datalab

    lab = Datalab({"y": given}, label_name="y", verbosity=0)
    lab.find_issues(features=StandardScaler().fit_transform(X), issue_types={"label": {}})
    issues = lab.get_issues("label")
    flagged = issues["is_label_issue"].to_numpy()
    labels = np.where(flagged, issues["predicted_label"].to_numpy(), given)
    return labels, issues["label_score"].to_numpy()


def of_neighbor_vote(X: np.ndarray, given: np.ndarray, seed: int) -> Cleaned:
    """Vote of the nearest rows of standardised columns, the row itself left out."""
    classes, codes = np.unique(given, return_inverse=True)
    rows = StandardScaler().fit_transform(X)
    search = NearestNeighbors(n_neighbors=min(N_VOTES, len(X) - 1)).fit(rows)
    near = search.kneighbors(return_distance=False)
    share = np.eye(len(classes))[codes][near].mean(1)
    return classes[share.argmax(1)], _probability_of(given, classes, share)


def _probability_of(given: np.ndarray, classes: np.ndarray, proba: np.ndarray) -> np.ndarray:
    return proba[np.arange(len(given)), np.searchsorted(classes, given)]


TOOLS: dict[str, Callable[..., Cleaned]] = {
    **{
        f"{tool}, {name}": functools.partial(function, classifier=name)
        for name in CLASSIFIERS
        for tool, function in (("argmax", of_cross_validation), ("cleanlab", of_cleanlab))
    },
    "Datalab": of_datalab,
    "neighbour vote": of_neighbor_vote,
}
