"""Predictions of any scikit-learn classifier, from folds that each row is left out of."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import has_fit_parameter

from nllearn.functional.folds import stratified_folds
from nllearn.predictors._base import BaseLabelPredictor, hard_labels

__all__ = ["CrossValidatedClassifier"]


class CrossValidatedClassifier(BaseLabelPredictor):
    """A scikit-learn classifier as an out-of-sample predictor, by cross-validation.

    The folds are shuffled and hold the same share of every label. The classifier learns from the
    rows as the user has them, and not from rows of length one: trees need the columns.

    Parameters
    ----------
    classifier : classifier
        With ``predict_proba``. Clones of it are fitted; those with `sample_weight` in ``fit``
        get weights.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        The rows to learn from.
    n_splits : int, default=5
        Number of folds.
    random_state : int, RandomState or None, default=None
        Draws the folds, and the seeds of a classifier that has none.

    Attributes
    ----------
    n_classes_ : int
        Number of classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from nllearn.predictors import CrossValidatedClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> predictor = CrossValidatedClassifier(GaussianNB(), X, random_state=0)
    >>> scores = predictor.predict_out_of_sample(X, np.eye(3)[y])
    >>> bool((scores.argmax(1).numpy() == y).mean() > 0.9)
    True
    """

    def __init__(self, classifier: Any, X: Any, n_splits: int = 5, random_state: Any = None):
        self.classifier = classifier
        self.X = X
        self.n_splits = n_splits
        self.random_state = random_state

    def _predict(
        self, X: torch.Tensor, labels: torch.Tensor, sample_weight: torch.Tensor
    ) -> torch.Tensor:
        weight = sample_weight.cpu().numpy().astype(np.float64)
        takes_weight = has_fit_parameter(self.classifier, "sample_weight")
        active = weight > 0
        if not takes_weight and len(np.unique(weight[active])) > 1:
            raise ValueError(
                f"sample_weight was passed, but fit of the predictor {self.classifier!r} does not "
                "take it; leave one of the two out, or take a classifier that does"
            )
        codes, weight = hard_labels(labels, sample_weight)
        rng = check_random_state(self.random_state)
        folds = stratified_folds(np.where(active, codes, -1), self.n_splits, rng)
        out = np.zeros((len(codes), self.n_classes_), dtype=np.float32)
        for fold in range(self.n_splits):
            left_out = folds == fold
            fitted = active & ~left_out
            if left_out.any() and fitted.any():
                fit_weight = weight[fitted] if takes_weight else None
                out[left_out] = self._fold(codes, fitted, left_out, fit_weight, rng)
        return torch.from_numpy(out).to(X.device)

    def _fold(
        self,
        codes: np.ndarray,
        fitted: np.ndarray,
        left_out: np.ndarray,
        weight: np.ndarray | None,
        rng: np.random.RandomState,
    ) -> np.ndarray:
        """Probabilities of the rows left out, from a fit on the others."""
        found = np.zeros((int(left_out.sum()), self.n_classes_))
        classes = np.unique(codes[fitted])
        if len(classes) == 1:
            found[:, classes[0]] = 1.0
            return found
        classifier = _seeded(clone(self.classifier), rng)
        params = {} if weight is None else {"sample_weight": weight}
        classifier.fit(self.X[fitted], codes[fitted], **params)
        found[:, classifier.classes_] = classifier.predict_proba(self.X[left_out])
        return found


def _seeded(classifier: Any, rng: np.random.RandomState) -> Any:
    """Give every `random_state` that is None a seed, so that equal seeds give equal results."""
    seeds = {
        name: int(rng.randint(np.iinfo(np.int32).max))
        for name, value in sorted(classifier.get_params(deep=True).items())
        if (name == "random_state" or name.endswith("__random_state")) and value is None
    }
    return classifier.set_params(**seeds)
