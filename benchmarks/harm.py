"""Harm: label accuracy after cleaning less that of doing nothing, also where all labels are right.

    python benchmarks/harm.py --data DIR            # run what is missing, then render
    python benchmarks/harm.py --data DIR --only "iris"
    python benchmarks/harm.py --render              # the page alone

Tables with classes that overlap, scikit-learn's sets, made sets, weak and random features, text
embeddings and weak image features; without noise and with eight kinds of it.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _cases import make_labels
from _other_tools import TOOLS
from _runs import Runs, centre_and_error, markdown_table
from _studies import COLORS, Job, page_of, panels, save_figure, select, start
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    load_wine,
    make_blobs,
    make_classification,
    make_moons,
)

from nllearn import LabelCleaner
from nllearn.metrics import label_accuracy, quality_calibration_error

STUDY = "harm"
Rows = tuple[np.ndarray, np.ndarray]
TABLES = ("attrition", "credit_data", "default", "diamonds", "hpc_data", "mlc_churn", "oj")
HUMAN = ("human_aggregate", "human_random1", "human_worst", "seal20", "seal40")
NOISES = (
    "none",
    *(f"symmetric {rate}" for rate in (0.1, 0.2, 0.4)),
    "pair flip 0.4",
    *(
        f"{kind} {rate}"
        for kind in ("part-dependent", "classification-based")
        for rate in (0.2, 0.4)
    ),
)
#: Rows that are looked at, and how often they are drawn; where noise lies at the boundary.
N_AUDITED, N_DRAWS = 30, 10
AUDITED = "30 audited rows"
#: Share of the rows whose true label is told.
TRUSTED_SHARE = 0.02
TRUSTED = "2 % trusted rows"
#: Noise that cannot be told from hard rows without checked ones.
AT_BOUNDARY = ("classification-based 0.2", "classification-based 0.4", "none")
#: Rows of the large sets; the seed draws them.
N_TEXT, N_CIFAR = 10_003, 10_000


def _table(folder: Path, name: str) -> Rows:
    frame = pd.read_csv(folder / "tables" / f"{name}.csv")
    y = np.unique(frame.pop("label").astype(str), return_inverse=True)[1]
    return pd.get_dummies(frame).to_numpy(np.float64), y


def _text(folder: Path, n_classes: int, rows: int) -> Rows:
    """Banking77; fewer classes are groups of its intents."""
    with np.load(folder / "banking77_minilm.npz") as data:
        X, y = data["X_train"].astype(np.float32), data["y_train"].astype(np.int64)
    group = np.random.default_rng(2).permutation(77) * n_classes // 77
    order = np.random.default_rng(1).permutation(len(y))[:rows]
    return X[order], group[y[order]] if n_classes < 77 else y[order]


def _random(folder: Path) -> Rows:
    rng = np.random.default_rng(0)
    return rng.normal(size=(1000, 20)), rng.integers(0, 4, 1000)


def _weak(folder: Path, n_classes: int) -> Rows:
    """Features that say little: classes of equal size, cut from a column sum with much noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 10))
    latent = 0.5 * X.sum(1) / np.sqrt(10) + rng.logistic(size=1000) / 1.8
    return X, np.digitize(latent, np.quantile(latent, np.arange(1, n_classes) / n_classes))


#: Data set -> group and loader.
DATA: dict[str, tuple[str, Callable[[Path], Rows]]] = {
    **{name: ("tables", functools.partial(_table, name=name)) for name in TABLES},
    "iris": ("tables", lambda folder: load_iris(return_X_y=True)),
    "wine": ("tables", lambda folder: load_wine(return_X_y=True)),
    "breast cancer": ("tables", lambda folder: load_breast_cancer(return_X_y=True)),
    "digits": ("tables", lambda folder: load_digits(return_X_y=True)),
    "moons": ("tables", lambda folder: make_moons(1000, noise=0.3, random_state=0)),
    "blobs": (
        "tables",
        lambda folder: make_blobs(1000, 4, centers=5, cluster_std=3.0, random_state=0),
    ),
    "overlapping": (
        "tables",
        lambda folder: make_classification(
            1500, 20, n_informative=6, n_classes=3, class_sep=0.8, random_state=0
        ),
    ),
    "weak, 2 classes": ("weak", functools.partial(_weak, n_classes=2)),
    "weak, 3 classes": ("weak", functools.partial(_weak, n_classes=3)),
    "random features": ("random", _random),
    "text, 6 classes": ("text", functools.partial(_text, n_classes=6, rows=3000)),
    "text, 25 classes": ("text", functools.partial(_text, n_classes=25, rows=2500)),
    "text, 77 classes": ("text", functools.partial(_text, n_classes=77, rows=N_TEXT)),
    "cifar10 features": ("images", lambda folder: _cifar(folder, 0)[:2]),
}


