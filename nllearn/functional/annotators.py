r"""Labels of several people for every row: one noisy channel each, and Bayes' rule over all.

With :math:`T_a` the transition matrix of annotator a, :math:`S_i` who labelled row i and
:math:`s_{ia}` the share of a label that is told anew (below one where annotators depend on one
another, see :mod:`nllearn.functional.dependence`),

.. math:: q_i(k) \propto p_i(k) \prod_{a \in S_i} T_a[k, y_{ia}]^{s_{ia}}

The matrices are estimated by expectation maximisation, as by Dawid and Skene (1979), with p from
predictions of the label in place of the shares of the classes. Labels of a row are gathered in an
incidence matrix with one column for every annotator and class.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import sparse
from scipy.special import gammaln, softmax

from nllearn.functional.transition import prior_strength, symmetric_transition

__all__ = [
    "annotator_counts",
    "annotator_posterior",
    "annotator_transitions",
    "fit_annotators",
    "label_incidence",
    "vote_shares",
]

# Pseudo-counts that are tried as strength of a prior, from hardly any to a whole data set.
_STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
# No rate is taken for 0 or 1.
_LEAST_RATE = 1e-3
# Share of wrong labels that the first round assumes.
_FIRST_RATE = 0.4
_MAX_ROUNDS, _TOL = 100, 1e-3


def label_incidence(codes: np.ndarray, n_classes: int) -> sparse.csr_array:
    """Who gave which label, with one column for every annotator and class.

    Parameters
    ----------
    codes : int ndarray of shape (n, n_annotators)
        Positions in the classes; -1 where there is no label.
    n_classes : int

    Returns
    -------
    incidence : csr_array of float64 of shape (n, n_annotators * n_classes)
        1 in column ``a * n_classes + codes[i, a]`` of row i.
    """
    n, n_annotators = codes.shape
    rows, annotators = np.nonzero(codes >= 0)
    columns = annotators * n_classes + codes[rows, annotators]
    shape = (n, n_annotators * n_classes)
    return sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)


def vote_shares(incidence: sparse.csr_array, n_classes: int) -> np.ndarray:
    """Share of every class among the labels of a row, equal where a row has none.

    Parameters
    ----------
    incidence : csr_array of shape (n, n_annotators * n_classes)
    n_classes : int

    Returns
    -------
    shares : float64 ndarray of shape (n, n_classes)
    """
    of_class = sparse.kron(
        np.ones((incidence.shape[1] // n_classes, 1)), sparse.eye_array(n_classes), format="csr"
    )
    votes = (incidence @ of_class).toarray()
    total = votes.sum(1, keepdims=True)
    return np.divide(votes, total, out=np.full_like(votes, 1.0 / n_classes), where=total > 0)


def annotator_posterior(
    log_proba: np.ndarray, told: sparse.csr_array, transitions: np.ndarray
) -> np.ndarray:
    """Probability of every class given the prediction and all labels of the row.

    Parameters
    ----------
    log_proba : ndarray of shape (n, n_classes)
        Of the class given the row alone; all zeros for the labels alone.
    told : csr_array of shape (n, n_annotators * n_classes)
        Incidence of the labels, times the share of each that is told anew.
    transitions : ndarray of shape (n_annotators, n_classes, n_classes)
        ``transitions[a, k, j] = P(annotator a says j | true k)``.

    Returns
    -------
    posterior : float64 ndarray of shape (n, n_classes)
    """
    return softmax(log_proba + told @ _log_columns(transitions), axis=1)


def annotator_counts(
    posterior: np.ndarray, incidence: sparse.csr_array, weights: np.ndarray
) -> np.ndarray:
    """Expected number of rows by annotator, true class and given class.

    Parameters
    ----------
    posterior : ndarray of shape (n, n_classes)
    incidence : csr_array of shape (n, n_annotators * n_classes)
    weights : ndarray of shape (n,)

    Returns
    -------
    counts : float64 ndarray of shape (n_annotators, n_classes, n_classes)
    """
    return _by_annotator(incidence.T @ (weights[:, None] * posterior))


def annotator_transitions(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Transition matrix of every annotator, drawn to the common one as far as counts advise.

    The common matrix is drawn to symmetric noise. The error rate :math:`r_a` of an annotator is
    drawn to the common rate r under a Beta prior. From both follows what is expected of the
    annotator: the odds of an error of the common matrix times
    :math:`\frac{r_a / (1 - r_a)}{r / (1 - r)}`, with the wrong labels in the same proportions.
    The rows of the annotator's matrix are drawn to it under a Dirichlet prior. The strength of
    each prior is the candidate with the highest evidence.

    Parameters
    ----------
    counts : ndarray of shape (n_annotators, n_classes, n_classes)
        From :func:`annotator_counts`.

    Returns
    -------
    transitions : float64 ndarray of shape (n_annotators, n_classes, n_classes)
        Rows sum to one.
    common : float64 ndarray of shape (n_classes, n_classes)
    """
    n_classes = counts.shape[1]
    total = counts.sum(0)
    rate = float(_clip((total.sum() - np.trace(total) + 1.0) / (total.sum() + 2.0)))
    common = total + prior_strength(torch.from_numpy(total)) * symmetric_transition(n_classes, rate)
    common /= common.sum(1, keepdims=True)

    said = counts.sum((1, 2))
    wrong = said - np.trace(counts, axis1=1, axis2=2)
    both = np.stack([wrong, said - wrong], axis=1)[:, None, :]
    base = np.array([rate, 1.0 - rate])
    strength = max(_STRENGTHS, key=lambda k: _evidence(both, np.broadcast_to(base, both.shape), k))
    rates = _clip((wrong + strength * rate) / (said + strength))

    odds = _odds(_clip(1.0 - common.diagonal())) * (_odds(rates) / _odds(rate))[:, None]
    class_rates = odds / (1.0 + odds)
    off = common * (1.0 - np.eye(n_classes))
    off /= off.sum(1, keepdims=True)
    expected = class_rates[:, :, None] * off
    diagonal = np.arange(n_classes)
    expected[:, diagonal, diagonal] = 1.0 - class_rates
    strength = max(_STRENGTHS, key=lambda k: _evidence(counts, expected, k))
    transitions = counts + strength * expected
    return transitions / transitions.sum(2, keepdims=True), common


