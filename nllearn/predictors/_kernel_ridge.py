"""Kernel ridge regression on landmarks, each row's own label left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from sklearn.utils import check_random_state

from nllearn.functional.calibration import agreement
from nllearn.functional.kernel_features import KernelMap, kernel_features
from nllearn.functional.kernel_ridge import (
    RidgeAxes,
    RidgeSystem,
    leave_one_out,
    ridge_system,
)
from nllearn.predictors._base import BaseLabelPredictor
from nllearn.predictors._neighbor_votes import NeighborGraph
from nllearn.predictors._nystroem import NystroemFeatures

__all__ = ["KernelRidge", "LeaveOneOutKernelRidge"]

_RIDGES = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0)
# Effective degrees of freedom of a refit for every class: without noise, less by the share of
# wrong labels times the second, and the least. Then the most of it as a share of the features,
# and the most of any fit as a share of the rows.
_DOF, _LESS_DOF, _LEAST_DOF = 12.0, 18.0, 2.0
_MOST_OF_FEATURES, _MOST_OF_ROWS = 0.6, 0.5
# Scores by which a ridge is chosen: rows times classes, and the fewest rows.
_MOST_TRIED, _LEAST_TRIED = 1 << 20, 1000


@dataclass(frozen=True)
class KernelRidge:
    """A fitted regression, for rows that it has not seen.

    ``scores = features @ coefficients + offset``, times `factor` to the scale of the
    leave-one-out scores.

    Parameters
    ----------
    kmap : KernelMap
    coefficients : float32 Tensor of shape (r, n_classes)
    offset : float32 Tensor of shape (n_classes,)
    factor : float
    ridge : float
    """

    kmap: KernelMap
    coefficients: torch.Tensor
    offset: torch.Tensor
    factor: float
    ridge: float

    def predict(self, X_unit: torch.Tensor) -> torch.Tensor:
        """Scores of new rows.

        Parameters
        ----------
        X_unit : float32 Tensor of shape (m, d)
            Rows of length one; smoothed where the fitted ones were.

        Returns
        -------
        scores : float32 Tensor of shape (m, n_classes)
        """
        features = kernel_features(X_unit, self.kmap)
        return (features @ self.coefficients + self.offset) * self.factor


class LeaveOneOutKernelRidge(BaseLabelPredictor):
    """Kernel ridge regression on the labels, every row predicted by a fit without it.

    A Gaussian kernel on landmarks (Nystroem), in closed form. The ridge is the one at which
    the regression agrees most often with the labels and with `reference` together. Squared
    error on the labels alone follows noise that depends on the features; neighbours, for
    example, do not follow it in the same way. A fit with more degrees of freedom than half of
    the rows memorises the labels and is not tried.

    Parameters
    ----------
    n_landmarks : int, default=1000
        Cost grows with n times its square.
    graph : NeighborGraph, optional
        Smooths each row over its neighbours first.
    reference : Tensor of shape (n, n_classes), optional
        Scores of another predictor, to choose the ridge by.
    random_state : int, RandomState, torch.Generator or None, default=None
        Draws the landmarks.

    Attributes
    ----------
    n_classes_ : int
        Number of classes.
    kernel_ridge_ : KernelRidge
        The regression on all rows, for new ones.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> import numpy as np
    >>> from nllearn.predictors import LeaveOneOutKernelRidge
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X - X.mean(0)
    >>> X /= np.linalg.norm(X, axis=1, keepdims=True)
    >>> predictor = LeaveOneOutKernelRidge(200, random_state=0)
    >>> scores = predictor.predict_out_of_sample(X, np.eye(10)[y])
    >>> bool((scores.argmax(1).numpy() == y).mean() > 0.9)
    True
    """

    def __init__(
        self,
        n_landmarks: int = 1000,
        graph: NeighborGraph | None = None,
        reference: torch.Tensor | None = None,
        random_state: Any = None,
    ):
        self.n_landmarks = n_landmarks
        self.graph = graph
        self.reference = reference
        self.random_state = random_state

    def _predict(
        self, X: torch.Tensor, labels: torch.Tensor, sample_weight: torch.Tensor
    ) -> torch.Tensor:
        generator = self.random_state
        if not isinstance(generator, torch.Generator):
            seed = int(check_random_state(generator).randint(2**31 - 1))
            generator = torch.Generator().manual_seed(seed)
        indices = None if self.graph is None else self.graph.indices
        self._features = NystroemFeatures(X, indices, sample_weight, self.n_landmarks, generator)
        self._labels, self._weights = labels, sample_weight
        return self._fit(None)

    def predict_again(self, clean_weight: torch.Tensor) -> torch.Tensor:
        """Predict the same rows once more, with some labels known to be probably wrong.

        A class counts in the fit by the root of its number of rows, however many of their
        labels are probably right: noise at the boundary takes most from the classes that are
        hard to tell apart. By their number itself the large classes would win rows; alike, the
        small ones.

        No reference helps to choose the ridge: where noise lies at the boundary, regression,
        neighbours and given labels agree on what is wrong. The ridge is the one with
        ``12 - 18 r`` effective degrees of freedom for every class, r the share of wrong
        labels: enough to tell classes apart, too few to follow the noise.

        Parameters
        ----------
        clean_weight : float32 Tensor of shape (n,)
            Probability that each label is right; the fit weighs the rows by it.

        Returns
        -------
        scores : float32 Tensor of shape (n, n_classes)
        """
        return self._fit(clean_weight)

    def _fit(self, clean_weight: torch.Tensor | None) -> torch.Tensor:
        """Fit, keep the regression, and return leave-one-out scores at mean top score 1."""
        features, labels, weights = self._features, self._labels, self._weights
        codes = labels if labels.ndim == 1 else labels.argmax(1)
        fitted = weights
        if clean_weight is not None:
            fitted = _balanced_weights(codes, weights, clean_weight, self.n_classes_)
        system = ridge_system(features.blocks, fitted, labels)
        most_dof = _MOST_OF_ROWS * float((weights > 0).sum())
        principal = None
        if clean_weight is None:
            principal = system.principal_axes()
            least = system.ridge_for(most_dof)
            ridges = tuple(ridge for ridge in _RIDGES if ridge > least) or (least,)
        else:
            rate = 1.0 - float((weights * clean_weight).sum() / weights.sum())
            dof = max(_DOF - _LESS_DOF * rate, _LEAST_DOF) * self.n_classes_
            most_dof = min(most_dof, _MOST_OF_FEATURES * len(system.mean))
            ridges = (system.ridge_for(min(most_dof, dof)),)

        out = weights.new_empty((len(codes), self.n_classes_))
        left = torch.ones(len(codes), dtype=torch.bool, device=codes.device)
        best = ridges[0]
        if principal is not None and len(ridges) > 1:
            n_tried = max(_LEAST_TRIED, _MOST_TRIED // self.n_classes_)
            tried, tried_features = features.some(n_tried)
            coordinates = principal.coordinates(tried_features)
            del tried_features
            best, out[tried] = self._compare(system, ridges, tried, coordinates, principal)
            del coordinates
            left[tried] = False
        axes = system.axes_at(best)
        for rows, block in features.blocks() if bool(left.any()) else ():
            chosen = torch.nonzero(left[rows]).squeeze(1)
            idx = chosen + rows.start
            coordinates = axes.coordinates(block[chosen])
            leverage = fitted[idx] * torch.linalg.vector_norm(coordinates, dim=1).square_()
            scores = leave_one_out(coordinates @ axes.moments, leverage, labels[idx], axes)
            out[idx] = scores.add_(axes.target_mean)
        factor = 1.0 / max(float((weights * out.amax(1)).sum() / weights.sum()), 1e-6)
        coefficients = axes.vectors @ axes.moments
        offset = axes.target_mean - axes.mean @ coefficients
        self.kernel_ridge_ = KernelRidge(features.kmap, coefficients, offset, factor, best)
        return out.mul_(factor)

    def _compare(
        self,
        system: RidgeSystem,
        ridges: Sequence[float],
        tried: torch.Tensor,
        coordinates: torch.Tensor,
        axes: RidgeAxes,
    ) -> tuple[float, torch.Tensor]:
        """The ridge that agrees most often with labels and reference on some rows; its scores."""
        labels, weights = self._labels[tried], self._weights[tried]
        codes = labels if labels.ndim == 1 else labels.argmax(1)
        reference = None if self.reference is None else self.reference[tried].argmax(1)
        shrinkages = torch.stack([system.shrinkage(ridge) for ridge in ridges])
        leverages = coordinates.square() @ shrinkages.T
        # One product for all ridges: of a few columns each it would be slower.
        moments = shrinkages.unsqueeze(2) * axes.moments
        fitted = torch.tensordot(coordinates, moments, dims=([1], [1])).unbind(1)
        best, best_scores, most = ridges[0], None, -1.0
        for ridge, values, leverage in zip(ridges, fitted, leverages.T, strict=True):
            scores = leave_one_out(values, weights * leverage, labels, axes)
            top = scores.add_(axes.target_mean).argmax(1)
            agreed = agreement(top, codes, weights)
            if reference is not None:
                agreed += agreement(top, reference, weights)
            if agreed > most + 1e-9:
                best, best_scores, most = ridge, scores, agreed
        assert best_scores is not None
        return best, best_scores


def _balanced_weights(
    codes: torch.Tensor, weights: torch.Tensor, clean_weight: torch.Tensor, n_classes: int
) -> torch.Tensor:
    """Weights by probably right labels, with each class at the root of its size; mean one."""
    fitted = weights * clean_weight
    none = weights.new_zeros(n_classes)
    mass = none.index_add(0, codes, fitted)
    size = none.index_add(0, codes, weights)
    fitted = fitted * (size.sqrt() / mass.clamp_min(1e-12))[codes]
    return fitted / fitted[fitted > 0].mean()
