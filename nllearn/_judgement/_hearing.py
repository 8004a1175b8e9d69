"""All witnesses on one set of unit rows, from the regressions to the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from nllearn._judgement._given import GivenLabels
from nllearn._judgement._landmarks import LandmarkRows
from nllearn._judgement._neighbors import Graph, ask_neighbors
from nllearn._judgement._regression import Regression, fit_regressions
from nllearn._judgement._templates import Asked, change_nothing, judge_by_templates
from nllearn._judgement._verdict import Outlook, Verdict, judge, judge_at_boundary

__all__ = ["Findings", "hear_witnesses"]

# Rows on which it is measured how far witnesses agree; more change nothing.
_N_ASKED = 100_000


@dataclass(frozen=True)
class Findings:
    """What the witnesses said, and what follows.

    `log_votes` are those of all neighbours by the given labels, `scores` the mean of the
    `regressions`, as compared with the templates of the classes; both of shape
    (n, n_classes). `outlook` is what was held of them before.
    """

    verdict: Verdict
    outlook: Outlook
    scores: torch.Tensor
    log_votes: torch.Tensor
    regressions: list[Regression]

    @property
    def by_templates(self) -> bool:
        """Whether the noise was found to prefer some classes, and classes told by templates."""
        return not change_nothing(self.verdict.noise.templates)


def hear_witnesses(
    unit: torch.Tensor,
    graph: Graph,
    given: GivenLabels,
    n_landmarks: int,
    generator: torch.Generator,
    *,
    outlook: Callable[[float, torch.Tensor], Outlook],
    revise: Callable[[torch.Tensor, torch.Tensor], None] | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Findings:
    """Ask neighbours and regressions, estimate the noise, and judge every label.

    Parameters
    ----------
    unit : float32 Tensor of shape (n, d)
        Rows of length one.
    graph : Graph
    given : GivenLabels
    n_landmarks : int
        Of each regression.
    generator : torch.Generator
    outlook : callable
        ``(agreed, log_votes) -> Outlook``, from the share of rows on which the first
        regression names the class that the neighbours name.
    revise : callable, optional
        ``(scores, log_votes)``; changes the scores in place, as another witness would.
    advance : callable
        Called when the neighbours have voted, after each regression, and at the end.

    Returns
    -------
    findings : Findings
    """
    log_votes = ask_neighbors(graph, given.codes, given.n_classes, given.weights)
    advance()
    witnesses = [
        LandmarkRows(unit, mixing, given.weights, n_landmarks, generator)
        for mixing in (None, graph)
    ]
    active = torch.nonzero(given.weights > 0).squeeze(1)
    some = active[:: -(-len(active) // _N_ASKED)]
    fits: list[Regression] = []

    def regress(
        trust: torch.Tensor | None, advance: Callable[[], None]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        scores, fits[:], first = fit_regressions(witnesses, given, log_votes, some, trust, advance)
        if revise is not None:
            revise(scores, log_votes)
        return scores, first

    scores, first = regress(None, advance)
    asked = Asked(first, log_votes[some], given.weights[some])
    held = outlook(asked.agreed, log_votes)
    verdict = judge(scores, log_votes, graph, given, held, generator)
    if verdict.noise.boundary > 0:
        verdict, scores = judge_at_boundary(
            verdict,
            scores,
            log_votes,
            given,
            generator,
            lambda trust: regress(trust, lambda: None)[0],
        )
    else:
        verdict, scores, turn = judge_by_templates(
            verdict,
            asked,
            scores,
            log_votes,
            given,
            held,
            lambda scores, log_votes, held: judge(scores, log_votes, graph, given, held, generator),
        )
        fits = [turn(fit) for fit in fits]
    advance()
    return Findings(verdict, held, scores, log_votes, fits)
