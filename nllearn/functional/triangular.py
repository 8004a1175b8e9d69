"""Products and inverses of triangular matrices, at half the price of full ones."""

from __future__ import annotations

import torch

from nllearn.functional.blocks import row_blocks

__all__ = [
    "COLUMNS",
    "is_upper_triangular",
    "transposed_inverse",
    "triangular_product",
    "with_added",
]

# Columns of a block of a product that is only needed on one side of the diagonal: whole cache
# lines, of 250 columns a product takes a fifth longer.
COLUMNS = 192


def with_added(matrix: torch.Tensor, value: float) -> torch.Tensor:
    """Copy a matrix with a number added along the diagonal.

    Parameters
    ----------
    matrix : Tensor of shape (r, r)
    value : float

    Returns
    -------
    matrix : Tensor of shape (r, r)
    """
    out = matrix.clone()
    out.diagonal().add_(value)
    return out


def transposed_inverse(lower: torch.Tensor) -> torch.Tensor:
    """Transposed inverse of a lower triangular matrix.

    Parameters
    ----------
    lower : Tensor of shape (r, r)

    Returns
    -------
    upper : Tensor of shape (r, r)
    """
    eye = torch.eye(len(lower), dtype=lower.dtype, device=lower.device)
    return torch.linalg.solve_triangular(lower, eye, upper=False).T


def triangular_product(
    rows: torch.Tensor, matrix: torch.Tensor, is_upper: bool, out: torch.Tensor | None = None
) -> torch.Tensor:
    """Rows times a matrix; of an upper triangular one the zeros are left out.

    Parameters
    ----------
    rows : Tensor of shape (b, r)
    matrix : Tensor of shape (r, c)
    is_upper : bool
        What :func:`is_upper_triangular` says of the matrix.
    out : Tensor of shape (b, c), optional
        Filled and returned.

    Returns
    -------
    product : Tensor of shape (b, c)
    """
    if not is_upper:
        return torch.mm(rows, matrix, out=out)
    if out is None:
        out = rows.new_empty((len(rows), matrix.shape[1]))
    for columns in row_blocks(len(matrix), COLUMNS):
        stop = columns.stop
        torch.mm(rows[:, :stop], matrix[:stop, columns], out=out[:, columns])
    return out


def is_upper_triangular(matrix: torch.Tensor) -> bool:
    """Whether a matrix is square and has nothing below its diagonal.

    Parameters
    ----------
    matrix : Tensor of shape (r, c)

    Returns
    -------
    is_upper : bool
    """
    return matrix.shape[0] == matrix.shape[1] and not bool(matrix.tril(-1).any())
