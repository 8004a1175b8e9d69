"""A posterior over few parameters, on a grid that is narrowed to where it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import log_expit, logsumexp

__all__ = ["GridPosterior", "NormalPrior", "UniformSharePrior", "narrow_posterior"]


class NormalPrior(NamedTuple):
    """A normal prior of one parameter.

    Parameters
    ----------
    centre, spread : float
        Mean and standard deviation.
    """

    centre: float
    spread: float

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Log density at some points.

        Parameters
        ----------
        points : ndarray of shape (n,)

        Returns
        -------
        log_density : float64 ndarray of shape (n,)
        """
        z = (points - self.centre) / self.spread
        return -0.5 * z**2 - np.log(self.spread * np.sqrt(2 * np.pi))

    def range(self) -> tuple[float, float]:
        """Three standard deviations to either side.

        Returns
        -------
        low, high : float
        """
        return self.centre - 3 * self.spread, self.centre + 3 * self.spread


class UniformSharePrior(NamedTuple):
    """Prior of the logit of a share that is uniform from 0 to 1.

    Parameters
    ----------
    least, most : float
        Logits at the ends of the first grid.
    """

    least: float
    most: float

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Log density at some points.

        Parameters
        ----------
        points : ndarray of shape (n,)

        Returns
        -------
        log_density : float64 ndarray of shape (n,)
        """
        return log_expit(points) + log_expit(-points)

    def range(self) -> tuple[float, float]:
        """Ends of the first grid.

        Returns
        -------
        low, high : float
        """
        return self.least, self.most


class GridPosterior(NamedTuple):
    """Posterior on the last grid.

    Parameters
    ----------
    mass : ndarray
        Probability of every point, of the shape of the log likelihood.
    values : tuple
        What the log likelihood came with.
    log_evidence : float
        Log of the probability of the data.
    """

    mass: np.ndarray
    values: tuple[np.ndarray, ...]
    log_evidence: float


def narrow_posterior(
    evaluate: Callable[[list[np.ndarray]], tuple[np.ndarray, tuple[np.ndarray, ...]]],
    priors: Sequence[NormalPrior | UniformSharePrior],
    first_grid: Sequence[int],
    n_points: int,
    n_zooms: int,
) -> GridPosterior:
    """Posterior over a grid that is narrowed to three standard deviations and a step.

    Parameters
    ----------
    evaluate : callable
        Takes the points of each axis; gives the log likelihood of every point of the grid, of
        any shape in their order, and a tuple of arrays that is handed on.
    priors : sequence of NormalPrior or UniformSharePrior
        Of the parameter of each axis.
    first_grid : sequence of int
        Points of the first grid on each axis; a narrow peak must not be missed.
    n_points : int
        Points of the other grids, on every axis.
    n_zooms : int
        Grids.

    Returns
    -------
    posterior : GridPosterior
    """
    n_axes = len(first_grid)
    edges = [prior.range() for prior in priors]
    ranges = list(edges)
    for zoom in range(n_zooms):
        shape = [n_points] * n_axes if zoom else list(first_grid)
        axes = [np.linspace(*ranges[i], shape[i]) for i in range(n_axes)]
        log_likelihood, values = evaluate(axes)
        grid = log_likelihood.reshape(shape)
        for i, (points, prior) in enumerate(zip(axes, priors, strict=True)):
            along = [shape[i] if k == i else 1 for k in range(n_axes)]
            grid = grid + prior.log_density(points).reshape(along)
        total = logsumexp(grid)
        mass = np.exp(grid - total)
        log_evidence = float(total + sum(np.log(points[1] - points[0]) for points in axes))
        for i, points in enumerate(axes):
            marginal = mass.sum(tuple(k for k in range(n_axes) if k != i))
            mean = float(marginal @ points)
            deviation = float(np.sqrt(marginal @ (points - mean) ** 2))
            reach = 3 * deviation + float(points[1] - points[0])
            ranges[i] = max(mean - reach, edges[i][0]), min(mean + reach, edges[i][1])
    return GridPosterior(mass.reshape(log_likelihood.shape), values, log_evidence)
