"""imbalanced-learn's base class where it is installed, and its manners where it is not."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator

from nllearn._labels import check_labels

__all__ = ["HAS_IMBLEARN", "SamplerBase"]

try:
    from imblearn.base import BaseSampler
    from imblearn.utils import check_target_type

    HAS_IMBLEARN = True
except ImportError:
    HAS_IMBLEARN = False


if HAS_IMBLEARN:

    class SamplerBase(BaseSampler):
        """A sampler whose parameters are its own: ``sampling_strategy`` is none of them."""

        _sampling_type = "bypass"
        sampling_strategy = "auto"

        def __init__(self) -> None:
            pass

        def fit_resample(self, X: Any, y: Any, **params: Any) -> Any:
            """Clean, and return rows and labels.

            Parameters
            ----------
            X : array-like of shape (n_samples, n_features)
                As for ``fit``.
            y : array-like of shape (n_samples,)
                Given labels.
            **params : dict
                As for ``fit``.

            Returns
            -------
            X : array or DataFrame of shape (n_kept, n_features)
                Rows, in the form in which they were given.
            y : array or Series of shape (n_kept,)
                Their labels.
            """
            # Missing labels would make the base class cast NaN to whole numbers.
            return super().fit_resample(X, check_labels(y), **params)

        def _check_X_y(self, X: Any, y: Any, accept_sparse: Any = None) -> tuple[Any, Any, bool]:
            y, binarized = check_target_type(y, indicate_one_vs_all=True)
            X, y = self._check_data(X, y)
            return X, y, binarized

else:

    class SamplerBase(BaseEstimator):  # type: ignore[no-redef]
        """A plain estimator with ``fit_resample``.

        It works in imbalanced-learn's Pipeline wherever that is installed later;
        DataFrames and Series come back as what they were.
        """

        def fit_resample(self, X: Any, y: Any, **params: Any) -> tuple[Any, Any]:
            """Clean, and return rows and labels.

            Parameters
            ----------
            X : array-like of shape (n_samples, n_features)
            y : array-like of shape (n_samples,)
            **params : dict
                As for ``fit``.

            Returns
            -------
            X : array or DataFrame of shape (n_kept, n_features)
            y : array or Series of shape (n_kept,)
            """
            import numpy as np
            import pandas as pd

            checked = self._check_data(X, y)
            self.sampling_strategy_: dict[Any, int] = {}
            rows, labels = self._fit_resample(*checked, **params)
            if isinstance(X, pd.DataFrame):
                rows = pd.DataFrame(rows, columns=X.columns).astype(X.dtypes.to_dict())
            if isinstance(y, pd.Series):
                labels = pd.Series(labels, name=y.name).astype(y.dtype)
            elif isinstance(y, list):
                labels = np.asarray(labels).tolist()
            return rows, labels
