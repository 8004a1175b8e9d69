"""Labels of several annotators as they are passed: names, classes, codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nllearn._labels import check_labels, label_index
from nllearn._validation import is_tensor, refuse_tensor
from nllearn.functional.annotators import label_incidence, vote_shares

__all__ = ["ReadAnnotators", "read_annotators"]


@dataclass(frozen=True)
class ReadAnnotators:
    """Labels of several annotators.

    Parameters
    ----------
    names : ndarray of shape (n_annotators,)
        Names of the columns; numbers from 0 where there were none.
    classes : ndarray of shape (n_classes,)
        Labels, sorted.
    codes : int64 ndarray of shape (n, n_annotators)
        Positions in the classes; -1 where there is no label.
    """

    names: np.ndarray
    classes: np.ndarray
    codes: np.ndarray

    def among(self, classes: np.ndarray) -> ReadAnnotators:
        """The same labels as positions in more classes.

        Parameters
        ----------
        classes : ndarray of shape (n_classes,)
            Sorted, with all those of the labels.

        Returns
        -------
        labels : ReadAnnotators
        """
        places = np.append(label_index(classes).get_indexer(label_index(self.classes)), -1)
        return ReadAnnotators(self.names, classes, places[self.codes].astype(np.int64))

    def majority(self) -> np.ndarray:
        """Label with most votes of every row, the first class of equal ones; 0 without any.

        Returns
        -------
        codes : int64 ndarray of shape (n,)
        """
        n_classes = len(self.classes)
        return vote_shares(label_incidence(self.codes, n_classes), n_classes).argmax(1)

    def labelled_rows(self, weight: np.ndarray) -> np.ndarray:
        """Rows with a label; refuse fewer than two of them that take part.

        Parameters
        ----------
        weight : ndarray of shape (n,)

        Returns
        -------
        labelled : bool ndarray of shape (n,)
        """
        labelled = np.asarray((self.codes >= 0).any(1))
        n_labelled = np.count_nonzero(labelled & (weight > 0))
        if n_labelled < 2:
            raise ValueError(
                f"y has labels in {n_labelled} row(s) that take part; at least 2 rows need one"
            )
        return labelled

    def refuse_boundary_noise(self, boundary_noise: bool | str) -> None:
        """Refuse the assumption that wrong labels lie at the class boundary.

        Parameters
        ----------
        boundary_noise : bool or "auto"
        """
        if boundary_noise is True:
            raise ValueError(
                "boundary_noise=True is for one label per row; with several annotators leave it at "
                "'auto'"
            )

    def trusted_rows(self, trusted: np.ndarray) -> np.ndarray:
        """Refuse trusted rows whose labels differ, or that have none.

        Parameters
        ----------
        trusted : bool ndarray of shape (n,)

        Returns
        -------
        trusted : bool ndarray of shape (n,)
        """
        largest = self.codes.max(1)
        least = np.where(self.codes < 0, len(self.classes), self.codes).min(1)
        bad = np.flatnonzero(trusted & (largest != least))
        if len(bad):
            row = int(bad[0])
            found = self.classes[np.unique(self.codes[row][self.codes[row] >= 0])].tolist()
            raise ValueError(
                f"row {row} is trusted and has the labels {found}; a trusted row needs labels "
                "that agree: keep the right ones, and set the others to None"
            )
        return trusted


def read_annotators(y: Any) -> ReadAnnotators | None:
    """Read labels of shape (n, n_annotators), with gaps.

    Parameters
    ----------
    y : any
        Array, DataFrame or list of lists. None, NaN and NaT are gaps. Floats that are whole
        numbers beside gaps are taken for whole numbers.

    Returns
    -------
    labels : ReadAnnotators or None
        None where y is not of two dimensions with two columns or more: one label per row.

    Raises
    ------
    ValueError
        Where no row has a label, where labels are mixed, and for one-hot labels.

    Examples
    --------
    >>> from nllearn.label_model import read_annotators
    >>> labels = read_annotators([["cat", None], ["dog", "cat"]])
    >>> labels.classes.tolist(), labels.codes.tolist()
    (['cat', 'dog'], [[0, -1], [1, 0]])
    """
    values = _as_objects(y)
    if values is None:
        return None
    names = np.asarray(y.columns) if hasattr(y, "columns") else np.arange(values.shape[1])
    gaps = pd.isna(values)
    if gaps.all():
        raise ValueError(f"y of shape {values.shape} has no label at all; every cell is a gap")
    flat = values[~gaps]
    labels = np.asarray(check_labels(flat))
    if labels.dtype.kind == "O":
        labels = np.asarray(labels.tolist())
    if labels.dtype.kind == "f" and gaps.any() and (labels == np.round(labels)).all():
        labels = labels.astype(np.int64)
    if labels.dtype.kind in "iufb" and not gaps.any() and values.shape[1] > 2:
        numbers = labels.reshape(values.shape)
        if np.isin(numbers, (0, 1)).all() and (numbers.sum(1) == 1).all():
            raise ValueError(
                f"y of shape {values.shape} is one-hot: every row has one 1, the others are 0. "
                "Pass y.argmax(1); columns of y are annotators"
            )
    classes = np.unique(labels)
    codes = np.full(values.shape, -1, dtype=np.int64)
    codes[~gaps] = label_index(classes).get_indexer(label_index(labels))
    return ReadAnnotators(names, classes, codes)


def _as_objects(y: Any) -> np.ndarray | None:
    """Objects of shape (n, n_annotators) that numpy has not respelled; None for other shapes."""
    if y is None or isinstance(y, str):
        return None
    if is_tensor(y):
        refuse_tensor("y", y)
        y = y.numpy()
    if isinstance(y, np.ma.MaskedArray):
        if y.ndim != 2:
            return None
        values = y.data.astype(object)
        values[np.ma.getmaskarray(y)] = None
        y = values
    if hasattr(y, "iloc") or isinstance(y, np.ndarray):
        if y.ndim != 2 or y.shape[1] < 2 or y.shape[0] == 0:
            return None
        return y.to_numpy(dtype=object) if hasattr(y, "iloc") else y.astype(object)
    if not isinstance(y, list | tuple) or not len(y):
        return None
    sizes = {len(row) if isinstance(row, list | tuple | np.ndarray) else -1 for row in y}
    if len(sizes) != 1 or min(sizes) < 2:
        return None
    values = np.empty((len(y), sizes.pop()), dtype=object)
    for i, row in enumerate(y):
        values[i] = list(row)
    return values
