"""imbalanced-learn's base class where it is installed, else one with its interface."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from nllearn._frames import library_of, like, to_pandas
from nllearn._labels import check_labels
from nllearn._validation import check_same_rows
from nllearn.cleaning._inputs import align_predictions, refuse_annotators, row_index
from nllearn.exceptions import NoisyLabelWarning

__all__ = ["HAS_IMBLEARN", "SamplerBase", "warn_of_dropped_classes"]

try:
    from imblearn.base import BaseSampler
    from imblearn.utils import check_target_type

    HAS_IMBLEARN = True
except ImportError:
    HAS_IMBLEARN = False


def _passed(**params: Any) -> dict[str, Any]:
    """What is not None."""
    return {name: value for name, value in params.items() if value is not None}


def _refuse_lost_params() -> None:
    """Refuse to go on where imbalanced-learn's Pipeline keeps what the user passes to this step.

    Without metadata routing it hands nothing to a sampler, and says nothing. A mask of trusted
    rows would be ignored; only the frame of the caller still has it.
    """
    frame = inspect.currentframe()
    # Past `fit_resample`, which calls this.
    caller = frame and frame.f_back and frame.f_back.f_back
    if caller is None or caller.f_code.co_name != "_fit_resample_one":
        return
    params = caller.f_locals.get("params") or {}
    lost = [name for name in params.get("fit") or () if name not in params.get("fit_resample", ())]
    if lost:
        raise TypeError(
            f"imbalanced-learn's Pipeline does not pass {', '.join(map(repr, lost))} on to a "
            "sampler unless metadata routing is on: call "
            "sklearn.set_config(enable_metadata_routing=True) and "
            "set_fit_resample_request(...=True) of the step, or clean before the Pipeline"
        )


def warn_of_dropped_classes(
    action: str, classes: np.ndarray, corrected: np.ndarray, labels: np.ndarray, stacklevel: int
) -> None:
    """Name the classes of corrected labels that no row is left of.

    Parameters
    ----------
    action : str
    classes : ndarray of shape (n_classes,)
    corrected : int64 ndarray of shape (n,)
    labels : int64 ndarray of shape (n_kept,)
    stacklevel : int
        As for ``warnings.warn``, counted from the caller.
    """
    gone = np.setdiff1d(corrected, labels)
    if len(gone):
        warnings.warn(
            f"action={action!r} leaves no row with the label(s) {classes[gone].tolist()}; use "
            "action='relabel' or trusted= to keep them",
            NoisyLabelWarning,
            stacklevel=stacklevel + 1,
        )


def _with_index(sampler: Any, before: Any, after: Any) -> Any:
    """Give rows the index that they came with, so that pandas puts results where they belong."""
    if hasattr(before, "iloc") and hasattr(after, "iloc"):
        kept = getattr(sampler, "sample_indices_", None)
        after.index = before.index if kept is None else before.index[kept]
    return after


_Base: Any = BaseSampler if HAS_IMBLEARN else BaseEstimator


class SamplerBase(_Base):
    """An estimator with ``fit_resample``, which is imbalanced-learn's where that is installed.

    It works in imbalanced-learn's Pipeline wherever that is installed later. Its parameters are
    its own: ``sampling_strategy`` is none of them.
    """

    _sampling_type = "bypass"
    sampling_strategy = "auto"

    def __init__(self) -> None:
        pass

    def fit_resample(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        trusted: Any = None,
        pred_probs: Any = None,
        neighbor_graph: Any = None,
    ) -> tuple[Any, Any]:
        """Clean, and return rows and labels.

        In imbalanced-learn's Pipeline, `trusted` and the others arrive with metadata routing
        alone: ``sklearn.set_config(enable_metadata_routing=True)`` and
        ``set_fit_resample_request(trusted=True)``. Without it that Pipeline passes nothing
        on to a sampler, and this raises a TypeError.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As for ``fit``.
        y : array-like of shape (n_samples,)
            Given labels.
        sample_weight, trusted, pred_probs, neighbor_graph : optional
            As for ``fit``.

        Returns
        -------
        X : array or DataFrame of shape (n_kept, n_features)
            Rows, in the form in which they were given, with their index.
        y : array or Series of shape (n_kept,)
            Their labels.
        """
        self._check_parameters()
        given = X, y
        X, y = map(to_pandas, given)
        params = _passed(
            sample_weight=to_pandas(sample_weight),
            trusted=to_pandas(trusted),
            pred_probs=align_predictions(to_pandas(pred_probs), X),
            neighbor_graph=to_pandas(neighbor_graph),
        )
        refuse_annotators(y)
        check_same_rows(X, y=y, **params)
        _refuse_lost_params()
        if HAS_IMBLEARN:
            # Missing labels would make the base class cast NaN to whole numbers.
            labels = check_labels(y)
            if hasattr(y, "iloc") and not hasattr(labels, "iloc"):
                # The base class gives back a Series for a Series.
                labels = type(y)(labels, index=y.index, name=getattr(y, "name", None))
            rows, labels = super().fit_resample(X, labels, **params)
            if isinstance(y, pd.Series):
                labels = labels.astype(y.dtype)
        else:
            checked = self._check_data(X, y)
            self.sampling_strategy_: dict[Any, int] = {}
            rows, labels = _in_their_form(X, y, *self._fit_resample(*checked, **params))
        rows, labels = _with_index(self, X, rows), _with_index(self, y, labels)
        self._index, self.frame_library_ = row_index(X), library_of(*given)
        return like(rows, given[0]), like(labels, given[1])

    def get_metadata_routing(self) -> Any:
        """Requests of this estimator, for metadata routing.

        imbalanced-learn's Pipeline asks ``fit`` as well as ``fit_resample``, and calls the latter
        alone; so what is set for it need not be set for ``fit`` too.

        Returns
        -------
        routing : MetadataRequest
        """
        routing = super().get_metadata_routing()
        for name, wanted in routing.fit_resample.requests.items():
            if wanted is not None and routing.fit.requests.get(name) is None:
                routing.fit.add_request(param=name, alias=False)
        return routing

    def _check_X_y(self, X: Any, y: Any, accept_sparse: Any = None) -> tuple[Any, Any, bool]:
        y, binarized = check_target_type(y, indicate_one_vs_all=True)
        X, y = self._check_data(X, y)
        return X, y, binarized


def _in_their_form(X: Any, y: Any, rows: Any, labels: Any) -> tuple[Any, Any]:
    """Rows and labels in the container of X and y."""
    if isinstance(X, pd.DataFrame):
        rows = pd.DataFrame(rows, columns=X.columns).astype(X.dtypes.to_dict())
    if isinstance(y, pd.Series):
        labels = pd.Series(labels, name=y.name).astype(y.dtype)
    elif isinstance(y, list):
        labels = np.asarray(labels).tolist()
    return rows, labels
