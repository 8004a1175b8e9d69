r"""How far annotators agree beyond what their own error rates explain, as those who copy do.

Two annotators who err independently give the same label with probability
:math:`e_{ab} = \sum_k \pi_k \sum_j T_a[k, j]\,T_b[k, j]`. If b copies a share c of a's labels, they
agree with probability :math:`c + (1 - c)\,e_{ab}`; this gives c from the observed agreement.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

__all__ = ["annotator_agreement", "annotator_dependence", "told_shares"]

# Standard errors that an agreement must exceed: of a hundred independent pairs one does.
_STANDARD_ERRORS = 2.33


def annotator_agreement(
    incidence: sparse.csr_array, weights: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Share of the rows labelled by both on which two annotators agree, and their number.

    Parameters
    ----------
    incidence : csr_array of shape (n, n_annotators * n_classes)
    weights : ndarray of shape (n,)
        Rows of weight 0 do not count.
    n_classes : int

    Returns
    -------
    agreement : float64 ndarray of shape (n_annotators, n_annotators)
        NaN where no row has a label of both.
    n_common : float64 ndarray of shape (n_annotators, n_annotators)
        Sum of the weights of the rows labelled by both.
    """
    n_annotators = incidence.shape[1] // n_classes
    ones = np.ones((n_classes, 1))
    seen = incidence @ sparse.kron(sparse.eye_array(n_annotators), ones, format="csr")
    n_common = (seen.T @ (seen * weights[:, None])).toarray()
    same = np.zeros((n_annotators, n_annotators))
    for code in range(n_classes):
        said = incidence[:, code::n_classes]
        same += (said.T @ (said * weights[:, None])).toarray()
    known = n_common > 0
    return np.divide(same, n_common, out=np.full_like(same, np.nan), where=known), n_common


def annotator_dependence(
    agreement: np.ndarray, n_common: np.ndarray, transitions: np.ndarray, class_share: np.ndarray
) -> np.ndarray:
    """Share of the labels that one of two annotators has from the other.

    What all pairs have in common is taken off: it shows that all error rates are estimated too
    high, or rows that are hard for everybody, and no copying. So of two annotators none depends on
    the other.

    Parameters
    ----------
    agreement, n_common : ndarray of shape (n_annotators, n_annotators)
        From :func:`annotator_agreement`.
    transitions : ndarray of shape (n_annotators, n_classes, n_classes)
        Estimated without the agreement of annotators.
    class_share : ndarray of shape (n_classes,)

    Returns
    -------
    dependence : float64 ndarray of shape (n_annotators, n_annotators)
        Symmetric, in [0, 1], diagonal 0. It is 0 where the agreement is not clearly above that
        of independent annotators.
    """
    n_annotators = len(transitions)
    rows = (np.sqrt(class_share)[:, None] * transitions).reshape(n_annotators, -1)
    expected = np.clip(rows @ rows.T, 1e-6, 1.0 - 1e-6)
    error = np.sqrt(expected * (1.0 - expected) / np.maximum(n_common, 1e-12))
    above = np.nan_to_num(agreement) - expected - _STANDARD_ERRORS * error
    found = np.clip(above / (1.0 - expected), 0.0, 1.0)
    found[n_common <= 0] = 0.0
    pairs = ~np.eye(n_annotators, dtype=bool) & (n_common > 0)
    common = found[pairs].min() if pairs.any() else 0.0
    found = np.maximum(found - common, 0.0) / max(1.0 - common, 1e-6)
    np.fill_diagonal(found, 0.0)
    return found


def told_shares(
    incidence: sparse.csr_array, dependence: np.ndarray, n_classes: int
) -> sparse.csr_array:
    r"""Incidence of the labels times the share of each that is told anew.

    .. math:: s_{ia} = \frac{1}{1 + \sum_{b \in S_i} c_{ab}}

    Of m annotators who copy one another all the labels of a row count as one.

    Parameters
    ----------
    incidence : csr_array of shape (n, n_annotators * n_classes)
    dependence : ndarray of shape (n_annotators, n_annotators)
    n_classes : int

    Returns
    -------
    told : csr_array of shape (n, n_annotators * n_classes)
    """
    entries = incidence.tocoo()
    rows, columns = entries.coords
    annotators = columns // n_classes
    if not dependence.any():
        return incidence
    seen = sparse.csr_array(
        (np.ones(len(rows)), (rows, annotators)), shape=(incidence.shape[0], len(dependence))
    )
    others = np.asarray(seen @ dependence)[rows, annotators]
    return sparse.csr_array((1.0 / (1.0 + others), (rows, columns)), shape=incidence.shape)
