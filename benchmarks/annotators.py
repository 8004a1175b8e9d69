"""Labels of several annotators, and predictors of the user's own, on rows of known class.

    python benchmarks/annotators.py --data DIR   # run what is missing, then render: CPU minutes
    python benchmarks/annotators.py --data DIR --part images   # one part alone
    python benchmarks/annotators.py --render     # the page alone

DIR holds ``cifar10_kmeans_features.npz``, ``cifar10_labels.npz``, the images of CIFAR-10 and the
folder ``tables``.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _cases import data_folder
from _runs import DOCS, Runs, markdown_table, mean_and_error
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier

from nllearn import LabelCleaner, MixNNClassifier
from nllearn.datasets import fetch_cifar10, make_annotator_labels, make_symmetric_noise

SEEDS = (0, 1)
MIXED = [0.7, 0.6, 0.55, 0.5, 0.4]
#: Made crowds: settings of `make_annotator_labels`.
CROWDS: dict[str, dict[str, Any]] = {
    "30 % errors": {"quality": [0.7] * 5},
    "30 to 60 % errors": {"quality": MIXED},
    "60 % errors": {"quality": [0.4] * 5},
    "two of five at random": {"quality": [0.7, 0.55, 0.4, 0.1, 0.1]},
    "two copy a third, 60 % errors": {
        "quality": [0.7, 0.6, 0.4, 0.4, 0.4],
        "copies": {3: 2, 4: 2},
        "copy_rate": 0.95,
    },
    "30 to 60 %, two labels per row": {"quality": MIXED, "labels_per_row": 2},
    "30 to 60 %, one label per row": {"quality": MIXED, "labels_per_row": 1},
}
ROWS = {"CIFAR-10": 4000, "digits": 1797}
HUMAN = (3, 2)
TABLES = ("attrition", "credit_data", "default", "diamonds", "hpc_data", "mlc_churn", "oj")
N_TABLE = 3000
N_IMAGES = 10_000


class Random(BaseEstimator):
    """A predictor that is sure of classes it drew."""

    def predict_out_of_sample(self, X: Any, y_soft: Any, sample_weight: Any) -> np.ndarray:
        """One class per row, drawn."""
        drawn = np.random.default_rng(0).integers(0, y_soft.shape[1], len(X))
        return np.eye(y_soft.shape[1])[drawn]


def votes(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Number of labels by row and class; a gap is NaN."""
    return (labels[:, :, None] == np.arange(n_classes)).sum(1).astype(float)


