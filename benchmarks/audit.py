"""Coverage of the intervals of the audit, in simulations with known truth.

    python benchmarks/audit.py            # run what is missing, then render: some CPU minutes
    python benchmarks/audit.py --render   # the page alone

A world is 2,000 labels of two classes with a claimed quality each, and a true probability of being
wrong that may differ from the claim. Every run makes new labels, draws a sample, answers it
without mistakes and looks whether the truth is in the intervals.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from _runs import DOCS, Runs, markdown_table

from nllearn.audit import AuditedLabels, audit_labels, draw_audit_sample

N_ROWS = 2000
N_RUNS = 1000
FIXED = 0.6
#: Probability that a label is wrong, given its claimed quality.
WORLDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "calibrated": lambda q: 1 - q,
    "far too sure, most changes harm": lambda q: 0.4 * (1 - q),
    "quality without information": lambda q: np.full(len(q), 0.15),
}
QUESTIONS = ("noise rate", "changes", "fixed", "chosen")
#: World and number of answers.
CASES = [(world, 30) for world in WORLDS]


def run(world: str, n_answers: int, seed: int) -> dict[str, float]:
    """One audit: which intervals miss the truth, and how wide they are."""
    rng = np.random.default_rng(seed)
    quality = rng.beta(1.5, 0.3, N_ROWS)
    wrong = rng.random(N_ROWS) < WORLDS[world](quality)
    given = rng.integers(0, 2, N_ROWS)
    corrected = np.where(quality < 0.5, 1 - given, given)
    labels = AuditedLabels(given, corrected, quality, np.arange(2))
    rows = draw_audit_sample(labels, n_answers, random_state=seed)
    audit = audit_labels(labels, rows, ~wrong[rows])

    def misses(interval: tuple[float, float, float], flagged: np.ndarray) -> bool:
        return not interval[1] - 1e-9 <= wrong[flagged].mean() <= interval[2] + 1e-9

    grid = np.quantile(quality, np.linspace(0.05, 1, 20))
    band = [audit.precision(threshold) for threshold in grid]
    # The user takes what looks best or worst, and the threshold for a wanted rate.
    chosen = {int(np.argmax([b.low for b in band])), int(np.argmin([b.high for b in band]))}
    chosen.add(int(np.argmax([b.value for b in band])))
    any_chosen = any(misses(band[k], quality < grid[k]) for k in chosen)
    threshold = audit.threshold_for(0.5)
    discovered = np.nan if threshold is None else 1 - wrong[quality < threshold].mean()
    changed = labels.changed
    gain = (wrong[changed].sum() - (~wrong[changed]).sum()) / N_ROWS
    decided = audit.changes_help
    return {
        "noise rate": misses(audit.noise_rate, np.ones(N_ROWS, dtype=bool)),
        "changes": misses(audit.precision(), changed),
        "fixed": misses(audit.precision(FIXED), quality < FIXED),
        "chosen": any_chosen or discovered > 0.5,
        "width": audit.noise_rate.high - audit.noise_rate.low,
        "width changes": audit.precision().high - audit.precision().low,
        "decided": decided is not None,
        "decided wrongly": decided is not None and decided != (gain > 0),
    }


def render(runs: Runs) -> None:
    """Write the page."""
    order = [(r, case) for case in CASES for r in runs.rows if (r["world"], r["answers"]) == case]
    table = []
    for row, (world, answers) in order:
        covered = [f"{100 * (1 - row[key]):.1f}" for key in QUESTIONS]
        widths = [f"{row['width']:.2f}", f"{row['width changes']:.2f}"]
        said = [f"{100 * row['decided']:.0f}", f"{100 * row['decided wrongly']:.1f}"]
        table.append([world, str(answers), *covered, *widths, *said])
    header = ["world", "answers", "noise rate", "changes", f"flags below {FIXED}"]
    header += ["threshold chosen afterwards", "width, noise rate", "width, changes"]
    header += ["`changes_help` decided, %", "decided wrongly, %"]
    seconds = sum(row["seconds"] for row, _ in order)
    paragraphs = [
        "# Audit",
        "How often the intervals of [an audit](../howto/audit.md) hold, in simulations with known "
        f"truth: {N_ROWS:,} labels of two classes, new ones in each of {N_RUNS:,} runs, a sample "
        "by `draw_audit_sample`, answers without mistakes. All intervals are those of 95 %. Four "
        "columns show the per cent of the runs in which the truth is inside; they shall show 95 "
        "or more. A threshold is chosen after the answers in four ways, and a run counts as "
        "failed if one of them fails: the highest lower end, the lowest upper end, the highest "
        "value, and `threshold_for(0.5)`, which fails where more than half of what it flags is "
        "right.",
        f"Made by `python benchmarks/audit.py`: {seconds / 60:.1f} CPU minutes. Run on "
        f"{runs.machines()}.",
        markdown_table(header, table),
        f"The standard error of 95 % in {N_RUNS:,} runs is 0.7. Intervals hold more often than "
        "they must: a bound is made for the least favourable division of wrong labels over the "
        "strata, and that of a chosen threshold for all thresholds at once. With 30 answers the "
        "noise rate is known to about the width in the table, and no more; the width falls with "
        "the root of the number of answers.",
        "The worlds differ in what the quality is worth. The intervals use it to draw and to "
        "order the rows only, so they hold where it is wrong.",
    ]
    page = "\n\n".join(paragraphs) + "\n"
    (DOCS / "audit.md").write_text(page, encoding="utf-8")


def main() -> None:
    """Run what is missing and render the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--render", action="store_true", help="only write the page")
    args = parser.parse_args()
    runs = Runs("audit")
    for world, answers in [] if args.render else CASES:
        if runs.done(world=world, answers=answers):
            continue
        start = time.process_time()
        found = [run(world, answers, seed) for seed in range(N_RUNS)]
        means = {key: float(np.mean([row[key] for row in found])) for key in found[0]}
        seconds = time.process_time() - start
        runs.add(world=world, answers=answers, **means, runs=N_RUNS, seconds=seconds)
    render(runs)


if __name__ == "__main__":
    main()
