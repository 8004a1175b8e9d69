"""Imbalance: what becomes of rare classes when labels are wrong.

    python benchmarks/imbalance.py --data DIR            # run what is missing, then render
    python benchmarks/imbalance.py --render              # the page alone

Ten classes of Banking77, their sizes in geometric steps from the largest to the smallest. The
seed draws which class is rare. Test rows are balanced.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _cases import Case, make_labels
from _runs import Runs, markdown_table, mean_and_error
from _studies import (
    Job,
    banking77,
    clean_then_network,
    draw_line,
    fit_network,
    legend_below,
    page_of,
    panels,
    plain_network,
    save_figure,
    select,
    start,
)

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.metrics import label_accuracy

RATIOS = (1, 10, 50)
NOISES = ("symmetric 0.2", "symmetric 0.4", "part-dependent 0.4")
#: The ten largest classes have 171 training rows or more.
N_CLASSES, LARGEST = 10, 170
SCORES = {
    "test": "test accuracy",
    "recall_rarest": "recall of the rarest class",
    "recall_three": "recall of the three rarest",
    "kept": "kept",
    "named": "named / true share",
    "labels": "label accuracy",
}


class _Watched:
    """A net that remembers the logits of its last pass."""

    def __init__(self, net: Any):
        self._net = net

    def __getattr__(self, name: str) -> Any:
        return getattr(self._net, name)

    def infer(self, x: torch.Tensor) -> Any:
        """As the net's own."""
        logits, features = self._net.infer(x)
        self.logits = logits
        return logits, features


class UniformPrior(AnchorHallucinationClassifier):
    """With DivideMix's penalty on a mean prediction that is far from the uniform prior."""

    def _prior(self, loop: Any) -> torch.Tensor:
        return torch.full((loop.n_classes,), 1.0 / loop.n_classes)

    def _batch_loss(self, net: Any, x: torch.Tensor, rows: torch.Tensor, loop: Any) -> Any:
        watched = _Watched(net)
        loss = super()._batch_loss(watched, x, rows, loop)
        mean = watched.logits.softmax(1).mean(0).clamp_min(1e-8)
        prior = self._prior(loop).clamp_min(1e-8)
        return loss + (prior * (prior / mean).log()).sum()


class EstimatedPrior(UniformPrior):
    """The same penalty with the mean target of the labelled rows in place of the uniform."""

    def _prior(self, loop: Any) -> torch.Tensor:
        sample_state = loop.sample_state
        return sample_state.targets[sample_state.labelled].mean(0)


# -- cases and fits


@functools.lru_cache(maxsize=1)
def load(folder: Path, ratio: int, noise: str, seed: int) -> tuple[Case, list[int]]:
    """A case, and its classes from the largest to the smallest."""
    X, y, X_test, y_test = banking77(folder, None)
    classes = np.argsort(-np.bincount(y), kind="stable")[:N_CLASSES]
    rng = np.random.default_rng(seed)
    order = [int(code) for code in rng.permutation(N_CLASSES)]
    sizes = np.rint(LARGEST * float(ratio) ** (-np.arange(N_CLASSES) / (N_CLASSES - 1)))
    rows, codes = [], []
    for code, size in zip(order, sizes.astype(int), strict=True):
        rows.append(rng.permutation(np.flatnonzero(y == classes[code]))[:size])
        codes.append(np.full(size, code))
    shuffled = rng.permutation(sum(len(part) for part in rows))
    X, y = X[np.concatenate(rows)[shuffled]], np.concatenate(codes)[shuffled]
    test = [np.flatnonzero(y_test == label) for label in classes]
    y_test = np.repeat(np.arange(N_CLASSES), [len(part) for part in test])
    case = Case(X, make_labels(noise, X, y, seed), y, X_test[np.concatenate(test)], y_test)
    return case, order


Fitted = tuple[Any, np.ndarray]


