"""Blocks of columns side by side: text and vectors lead, the other columns count beside them.

A text is 256 columns, a price is one. Its similarities of rows are spread over many directions,
so each pair of rows differs little, while one price makes pairs alike or opposite. Scaled to unit
variance, a few such columns hide the text.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["balance_blocks", "similarity_spread"]

# Rows that the spread is measured on.
_N_ROWS = 2000
# Spread of all plain columns together, beside one of each block of vectors.
_PLAIN_SPREAD = 0.5


def balance_blocks(
    vectors: Mapping[str, NDArray[np.floating]], plain: Mapping[str, NDArray[np.floating]]
) -> list[NDArray[np.floating]]:
    """Scale blocks so that the similarities within them are spread as they should be.

    The first block of vectors stays as it is. All others have its :func:`similarity_spread`, and
    all plain columns together have half of it: measured on mixed reviews
    (docs/benchmarks/tables.md) this gains where the columns say something of the label, and costs
    nothing where they do not.

    Parameters
    ----------
    vectors : mapping of str to ndarray of shape (n, d)
        Text vectors, arrays, embeddings.
    plain : mapping of str to ndarray of shape (n, d)
        Numbers and categories, scaled beside each other already.

    Returns
    -------
    blocks : list of ndarray
        The plain columns, then the vectors; blocks that do not vary are as they were.
    """
    spreads = [similarity_spread(block) for block in vectors.values()]
    unit = next((spread for spread in spreads if 0 < spread < np.inf), 1.0)

    def scaled(block: NDArray[np.floating], spread: float, target: float) -> NDArray[np.floating]:
        return block * np.sqrt(target / spread) if 0 < spread < np.inf else block

    joined = [np.hstack(list(plain.values()))] if plain else []
    return [scaled(b, similarity_spread(b), _PLAIN_SPREAD * unit) for b in joined] + [
        block if spread == unit else scaled(block, spread, unit)
        for block, spread in zip(vectors.values(), spreads, strict=True)
    ]


def similarity_spread(block: NDArray[np.floating]) -> float:
    r"""Root mean square of the inner products of all pairs of centred rows.

    .. math:: \sqrt{\tfrac{1}{n^2} \sum_{ij} (x_i \cdot x_j)^2} = \lVert C \rVert_F

    with the covariance C of the columns: the Frobenius norm by which kernels are made comparable
    before they are added.

    Parameters
    ----------
    block : ndarray of shape (n, d)
        At most 2,000 rows of it are looked at, evenly.

    Returns
    -------
    spread : float
    """
    rows = np.linspace(0, len(block) - 1, min(len(block), _N_ROWS)).astype(np.int64)
    sample = np.asarray(block[rows], dtype=np.float64)
    sample -= sample.mean(axis=0)
    small = sample.T @ sample if sample.shape[1] < len(sample) else sample @ sample.T
    return float(np.linalg.norm(small) / len(sample))
