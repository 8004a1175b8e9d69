"""Which predictors of the labels the user chose, and predictors made of classifiers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklearn.base import is_classifier

from nllearn.cleaning._inputs import FitData
from nllearn.predictors import CrossValidatedClassifier, GivenPredictions, suits_forest

__all__ = ["PredictorChoice", "check_predictors", "choose_predictors"]

NAMES = ("neighbors", "kernel_ridge", "forest")


@dataclass(frozen=True)
class PredictorChoice:
    """What predicts the labels.

    Parameters
    ----------
    use_neighbors, use_regressions, use_forest : bool
    others : tuple of object
        With ``predict_out_of_sample``.
    """

    use_neighbors: bool
    use_regressions: bool
    use_forest: bool
    others: tuple[Any, ...]


def check_predictors(predictors: Any) -> None:
    """Refuse what is no list of predictors.

    Raises
    ------
    ValueError
        Names the entry, and what is allowed.
    """
    if predictors is None:
        return
    allowed = (
        f"a list of {', '.join(map(repr, NAMES))}, scikit-learn classifiers and objects with "
        "predict_out_of_sample"
    )
    if not isinstance(predictors, list | tuple) or not len(predictors):
        raise ValueError(f"predictors={predictors!r} must be None or {allowed}, not empty")
    for one in predictors:
        if isinstance(one, str):
            if one not in NAMES:
                raise ValueError(f"predictors has {one!r}; pass {allowed}")
            if predictors.count(one) > 1:
                raise ValueError(f"predictors has {one!r} twice; pass it once")
        elif isinstance(one, type):
            raise ValueError(f"predictors has the class {one.__name__}; pass an instance of it")
        elif callable(getattr(one, "predict_out_of_sample", None)):
            continue
        elif not (hasattr(one, "__sklearn_tags__") and is_classifier(one)):
            raise ValueError(f"predictors has {one!r}, which is no predictor; pass {allowed}")
        elif not hasattr(one, "predict_proba"):
            raise ValueError(
                f"predictors has {one!r}, which has no predict_proba; wrap it in "
                "sklearn.calibration.CalibratedClassifierCV, or take another classifier"
            )


def choose_predictors(predictors: Any, data: FitData, seed: int) -> PredictorChoice:
    """Make the predictors that the user chose.

    Parameters
    ----------
    predictors : list or None
        Checked; None is neighbours and regressions, and of at most 100 columns a forest.
    data : FitData
        Classifiers learn from its rows; its probabilities are one more predictor.
    seed : int
        Draws the folds.

    Returns
    -------
    choice : PredictorChoice
    """
    chosen = predictors
    if chosen is None:
        chosen = NAMES if suits_forest(data.X) else NAMES[:2]
    others = [
        one
        if callable(getattr(one, "predict_out_of_sample", None))
        else CrossValidatedClassifier(one, data.X, random_state=seed)
        for one in chosen
        if not isinstance(one, str)
    ]
    if data.pred_probs is not None:
        others.append(GivenPredictions(data.pred_probs))
    # Strings alone: an estimator need not compare with one.
    names = {one for one in chosen if isinstance(one, str)}
    return PredictorChoice(
        "neighbors" in names, "kernel_ridge" in names, "forest" in names, (*others,)
    )