def of(make: Callable[[], Any], own_labels: bool = False) -> Callable[[Case, int], Fitted]:
    """A fit of one of ours: the classifier, and its labels of the training rows."""

    def fit(case: Case, seed: int) -> Fitted:
        clf = fit_network(make(), case.X, case.y_noisy, seed)
        return clf, clf.predict(case.X) if own_labels else clf.corrected_labels_

    return fit


METHODS: dict[str, Callable[[Case, int], Fitted]] = {
    "AH, quota of eq. 1 (default)": of(AnchorHallucinationClassifier),
    "AH, threshold selector": of(lambda: AnchorHallucinationClassifier(selector="threshold")),
    "AH, purity selector": of(lambda: AnchorHallucinationClassifier(selector="purity")),
    "AH, uniform prior penalty": of(UniformPrior),
    "AH, estimated prior penalty": of(EstimatedPrior),
    "MixNN": of(MixNNClassifier),
    "plain network": of(plain_network, own_labels=True),
    "LabelCleaner, then plain network": lambda case, seed: clean_then_network(case, seed)[:2],
}


def one(folder: Path, ratio: int, noise: str, method: str, seed: int) -> dict[str, Any]:
    """Fit one method and look at its rare classes."""
    case, order = load(folder, ratio, noise, seed)
    start = time.process_time()
    clf, labels = METHODS[method](case, seed)
    cpu = time.process_time() - start
    guess = clf.predict(case.X_test)
    recall = [float(np.mean(guess[case.y_test == code] == code)) for code in range(N_CLASSES)]
    rarest = case.y_clean == order[-1]
    return {
        "rows": len(case.X),
        "rarest_rows": int(rarest.sum()),
        "given_rarest_rows": int((case.y_noisy == order[-1]).sum()),
        "test": float(np.mean(guess == case.y_test)),
        "recall_rarest": recall[order[-1]],
        "recall_three": float(np.mean([recall[code] for code in order[-3:]])),
        "recall_by_rank": [recall[code] for code in order],
        "kept": float(np.mean(labels[rarest] == order[-1])),
        "named": float(np.mean(labels == order[-1]) / rarest.mean()),
        "labels": label_accuracy(case.y_clean, labels),
        "given": label_accuracy(case.y_clean, case.y_noisy),
        "cpu": cpu,
    }


def jobs(seed: int, args: Any) -> Iterator[Job]:
    """Every ratio, noise and method of a seed."""
    for ratio in RATIOS:
        for noise in NOISES:
            for method in METHODS:
                key = {"ratio": ratio, "noise": noise, "method": method}
                yield key, functools.partial(one, args.folder, ratio, noise, method, seed)


# -- the page


