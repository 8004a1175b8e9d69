"""One refresh and three training steps of both methods, against a slow reading of the papers.

The first half reads the papers row by row and uses nothing of the package. Where a paper is
silent the choice that the package documents is named in a comment. The random numbers come from
the package's streams.
"""

import math

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.hallucinators import InterpolationHallucinator
from nllearn.training import stream

N, D, HIDDEN, C = 36, 4, 5, 3
LR, DECAY = 0.1, 0.01


def softmax(z):
    """Probabilities of one row of logits."""
    e = [math.exp(v - max(z)) for v in z]
    return np.array([v / sum(e) for v in e])


def forward(weights, x):
    """Logits and features of one row: a hidden layer, then the head."""
    features = np.tanh(weights["body.weight"] @ x + weights["body.bias"])
    return weights["head.weight"] @ features + weights["head.bias"], features


def standardise(X):
    """Every column at mean 0 and deviation 1."""
    return (X - X.mean(0)) / X.std(0)


def clean_probability(losses):
    """Two Gaussians on the scaled losses, ten rounds of EM; the posterior of the smaller mean.

    Silent in the papers, so documented choices: losses clipped at their .005 and .995
    quantiles, start at the quartiles, variances at least 5e-4, the posterior never rises with
    the loss. DivideMix has ten rounds and a tolerance of 1e-2.
    """
    low, high = np.quantile(losses, [0.005, 0.995])
    scaled = [min(1.0, max(0.0, (v - low) / (high - low))) for v in losses]
    n = len(scaled)
    mean = list(np.quantile(scaled, [0.25, 0.75]))
    variance = [max(np.var(scaled), 5e-4)] * 2
    share = [0.5, 0.5]
    bound = -math.inf

    def density(v, k):
        return (
            share[k]
            * math.exp(-0.5 * (v - mean[k]) ** 2 / variance[k])
            / math.sqrt(2 * math.pi * variance[k])
        )

    for _ in range(10):
        both = [[density(v, k) for k in (0, 1)] for v in scaled]
        now = sum(math.log(sum(b)) for b in both) / n
        owned = [[b[k] / sum(b) for k in (0, 1)] for b in both]
        for k in (0, 1):
            mass = sum(o[k] for o in owned) + 10 * np.finfo(float).eps
            mean[k] = sum(o[k] * v for o, v in zip(owned, scaled, strict=True)) / mass
            variance[k] = (
                sum(o[k] * (v - mean[k]) ** 2 for o, v in zip(owned, scaled, strict=True)) / mass
                + 5e-4
            )
            share[k] = mass / n
        share = [s / sum(share) for s in share]
        if abs(now - bound) < 1e-2:
            break
        bound = now
    small = int(np.argmin(mean))
    posterior = []
    for v in scaled:
        v = max(v, mean[small])
        posterior.append(density(v, small) / (density(v, 0) + density(v, 1)))
    lowest = math.inf
    for i in np.argsort(scaled, kind="stable"):
        lowest = min(lowest, posterior[i])
        posterior[i] = lowest
    return posterior


def balanced_easy_rows(clean, losses, labels, share):
    """Eq. 1 of Anchor Hallucination: the same number of easy rows in every given class."""
    n_classes = len(set(labels))
    easy = [False] * len(labels)
    for j in sorted(set(labels)):
        mine = [i for i in range(len(labels)) if labels[i] == j]
        mine.sort(key=lambda i: (-np.float32(clean[i]), losses[i]))
        for i in mine[: min(math.ceil(len(labels) * share / n_classes), len(mine))]:
            easy[i] = True
    return easy


def cosine(a, b):
    """Cosine of two vectors."""
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))


def anchor_votes(anchors, anchor_labels, hard, lambda_conf, n_votes, n_classes):
    """Each valid anchor speaks for the hard row nearest to it; the closest `n_votes` count."""
    by_hard_row = {h: [] for h in range(len(hard))}
    n_valid = 0
    for s_a, label in zip(anchors, anchor_labels, strict=True):
        likeness = [cosine(s_a, s) for s in hard]
        best = int(np.argmax(likeness))
        if likeness[best] > lambda_conf:
            n_valid += 1
            by_hard_row[best].append((likeness[best], label))
    votes = np.zeros((len(hard), n_classes))
    for h, said in by_hard_row.items():
        for _, label in sorted(said, key=lambda pair: -pair[0])[:n_votes]:
            votes[h, label] += 1
    return votes, n_valid / len(anchors)


def accepted_label(votes):
    """The mode; silent, so documented: at least two votes and six tenths of them."""
    if votes.sum() >= 2 and votes.max() / votes.sum() >= 0.6:
        return int(votes.argmax()), votes.max() / votes.sum()
    return None, 0.0


def sharpened(p, temperature):
    """MixMatch: to the power 1 / T, normalised."""
    q = [max(v, 1e-12) ** (1 / temperature) for v in p]
    return np.array([v / sum(q) for v in q])


