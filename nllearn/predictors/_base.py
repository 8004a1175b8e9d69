"""What every out-of-sample predictor shares, and the one place that checks predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator

__all__ = ["BaseLabelPredictor", "codes_or_soft", "hard_labels", "out_of_sample_predictions"]


class BaseLabelPredictor(BaseEstimator):
    """Predictor of every row's label from the other rows and their labels.

    A subclass writes ``_predict(X, labels, sample_weight)`` on float32 tensors. Its `labels`
    are int64 of shape (n,) where every row has one label, else distributions of shape
    (n, n_classes). The number of classes is in ``self.n_classes_``.
    """

    def predict_out_of_sample(self, X: Any, y_soft: Any, sample_weight: Any = None) -> torch.Tensor:
        """Predict every row's label without its own.

        Parameters
        ----------
        X : ndarray or Tensor of shape (n, d)
            Rows of length one.
        y_soft : ndarray or Tensor of shape (n, n_classes)
            Distributions over the labels; rows of 0 and 1 where each row has one label.
        sample_weight : ndarray or Tensor of shape (n,), optional
            Not negative; a row of weight 0 is predicted and is used for no other row.

        Returns
        -------
        scores : float32 Tensor of shape (n, n_classes)
            On the scale of probabilities; the largest is the predicted label.

        Raises
        ------
        ValueError
            If the shapes do not fit together.
        """
        X, y_soft = _as_tensor(X), _as_tensor(y_soft)
        n = len(X)
        weight = torch.ones(n, dtype=torch.float32, device=X.device)
        if sample_weight is not None:
            weight = _as_tensor(sample_weight)
        if X.ndim != 2 or y_soft.ndim != 2 or len(y_soft) != n or weight.shape != (n,):
            raise ValueError(
                f"X has shape {tuple(X.shape)}, y_soft {tuple(y_soft.shape)} and sample_weight "
                f"{tuple(weight.shape)}; expected (n, d), (n, n_classes) and (n,)"
            )
        self.n_classes_ = y_soft.shape[1]
        return self._predict(X, codes_or_soft(y_soft), weight)

    def _predict(
        self, X: torch.Tensor, labels: torch.Tensor, sample_weight: torch.Tensor
    ) -> torch.Tensor:
        raise TypeError(f"{type(self).__name__} does not define _predict")


def out_of_sample_predictions(
    predictor: Any, X: torch.Tensor, y_soft: torch.Tensor, sample_weight: torch.Tensor
) -> torch.Tensor:
    """Call a predictor, ours or foreign, and check what it returns.

    Parameters
    ----------
    predictor : object
        With ``predict_out_of_sample(X, y_soft, sample_weight)``. One that is no
        :class:`BaseLabelPredictor` gets numpy arrays.
    X : float32 Tensor of shape (n, d)
        Unit rows.
    y_soft : float32 Tensor of shape (n, n_classes)
        Distributions over the labels.
    sample_weight : float32 Tensor of shape (n,)
        Not negative.

    Returns
    -------
    scores : float32 Tensor of shape (n, n_classes)
        On the device of X.

    Raises
    ------
    TypeError
        If the object has no such method.
    ValueError
        If the scores have another shape or are not finite, or if those of a foreign predictor
        have a mean top value of 0 or below.
    """
    if isinstance(predictor, type) or not callable(
        getattr(predictor, "predict_out_of_sample", None)
    ):
        raise TypeError(
            f"{predictor!r} is no predictor; it needs an instance's method "
            "predict_out_of_sample(X, y_soft, sample_weight)"
        )
    if isinstance(predictor, BaseLabelPredictor):
        scores = predictor.predict_out_of_sample(X, y_soft, sample_weight)
    else:
        arrays = (values.cpu().numpy() for values in (X, y_soft, sample_weight))
        returned = predictor.predict_out_of_sample(*arrays)
        try:
            scores = _as_tensor(returned).to(X.device)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{predictor!r} returned a {type(returned).__name__} that is no array of numbers "
                f"({error}); expected scores of shape {tuple(y_soft.shape)}"
            ) from error
    if scores.shape != y_soft.shape:
        raise ValueError(
            f"{predictor!r} returned scores of shape {tuple(scores.shape)}; expected "
            f"{tuple(y_soft.shape)}, one row per row of X and one column per class"
        )
    if not bool(torch.isfinite(scores).all()):
        raise ValueError(f"{predictor!r} returned scores that are not finite")
    top = float(scores.amax(1).mean())
    if top <= 0.0 and not isinstance(predictor, BaseLabelPredictor):
        raise ValueError(
            f"{predictor!r} returned scores whose mean top value is {top:.3g}; expected a scale "
            "like that of probabilities, such as the softmax of logits"
        )
    return scores


def codes_or_soft(y_soft: torch.Tensor) -> torch.Tensor:
    """Codes, int64 of shape (n,), where every row has one label; else the distributions.

    Also the distributions where no row has the last class: codes would not show it.
    """
    top = y_soft.max(1)
    is_hard = bool((top.values == 1.0).all()) and int(torch.count_nonzero(y_soft)) == len(y_soft)
    if is_hard and int(top.indices.max()) == y_soft.shape[1] - 1:
        return top.indices
    return y_soft


def hard_labels(labels: torch.Tensor, sample_weight: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Codes and weights for a learner that takes one label per row.

    A distribution counts by its most probable label, as important as it is probable.

    Parameters
    ----------
    labels : int64 Tensor of shape (n,) or float32 Tensor of shape (n, n_classes)
    sample_weight : float32 Tensor of shape (n,)

    Returns
    -------
    codes : int64 ndarray of shape (n,)
    weight : float64 ndarray of shape (n,)
    """
    weight = sample_weight.cpu().numpy().astype(np.float64)
    codes = labels.cpu().numpy()
    if codes.ndim == 2:
        codes, weight = codes.argmax(1), weight * codes.max(1)
    return codes, weight


def _as_tensor(values: Any) -> torch.Tensor:
    """As a float32 tensor; numpy arrays are copied, since torch must not write to them."""
    if isinstance(values, torch.Tensor):
        return values.float()
    return torch.from_numpy(np.array(values, dtype=np.float32))
