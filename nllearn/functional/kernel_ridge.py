"""Ridge regression with every row predicted by a fit without it, plain and on kernel features.

The features are those of a Gaussian kernel on m landmarks (Nystroem). They are made block by
block and the normal equations are summed up, so nothing here holds n x m numbers. What is left
is m x m and n x n_classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch

from nllearn.functional.blocks import row_blocks
from nllearn.functional.triangular import (
    COLUMNS,
    is_upper_triangular,
    transposed_inverse,
    triangular_product,
    with_added,
)

__all__ = [
    "RIDGES",
    "RidgeAxes",
    "RidgeSystem",
    "leave_one_out",
    "leave_one_out_scores",
    "ridge_system",
]

# A ridge below this share of a row's mean feature length cannot be told from rounding.
_JITTER = 1e-6
# Ridges that the plain regression chooses from.
RIDGES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0)

Blocks = Callable[[], Iterator[tuple[slice, torch.Tensor]]]


@dataclass(frozen=True)
class RidgeAxes:
    """Directions of the features along which the coefficients of a ridge regression are known.

    Parameters
    ----------
    mean : float32 Tensor of shape (r,)
        Weighted mean of the features.
    vectors : float32 Tensor of shape (r, r)
        The directions, in columns.
    moments : float32 Tensor of shape (r, n_classes)
        Weighted inner products of the features along them with the centred targets.
    target_mean : float32 Tensor of shape (n_classes,)
        Weighted mean of the targets.
    """

    mean: torch.Tensor
    vectors: torch.Tensor
    moments: torch.Tensor
    target_mean: torch.Tensor

    def coordinates(self, features: torch.Tensor) -> torch.Tensor:
        """Features, less their mean, along the directions.

        Parameters
        ----------
        features : float32 Tensor of shape (b, r)

        Returns
        -------
        coordinates : float32 Tensor of shape (b, r)
        """
        return triangular_product(features - self.mean, self.vectors, self._is_upper)

    @cached_property
    def _is_upper(self) -> bool:
        return is_upper_triangular(self.vectors)


@dataclass(frozen=True)
class RidgeSystem:
    """The normal equations of a weighted, centred ridge regression.

    Parameters
    ----------
    mean : float32 Tensor of shape (r,)
        Weighted mean of the features.
    gram : float64 Tensor of shape (r, r)
        Weighted, centred Gram matrix.
    products : float64 Tensor of shape (r, n_classes)
        Weighted inner products of the features with the centred targets.
    target_mean : float32 Tensor of shape (n_classes,)
        Weighted mean of the targets.
    n_fitted : float
        Sum of the weights.
    """

    mean: torch.Tensor
    gram: torch.Tensor
    products: torch.Tensor
    target_mean: torch.Tensor
    n_fitted: float

    @cached_property
    def values(self) -> torch.Tensor:
        """Eigenvalues of the Gram matrix, float32 of shape (r,), ascending."""
        if "_eigen" in self.__dict__:
            return self._eigen[0]
        return torch.linalg.eigvalsh(self.gram.float()).clamp_min_(0.0)

    @cached_property
    def _eigen(self) -> tuple[torch.Tensor, torch.Tensor]:
        # In float32, in half the time: several ridges are compared, none is fitted with it.
        values, vectors = torch.linalg.eigh(self.gram.float())
        return values.clamp_min_(0.0), vectors

    def added(self, ridge: float) -> float:
        """What a ridge adds to the eigenvalues.

        Parameters
        ----------
        ridge : float
            In units of the number of rows per feature.

        Returns
        -------
        added : float
        """
        return ridge * self.n_fitted / len(self.mean) + _JITTER

    def shrinkage(self, ridge: float) -> torch.Tensor:
        """Inverse of the eigenvalues plus the ridge, along :meth:`principal_axes`.

        Parameters
        ----------
        ridge : float
            In the units of :meth:`added`.

        Returns
        -------
        inverse : float32 Tensor of shape (r,)
        """
        return 1.0 / (self.values + self.added(ridge))

    def principal_axes(self) -> RidgeAxes:
        """Eigenvectors of the Gram matrix: they serve every ridge, by its :meth:`shrinkage`.

        Returns
        -------
        axes : RidgeAxes
        """
        _, vectors = self._eigen
        return self._along(vectors.double())

    def axes_at(self, ridge: float) -> RidgeAxes:
        r"""Axes of one ridge, from a Cholesky decomposition.

        With the Gram matrix G and :math:`G + \lambda I = L L^T` they are the columns of
        :math:`L^{-T}`, and the coefficients along them are the moments.

        Parameters
        ----------
        ridge : float
            In the units of :meth:`added`.

        Returns
        -------
        axes : RidgeAxes
            The directions form an upper triangular matrix, unless rounding forbids it.
        """
        lower, failed = torch.linalg.cholesky_ex(with_added(self.gram, self.added(ridge)))
        if bool(failed):
            _, vectors = self._eigen
            return self._along(vectors.double() * self.shrinkage(ridge).double().sqrt())
        return self._along(transposed_inverse(lower))

    def _along(self, vectors: torch.Tensor) -> RidgeAxes:
        moments = (vectors.T @ self.products).float()
        return RidgeAxes(self.mean, vectors.float().contiguous(), moments, self.target_mean)

    def ridge_for(self, effective_dof: float) -> float:
        r"""Ridge at which a fit has so many effective degrees of freedom.

        The trace of the hat matrix, :math:`\sum_i v_i / (v_i + \lambda)` over the eigenvalues;
        it falls with the ridge, so bisection finds it.

        Parameters
        ----------
        effective_dof : float
            Above 0. What no ridge in [1e-6, 1e6] reaches gives the nearer end.

        Returns
        -------
        ridge : float
            In the units of :meth:`added`.
        """
        values = self.values.double().cpu().numpy()
        low, high = -6.0, 6.0
        for _ in range(40):
            middle = 0.5 * (low + high)
            if (values / (values + self.added(10.0**middle))).sum() > effective_dof:
                low = middle
            else:
                high = middle
        return float(10.0**high)


def ridge_system(blocks: Blocks, weights: torch.Tensor, targets: torch.Tensor) -> RidgeSystem:
    """Sum up the normal equations in one pass.

    Parameters
    ----------
    blocks : callable
        Gives an iterator of (rows as a slice, features float32 of shape (b, r)).
    weights : float32 Tensor of shape (n,)
        Not negative; a row of weight 0 is not fitted.
    targets : Tensor of shape (n, n_classes), or int64 of shape (n,)
        Soft targets, or class codes that stand for one-hot rows of
        ``codes.max() + 1`` classes.

    Returns
    -------
    system : RidgeSystem
    """
    n_classes = int(targets.max()) + 1 if targets.ndim == 1 else targets.shape[1]
    sums: list[torch.Tensor] | None = None
    for rows, features in blocks():
        share = weights[rows].unsqueeze(1)
        weighted = share * features
        # Float32 inside a block, float64 between blocks: a million rows lose no digits.
        parts = [
            _upper_products(weighted, features).double(),
            _products(weighted, targets[rows], n_classes).double(),
            weighted.sum(0).double(),
            _products(share, targets[rows], n_classes)[0].double(),
        ]
        sums = (
            parts if sums is None else [one.add_(two) for one, two in zip(sums, parts, strict=True)]
        )
    assert sums is not None
    gram, products, total, target_total = sums
    n_fitted = float(weights.sum())
    mean = total / n_fitted
    gram = gram.triu() + gram.triu(1).T
    return RidgeSystem(
        mean.float(),
        gram - n_fitted * torch.outer(mean, mean),
        products - torch.outer(mean, target_total),
        (target_total / n_fitted).float(),
        n_fitted,
    )


def _upper_products(weighted: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """The upper half of ``weighted.T @ features``; below it nothing is right."""
    r = features.shape[1]
    out = features.new_zeros((r, r))
    for columns in row_blocks(r, COLUMNS):
        start = columns.start
        torch.mm(weighted[:, columns].T, features[:, start:], out=out[columns, start:])
    return out


def leave_one_out(
    fitted: torch.Tensor, leverage: torch.Tensor, targets: torch.Tensor, axes: RidgeAxes
) -> torch.Tensor:
    r"""Predictions of a ridge regression without each row, from those with it.

    With :math:`h_i` the leverage of row i and :math:`t_i` its centred target,

    .. math:: f_i^{(-i)} = \frac{f_i - h_i t_i}{1 - h_i}

    On axes of one ridge with coordinates :math:`z_i` and moments M it has
    :math:`f_i = z_i^T M` and :math:`h_i = w_i |z_i|^2`; on principal axes both have the shrinkage
    in between. The centring keeps the row itself, a difference of order 1/n.

    Parameters
    ----------
    fitted : float32 Tensor of shape (b, n_classes)
        Changed in place.
    leverage : Tensor of shape (b,)
    targets : Tensor of shape (b, n_classes), or int64 of shape (b,)
    axes : RidgeAxes
        Of the fit.

    Returns
    -------
    left_out : float32 Tensor of shape (b, n_classes)
        Centred: the mean target is not added back.
    """
    leverage = leverage.clamp(0.0, 0.999).unsqueeze(1)
    if targets.ndim == 1:
        # A row of codes in place of one-hot rows.
        fitted.addcmul_(leverage, axes.target_mean)
        fitted.scatter_add_(1, targets.unsqueeze(1), -leverage)
    else:
        fitted.addcmul_(leverage, targets.float() - axes.target_mean, value=-1.0)
    return fitted.div_(1.0 - leverage)


def leave_one_out_scores(
    features: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    r"""Ridge regression on the targets, each row predicted by a fit without it.

    In closed form, with :math:`h_i` the leverage of row i,

    .. math:: f_i^{(-i)} = \frac{f_i - h_i t_i}{1 - h_i}

    The ridge is the one of ten with the smallest weighted leave-one-out squared
    error; one eigendecomposition of the d x d Gram matrix serves all of them.

    Parameters
    ----------
    features : Tensor of shape (n, d)
        Rows of about unit length.
    targets : Tensor of shape (n, n_classes)
        One-hot given labels.
    weights : Tensor of shape (n,)
        Not negative; a row of weight 0 is predicted, not fitted.

    Returns
    -------
    scores : float32 Tensor of shape (n, n_classes)
        Divided by the mean top score, which makes one inverse temperature serve many
        data sets.
    """
    n_fitted = int((weights > 0).sum())
    weights = weights * (n_fitted / weights.sum().clamp_min(1e-12))
    share = weights.unsqueeze(1)
    x = features - (share * features).sum(0) / n_fitted
    t = targets - (share * targets).sum(0) / n_fitted
    root = share.sqrt()
    scaled = root * x
    gram = (scaled.T @ scaled).double()
    values, vectors = torch.linalg.eigh(gram)
    values = values.clamp_min(0.0).float()
    axes = x @ vectors.float()
    moments = axes.T @ (share * t)
    squared = axes.square()
    best_error, best = torch.inf, None
    for ridge in RIDGES:
        inverse = 1.0 / (values + ridge * n_fitted / x.shape[1] + 1e-6)
        leverage = (weights * (squared @ inverse)).clamp(0.0, 0.999).unsqueeze(1)
        fitted = axes @ (inverse.unsqueeze(1) * moments)
        left_out = (fitted - leverage * t) / (1.0 - leverage)
        error = float((share * (left_out - t).square()).sum())
        if best is None or error < best_error:
            best_error, best = error, left_out
    assert best is not None
    # The mean was taken out of the targets. Of it what tells classes apart comes back, without
    # the row itself.
    own = share * targets
    others = (own.sum(0) - own) / (n_fitted - share).clamp_min(1e-6)
    best = best + (others - 1.0 / targets.shape[1])
    top = (weights * best.max(1).values).sum() / n_fitted
    return best / top.clamp_min(1e-6)


def _products(values: torch.Tensor, targets: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Inner products of values (b, r) with targets, codes or soft, of shape (r, n_classes)."""
    if targets.ndim == 1 and values.device.type == "cpu":
        sums = values.new_zeros((n_classes, values.shape[1]))
        return sums.index_add_(0, targets, values).T
    if targets.ndim == 1:
        # Elsewhere a sum by index has no fixed order.
        targets = torch.nn.functional.one_hot(targets, n_classes)
    return values.T @ targets.float()