def gradient(loss, weights):
    """Gradient of a loss of the weights by central differences."""
    out = {}
    for name, value in weights.items():
        grad = np.zeros_like(value)
        for at in np.ndindex(value.shape):
            old, step = value[at], 1e-6
            value[at] = old + step
            above = loss(weights)
            value[at] = old - step
            below = loss(weights)
            value[at] = old
            grad[at] = (above - below) / (2 * step)
        out[name] = grad
    return out


def sgd_step(loss, weights, lr, weight_decay):
    """One step of plain stochastic gradient descent."""
    grads = gradient(loss, weights)
    return {k: v - lr * (grads[k] + weight_decay * v) for k, v in weights.items()}


def cross_entropy(logits, target):
    """Cross-entropy of one row against a soft target."""
    p = softmax(logits)
    return -sum(t * math.log(q) for t, q in zip(target, p, strict=True))


def mixmatch_loss(weights, rows, labelled, lambda_mse):
    """Eq. 3 of Anchor Hallucination on mixed rows ``(x, target)``.

    Silent, so documented: a mixed row belongs to the half of its larger part, and the squared
    error is the mean over classes.
    """
    one, other = [], []
    for (x, target), is_labelled in zip(rows, labelled, strict=True):
        logits, _ = forward(weights, x)
        if is_labelled:
            one.append(cross_entropy(logits, target))
        else:
            p = softmax(logits)
            other.append(np.mean([(a - b) ** 2 for a, b in zip(p, target, strict=True)]))
    loss = sum(one) / len(one) if one else 0.0
    return loss + lambda_mse * (sum(other) / len(other) if other else 0.0)


def neighbours(features, k):
    """The k nearest other rows of every row, by cosine around the mean."""
    centred = features - features.mean(0)
    found = []
    for i in range(len(centred)):
        others = [j for j in range(len(centred)) if j != i]
        others.sort(key=lambda j: -cosine(centred[i], centred[j]))
        found.append(others[:k])
    return found


def mixed_with_neighbours(i, near, X, targets, clean):
    """Eqs. 4 and 5 of MixNN: the convex sum of a row and its neighbours."""
    rows = [i, *near[i]]
    total = sum(clean[j] for j in rows)
    shares = [clean[j] / total for j in rows] if total > 1e-8 else [1.0] + [0.0] * len(near[i])
    x = sum(v * X[j] for v, j in zip(shares, rows, strict=True))
    target = sum(v * targets[j] for v, j in zip(shares, rows, strict=True))
    return x, target


class Net(nn.Module):
    """A smooth hidden layer, so that no two rows have the same direction, and a head."""

    def __init__(self):
        super().__init__()
        g = torch.Generator().manual_seed(5)
        self.body, self.head = nn.Linear(D, HIDDEN), nn.Linear(HIDDEN, C)
        for p in self.parameters():
            p.data = torch.randn(p.shape, generator=g) * 0.7

    def forward(self, x):
        features = self.body(x).tanh()
        return self.head(features), features


class Refreshed(Callback):
    """Keeps the weights at the start and the history rows."""

    def on_train_begin(self, net, **kwargs):
        self.start = {k: v.double().numpy().copy() for k, v in net.module_.state_dict().items()}


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    y = rng.integers(0, C, N)
    X = rng.normal(size=(N, D)) + 1.5 * np.eye(C, D)[y]
    wrong = rng.random(N) < 0.3
    return X, np.where(wrong, (y + 1) % C, y)


def fit(method, data, **params):
    """Fit one epoch of three steps with plain SGD; return the estimator, seed and weights."""
    seen = Refreshed()
    clf = method(
        max_epochs=1,
        warmup_epochs=0,
        refresh_every=1,
        posterior_share=0.0,
        batch_size=12,
        backbone=Net(),
        optimizer=torch.optim.SGD,
        lr=LR,
        weight_decay=DECAY,
        net_params={"ema_decay": 0.0},
        callbacks=[seen],
        random_state=0,
        **params,
    ).fit(*data)
    # A copy of the callback was used by the net.
    seen = dict(clf.net_.callbacks_)["Refreshed"]
    end = {k: v.double().numpy() for k, v in clf.net_.module_.state_dict().items()}
    return clf, clf.resolved_params_["random_state"], seen.start, end


def batches(seed):
    """Row numbers of the three batches of the first epoch."""
    order = torch.randperm(N, generator=stream(seed, 0, 0)).tolist()
    return [order[i : i + 12] for i in range(0, N, 12)]


def refresh(weights, X, y):
    """Losses, features and clean probability of all rows, as both methods begin."""
    outputs = [forward(weights, x) for x in X]
    losses = [cross_entropy(z, np.eye(C)[label]) for (z, _), label in zip(outputs, y, strict=True)]
    features = np.array([f for _, f in outputs])
    return losses, features, clean_probability(losses), [softmax(z) for z, _ in outputs]


