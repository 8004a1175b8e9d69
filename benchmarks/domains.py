"""Domains: which method wins where, on small tables of many kinds.

python benchmarks/domains.py --data DIR            # run what is missing, then render
python benchmarks/domains.py --render              # the page alone
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _cases import Case, make_labels
from _runs import Runs, centre_and_error, markdown_table, mean_and_error
from _studies import (
    COLORS,
    Job,
    banking77,
    clean_then_network,
    fit_network,
    legend_below,
    page_of,
    panels,
    plain_network,
    save_figure,
    select,
    start,
)
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from nllearn import AnchorHallucinationClassifier, LabelCleaner, MixNNClassifier
from nllearn.metrics import label_accuracy

NOISES = ("none", "symmetric 0.4", "part-dependent 0.4", "classification-based 0.2")
#: Gradient steps: 1,000 here, since each of these data sets stands for itself.
STEPS = 1000
SHIPPED = {
    "iris": load_iris,
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "digits": load_digits,
}
DATA = (*SHIPPED, "mixed columns", "banking77, 25 classes")
SCORES = {"test": "Test accuracy", "labels": "Training label accuracy"}


def mixed_columns(seed: int, n: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    """A made table of numbers, categories and holes, one-hot encoded, and three true classes."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "income": rng.lognormal(10.4, 0.5, n).round(),
            "age": rng.integers(20, 70, n).astype(float),
            "years_employed": rng.gamma(2.0, 4.0, n).round(1),
            "debt": rng.exponential(1.0, n).round(2),
            "purpose": rng.choice(["car", "house", "education", "other"], n),
            "home": rng.choice(["rent", "own"], n),
            "region": rng.choice(list("ABCDEFGH"), n),
        }
    )
    # The purpose changes what income means, and age matters at both ends.
    worth = np.log(table.income) - 10.4
    risk = (
        np.where(table.purpose == "house", -2.4, -1.2) * worth
        - 0.06 * table.years_employed
        + 0.7 * table.debt
        + ((table.age - 45) / 18) ** 2
        + table.home.map({"rent": 0.6, "own": -0.6})
        + table.region.map({name: step for name, step in zip("ABCDEFGH", range(8), strict=True)})
        / 8
    )
    y = np.digitize(risk, np.quantile(risk, [0.4, 0.75]))
    table.loc[rng.random(n) < 0.1, "years_employed"] = np.nan
    table.loc[rng.random(n) < 0.1, "debt"] = np.nan
    numbers = ["income", "age", "years_employed", "debt"]
    encode = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
        (OneHotEncoder(sparse_output=False), ["purpose", "home", "region"]),
    )
    return encode.fit_transform(table).astype(np.float32), y.astype(np.int64)


@functools.lru_cache(maxsize=1)
def load(folder: Path, data: str, noise: str, seed: int) -> Case:
    """A case; the seed draws the split, the made table and the noise."""
    if data.startswith("banking77"):
        X, y, X_test, y_test = banking77(folder)
        order = np.random.default_rng(seed).permutation(len(y))[:2500]
        X, y = X[order], y[order]
    else:
        X, y = mixed_columns(seed) if data == "mixed columns" else SHIPPED[data](return_X_y=True)
        X, X_test, y, y_test = train_test_split(
            X.astype(np.float32), y.astype(np.int64), test_size=0.25, random_state=seed, stratify=y
        )
        # One scale for all methods, the noise included.
        scale = StandardScaler().fit(X)
        X, X_test = scale.transform(X), scale.transform(X_test)
    return Case(X, make_labels(noise, X, y, seed), y, X_test, y_test)


# -- methods: what predicts, and the labels of the training rows

Fitted = tuple[Any, np.ndarray]


def regression(X: np.ndarray, labels: np.ndarray) -> LogisticRegression:
    """Logistic regression with scikit-learn's default C."""
    return LogisticRegression(max_iter=1000).fit(X, labels)


def given_then_regression(case: Case, seed: int) -> Fitted:
    """The given labels as they are."""
    return regression(case.X, case.y_noisy), case.y_noisy


def clean_then_regression(case: Case, seed: int) -> Fitted:
    """The labels of the cleaner."""
    labels = LabelCleaner(random_state=seed).fit(case.X, case.y_noisy).corrected_labels_
    if len(np.unique(labels)) == 1:
        # Logistic regression raises an error for a single class, which a fit may end with.
        labels = case.y_noisy
    return regression(case.X, labels), labels


def of(make: Callable[[], Any], own_labels: bool = False) -> Callable[[Case, int], Fitted]:
    """One of ours."""

    def fit(case: Case, seed: int) -> Fitted:
        clf = fit_network(make(), case.X, case.y_noisy, seed, STEPS)
        return clf, clf.predict(case.X) if own_labels else clf.corrected_labels_

    return fit


