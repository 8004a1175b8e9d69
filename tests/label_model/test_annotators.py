"""Several annotators in the label model, against slow versions."""

import numpy as np
import torch
from scipy.special import softmax

from nllearn.label_model import (
    AnnotatorLabels,
    consensus_posterior,
    estimate_annotator_posterior,
)
from nllearn.predictors import LeaveOneOutRidge, NeighborGraph

QUALITY = (0.9, 0.6, 0.5)


def made(n=300, n_classes=3):
    rng = np.random.default_rng(0)
    y = np.arange(n) % n_classes
    said = [
        np.where(rng.random(n) < q, y, (y + rng.integers(1, n_classes, n)) % n_classes)
        for q in QUALITY
    ]
    codes = np.stack(said, axis=1)
    codes[rng.random(codes.shape) < 0.2] = -1
    codes[:4] = -1
    trusted = np.zeros(n, bool)
    trusted[10] = True
    codes[10] = [2, -1, -1]
    return y, AnnotatorLabels(codes, n_classes, np.ones(n), trusted)


def test_consensus_weighs_who_said_it():
    y, labels = made(1500)
    posterior = consensus_posterior(labels)
    votes = (labels.codes[:, :, None] == np.arange(3)).sum(1)
    assert (posterior.argmax(1) == y).mean() > (votes.argmax(1) == y).mean() + 0.03
    assert posterior[10].tolist() == [0.0, 0.0, 1.0]
    # Without a label nothing but the shares of the classes is known.
    np.testing.assert_allclose(posterior[:4], np.full((4, 3), 1 / 3), atol=0.06)
    assert np.ptp(posterior[:4], axis=0).max() == 0.0


def test_bayes_rule_on_learnt_features_against_loops():
    y, labels = made()
    rng = np.random.default_rng(1)
    X = rng.normal(size=(len(y), 5)) + 1.5 * np.eye(3, 5)[y]
    X = torch.from_numpy(X / np.linalg.norm(X, axis=1, keepdims=True)).float()
    similarities = X @ X.T
    similarities.fill_diagonal_(-2)
    graph = NeighborGraph(*similarities.topk(20, dim=1))
    found = estimate_annotator_posterior(
        X,
        graph,
        labels,
        torch.Generator().manual_seed(0),
        predictors=[LeaveOneOutRidge()],
        use_regressions=False,
        learnt_features=True,
    )
    estimates = found.annotators
    log_proba = found.noise.predict_proba(found.scores, found.log_votes).log()
    for row in (0, 20, 21, 299):
        logits = log_proba[row].double().numpy()
        for a, code in enumerate(labels.codes[row]):
            if code >= 0:
                others = np.flatnonzero(labels.codes[row] >= 0)
                share = 1 / (1 + estimates.dependence[a, others].sum())
                logits = logits + share * np.log(estimates.transitions[a, :, code])
        expected = softmax(logits)
        np.testing.assert_allclose(found.distributions[row], expected, atol=1e-4)
    assert found.distributions[10].tolist() == [0.0, 0.0, 1.0]
    assert estimates.quality.argsort().tolist() == [2, 1, 0]
    right = found.distributions.argmax(1).numpy() == y
    assert right.mean() > (consensus_posterior(labels).argmax(1) == y).mean() + 0.05