@pytest.mark.parametrize("n_votes", [0, 3])
def test_anchor_hallucination(data, n_votes):
    lambda_p, lambda_conf, lambda_mse, alpha, temperature = 0.7, 0.5, 25.0, 0.75, 0.5
    clf, seed, weights, end = fit(
        AnchorHallucinationClassifier,
        data,
        easy_fraction=0.6,
        lambda_conf=lambda_conf,
        n_votes=n_votes,
        lambda_u=lambda_mse,
        temperature=temperature,
        mixup_alpha=alpha,
        # Of unit rows, as it documents. The training of the learned one is tested on its own.
        hallucinator=InterpolationHallucinator(lambda_p, n_anchors=2),
    )
    X, y = standardise(data[0]), data[1]
    losses, features, clean, _ = refresh(weights, X, y)
    easy = balanced_easy_rows(clean, losses, y, 0.6)
    rows, hard = [i for i in range(N) if easy[i]], [i for i in range(N) if not easy[i]]
    targets, trust, labelled = np.eye(C)[y], list(clean), list(easy)
    centred = features - features.mean(0)
    history = clf.history_[0]
    assert history["share_easy"] == pytest.approx(np.mean(easy))
    if n_votes:
        g = stream(seed, 0, 3)
        # Partners: for every easy row a uniform draw among the easy rows of other labels, sorted
        # by label.
        by_label = sorted(range(len(rows)), key=lambda i: y[rows[i]])
        pairs = [u for u in range(len(rows)) for _ in range(2)]
        draws = torch.rand(len(pairs), generator=g, dtype=torch.float64).tolist()
        anchors, anchor_labels = [], []
        for u, draw in zip(pairs, draws, strict=True):
            others = [v for v in by_label if y[rows[v]] != y[rows[u]]]
            v = others[min(int(draw * len(others)), len(others) - 1)]
            s_u, s_v = (centred[rows[i]] / np.linalg.norm(centred[rows[i]]) for i in (u, v))
            anchors.append(lambda_p * s_u + (1 - lambda_p) * s_v)
            anchor_labels.append(y[rows[u]])
        votes, valid = anchor_votes(anchors, anchor_labels, centred[hard], lambda_conf, n_votes, C)
        assert history["share_valid_anchors"] == pytest.approx(valid)
        n_accepted = 0
        for h, said in zip(hard, votes, strict=True):
            label, share = accepted_label(said)
            if label is not None:
                n_accepted += 1
                targets[h], labelled[h] = np.eye(C)[label], True
                trust[h] = max(clean[h], share)
        assert 0 < n_accepted < len(hard)
        assert history["share_votes_accepted"] == pytest.approx(n_accepted / len(hard))
    assert history["share_unlabelled"] == pytest.approx(1 - np.mean(labelled))

    g = stream(seed, 0, 2)
    for batch in batches(seed):
        made = []
        for i in batch:
            p = softmax(forward(weights, X[i])[0])
            q = trust[i] * targets[i] + (1 - trust[i]) * p if labelled[i] else p
            made.append(sharpened(q, temperature))
        first, second = torch._standard_gamma(
            torch.full((2, len(batch)), alpha, dtype=torch.float64), generator=g
        ).tolist()
        partner = torch.randperm(len(batch), generator=g).tolist()
        mixed = []
        for i, row in enumerate(batch):
            lam = first[i] / (first[i] + second[i])
            lam = max(lam, 1 - lam)
            j = partner[i]
            mixed.append(
                (lam * X[row] + (1 - lam) * X[batch[j]], lam * made[i] + (1 - lam) * made[j])
            )
        halves = [labelled[i] for i in batch]
        weights = sgd_step(
            lambda w, mixed=mixed, halves=halves: mixmatch_loss(w, mixed, halves, lambda_mse),
            weights,
            LR,
            DECAY,
        )
    for name, value in weights.items():
        np.testing.assert_allclose(end[name], value, atol=2e-4, err_msg=name)


def test_mixnn(data):
    alpha, k = 0.8, 2
    _, seed, weights, end = fit(
        MixNNClassifier, data, n_neighbors=k, alpha=alpha, correction_start=0, neighbors="exact"
    )
    X, y = standardise(data[0]), data[1]
    _, features, clean, predicted = refresh(weights, X, y)
    near = neighbours(features, k)
    # Eq. 12: the moving average of the predictions.
    targets = [alpha * np.eye(C)[y[i]] + (1 - alpha) * predicted[i] for i in range(N)]
    for batch in batches(seed):
        mixed = [mixed_with_neighbours(i, near, X, targets, clean) for i in batch]
        weights = sgd_step(
            lambda w, mixed=mixed: np.mean([cross_entropy(forward(w, x)[0], t) for x, t in mixed]),
            weights,
            LR,
            DECAY,
        )
    for name, value in weights.items():
        np.testing.assert_allclose(end[name], value, atol=2e-4, err_msg=name)