METHODS: dict[str, Callable[[Case, int], Fitted]] = {
    "given labels, logistic regression": given_then_regression,
    "plain network": of(plain_network, own_labels=True),
    "AH": of(AnchorHallucinationClassifier),
    "MixNN": of(MixNNClassifier),
    "LabelCleaner, logistic regression": clean_then_regression,
    "LabelCleaner, plain network": lambda case, seed: clean_then_network(case, seed, STEPS)[:2],
}


def one(folder: Path, data: str, noise: str, method: str, seed: int) -> dict[str, Any]:
    """Fit one method to one case."""
    case = load(folder, data, noise, seed)
    start = time.process_time()
    clf, labels = METHODS[method](case, seed)
    return {
        "test": float(clf.score(case.X_test, case.y_test)),
        "labels": label_accuracy(case.y_clean, labels),
        "given": label_accuracy(case.y_clean, case.y_noisy),
        "rows": len(case.X),
        "cpu": time.process_time() - start,
    }


def jobs(seed: int, args: Any) -> Iterator[Job]:
    """Every data set, noise and method of a seed."""
    for data in DATA:
        for noise in NOISES:
            for method in METHODS:
                key = {"data": data, "noise": noise, "method": method}
                yield key, functools.partial(one, args.folder, data, noise, method, seed)


# -- the page


def cell(rows: list[dict[str, Any]], data: str, noise: str, score: str) -> dict[str, list[float]]:
    """Scores of every method in one cell."""
    found = select(rows, data=data, noise=noise)
    return {m: [r[score] for r in select(found, method=m)] for m in METHODS}


def score_table(rows: list[dict[str, Any]], score: str) -> str:
    """One line per cell, the best in bold, and how often each method is the best."""
    body, wins, cells = [], dict.fromkeys(METHODS, 0), 0
    for data in DATA:
        for noise in NOISES:
            found = cell(rows, data, noise, score)
            if not all(found.values()):
                continue
            cells += 1
            means = {m: round(float(np.mean(v)), 3) for m, v in found.items()}
            best = max(means.values())
            line = []
            for method, values in found.items():
                text = mean_and_error(values)
                won = means[method] == best
                wins[method] += won
                line.append(f"**{text}**" if won else text)
            given = np.mean([r["given"] for r in select(rows, data=data, noise=noise)])
            body.append([f"{data}, {noise}", f"{given:.3f}", *line])
    body.append([f"best of {cells} cells, equals counted for all", "", *map(str, wins.values())])
    return markdown_table(["case", "given label accuracy", *METHODS], body)


def draw(rows: list[dict[str, Any]], score: str) -> Any:
    """One panel per data set; places along the axis are noises."""
    figure, axes = panels(len(DATA), 3, width=3.4, height=2.5)
    for ax, data in zip(axes, DATA, strict=True):
        for place, noise in enumerate(NOISES):
            for number, values in enumerate(cell(rows, data, noise, score).values()):
                if values:
                    centre, error = centre_and_error(values)
                    x = place + 0.13 * (number - (len(METHODS) - 1) / 2)
                    look = {"color": COLORS[number], "marker": "os^Dvp"[number], "ms": 5}
                    label = list(METHODS)[number] if place == 0 else None
                    ax.errorbar(x, centre, error, ls="", capsize=1.5, label=label, **look)
        for edge in np.arange(1, len(NOISES)) - 0.5:
            ax.axvline(edge, color="#dddddd", lw=0.8, zorder=0)
        ax.set_title(data, fontsize=10)
        names = [noise.replace("-", "-\n", 1).replace(" ", "\n") for noise in NOISES]
        ax.set_xticks(range(len(NOISES)), names, fontsize=7)
        ax.set_xlim(-0.5, len(NOISES) - 0.5)
    for ax in axes[::3]:
        ax.set_ylabel(SCORES[score], fontsize=9)
    legend_below(figure, axes[0], 3)
    return figure


def render(runs: Runs) -> str:
    """Draw the pictures, and make the page from the raw results."""
    intro = (
        "Three tables and the digits that come with scikit-learn, a made table of numbers, "
        "categories and holes with three classes, and 2,500 embeddings of 25 classes of "
        "Banking77. The seed draws the split, the made table and the noise. Defaults throughout, "
        "fits of 1,000 gradient steps. Mean and standard error over the seeds; the best of each "
        "line in bold. The labels of logistic regression on the given labels are the given ones, "
        "those of the plain network its own predictions."
    )
    parts = []
    for score, title in SCORES.items():
        words = f"{title} of every method, one panel per data set"
        parts += [
            f"## {title}",
            save_figure(draw(runs.rows, score), "domains", score, words),
            score_table(runs.rows, score),
        ]
    return page_of("domains", "Data of many kinds", intro, parts, runs)


def main() -> None:
    """Run what is missing, then render."""
    start("domains", __doc__, jobs, render)


if __name__ == "__main__":
    main()
