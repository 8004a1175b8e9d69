"""Witnesses compared with the templates of the classes, where noise prefers some of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from nllearn._judgement._given import GivenLabels
from nllearn._judgement._regression import Regression
from nllearn._judgement._rows import row_blocks
from nllearn._judgement._verdict import Outlook, Verdict
from nllearn.functional.reliability import agreement
from nllearn.functional.templates import (
    apply_templates,
    class_templates,
    no_templates,
    shared_information,
)

__all__ = ["Asked", "change_nothing", "fit_votes", "judge_by_templates"]

# How much the length of a template counts. A heavier one has to gain so many nats: where the
# features are poor, how often a class's labels look wrong tells how hard it is.
_LENGTH_WEIGHTS, _GAIN = (0.0, 0.5, 1.0), 0.02
_MOST_ROUNDS = 3
# Templates that change the class of fewer rows are not worth another round.
_LEAST_CHANGE = 0.005
_FLOOR = 1e-3
_MOST_AGREED = 0.9995


class Asked:
    """Some rows, on which templates are chosen: two witnesses that know little of each other.

    Parameters
    ----------
    scores : float32 Tensor of shape (m, n_classes)
        Of the regression on the rows themselves.
    log_votes : float32 Tensor of shape (m, n_classes)
        Of the neighbours, by given labels.
    weights : Tensor of shape (m,)

    Attributes
    ----------
    weights : Tensor of shape (m,)
    named : tuple of two int64 Tensors of shape (m,)
        The class that each names.
    agreed : float
        Weighted share of the rows on which it is the same.
    """

    def __init__(self, scores: torch.Tensor, log_votes: torch.Tensor, weights: torch.Tensor):
        self._shares = scores / _mean_sum(scores, weights)
        self._votes, self.weights = log_votes.exp(), weights
        self.named = self._shares.argmax(1), self._votes.argmax(1)
        self.agreed = agreement(*self.named, weights)

    def choose(self, transition: torch.Tensor) -> torch.Tensor:
        """Templates under which the two witnesses share most; what they name then is kept.

        Agreement alone would be highest where all rows fall into a few classes.
        """
        best, most = None, -torch.inf
        for length_weight in _LENGTH_WEIGHTS:
            templates = class_templates(transition, length_weight)
            one, two = (
                apply_templates(shares, templates).argmax(1)
                for shares in (self._shares, self._votes)
            )
            shared = shared_information(one, two, len(transition), self.weights)
            if shared > most + _GAIN:
                most, best = shared, (templates, one, two)
        assert best is not None
        self.named = best[1], best[2]
        self.agreed = agreement(*self.named, self.weights)
        return best[0]


def judge_by_templates(
    first: Verdict,
    asked: Asked,
    scores: torch.Tensor,
    log_votes: torch.Tensor,
    given: GivenLabels,
    held: Outlook,
    rejudge: Callable[[torch.Tensor, torch.Tensor, Outlook], Verdict],
) -> tuple[Verdict, torch.Tensor, Callable[[Regression], Regression]]:
    """Judge again by how well each class's template fits what the witnesses say.

    The witnesses tell given labels. Where noise prefers some wrong labels, the class that they
    name first is often not the true one; the whole of what they say fits the template of the
    true one. The noise is estimated anew from that, up to three times. The witnesses are
    believed more or less by as much as they agree more or less often.

    Parameters
    ----------
    first : Verdict
        Of :func:`~nllearn._judgement._verdict.judge`, noise not at the boundary.
    asked : Asked
    scores, log_votes : float32 Tensor of shape (n, n_classes)
    given : GivenLabels
    held : Outlook
        That of `first`.
    rejudge : callable
        ``(scores, log_votes, outlook) -> Verdict``.

    Returns
    -------
    verdict : Verdict
    scores : float32 Tensor of shape (n, n_classes)
        How well each class's template fits them; mean top score 1.
    turn : callable
        Makes a regression predict in the same way.
    """
    verdict, fitted, factor = first, scores, 1.0
    size = _mean_sum(scores, given.weights)
    templates = first.noise.templates
    before = asked.agreed
    for _ in range(_MOST_ROUNDS):
        named = asked.named
        chosen = asked.choose(verdict.noise.transition)
        changed = 1.0 - min(
            agreement(old, new, asked.weights) for old, new in zip(named, asked.named, strict=True)
        )
        if changed < _LEAST_CHANGE:
            break
        templates = chosen
        scaled = torch.cat([templates[:-1] / size, templates[-1:]])
        fitted, factor = _fit_scores(scores, scaled, given.weights)
        agreed = min(max(held.agreed + asked.agreed - before, 0.0), _MOST_AGREED)
        outlook = replace(held, agreed=agreed, cautious=agreed, at_boundary=False)
        verdict = rejudge(fitted, fit_votes(log_votes, templates), outlook)
        verdict = replace(verdict, noise=replace(verdict.noise, templates=templates))

    def turn(fit: Regression) -> Regression:
        if fitted is scores:
            return fit
        linear, shift = templates[:-1] * (factor / size), templates[-1] * (factor / fit.factor)
        return replace(
            fit, coefficients=fit.coefficients @ linear, offset=fit.offset @ linear + shift
        )

    return verdict, fitted, turn


def change_nothing(templates: torch.Tensor) -> bool:
    """Whether these are the templates of scores and votes that are left as they are."""
    return torch.equal(templates, no_templates(templates.shape[1], templates.device))


def fit_votes(log_votes: torch.Tensor, templates: torch.Tensor) -> torch.Tensor:
    """Logarithm of how well each class's template fits the neighbours' votes."""
    if change_nothing(templates):
        return log_votes
    out = torch.empty_like(log_votes)
    for rows in row_blocks(len(log_votes)):
        fits = apply_templates(log_votes[rows].exp(), templates)
        out[rows] = fits.clamp_min_(_FLOOR).log_()
    return out


def _fit_scores(
    scores: torch.Tensor, templates: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, float]:
    """How well the templates fit, at mean top score 1, and the factor that brought them there."""
    fits = torch.empty_like(scores)
    for rows in row_blocks(len(scores)):
        fits[rows] = apply_templates(scores[rows], templates)
    top = float((weights * fits.amax(1)).sum() / weights.sum())
    factor = 1.0 / max(top, 1e-6)
    return fits.mul_(factor), factor


def _mean_sum(scores: torch.Tensor, weights: torch.Tensor) -> float:
    """Weighted mean of the sum of a row's scores, not under 1e-6."""
    return max(float((weights * scores.sum(1)).sum() / weights.sum().clamp_min(1e-12)), 1e-6)
