"""Sensitivity: how much each parameter of both methods matters, one at a time.

    python benchmarks/sensitivity.py --data DIR            # run what is missing, then render
    python benchmarks/sensitivity.py --data DIR --check    # also: do 10,003 rows say the same?
    python benchmarks/sensitivity.py --render              # the page alone

Every fit is also scored on held-out rows with noisy labels, by the scorers of
``nllearn.model_selection``: would they have chosen a good value without clean labels?
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _cases import Case
from _runs import Runs, centre_and_error, markdown_table
from _studies import (
    IMAGE_ROWS,
    ROWS,
    Job,
    digit_images,
    draw_line,
    embeddings,
    fit_network,
    flat,
    legend_below,
    page_of,
    panels,
    save_figure,
    score_network,
    select,
    start,
)

from nllearn import AnchorHallucinationClassifier, LabelCleaner, MixNNClassifier
from nllearn.classifiers._parameters import image_defaults, table_defaults
from nllearn.model_selection import (
    ExpectedAccuracyScorer,
    ForwardScorer,
    WeightedAccuracyScorer,
)

METHODS = {"AH": AnchorHallucinationClassifier, "MixNN": MixNNClassifier}
#: Values of every parameter. A K (`n_votes`) of 0 relabels no row.
GRID: dict[tuple[str, str], tuple[float, ...]] = {
    ("AH", "lambda_p"): (0.5, 0.6, 0.75, 0.9, 1.0),
    ("AH", "n_votes"): (0, 1, 5, 20),
    ("AH", "easy_fraction"): (0.3, 0.45, 0.6, 0.8),
    ("AH", "n_anchors"): (1, 2, 4),
    ("MixNN", "n_neighbors"): (1, 2, 5, 10),
    ("MixNN", "alpha"): (0.5, 0.8, 0.9, 0.99),
}
NOISES = [
    *(
        f"embeddings, {noise}"
        for noise in (
            "symmetric 0.2",
            "symmetric 0.5",
            "part-dependent 0.2",
            "part-dependent 0.4",
            "classification-based 0.2",
            "classification-based 0.4",
        )
    ),
    "digit images, symmetric 0.4",
    "digit images, part-dependent 0.4",
]
#: Rows with noisy labels that no fit sees. Embeddings have them beside the 2,500; of the
#: 1,347 images a fifth is held out.
HELD_OUT, HELD_OUT_IMAGES = 625, 269
RULES = {
    "plain accuracy": "val_accuracy",
    "WeightedAccuracyScorer": "val_weighted",
    "ExpectedAccuracyScorer": "val_expected",
    "ForwardScorer": "val_forward",
}

#: The check: noise, settings, and all rows of all 77 classes in place of the small case.
CHECK_NOISE = "part-dependent 0.4"
CHECK = (("AH", "easy_fraction", 0.3), ("AH", "lambda_p", 1.0), ("MixNN", "alpha", 0.5))
SIZES = {f"{ROWS:,} rows, 25 classes": (ROWS, 25), "10,003 rows, 77 classes": (10_003, None)}


def default(method: str, name: str, noise: str) -> float:
    """Value of a parameter that nobody sets."""
    value = METHODS[method]().get_params()[name]
    # What None stands for depends on the kind of data.
    kind = image_defaults() if "images" in noise else table_defaults()
    return getattr(kind, name) if value is None else value


def settings(noise: str) -> list[tuple[str, str, float]]:
    """Method, parameter and value of every fit; the default stands once for each method."""
    found = [(method, "default", 0.0) for method in METHODS]
    for (method, name), values in GRID.items():
        found += [(method, name, v) for v in values if v != default(method, name, noise)]
    return found


def make(method: str, name: str, value: float) -> Any:
    """The classifier of a setting."""
    return METHODS[method](**({} if name == "default" else {name: value}))


@functools.lru_cache(maxsize=1)
def prepare(folder: Path, noise: str, seed: int) -> tuple[Case, np.ndarray, np.ndarray, dict]:
    """A case, its held-out rows with noisy labels, and the scorers for them."""
    data, _, kind = noise.partition(", ")
    if data == "embeddings":
        whole, n = embeddings(folder, kind, seed, ROWS + HELD_OUT), ROWS
    else:
        whole, n = digit_images(kind, seed), IMAGE_ROWS - HELD_OUT_IMAGES
    X, y = whole.X, whole.y_noisy
    # The input of the scorers; it uses the given labels of all rows.
    cleaner = LabelCleaner(random_state=seed).fit(flat(X), y)
    scorers = {
        "val_weighted": WeightedAccuracyScorer(X, y, cleaner.label_quality_),
        "val_expected": ExpectedAccuracyScorer(X, y, cleaner.label_distributions_),
        "val_forward": ForwardScorer(cleaner.transition_matrix_, cleaner.classes_),
    }
    case = Case(X[:n], y[:n], whole.y_clean[:n], whole.X_test, whole.y_test)
    return case, X[n:], y[n:], scorers


def one(folder: Path, noise: str, setting: tuple[str, str, float], seed: int) -> dict[str, Any]:
    """Fit one setting and score it with and without clean labels."""
    case, X_val, y_val, scorers = prepare(folder, noise, seed)
    start = time.process_time()
    clf = fit_network(make(*setting), case.X, case.y_noisy, seed)
    cpu = time.process_time() - start
    found = {name: float(scorer(clf, X_val, y_val)) for name, scorer in scorers.items()}
    found["val_accuracy"] = float(clf.score(X_val, y_val))
    return {**score_network(clf, case), **found, "cpu": cpu}


def check_one(folder: Path, size: str, setting: tuple[str, str, float], seed: int) -> dict:
    """Fit one setting to few rows, 50 epochs, or to all, 30 epochs."""
    case = embeddings(folder, CHECK_NOISE, seed, *SIZES[size])
    start = time.process_time()
    # The rule gives all rows its fewest epochs, 30: 1,200 gradient steps in place of 500.
    clf = fit_network(make(*setting), case.X, case.y_noisy, seed)
    return {**score_network(clf, case), "cpu": time.process_time() - start}


def jobs(seed: int, args: Any) -> Iterator[Job]:
    """Every noise and setting of a seed, then those of the check."""
    for noise in NOISES:
        for setting in settings(noise):
            method, name, value = setting
            key = {"noise": noise, "method": method, "parameter": name, "value": value}
            yield key, functools.partial(one, args.folder, noise, setting, seed)
    for size in SIZES if args.check else ():
        for setting in [(method, "default", 0.0) for method in METHODS] + list(CHECK):
            method, name, value = setting
            key = {"check": size, "method": method, "parameter": name, "value": value}
            yield key, functools.partial(check_one, args.folder, size, setting, seed)


# -- the page


def by_seed(
    rows: list[dict[str, Any]], method: str, name: str, value: float, score: str, **key: Any
) -> dict[int, float]:
    """A score of a setting by seed; the default value is the fit of the default."""
    noise = key.get("noise", CHECK_NOISE)
    if name == "default" or value == default(method, name, noise):
        name, value = "default", 0.0
    found = select(rows, method=method, parameter=name, value=value, **key)
    return {row["seed"]: row[score] for row in found}


def differences(
    rows: list[dict[str, Any]], method: str, name: str, value: float, score: str, **key: Any
) -> list[float]:
    """Score of a setting minus that of the default, seed by seed."""
    mine = by_seed(rows, method, name, value, score, **key)
    base = by_seed(rows, method, "default", 0.0, score, **key)
    return [mine[seed] - base[seed] for seed in mine if seed in base]


def draw(rows: list[dict[str, Any]], method: str, score: str, title: str) -> Any:
    """One panel per parameter, one line per noise."""
    names = [name for of, name in GRID if of == method]
    figure, axes = panels(len(names), 2, width=4.3, height=2.9, sharey=True)
    for ax, name in zip(axes, names, strict=False):
        values = GRID[method, name]
        for number, noise in enumerate(NOISES):
            cells = [differences(rows, method, name, v, score, noise=noise) for v in values]
            if all(cells):
                # Side by side, so that the bars can be distinguished.
                x = np.arange(len(values)) + 0.06 * (number - (len(NOISES) - 1) / 2)
                draw_line(ax, x, cells, number, label=noise)
        ax.axhline(0.0, color="#bbbbbb", lw=0.8, zorder=0)
        usual = {default(method, name, noise) for noise in NOISES}
        marked = [f"{v}\n(default)" if v in usual else f"{v}" for v in values]
        ax.set_xticks(range(len(values)), marked)
        ax.set_xlabel(name)
    for ax in axes[::2]:
        ax.set_ylabel(f"{title}\nminus that of the default", fontsize=9)
    legend_below(figure, axes[0], 3)
    return figure


def range_table(rows: list[dict[str, Any]], score: str) -> str:
    """Range of the means over the values, against the spread over the seeds."""
    body = []
    for (method, name), values in GRID.items():
        for noise in NOISES:
            cells = [
                list(by_seed(rows, method, name, v, score, noise=noise).values()) for v in values
            ]
            if not all(cells):
                continue
            means = [float(np.mean(cell)) for cell in cells]
            pairs = [differences(rows, method, name, v, score, noise=noise) for v in values]
            spreads = [np.std(p, ddof=1) for p in pairs if len(p) > 1 and np.any(p)]
            spread = float(np.mean(spreads)) if spreads else np.nan
            gaps = [centre_and_error(p) for p in pairs]
            # Not worse than the default by more than two standard errors and half a point.
            safe = [
                str(v)
                for v, (gap, error) in zip(values, gaps, strict=True)
                if gap >= -max(0.005, 2 * error)
            ]
            width = max(means) - min(means)
            body.append(
                [
                    f"{method}, `{name}`",
                    noise,
                    *(f"{mean:.3f}" for mean in (min(means), max(means), width)),
                    "" if np.isnan(spread) else f"{spread:.3f}",
                    str(values[int(np.argmax(means))]),
                    ", ".join(safe),
                ]
            )
    head = ["parameter", "noise", "lowest mean", "highest mean", "range", "spread over seeds"]
    return markdown_table([*head, "best value", "no worse than the default"], body)


def choice_table(rows: list[dict[str, Any]]) -> str:
    """Test accuracy lost by every way of choosing the value of a parameter."""
    body = []
    for (method, name), values in GRID.items():
        lost: dict[str, list[float]] = {rule: [] for rule in ("the default", *RULES)}
        for noise in NOISES:
            tests = [by_seed(rows, method, name, v, "test", noise=noise) for v in values]
            scores = {
                rule: [by_seed(rows, method, name, v, score, noise=noise) for v in values]
                for rule, score in RULES.items()
            }
            for seed in set.intersection(*(set(test) for test in tests)):
                best = max(test[seed] for test in tests)
                at = values.index(default(method, name, noise))
                lost["the default"].append(best - tests[at][seed])
                for rule, found in scores.items():
                    chosen = int(np.argmax([score[seed] for score in found]))
                    lost[rule].append(best - tests[chosen][seed])
        if lost["the default"]:
            cells = [centre_and_error(found) for found in lost.values()]
            body.append([f"{method}, `{name}`", *(f"{m:.4f} ± {e:.4f}" for m, e in cells)])
    return markdown_table(["parameter", "the default", *RULES], body)


def check_table(rows: list[dict[str, Any]]) -> str:
    """Differences to the default on few rows and on all."""
    body = []
    for method, name, value in CHECK:
        line = [f"{method}, `{name}={value}`"]
        for size in SIZES:
            for score in ("test", "labels"):
                gap, error = centre_and_error(
                    differences(rows, method, name, value, score, check=size)
                )
                line.append("" if np.isnan(gap) else f"{gap:+.3f} ± {error:.3f}")
        body.append(line)
    head = [f"{size}: {score}" for size in SIZES for score in ("test", "labels")]
    return markdown_table(["setting", *head], body)


def render(runs: Runs) -> str:
    """Draw the pictures, and make the page from the raw results."""
    rows = runs.rows
    intro = (
        "Each parameter is varied alone, the others stay at their defaults. Cases: 2,500 "
        "embeddings of 25 classes of Banking77, and 1,078 handwritten digits as 8 x 8 images. "
        "Fits are short: 500 gradient steps, 16 epochs for images. Test accuracy is that of the "
        "last epoch. Differences are to the default of the same seed; bars are standard errors "
        "over the seeds."
    )
    parts = []
    for method in METHODS:
        parts.append(f"## {method}")
        for score, title in (("test", "Test accuracy"), ("labels", "Training label accuracy")):
            name = f"{method.lower()}_{score}"
            words = f"{method}: {title.lower()} by the value of each parameter, less the default's"
            figure = draw(rows, method, score, title)
            parts.append(save_figure(figure, "sensitivity", name, words))
    parts += [
        "## Which parameters matter",
        "Range: highest mean over the values minus the lowest. Spread over seeds: standard "
        "deviation of the difference to the default. A range below it is chance. The last column "
        "has the values that lose no more than half a point, or two standard errors.",
        "### Test accuracy",
        range_table(rows, "test"),
        "### Training label accuracy",
        range_table(rows, "labels"),
        "## Choosing without clean labels",
        "Test accuracy lost against the best value of each noise and seed, which only clean test "
        "labels show. The rules see held-out rows with noisy labels; the scorers also see "
        "the output of one `LabelCleaner`.",
        choice_table(rows),
    ]
    if any("check" in row for row in rows):
        parts += [
            "## Is the small case representative of the large one?",
            f"Difference to the default with {CHECK_NOISE.replace(' 0.4', ' noise, 40 %')}; "
            "500 gradient steps on few rows, 1,200 on all.",
            check_table(rows),
        ]
    return page_of("sensitivity", "Sensitivity to the parameters", intro, parts, runs)


def main() -> None:
    """Run what is missing, then render."""
    check = {"action": "store_true", "help": "also compare with all 10,003 rows"}
    start("sensitivity", __doc__, jobs, render, check=check)


if __name__ == "__main__":
    main()
