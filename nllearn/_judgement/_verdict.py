"""From the witnesses and the given labels to the probability of every true label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from nllearn._judgement._given import GivenLabels
from nllearn._judgement._neighbors import Graph, ask_neighbors
from nllearn._judgement._rows import row_blocks
from nllearn.functional.correction import fuse_with_given
from nllearn.functional.reliability import (
    LEAST_BOUNDARY_RATE,
    boundary_rates,
    equal_bins,
    equal_bins_within,
    estimate_rates,
    fuse_at_boundary,
    noise_sits_at_boundary,
    prior_strength,
    sharpness_for,
)
from nllearn.functional.templates import no_templates
from nllearn.functional.transition import estimate_transition

__all__ = ["VOTE_WEIGHT", "NoiseModel", "Outlook", "Verdict", "fuse", "judge", "judge_at_boundary"]

# Weight of the neighbours' log votes beside the regressions' scores.
VOTE_WEIGHT = 0.12
# Rows that sharpness and noise are estimated on; more change nothing that can be measured.
_N_SAMPLE = 100_000
_N_BINS = 8
# Bins that noise at the boundary is continued over, and rows in each.
_LEAST_BINS, _MOST_BINS, _BIN_ROWS = 4, 16, 40
_N_REFITS = 2
_EASY_SHARE = 0.8
# The agreement of the witnesses counts as much as this many trusted rows.
_AGREEMENT_ROWS = 50.0


@dataclass(frozen=True)
class NoiseModel:
    """How given labels come from true ones.

    `sharpness` turns evidence into probabilities. `transition` is class-conditional
    noise, `rates` (with the upper `edges` of the margin's bins) noise at the boundary;
    `boundary` is 1 where the second holds, else 0. By `templates` the witnesses' scores and
    votes were compared with the classes before they were heard.
    """

    sharpness: float
    transition: torch.Tensor
    rates: torch.Tensor
    edges: torch.Tensor
    boundary: float
    templates: torch.Tensor


@dataclass(frozen=True)
class Outlook:
    """What is held of the witnesses before they are heard.

    `agreed` is the share of rows on which witnesses that know little of each other name the
    same class; evidence is taken to be right as often. `cautious`, at most as large, is the
    share at which noise at the boundary is looked for, which rows that are hard and rightly
    labelled resemble. Below a mean rate of `least_rate` there is none. `at_boundary` is True
    or False where that is known already.
    """

    agreed: float
    cautious: float
    least_rate: float = LEAST_BOUNDARY_RATE
    at_boundary: bool | None = None


@dataclass(frozen=True)
class Verdict:
    """Distributions over the true label, and what they were made from.

    `votes` are the mean of two rounds of votes, by the `labels` with the weights `voters`, both
    of shape (2, n). `easy` marks the surest rows of every class, whose votes are `easy_votes`.
    """

    distributions: torch.Tensor
    noise: NoiseModel
    easy: torch.Tensor
    labels: torch.Tensor
    voters: torch.Tensor
    votes: torch.Tensor
    easy_votes: torch.Tensor


def judge(
    scores: torch.Tensor,
    log_votes: torch.Tensor,
    graph: Graph,
    given: GivenLabels,
    outlook: Outlook,
    generator: torch.Generator,
) -> Verdict:
    """Estimate the noise, fuse, let the easy rows vote with fused labels, and fuse again.

    The sharpness is the one at which the mean top probability equals the share of rows
    on which the witnesses agree: on rows that the features cannot tell apart they differ,
    whatever the given labels say.

    Parameters
    ----------
    scores, log_votes : float32 Tensor of shape (n, n_classes)
    graph : Graph
    given : GivenLabels
    outlook : Outlook
    generator : torch.Generator

    Returns
    -------
    verdict : Verdict
    """
    codes, weights, trusted = given.codes, given.weights, given.trusted
    sample = _draw_sample(weights, generator)
    sampled = given.take(sample)

    evidence = scores[sample] + VOTE_WEIGHT * log_votes[sample]
    target = outlook.agreed
    if sampled.trusted.any():
        target = _measured(evidence.argmax(1), target, sampled)
    sharpness = sharpness_for(evidence, target, sampled.weights)
    transition = _transition(sharpness * evidence, sampled)

    labels, confidence = torch.empty_like(codes), torch.empty_like(weights)
    for rows in row_blocks(len(scores)):
        block = sharpness * (scores[rows] + VOTE_WEIGHT * log_votes[rows])
        top = fuse_with_given(block, codes[rows], transition).max(1)
        confidence[rows], labels[rows] = top.values, top.indices
    labels = torch.where(trusted, codes, labels)
    confidence = torch.where(trusted, 1.0, confidence)
    easy = easiest_per_class(labels, confidence, given.n_classes)
    easy_votes = ask_neighbors(graph, labels, given.n_classes, weights * easy)

    # Easy rows alone say most where noise prefers a class, all rows where they are few.
    votes = 0.5 * (log_votes + easy_votes)
    sharpness = sharpness_for(scores[sample] + VOTE_WEIGHT * votes[sample], target, sampled.weights)
    evidence = scores[sample] + VOTE_WEIGHT * easy_votes[sample]
    transition = _transition(sharpness * evidence, sampled)
    # What trusted rows say of witnesses that have learnt the noise would hide noise at the
    # boundary: it is looked for at the sharpness of the agreement alone.
    cautious = outlook.cautious
    alone = sharpness if target == cautious else sharpness_for(evidence, cautious, sampled.weights)
    bins, edges = _margin_bins(scores[sample], _N_BINS)
    proba = (alone * evidence).softmax(1)
    rates = estimate_rates(proba, sampled.codes, bins, _N_BINS, sampled.weights)
    at_boundary = outlook.at_boundary
    if at_boundary is None:
        n_active = int((weights > 0).sum())
        at_boundary = noise_sits_at_boundary(rates, n_active, outlook.least_rate)
        if at_boundary:
            # So it seems of all rows together. Inside the classes as well?
            bins = equal_bins_within(_margin(scores[sample]), scores[sample].argmax(1), _N_BINS)
            within = estimate_rates(proba, sampled.codes, bins, _N_BINS, sampled.weights)
            at_boundary = noise_sits_at_boundary(
                rates, n_active, outlook.least_rate, within, given.n_classes
            )
    noise = NoiseModel(
        sharpness,
        transition,
        rates,
        edges,
        float(at_boundary),
        no_templates(given.n_classes, scores.device),
    )
    if at_boundary:
        # How it goes on is for judge_at_boundary: no fusion here would stand.
        distributions = scores
    else:
        distributions = _with_trusted(fuse(scores, votes, codes, noise), given)
    voters = torch.stack([weights, weights * easy])
    return Verdict(
        distributions, noise, easy, torch.stack([codes, labels]), voters, votes, easy_votes
    )


def judge_at_boundary(
    first: Verdict,
    scores: torch.Tensor,
    log_votes: torch.Tensor,
    given: GivenLabels,
    generator: torch.Generator,
    refit: Callable[[torch.Tensor], torch.Tensor],
) -> tuple[Verdict, torch.Tensor]:
    """Where noise sits at the class boundary: fit on the other rows, and look again.

    Each row's probability of a wrong label is continued from the rows that the witnesses
    are surer of (:func:`~nllearn.functional.reliability.boundary_rates`). The regressions
    are fitted anew with the rows weighted by how probably right their label is, twice. In
    the end a label that is probably wrong speaks against its class.

    Parameters
    ----------
    first : Verdict
        Of :func:`judge`.
    scores, log_votes : float32 Tensor of shape (n, n_classes)
    given : GivenLabels
    generator : torch.Generator
    refit : callable
        ``trust -> scores``.

    Returns
    -------
    verdict : Verdict
    scores : float32 Tensor of shape (n, n_classes)
    """
    codes, weights = given.codes, given.weights
    sample = _draw_sample(weights, generator)
    n_bins = min(_MOST_BINS, max(_LEAST_BINS, len(sample) // _BIN_ROWS))

    def look() -> tuple[torch.Tensor, torch.Tensor]:
        bins, edges = _margin_bins(scores[sample], n_bins)
        differs = scores[sample].argmax(1) != codes[sample]
        return boundary_rates(differs, bins, n_bins, weights[sample]), edges

    rates, edges = look()
    for _ in range(_N_REFITS):
        trust = 1.0 - rates[torch.bucketize(_margin(scores), edges)]
        scores = refit(torch.where(given.trusted, 1.0, trust))
        rates, edges = look()
    noise = replace(first.noise, rates=rates, edges=edges)
    distributions = _with_trusted(fuse(scores, log_votes, codes, noise), given)
    verdict = replace(
        first,
        distributions=distributions,
        noise=noise,
        labels=torch.stack([codes, codes]),
        voters=torch.stack([weights, weights]),
        votes=log_votes,
    )
    return verdict, scores


def _with_trusted(distributions: torch.Tensor, given: GivenLabels) -> torch.Tensor:
    """The given label of trusted rows for certain, in place."""
    known = given.take(given.trusted)
    distributions[given.trusted] = F.one_hot(known.codes, given.n_classes).float()
    return distributions


def fuse(
    scores: torch.Tensor, log_votes: torch.Tensor, given: torch.Tensor, noise: NoiseModel
) -> torch.Tensor:
    """Distributions over the true label, float32 of shape (n, n_classes), in blocks."""
    out = torch.empty_like(scores)
    for rows in row_blocks(len(scores)):
        block = noise.sharpness * (scores[rows] + VOTE_WEIGHT * log_votes[rows])
        if noise.boundary > 0:
            rate = noise.rates[torch.bucketize(_margin(scores[rows]), noise.edges)]
            out[rows] = fuse_at_boundary(block.softmax(1), given[rows], rate)
        else:
            out[rows] = fuse_with_given(block, given[rows], noise.transition)
    return out


def easiest_per_class(
    labels: torch.Tensor, confidence: torch.Tensor, n_classes: int
) -> torch.Tensor:
    """Mark the 80 percent most confident rows of every class, at least one of each."""
    order = torch.argsort(confidence, descending=True, stable=True)
    order = order[torch.argsort(labels[order], stable=True)]
    counts = torch.bincount(labels, minlength=n_classes)
    starts = counts.cumsum(0) - counts
    rank = torch.arange(len(order), device=labels.device) - starts[labels[order]]
    easy = torch.empty(len(order), dtype=torch.bool, device=labels.device)
    easy[order] = rank < (counts[labels[order]] * _EASY_SHARE).ceil()
    return easy


def _draw_sample(weights: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Numbers of at most 100,000 rows that take part, ascending."""
    active = torch.nonzero(weights > 0).squeeze(1)
    order = torch.randperm(len(active), generator=generator)[:_N_SAMPLE].to(weights.device)
    return active[order.sort().values]


def _measured(predicted: torch.Tensor, agreed: float, given: GivenLabels) -> float:
    """Accuracy on the trusted rows, with the agreement as a prior of 50 rows.

    Trusted rows are often drawn class by class; they count by the size of their class.
    """
    codes, vouched = given.codes, given.trusted.float()
    size, known = given.per_class(given.weights), given.per_class(vouched)
    share = vouched * (size / known.clamp_min(1.0))[codes]
    right = float((share * (predicted == codes)).sum() / share.sum().clamp_min(1e-12))
    n_known = float(vouched.sum())
    return (n_known * right + _AGREEMENT_ROWS * agreed) / (n_known + _AGREEMENT_ROWS)


def _margin(scores: torch.Tensor) -> torch.Tensor:
    top = scores.topk(2, dim=1).values
    return top[:, 0] - top[:, 1]


def _transition(log_proba: torch.Tensor, given: GivenLabels) -> torch.Tensor:
    """Transition matrix that leans on symmetric noise as far as its own counts advise."""
    proba = log_proba.softmax(1).cpu().numpy()
    known: dict[str, Any] = {
        "sample_weight": given.weights.cpu().numpy().astype(np.float64),
        "trusted": given.trusted.cpu().numpy(),
    }

    def estimate(**settings: Any) -> torch.Tensor:
        found = estimate_transition(proba, given.codes.cpu().numpy(), **known, **settings)
        return torch.as_tensor(found, dtype=torch.float32, device=log_proba.device)

    first = estimate()
    fused = fuse_with_given(log_proba, given.codes, first) * given.weights.unsqueeze(1)
    counts = torch.zeros_like(first).index_add_(0, given.codes, fused).T
    return estimate(prior_rows=prior_strength(counts))


def _margin_bins(scores: torch.Tensor, n_bins: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Bin of every row by its margin, least sure first, and the bins' upper edges but the last."""
    margin = _margin(scores)
    bins = equal_bins(margin, n_bins)
    edges = [
        margin[bins == b].max() if (bins == b).any() else margin.max() for b in range(n_bins - 1)
    ]
    return bins, torch.stack(edges)