def _cifar(folder: Path, seed: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    order = np.random.default_rng(seed).permutation(50_000)[:N_CIFAR]
    with np.load(folder / "cifar10_kmeans_features.npz") as data:
        X = data["X_train"][order].astype(np.float32)
    with np.load(folder / "cifar10_labels.npz") as data:
        labels = {key: data[key][order].astype(np.int64) for key in ("train_clean", *HUMAN)}
    return X, labels.pop("train_clean"), labels


@functools.lru_cache(maxsize=1)
def load(
    folder: Path, data: str, noise: str, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, given and true labels; the seed draws the noise."""
    if data == "cifar10 features":
        X, y, human = _cifar(folder, seed)
        return X, y if noise == "none" else human[noise], y
    X, y = DATA[data][1](folder)
    X, y = np.asarray(X, np.float64), np.asarray(y, np.int64)
    return X, y.copy() if noise == "none" else make_labels(noise, X, y, seed), y


def of_cleaner(X: np.ndarray, given: np.ndarray, seed: int, **params: Any) -> tuple:
    """Labels and quality of the label cleaner."""
    cleaner = LabelCleaner(random_state=seed, **params).fit(X, given)
    return cleaner.corrected_labels_, cleaner.label_quality_


def of_trusted(X: np.ndarray, given: np.ndarray, y: np.ndarray, seed: int) -> dict[str, Any]:
    """Right labels among the other rows, where the true label of 2 % of the rows is told."""
    trusted = np.zeros(len(y), bool)
    rng = np.random.default_rng(seed)
    trusted[rng.choice(len(y), round(TRUSTED_SHARE * len(y)), replace=False)] = True
    told = np.where(trusted, y, given)
    cleaner = LabelCleaner(random_state=seed)
    found = {}
    for name, labels, known in (("without", given, None), ("labels", told, trusted)):
        cleaner.fit(X, labels, trusted=known)
        others = y[~trusted], given[~trusted], cleaner.label_quality_[~trusted]
        key = "calibration" if known is not None else "calibration_without"
        found[name] = label_accuracy(others[0], cleaner.corrected_labels_[~trusted])
        found[key] = quality_calibration_error(*others)
    return found


def of_audit(X: np.ndarray, given: np.ndarray, y: np.ndarray, seed: int) -> dict[str, Any]:
    """Fits with 30 rows that were looked at, in ten draws, against both answers told."""
    both = [
        label_accuracy(y, of_cleaner(X, given, seed, boundary_noise=told)[0])
        for told in (False, True)
    ]
    cleaner = LabelCleaner(random_state=seed).fit(X, given)
    found = []
    for draw in range(N_DRAWS):
        rows = cleaner.audit_sample(N_AUDITED, random_state=draw)
        audit = cleaner.audit(rows, y[rows])
        told = "auto" if audit.boundary_noise is None else audit.boundary_noise
        again = LabelCleaner(boundary_noise=told, random_state=seed)
        again.fit(X, audit.labels(), trusted=audit.trusted_mask())
        found.append(label_accuracy(y, again.corrected_labels_))
    return {
        "labels": float(np.mean(found)),
        "better": max(both),
        "worse": min(both),
        "reached": int(np.sum(np.array(found) >= max(both) - 0.01)),
    }


METHODS: dict[str, Callable[..., tuple]] = {
    "LabelCleaner": of_cleaner,
    "LabelCleaner, boundary_noise=True": functools.partial(of_cleaner, boundary_noise=True),
    **TOOLS,
}
#: Those of the picture and of the table of means.
SHOWN = ("LabelCleaner", "LabelCleaner, boundary_noise=True", "cleanlab, logistic regression")
#: Methods that are told the truth of some rows.
WITH_TRUTH: dict[str, Callable[..., dict[str, Any]]] = {AUDITED: of_audit, TRUSTED: of_trusted}
#: Sets where the other tools would take hours.
LARGE = ("text, 77 classes", "cifar10 features")


def jobs(seed: int, args: Any) -> Iterator[Job]:
    """All runs of a seed."""
    for data in DATA:
        noises = ("none", *HUMAN) if data == "cifar10 features" else NOISES
        for noise in noises:
            for method in args.method:
                large = data in LARGE and method in TOOLS
                if large or (method == AUDITED and noise not in AT_BOUNDARY):
                    continue

                def job(data=data, noise=noise, method=method) -> dict[str, Any]:
                    X, given, y = load(args.folder, data, noise, seed)
                    if method in WITH_TRUTH:
                        found = WITH_TRUTH[method](X, given, y, seed)
                        return {"given": label_accuracy(y, given), **found}
                    begin = time.process_time()
                    labels, quality = METHODS[method](X, given, seed)
                    return {
                        "cpu": time.process_time() - begin,
                        "given": label_accuracy(y, given),
                        "labels": label_accuracy(y, labels),
                        "calibration": quality_calibration_error(y, given, quality),
                    }

                yield {"data": data, "noise": noise, "method": method}, job


def _gain(row: dict[str, Any]) -> float:
    return row["labels"] - row["given"]


def render(runs: Runs) -> str:
    """Text of the page; draws its picture."""
    figure, axes = panels(len(SHOWN), 1, width=9.0, height=2.2, sharex=True)
    names = [name for name in DATA if select(runs.rows, data=name)]
    for ax, method in zip(axes, SHOWN, strict=False):
        found = select(runs.rows, method=method)
        for number, noise in enumerate(dict.fromkeys(row["noise"] for row in found)):
            some = select(found, noise=noise)
            x = [names.index(row["data"]) + 0.08 * (number - 4) for row in some]
            ax.plot(x, [_gain(row) for row in some], ".", color=COLORS[number % 8], label=noise)
        ax.axhline(0, color="black", lw=0.6)
        ax.set_title(method, fontsize=9)
    axes[-1].set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=7)
    axes[0].legend(fontsize=6, ncols=3)
    words = "Label accuracy less that of doing nothing, one dot a cell, by data set and method"
    groups: dict[tuple[str, str], None] = {}
    compared = [row for row in runs.rows if row["method"] in SHOWN]
    for row in compared:
        groups[DATA[row["data"]][0], row["noise"]] = None
    table = []
    for group, noise in sorted(groups):
        some = [r for r in select(compared, noise=noise) if DATA[r["data"]][0] == group]
        cells = [group, noise, f"{centre_and_error(r['given'] for r in some)[0]:.3f}"]
        for method in SHOWN:
            mine = select(some, method=method)
            accuracy, calibration = (
                centre_and_error(r[key] for r in mine)[0] for key in ("labels", "calibration")
            )
            cells.append(f"{accuracy:.3f} / {calibration:.2f}" if mine else "")
        table.append(cells)
    parts = [
        save_figure(figure, STUDY, "gain", words),
        "## Means by group",
        "Label accuracy / calibration error of the label quality.",
        markdown_table(["data", "noise", "doing nothing", *SHOWN], table),
        "## What was harmed",
        _harmed(runs),
        *_against_tools(runs),
        *_trusted(runs),
        *_audited(runs),
    ]
    intro = (
        "A tool that changes right labels is worse than none. Every dot of the picture is a data "
        "set with one kind of noise: above the line more labels are right than before."
    )
    return page_of(STUDY, "Harm", intro, parts, runs)


def _key(row: dict[str, Any]) -> tuple[str, str, int]:
    return row["data"], row["noise"], row["seed"]


def _against_tools(runs: Runs) -> list[str]:
    """The cleaner beside every other tool, in the cells that both have."""
    ours = {_key(row): row for row in select(runs.rows, method="LabelCleaner")}
    table, best = [], {}
    for tool in TOOLS:
        pairs = [(row, ours[_key(row)]) for row in select(runs.rows, method=tool)]
        for row, _ in pairs:
            known = best.get(_key(row))
            if known is None or row["labels"] > known["labels"]:
                best[_key(row)] = row
        for group in dict.fromkeys(DATA[row["data"]][0] for row, _ in pairs):
            some = [(a, b) for a, b in pairs if DATA[a["data"]][0] == group]
            means = [
                np.mean(values)
                for values in (
                    [b["given"] for _, b in some],
                    [a["labels"] for a, _ in some],
                    [b["labels"] for _, b in some],
                )
            ]
            ahead = [a["labels"] - b["labels"] for a, b in some if _gain(a) > 0.01]
            table.append(
                [
                    tool,
                    group,
                    str(len(some)),
                    *(f"{value:.3f}" for value in means),
                    str(sum(_gain(a) < -0.01 for a, _ in some)),
                    str(sum(difference > 0.01 for difference in ahead)),
                    str(sum(difference < -0.01 for difference in ahead)),
                ]
            )
    if not table:
        return []
    lines = []
    for noise in dict.fromkeys(row["noise"] for row in best.values()):
        cells = [(row, ours[key]) for key, row in best.items() if row["noise"] == noise]
        behind = [
            f"{a['data']} ({a['method']}, {a['labels']:.3f} to {b['labels']:.3f})"
            for a, b in cells
            if _gain(a) > 0.01 and a["labels"] > b["labels"] + 0.01
        ]
        if behind:
            lines.append(f"- {noise}, {len(behind)} of {len(cells)}: " + "; ".join(behind) + ".")
    return [
        "## Beside other tools",
        "All of them see the same rows and labels. cleanlab is version 2.9 around a classifier "
        "that is cross-validated in five folds; rows that it flags get the label that it "
        "predicts. Argmax: the most probable class of the same classifier, whatever the given "
        "label. Harmed: cells below doing nothing by more than .01. Ahead and behind: cells where "
        "the tool is better than doing nothing by more than .01, and than the cleaner by more "
        "or less than that. The largest sets are left out.",
        markdown_table(
            [
                "tool",
                "data",
                "cells",
                "doing nothing",
                "tool",
                "LabelCleaner",
                "harmed by the tool",
                "tool ahead",
                "tool behind",
            ],
            table,
        ),
        "Cells where the best of these tools, chosen by the truth, is ahead of the cleaner and of "
        "doing nothing by more than .01:",
        "\n".join(lines),
    ]


def _trusted(runs: Runs) -> list[str]:
    """What two percent of known labels change."""
    mine = select(runs.rows, method=TRUSTED)
    if not mine:
        return []
    table = []
    for noise in dict.fromkeys(row["noise"] for row in mine):
        some = select(mine, noise=noise)
        change = np.array([row["labels"] - row["without"] for row in some])
        worst = some[int(change.argmin())]
        table.append(
            [
                noise,
                str(len(some)),
                f"{np.mean([row['without'] for row in some]):.3f}",
                f"{np.mean([row['labels'] for row in some]):.3f}",
                str(int((change > 0.003).sum())),
                str(int((change < -0.003).sum())),
                f"{change.min():+.3f} ({worst['data']})",
                f"{np.mean([row['calibration_without'] for row in some]):.3f}",
                f"{np.mean([row['calibration'] for row in some]):.3f}",
            ]
        )
    return [
        "## What two percent of trusted rows change",
        "The true labels of 2 % of the rows, drawn at random, are told. Label accuracy and "
        "calibration error are those of the other rows.",
        markdown_table(
            [
                "noise",
                "cells",
                "without",
                "with",
                "raised by > .003",
                "lowered by > .003",
                "lowest change",
                "calibration without",
                "with",
            ],
            table,
        ),
    ]


def _audited(runs: Runs) -> list[str]:
    """What 30 audited rows decide."""
    mine = select(runs.rows, method=AUDITED)
    if not mine:
        return []
    table = [
        [
            row["data"],
            row["noise"],
            *(f"{row[key]:.3f}" for key in ("given", "worse", "better", "labels")),
            f"{row['reached']} of {N_DRAWS}",
        ]
        for row in sorted(mine, key=lambda row: (row["noise"], row["data"], row["seed"]))
    ]
    total = sum(row["reached"] for row in mine)
    return [
        "## What thirty checked rows decide",
        "Whether noise lies at the class boundary cannot be told from the rows. `audit_sample` "
        f"draws {N_AUDITED} rows, their true labels are told, and the cleaner is fitted again with "
        "them as trusted, and with `boundary_noise` as the audit advises. Worse and better: "
        "`boundary_noise` told as one or the other. Reached: draws within .01 of the better one, "
        f"{total} of {N_DRAWS * len(mine)} over all cells.",
        markdown_table(
            ["data", "noise", "doing nothing", "worse", "better", "audited, mean", "reached"], table
        ),
    ]


def _harmed(runs: Runs) -> str:
    """Counts of cells, and those of the cleaner that are below doing nothing."""
    lines = []
    for method in METHODS:
        mine = select(runs.rows, method=method)
        if not mine:
            continue
        noisy = [row for row in mine if row["given"] < 1.0]
        clean = [row for row in mine if row["given"] == 1.0]
        below = [row for row in noisy if _gain(row) < -0.01]
        good = sum(row["calibration"] <= 0.03 for row in mine)
        lines.append(
            f"- **{method}**: of {len(noisy)} noisy cells {len(below)} are below doing nothing "
            f"by more than .01; without noise {min(r['labels'] for r in clean):.3f} of the labels "
            f"are right on the worst set; calibration error <= .03 in {good} of {len(mine)} cells."
        )
        if method == "LabelCleaner" and below:
            names = [
                f"{r['data']}, {r['noise']} ({r['given']:.3f} to {r['labels']:.3f})" for r in below
            ]
            lines.append("  Below: " + "; ".join(names) + ".")
    return "\n".join(lines)


if __name__ == "__main__":
    start(
        STUDY,
        __doc__,
        jobs,
        render,
        method={"nargs": "*", "default": list(METHODS), "choices": [*METHODS, *WITH_TRUTH]},
    )