def draw_scores(rows: list[dict[str, Any]]) -> Any:
    """Scores against the ratio, one row of panels per score, one column per noise."""
    shown = ("test", "recall_three", "kept", "named")
    figure, axes = panels(len(shown) * len(NOISES), len(NOISES), width=3.1, height=2.1)
    for place, ax in enumerate(axes):
        score, noise = shown[place // len(NOISES)], NOISES[place % len(NOISES)]
        for number, method in enumerate(METHODS):
            cells = [
                [r[score] for r in select(rows, ratio=ratio, noise=noise, method=method)]
                for ratio in RATIOS
            ]
            if any(cells):
                x = np.arange(len(RATIOS)) + 0.05 * (number - (len(METHODS) - 1) / 2)
                draw_line(ax, x, cells, number, label=method)
        ax.set_xticks(range(len(RATIOS)), [f"1:{ratio}" for ratio in RATIOS])
        if score == "named":
            ax.axhline(1.0, color="#bbbbbb", lw=0.8, zorder=0)
            # From 0, a class that vanished, to many times its share.
            ax.set_yscale("symlog", linthresh=1.0)
            ax.set_yticks([0, 0.5, 1, 2, 5, 10], ["0", "0.5", "1", "2", "5", "10"])
            ax.minorticks_off()
            ax.set_xlabel("smallest to largest class")
        if place < len(NOISES):
            ax.set_title(noise, fontsize=10)
        if place % len(NOISES) == 0:
            ax.set_ylabel(SCORES[score], fontsize=9)
    legend_below(figure, axes[0], 3)
    return figure


def draw_ranks(rows: list[dict[str, Any]]) -> Any:
    """Recall of every class by its rank, at the largest ratio."""
    figure, axes = panels(len(NOISES), len(NOISES), width=3.1, height=2.5, sharey=True)
    for ax, noise in zip(axes, NOISES, strict=True):
        for number, method in enumerate(METHODS):
            found = select(rows, ratio=RATIOS[-1], noise=noise, method=method)
            cells = [[r["recall_by_rank"][rank] for r in found] for rank in range(N_CLASSES)]
            if found:
                x = np.arange(1, N_CLASSES + 1) + 0.06 * (number - (len(METHODS) - 1) / 2)
                draw_line(ax, x, cells, number, label=method, elinewidth=0.5)
        ax.set_title(noise, fontsize=10)
        ax.set(xlabel="class, from the largest", xticks=range(1, N_CLASSES + 1, 3))
    axes[0].set_ylabel("recall")
    legend_below(figure, axes[0], 3)
    return figure


def table(rows: list[dict[str, Any]], ratio: int, noise: str) -> str:
    """All scores of all methods in one case."""
    body = []
    for method in METHODS:
        found = select(rows, ratio=ratio, noise=noise, method=method)
        if found:
            cells = [mean_and_error((r[score] for r in found), 3) for score in SCORES]
            body.append([method, *cells])
    return markdown_table(["method", *SCORES.values()], body)


def render(runs: Runs) -> str:
    """Draw the pictures, and make the page from the raw results."""
    rows = runs.rows
    intro = (
        f"{N_CLASSES} classes of Banking77 embeddings, the largest with {LARGEST} rows, the "
        "others in geometric steps down to the smallest; the seed draws which class is rare. Test "
        "rows are those of the ten classes, 40 each. Mean and standard error over the seeds.\n\n"
        "- *Kept*: share of the rows that truly belong to the rarest class whose corrected label "
        "says so.\n"
        "- *Named / true share*: share of the corrected labels that name the rarest class, over "
        "its true share; 1 is right, 0 is a class that vanished, above 1 is a class that wrong "
        "labels filled.\n"
        "- Labels of the plain network are its own predictions; those of `LabelCleaner`, then "
        "plain network, are the cleaner's.\n"
        "- The prior penalty is not part of the package: it is added here by a subclass, as in "
        "DivideMix, with the uniform prior or with the mean target of the labelled rows."
    )
    words = "Scores by the ratio of class sizes, one line per method"
    parts = [
        save_figure(draw_scores(rows), "imbalance", "scores", words),
        f"Recall of every class at 1:{RATIOS[-1]}:",
        save_figure(draw_ranks(rows), "imbalance", "ranks", "Recall by the rank of the class"),
    ]
    for ratio in RATIOS:
        for noise in NOISES:
            found = select(rows, ratio=ratio, noise=noise)
            if not found:
                continue
            given, named, right = (
                np.mean([r[k] for r in found])
                for k in ("rarest_rows", "given_rarest_rows", "given")
            )
            parts += [
                f"## 1:{ratio}, {noise}",
                f"{found[0]['rows']:,} rows, label accuracy {right:.3f} as given. The rarest class "
                f"has {given:.0f} rows; {named:.0f} rows are given its label.",
                table(rows, ratio, noise),
            ]
    return page_of("imbalance", "Imbalanced classes", intro, parts, runs)


def main() -> None:
    """Run what is missing, then render."""
    start("imbalance", __doc__, jobs, render)


if __name__ == "__main__":
    main()