def dawid_skene(labels: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Dawid and Skene (1979), written plainly: posterior, and quality of the annotators."""
    q = votes(labels, n_classes) + 1e-6
    q /= q.sum(1, keepdims=True)
    for _ in range(100):
        log_q = np.tile(np.log(q.mean(0)), (len(q), 1))
        quality = []
        for column in labels.T:
            known = np.flatnonzero(~np.isnan(column))
            said = column[known].astype(int)
            T = np.full((n_classes, n_classes), 1e-2)
            np.add.at(T.T, said, q[known])
            T /= T.sum(1, keepdims=True)
            log_q[known] += np.log(T[:, said].T)
            quality.append(float(q.mean(0) @ T.diagonal()))
        new = np.exp(log_q - log_q.max(1, keepdims=True))
        new /= new.sum(1, keepdims=True)
        change, q = np.abs(new - q).max(), new
        if change < 1e-4:
            break
    return q, np.array(quality)


def compare(X: np.ndarray, y: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, float]:
    """Share of right labels by method, and the largest error of an annotator's quality."""
    n_classes = int(y.max()) + 1
    labels = labels.astype(float)
    known = ~np.isnan(labels)
    true = np.array([np.mean(c[k] == y[k]) for c, k in zip(labels.T, known.T, strict=True)])
    tie = np.random.default_rng(seed).random((len(y), n_classes))
    ds, ds_quality = dawid_skene(labels, n_classes)
    start = time.process_time()
    cleaner = LabelCleaner(random_state=seed).fit(X, labels)
    seconds = time.process_time() - start
    proba = cleaner.label_distributions_.max(1)
    return {
        "best": float(true.max()),
        "majority": float(np.mean((votes(labels, n_classes) + 1e-3 * tie).argmax(1) == y)),
        "dawid_skene": float(np.mean(ds.argmax(1) == y)),
        "cleaner": float(np.mean(cleaner.corrected_labels_ == y)),
        "ds_error": float(np.abs(ds_quality - true).max()),
        "error": float(np.abs(cleaner.annotator_quality_ - true).max()),
        "claimed": float(proba.mean()),
        "dependence": float(cleaner.annotator_dependence_.max()),
        "cleaner_seconds": seconds,
    }


def run_crowds(runs: Runs, folder: Path) -> None:
    """Made crowds and the annotators of CIFAR-10N."""
    features = np.load(folder / "cifar10_kmeans_features.npz")["X_train"][:10_000]
    X = features.astype(np.float32)
    found = np.load(folder / "cifar10_labels.npz")
    y = found["train_clean"][:10_000].astype(int)
    human = np.stack([found[f"human_random{a}"][:10_000] for a in (1, 2, 3)], axis=1)
    for n_annotators in HUMAN:
        key = {"case": "CIFAR-10N", "crowd": f"{n_annotators} people"}
        for seed in SEEDS:
            if not runs.done(**key, seed=seed):
                result = compare(X, y, human[:, :n_annotators], seed)
                runs.add(**key, seed=seed, **result)
    digits = load_digits()
    rows = {"CIFAR-10": (X, y), "digits": (digits.data, digits.target)}
    for name, n in ROWS.items():
        for crowd, settings in CROWDS.items():
            for seed in SEEDS:
                if runs.done(case=name, crowd=crowd, seed=seed):
                    continue
                some, true = rows[name][0][:n], rows[name][1][:n]
                labels = make_annotator_labels(true, random_state=seed, **settings)
                runs.add(case=name, crowd=crowd, seed=seed, **compare(some, true, labels, seed))


def run_images(runs: Runs, folder: Path) -> None:
    """MixNN on images of CIFAR-10 with three labels each, and with their majority."""
    train, test = (fetch_cifar10(folder, subset=subset) for subset in ("train", "test"))
    X, y = train.data[:N_IMAGES], train.target[:N_IMAGES]
    found = np.load(folder / "cifar10_labels.npz")
    human = np.stack([found[f"human_random{a}"][:N_IMAGES] for a in (1, 2, 3)], axis=1)
    human = human.astype(int)
    tie = np.random.default_rng(0).random((N_IMAGES, 10))
    majority = (votes(human, 10) + 1e-3 * tie).argmax(1)
    for name, labels in (("annotators", human), ("majority", majority)):
        if runs.done(images=name, seed=0):
            continue
        start = time.process_time()
        clf = MixNNClassifier(random_state=0, verbose=0).fit(X, labels)
        runs.add(
            images=name,
            seed=0,
            given=float(np.mean(majority == y)),
            test=float(clf.score(test.data, test.target)),
            labels=float(np.mean(clf.corrected_labels_ == y)),
            quality=getattr(clf, "annotator_quality_", np.empty(0)).tolist(),
            true_quality=(human == y[:, None]).mean(0).tolist(),
            cpu_seconds=time.process_time() - start,
        )


def run_tables(runs: Runs, folder: Path) -> None:
    """Gradient boosting beside and in place of the cleaner's own predictors, on tables."""
    import pandas as pd

    boosting = HistGradientBoostingClassifier(max_iter=40, random_state=0)
    ours = ["neighbors", "kernel_ridge"]
    choices = {
        "ours": None,
        "beside": [*ours, boosting],
        "instead": [boosting],
        "random": [*ours, Random()],
    }
    for name in TABLES:
        table = pd.read_csv(folder / "tables" / f"{name}.csv")
        order = np.random.default_rng(0).permutation(len(table))[:N_TABLE]
        table = table.iloc[order]
        y = pd.factorize(table.pop("label"), sort=True)[0]
        X = pd.get_dummies(table, dtype=float).to_numpy()
        for seed in SEEDS:
            if runs.done(table=name, seed=seed):
                continue
            noisy = make_symmetric_noise(y, noise_rate=0.2, random_state=seed)
            row = {"given": float(np.mean(noisy == y))}
            for choice, predictors in choices.items():
                start = time.process_time()
                cleaner = LabelCleaner(predictors=predictors, random_state=seed).fit(X, noisy)
                row[choice] = float(np.mean(cleaner.corrected_labels_ == y))
                row[f"{choice}_seconds"] = time.process_time() - start
            runs.add(table=name, seed=seed, **row)


def render(runs: Runs) -> None:
    """Write the page."""
    crowd_rows, table_rows = [], []
    cells = [("CIFAR-10N", f"{n} people") for n in HUMAN]
    cells += [(name, crowd) for name in ROWS for crowd in CROWDS]
    for case, crowd in cells:
        found = [r for r in runs.rows if r.get("case") == case and r["crowd"] == crowd]
        columns = ("best", "majority", "dawid_skene", "cleaner", "claimed", "ds_error", "error")
        shown = [mean_and_error([r[key] for r in found]) for key in columns]
        seconds = f"{np.mean([r['cleaner_seconds'] for r in found]):.0f}"
        crowd_rows.append([case, crowd, *shown, seconds])
    for name in TABLES:
        found = [r for r in runs.rows if r.get("table") == name]
        shown = [
            mean_and_error([r[key] for r in found])
            for key in ("given", "ours", "beside", "instead", "random")
        ]
        table_rows.append([name, *shown])
    header = ["rows", "crowd", "best annotator", "majority", "Dawid-Skene", "`LabelCleaner`"]
    header += ["claimed by it", "error of quality, Dawid-Skene", "error of quality", "CPU seconds"]
    of_tables = ["table", "given", "neighbours, regressions", "and gradient boosting"]
    of_tables += ["gradient boosting alone", "and a random predictor"]
    paragraphs = [
        "# Annotators and predictors",
        "## Several annotators",
        "Share of right labels where several annotators labelled the rows: `LabelCleaner` with one "
        "column per annotator, beside the majority (ties are drawn) and Dawid-Skene, which see the "
        "labels and no features. CIFAR-10N: 10,000 images, labelled by three people each, as 512 "
        "features that were learnt without labels. The crowds of five are made by "
        f"`make_annotator_labels`, on {ROWS['CIFAR-10']:,} of these rows with their official "
        f"labels and on the {ROWS['digits']:,} digits of scikit-learn. 'Claimed' is the mean "
        "probability of the corrected label, which should be the share that is right. 'Error of "
        "quality' is the largest error of any annotator's quality, against the share of the "
        "labels that are right. Means of two seeds with their standard errors; those of CIFAR-10N "
        "draw the landmarks alone.",
        "Made by `python benchmarks/annotators.py --data DIR`. Run on " + runs.machines() + ".",
        markdown_table(header, crowd_rows),
        "Features add most where labels are few or bad. Those who copy mislead every method that "
        "sees the labels alone: three that agree look right. Compared with the predictions one by "
        "one they are found, and count as one. People find the same images hard, which no column "
        "of labels shows: on CIFAR-10N the claimed probability is above the share that is right.",
        "## A classifier on images",
        f"`MixNNClassifier` with its defaults on {N_IMAGES:,} images of CIFAR-10: `y` with the "
        "three labels of CIFAR-10N, and with their majority (ties are drawn). Test accuracy of the "
        "network on 10,000 images, and share of right labels. One run each.",
        markdown_table(
            ["y", "right before", "test accuracy", "labels right after", "CPU minutes"],
            [
                [
                    {"annotators": "three columns", "majority": "majority"}[r["images"]],
                    *(f"{r[key]:.3f}" for key in ("given", "test", "labels")),
                    f"{r['cpu_seconds'] / 60:.0f}",
                ]
                for r in runs.rows
                if "images" in r
            ],
        ),
        "## Predictors",
        f"Share of right labels of tables, at most {N_TABLE:,} rows, with 20 % symmetric noise. "
        "`predictors=` adds gradient boosting (scikit-learn's `HistGradientBoostingClassifier`, "
        "40 rounds) or takes it alone, or adds a predictor that is sure of random classes. Words "
        "are columns of 0 and 1.",
        markdown_table(of_tables, table_rows),
        "A random predictor costs next to nothing: stacked regression gives it a weight near "
        "zero. Gradient boosting helps where trees see more than distances do. On diamonds "
        "cleaning of this noise gains nothing ([harm](harm.md)). Where the error of a mean is "
        "large, one of the two runs changed hardly a label.",
    ]
    (DOCS / "annotators.md").write_text("\n\n".join(paragraphs) + "\n", encoding="utf-8")


def main() -> None:
    """Run what is missing and render the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=os.environ.get("NLLEARN_DATA"))
    parser.add_argument("--part", choices=("crowds", "images", "tables"), help="default: all")
    parser.add_argument("--render", action="store_true", help="only write the page")
    args = parser.parse_args()
    runs = Runs("annotators")
    if not args.render:
        torch.set_num_threads(1)
        folder = data_folder(args.data)
        parts = {"crowds": run_crowds, "images": run_images, "tables": run_tables}
        for part in [args.part] if args.part else parts:
            parts[part](runs, folder)
    render(runs)


if __name__ == "__main__":
    main()
