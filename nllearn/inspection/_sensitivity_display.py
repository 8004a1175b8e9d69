"""Plot of a parameter search."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nllearn.inspection._axes import axes_or_new

__all__ = ["ParameterSensitivityDisplay"]


class ParameterSensitivityDisplay:
    """Score against one parameter of a fitted ``GridSearchCV``.

    Where other parameters were searched too, their best setting is taken for every value, so the
    line shows what the value can reach.

    Parameters
    ----------
    param : str
        Name of the parameter.
    values : list
        In the order that is drawn.
    mean_scores, std_scores : ndarray of shape (n_values,)
        Over the folds, at the best setting of the other parameters.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Only after ``plot``.
    figure_ : matplotlib Figure
        Only after ``plot``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from nllearn.inspection import ParameterSensitivityDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [3, 1, 2]})
    >>> display = ParameterSensitivityDisplay.from_estimator(search.fit(X, y))
    >>> display.values
    [1, 2, 3]
    """

    def __init__(
        self, param: str, values: list[Any], mean_scores: np.ndarray, std_scores: np.ndarray
    ):
        self.param = param
        self.values = values
        self.mean_scores = mean_scores
        self.std_scores = std_scores

    @classmethod
    def from_estimator(
        cls, search: Any, param: str | None = None, *, score: str = "score", ax: Any = None
    ) -> Any:
        """Plot one parameter of a fitted search.

        Parameters
        ----------
        search : fitted GridSearchCV or RandomizedSearchCV
            Has ``cv_results_``.
        param : str, optional
            None takes the only one that was searched.
        score : str, default="score"
            Name of the score where there are several.
        ax : matplotlib Axes, optional
            To draw on; new ones when None.

        Returns
        -------
        display : ParameterSensitivityDisplay

        Raises
        ------
        ValueError
            As :meth:`from_predictions`.
        """
        check_is_fitted(search, "cv_results_")
        return cls.from_predictions(search.cv_results_, param, score=score, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        cv_results: dict[str, Any],
        param: str | None = None,
        *,
        score: str = "score",
        ax: Any = None,
    ) -> Any:
        """Plot one parameter of the results of a search.

        Parameters
        ----------
        cv_results : dict
            ``cv_results_`` of a search.
        param : str, optional
            None takes the only one that was searched.
        score : str, default="score"
            Name of the score where there are several.
        ax : matplotlib Axes, optional
            To draw on; new ones when None.

        Returns
        -------
        display : ParameterSensitivityDisplay

        Raises
        ------
        ValueError
            If the parameter or the score was not searched, or `param` is None and there are
            several.
        """
        searched = [name[6:] for name in cv_results if name.startswith("param_")]
        if param is None and len(searched) == 1:
            param = searched[0]
        if param not in searched:
            raise ValueError(f"param={param!r} must be one of the searched {searched}")
        if f"mean_test_{score}" not in cv_results:
            known = [name[10:] for name in cv_results if name.startswith("mean_test_")]
            raise ValueError(f"score={score!r} must be one of {known}")
        mean = np.asarray(cv_results[f"mean_test_{score}"], dtype=float)
        spread = np.asarray(cv_results[f"std_test_{score}"], dtype=float)
        best: dict[str, tuple[Any, int]] = {}
        for i, settings in enumerate(cv_results["params"]):
            if param not in settings or np.isnan(mean[i]):  # a list of grids may leave it out
                continue
            key = repr(settings[param])
            if key not in best or mean[i] > mean[best[key][1]]:
                best[key] = (settings[param], i)
        found = list(best.values())
        if all(_is_number(value) for value, _ in found):
            found.sort(key=lambda pair: pair[0])
        rows = np.array([i for _, i in found], dtype=int)
        return cls(param, [value for value, _ in found], mean[rows], spread[rows]).plot(ax)

    def plot(self, ax: Any = None) -> ParameterSensitivityDisplay:
        """Draw the mean score with one standard deviation over the folds.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            To draw on; new ones when None.

        Returns
        -------
        self : ParameterSensitivityDisplay
        """
        self.figure_, self.ax_ = axes_or_new(ax)
        numbers = all(_is_number(value) for value in self.values)
        x = np.asarray(self.values, dtype=float) if numbers else np.arange(len(self.values))
        self.ax_.errorbar(x, self.mean_scores, yerr=self.std_scores, marker="o", capsize=3)
        if not numbers:
            self.ax_.set_xticks(x, [str(value) for value in self.values])
        elif len(x) > 2 and x.min() > 0 and x.max() / x.min() >= 100:
            self.ax_.set_xscale("log")
        self.ax_.set(xlabel=self.param, ylabel="score on the validation folds")
        return self


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
