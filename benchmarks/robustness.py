"""Robustness: test accuracy and label accuracy against the noise rate, for four kinds of noise.

python benchmarks/robustness.py --data DIR            # run what is missing, then render
python benchmarks/robustness.py --render              # the page alone
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _cases import Case
from _runs import Runs, markdown_table, mean_and_error
from _studies import (
    Job,
    clean_then_network,
    draw_line,
    embeddings,
    fit_network,
    legend_below,
    page_of,
    panels,
    plain_network,
    save_figure,
    select,
    start,
)
from sklearn.linear_model import LogisticRegression

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.metrics import label_accuracy

#: Rates of every kind of noise; rate 0 is one case for all of them.
RATES = {
    "symmetric": (0.0, 0.2, 0.4, 0.6, 0.8, 0.9),
    "pair flip": (0.0, 0.2, 0.3, 0.4, 0.45),
    "part-dependent": (0.0, 0.2, 0.4, 0.5, 0.6),
    "classification-based": (0.0, 0.1, 0.2, 0.4, 0.5),
}
NOISES = ["none", *(f"{kind} {rate}" for kind in RATES for rate in RATES[kind] if rate)]
SCORES = {"test": "Test accuracy", "labels": "Training label accuracy"}


def one_network_dividemix() -> AnchorHallucinationClassifier:
    """DivideMix with one network: no votes on hard rows, no last phase on posterior labels."""
    return AnchorHallucinationClassifier(n_votes=0, selector="threshold", posterior_share=0.0)


# -- methods: the fitted network, and the labels of the training rows

Fitted = tuple[Any, np.ndarray]


def of(make: Callable[[], Any], own_labels: bool = False) -> Callable[[Case, int], Fitted]:
    """One of ours; `own_labels` for a method without a posterior: the network's predictions."""

    def fit(case: Case, seed: int) -> Fitted:
        clf = fit_network(make(), case.X, case.y_noisy, seed)
        return clf, clf.predict(case.X) if own_labels else clf.corrected_labels_

    return fit


def of_cleanlearning(case: Case, seed: int) -> Fitted:
    """cleanlab: flagged rows are dropped for the network, and count with its own label."""
    from cleanlab.classification import CleanLearning

    model = CleanLearning(LogisticRegression(max_iter=1000), seed=seed, verbose=False)
    issues = model.find_label_issues(case.X, case.y_noisy)
    flagged = issues["is_label_issue"].to_numpy()
    labels = np.where(flagged, issues["predicted_label"].to_numpy(), case.y_noisy)
    clf = fit_network(plain_network(), case.X[~flagged], case.y_noisy[~flagged], seed)
    return clf, labels


METHODS: dict[str, Callable[[Case, int], Fitted]] = {
    "AH": of(AnchorHallucinationClassifier),
    "MixNN": of(MixNNClassifier),
    "plain network": of(plain_network, own_labels=True),
    "one-network DivideMix": of(one_network_dividemix, own_labels=True),
    "LabelCleaner, plain network": lambda case, seed: clean_then_network(case, seed)[:2],
    "CleanLearning, plain network": of_cleanlearning,
}


def one(folder: Path, noise: str, method: str, seed: int) -> dict[str, Any]:
    """Fit one method to one case."""
    case = embeddings(folder, noise, seed)
    start = time.process_time()
    clf, labels = METHODS[method](case, seed)
    return {
        "test": float(clf.score(case.X_test, case.y_test)),
        "labels": label_accuracy(case.y_clean, labels),
        "given": label_accuracy(case.y_clean, case.y_noisy),
        "cpu": time.process_time() - start,
    }


def jobs(seed: int, args: Any) -> Iterator[Job]:
    """Every noise and method of a seed."""
    for noise in NOISES:
        for method in METHODS:
            key = {"noise": noise, "method": method}
            yield key, functools.partial(one, args.folder, noise, method, seed)


# -- the page


def cell(rows: list[dict[str, Any]], kind: str, rate: float, method: str, score: str) -> list:
    """Scores over the seeds."""
    noise = f"{kind} {rate}" if rate else "none"
    return [r[score] for r in select(rows, noise=noise, method=method)]


def draw(rows: list[dict[str, Any]], score: str) -> Any:
    """One panel per kind of noise, one line per method."""
    figure, axes = panels(len(RATES), 2, width=4.2, height=3.0)
    for ax, (kind, rates) in zip(axes, RATES.items(), strict=True):
        for number, method in enumerate(METHODS):
            known = [rate for rate in rates if cell(rows, kind, rate, method, score)]
            if known:
                values = [cell(rows, kind, rate, method, score) for rate in known]
                draw_line(ax, known, values, number, label=method)
        if score == "labels":
            ax.plot(
                rates, 1 - np.array(rates), color="#999999", ls="--", lw=1, label="given labels"
            )
        ax.set_title(kind, fontsize=10)
        ax.set_xlabel("noise rate")
    for ax in axes[::2]:
        ax.set_ylabel(SCORES[score])
    legend_below(figure, axes[0], 3)
    return figure


def table(rows: list[dict[str, Any]], kind: str, score: str) -> str:
    """One line per rate, one column per method, the best in bold."""
    body = []
    for rate in RATES[kind]:
        cells = {m: cell(rows, kind, rate, m, score) for m in METHODS}
        known = [round(float(np.mean(v)), 3) for v in cells.values() if v]
        if not known:
            continue
        line = []
        for values in cells.values():
            text = mean_and_error(values)
            won = values and round(float(np.mean(values)), 3) == max(known)
            line.append(f"**{text}**" if won else text)
        given = cell(rows, kind, rate, next(m for m, v in cells.items() if v), "given")
        body.append([f"{rate:g}", f"{np.mean(given):.3f}", *line])
    return markdown_table(["noise rate", "given label accuracy", *METHODS], body) if body else ""


def render(runs: Runs) -> str:
    """Draw the pictures, and make the page from the raw results."""
    intro = (
        "2,500 embeddings of 25 classes of Banking77; the seed draws the rows and the noise. "
        "Defaults throughout, fits of 500 gradient steps, last epoch. Mean and standard error "
        "over the seeds; the best of each line in bold.\n\n"
        "- The labels of the plain network and of DivideMix are the network's own predictions; "
        "those of the two cleaners are the cleaned ones.\n"
        "- *One-network DivideMix* is AH with the threshold on the mixture as selector, no votes "
        "on hard rows and no last phase on posterior labels.\n"
        "- *CleanLearning* has logistic regression inside. The network learns without the rows "
        "that it flags; in label accuracy they count with the label that it predicts."
    )
    parts = []
    for score, title in SCORES.items():
        words = f"{title} against the noise rate, one panel per kind of noise"
        parts += [f"## {title}", save_figure(draw(runs.rows, score), "robustness", score, words)]
        for kind in RATES:
            found = table(runs.rows, kind, score)
            if found:
                parts += [f"### {kind[0].upper()}{kind[1:]} noise", found]
    return page_of("robustness", "Robustness to the noise rate", intro, parts, runs)


def main() -> None:
    """Run what is missing, then render."""
    start("robustness", __doc__, jobs, render)


if __name__ == "__main__":
    main()