def fit_annotators(
    log_proba: np.ndarray | None,
    incidence: sparse.csr_array,
    weights: np.ndarray,
    *,
    told: sparse.csr_array | None = None,
    transitions: np.ndarray | None = None,
    n_classes: int,
) -> np.ndarray:
    """Transition matrix of every annotator by expectation maximisation.

    Parameters
    ----------
    log_proba : ndarray of shape (n, n_classes) or None
        Of the class given the row alone, held fixed. None takes the shares of the classes, which
        are estimated too: the method of Dawid and Skene.
    incidence : csr_array of shape (n, n_annotators * n_classes)
    weights : ndarray of shape (n,)
    told : csr_array of shape (n, n_annotators * n_classes), optional
        As for :func:`annotator_posterior`. None looks at each label beside the prediction alone,
        and not beside the row's other labels: less sure, but no one is misled by two who copy.
    transitions : ndarray of shape (n_annotators, n_classes, n_classes), optional
        To start from.
    n_classes : int

    Returns
    -------
    transitions : float64 ndarray of shape (n_annotators, n_classes, n_classes)
    """
    n_annotators = incidence.shape[1] // n_classes
    if transitions is None:
        first = symmetric_transition(n_classes, _FIRST_RATE)
        transitions = np.repeat(first[None], n_annotators, axis=0)
    entries = incidence.tocoo()
    rows, columns = entries.coords
    is_label = sparse.csr_array(
        (np.ones(len(rows)), (columns, np.arange(len(rows)))),
        shape=(incidence.shape[1], len(rows)),
    )
    prior = log_proba
    if prior is None:
        shares = vote_shares(incidence, n_classes)
        prior = _log_class_shares(shares, weights)
        transitions, _ = annotator_transitions(annotator_counts(shares, incidence, weights))
    for _ in range(_MAX_ROUNDS):
        if told is None:
            alone = softmax(prior[rows] + _log_columns(transitions)[columns], axis=1)
            counts = _by_annotator(is_label @ (weights[rows, None] * alone))
        else:
            posterior = annotator_posterior(prior, told, transitions)
            counts = annotator_counts(posterior, incidence, weights)
            if log_proba is None:
                prior = _log_class_shares(posterior, weights)
        found, _ = annotator_transitions(counts)
        change = float(np.abs(found - transitions).max(initial=0.0))
        transitions = found
        if change < _TOL:
            break
    return transitions


def _log_columns(transitions: np.ndarray) -> np.ndarray:
    """Logarithms by annotator and given class (rows) and true class (columns)."""
    n_annotators, n_classes, _ = transitions.shape
    columns = transitions.transpose(0, 2, 1).reshape(n_annotators * n_classes, n_classes)
    return np.log(np.maximum(columns, 1e-12))


def _by_annotator(counts: np.ndarray) -> np.ndarray:
    """From rows by annotator and given class to (annotator, true, given)."""
    n_classes = counts.shape[1]
    return np.asarray(counts).reshape(-1, n_classes, n_classes).transpose(0, 2, 1)


def _log_class_shares(posterior: np.ndarray, weights: np.ndarray) -> np.ndarray:
    share = weights @ posterior / max(weights.sum(), 1e-12)
    return np.broadcast_to(np.log(np.maximum(share, 1e-12)), posterior.shape)


def _evidence(counts: np.ndarray, expected: np.ndarray, strength: float) -> float:
    """Log evidence of counts as Dirichlet-multinomial draws, rows in the last axis."""
    whole = counts.sum(-1)
    value = (gammaln(strength) - gammaln(strength + whole)).sum()
    prior = strength * expected
    return float(value + (gammaln(prior + counts) - gammaln(prior)).sum())


def _odds(rate: Any) -> Any:
    return rate / (1.0 - rate)


def _clip(rate: Any) -> Any:
    return np.clip(rate, _LEAST_RATE, 1.0 - _LEAST_RATE)
