"""Label cleaning: LabelCleaner against cleanlab, votes, cross-validation and the classifiers.

    python benchmarks/cleaning.py --data DIR            # run what is missing, then render
    python benchmarks/cleaning.py --data DIR --rows 50000 --only "cifar10 features"
    python benchmarks/cleaning.py --scale 10000 100000 1000000
    python benchmarks/cleaning.py --render              # the page alone

Every run is a process of its own, so that its peak memory is its own. Times are those of the
method alone: imports, loading and scoring are not counted.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from _cases import Case, data_folder
from _cleaning_cases import CELLS, load_cell
from _cleaning_standing import standing
from _runs import DOCS, RESULTS, Runs, markdown_table, mean_and_error

SCORES = {
    "labels": "label accuracy",
    "auroc": "AUROC",
    "average_precision": "average precision",
    "flag_f1": "F1 of flags",
    "calibration": "calibration error",
    "test": "test accuracy",
    "wall": "seconds",
    "cpu": "CPU seconds",
    "peak_mb": "peak MB",
}
# Corrected labels, quality of the given labels (None: no score).
Cleaned = tuple[np.ndarray, np.ndarray | None]


def nothing(case: Case, seed: int) -> Any:
    """The given labels as they are."""
    return lambda: (case.y_noisy, None)


def of_cleaner(case: Case, seed: int, **settings: Any) -> Any:
    """LabelCleaner with its defaults, or with 2 % trusted rows."""
    from nllearn import cleaning

    share = settings.pop("trusted_share", 0.0)
    y, extra = case.y_noisy, {}
    if share:
        rng = np.random.default_rng(1000 + seed)
        trusted = np.zeros(len(y), dtype=bool)
        trusted[rng.choice(len(y), round(share * len(y)), replace=False)] = True
        y = np.where(trusted, case.y_clean, y)
        extra["trusted"] = trusted

    def run() -> Cleaned:
        cleaner = cleaning.LabelCleaner(random_state=seed, **settings).fit(case.X, y, **extra)
        return cleaner.corrected_labels_, cleaner.label_quality_

    return run


def of_classifier(name: str) -> Any:
    """One of the two classifiers with its defaults."""

    def prepare(case: Case, seed: int) -> Any:
        from nllearn import classifiers

        def run() -> Cleaned:
            clf = getattr(classifiers, name)(random_state=seed).fit(case.X, case.y_noisy)
            return clf.corrected_labels_, clf.label_quality_

        return run

    return prepare


def of_cleanlearning(case: Case, seed: int) -> Any:
    """cleanlab's CleanLearning around logistic regression; flagged rows get its label."""
    from cleanlab.classification import CleanLearning
    from sklearn.linear_model import LogisticRegression

    def run() -> Cleaned:
        model = CleanLearning(LogisticRegression(max_iter=1000), seed=seed, verbose=False)
        issues = model.find_label_issues(case.X, case.y_noisy)
        flagged = issues["is_label_issue"].to_numpy()
        labels = np.where(flagged, issues["predicted_label"].to_numpy(), case.y_noisy)
        return labels, issues["label_quality"].to_numpy()

    return run


def of_datalab(case: Case, seed: int) -> Any:
    """cleanlab's Datalab on the features; flagged rows get the label that it predicts."""
    from cleanlab import Datalab

    def run() -> Cleaned:
        lab = Datalab({"y": case.y_noisy}, label_name="y", verbosity=0)
        lab.find_issues(features=case.X, issue_types={"label": {}})
        issues = lab.get_issues("label")
        flagged = issues["is_label_issue"].to_numpy()
        labels = np.where(flagged, issues["predicted_label"].to_numpy(), case.y_noisy)
        return labels, issues["label_score"].to_numpy()

    return run


def of_vote(case: Case, seed: int) -> Any:
    """Vote of the 21 nearest rows by cosine, the row itself left out."""
    from sklearn.neighbors import NearestNeighbors

    def run() -> Cleaned:
        X = case.X - case.X.mean(0)
        X /= np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-12)
        found = NearestNeighbors(n_neighbors=21, algorithm="brute").fit(X)
        near = found.kneighbors(return_distance=False)
        share = np.eye(case.y_noisy.max() + 1)[case.y_noisy][near].mean(1)
        return share.argmax(1), share[np.arange(len(X)), case.y_noisy]

    return run


def of_cross_validation(case: Case, seed: int) -> Any:
    """Argmax of logistic regression in five shuffled folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold, cross_val_predict

    def run() -> Cleaned:
        folds = KFold(5, shuffle=True, random_state=seed)
        model = LogisticRegression(max_iter=1000)
        known = np.unique(case.y_noisy)
        codes = np.searchsorted(known, case.y_noisy)
        proba = cross_val_predict(model, case.X, codes, cv=folds, method="predict_proba")
        return known[proba.argmax(1)], proba[np.arange(len(codes)), codes]

    return run


METHODS = {
    "given labels": nothing,
    "LabelCleaner": of_cleaner,
    "LabelCleaner, 2 % trusted": lambda case, seed: of_cleaner(case, seed, trusted_share=0.02),
    "CleanLearning": of_cleanlearning,
    "Datalab": of_datalab,
    "neighbour vote (21)": of_vote,
    "logistic regression, cross-validated": of_cross_validation,
    "Anchor Hallucination": of_classifier("AnchorHallucinationClassifier"),
    "MixNN": of_classifier("MixNNClassifier"),
}


def score(case: Case, cleaned: Cleaned) -> dict[str, Any]:
    """All scores of one run."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score

    from nllearn.metrics import (
        detection_auroc,
        detection_average_precision,
        label_accuracy,
        quality_calibration_error,
    )

    labels, quality = cleaned
    wrong = case.y_noisy != case.y_clean
    row: dict[str, Any] = {
        "labels": label_accuracy(case.y_clean, labels),
        "flag_f1": float(f1_score(wrong, labels != case.y_noisy, zero_division=0.0)),
        "harmed": float(np.mean((labels != case.y_clean) & ~wrong)),
        "true_rate": float(wrong.mean()),
        "test": LogisticRegression(max_iter=1000)
        .fit(case.X, labels)
        .score(case.X_test, case.y_test),
    }
    if quality is not None:
        row["calibration"] = quality_calibration_error(
            case.y_clean, case.y_noisy, quality.clip(0, 1)
        )
        if wrong.any():
            row["auroc"] = detection_auroc(case.y_clean, case.y_noisy, quality)
            row["average_precision"] = detection_average_precision(
                case.y_clean, case.y_noisy, quality
            )
    return row


def measure(run: Any) -> tuple[Any, dict[str, float]]:
    """Call it, with wall time, CPU time and peak memory beyond what was held before."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return result, {"wall": wall, "cpu": cpu, "peak_mb": peak / 1024}


def one(args: argparse.Namespace) -> dict[str, Any]:
    """One run, in this process."""
    import torch

    torch.set_num_threads(args.threads)
    data, noise, method, seed = args.one
    folder = data_folder(args.data) if data in ("banking77", "cifar10 features") else None
    case = load_cell(folder, Path(args.cache), data, noise, int(seed), args.rows)
    cleaned, cost = measure(METHODS[method](case, int(seed)))
    return {**score(case, cleaned), **cost, "rows": len(case.X)}


def scale(n: int, threads: int, folder: Path) -> dict[str, Any]:
    """Clean n x 128 clustered float32 rows of 100 classes in a memmap, 30 % symmetric noise."""
    import torch

    from nllearn import cleaning

    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    d, n_classes, per_class = 128, 100, 20
    centres = rng.normal(size=(n_classes, 1, d)) + 0.7 * rng.normal(size=(n_classes, per_class, d))
    path = folder / f"scale_{n}.bin"
    X = np.memmap(path, dtype=np.float32, mode="w+", shape=(n, d))
    y = rng.integers(0, n_classes, n)
    for start in range(0, n, 50_000):
        rows = slice(start, min(start + 50_000, n))
        m = rows.stop - rows.start
        # A low-rank spread in each cluster: real embeddings are not isotropic.
        basis = rng.normal(size=(m, 10)) @ rng.normal(size=(10, d)) / 3
        X[rows] = (
            centres[y[rows], rng.integers(0, per_class, m)] + basis + 0.6 * rng.normal(size=(m, d))
        )
    X.flush()
    X = np.memmap(path, dtype=np.float32, mode="r", shape=(n, d))
    noisy = np.where(rng.random(n) < 0.3, rng.integers(0, n_classes, n), y)
    cleaner, cost = measure(lambda: cleaning.LabelCleaner(random_state=0).fit(X, noisy))
    path.unlink()
    return {
        "labels": float((cleaner.corrected_labels_ == y).mean()),
        "given": float((noisy == y).mean()),
        **cost,
    }


def in_process(*words: str) -> dict[str, Any]:
    """Run this script anew and read the last line that it prints."""
    done = subprocess.run(
        [sys.executable, __file__, *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def render(runs: Runs, name: str) -> None:
    """Write the page and the CSV from the raw results."""
    import pandas as pd

    rows = [row for row in runs.rows if "method" in row]
    flat = [{k: v for k, v in row.items() if k != "machine"} for row in rows]
    pd.DataFrame(flat).to_csv(RESULTS / f"{name}.csv", index=False)
    size = name.partition("_")[2]
    parts = [
        f"# Label cleaning, {int(size):,} rows" if size else "# Label cleaning",
        "",
        "Share of training labels that are right after cleaning, how well the quality score finds "
        "the wrong ones, and the accuracy on clean test rows of logistic regression trained on "
        "the cleaned labels. Mean and standard error over the seeds. One default for all cells. "
        "Seconds leave out imports and scoring; peak memory is beyond the data.",
        "",
        f"Made by `python benchmarks/cleaning.py --data DIR{f' --rows {size}' if size else ''}`. "
        f"Run on {runs.machines()}.",
    ]
    trained = [r for r in rows if r["method"] in ("Anchor Hallucination", "MixNN")]
    if trained:
        commits = sorted({r["machine"]["commit"] for r in trained})
        seeds = Counter((r["data"], r["noise"], r["method"]) for r in trained).values()
        count = f"{min(seeds)}" if min(seeds) == max(seeds) else f"{min(seeds)} to {max(seeds)}"
        parts += [
            "",
            f"Anchor Hallucination and MixNN: {count} seeds, commit {', '.join(commits)}. What "
            "changed between commits is listed on [the list of pages](README.md).",
        ]
    overview = []
    for data, noise in CELLS:
        line = [f"{data}, {noise}"]
        for method in METHODS:
            found = [
                r["labels"]
                for r in rows
                if (r["data"], r["noise"], r["method"]) == (data, noise, method)
            ]
            line.append(mean_and_error(found))
        if any(line[1:]):
            overview.append(line)
    if len(overview) > 1:
        parts += ["", "## Comparison by cell", "", *standing(rows, CELLS)]
    parts += ["", "## Label accuracy", "", markdown_table(["cell", *METHODS], overview)]
    for data, noise in CELLS:
        table = []
        for method in METHODS:
            found = [
                r for r in rows if (r["data"], r["noise"], r["method"]) == (data, noise, method)
            ]
            if found:
                digits = {"wall": 1, "cpu": 1, "peak_mb": 0}
                table.append(
                    [method]
                    + [mean_and_error((r.get(k) for r in found), digits.get(k, 3)) for k in SCORES]
                )
        if table:
            header = ["method", *SCORES.values()]
            parts += ["", f"## {data}, {noise}", "", markdown_table(header, table)]
    sizes = sorted((r for r in runs.rows if "scale" in r), key=lambda r: r["scale"])
    if sizes:
        table = [
            [f"{r['scale']:,}"]
            + [f"{r[k]:.{d}f}" for k, d in (("wall", 0), ("cpu", 0), ("peak_mb", 0), ("labels", 4))]
            for r in sizes
        ]
        header = ["rows", "seconds", "CPU seconds", "peak MB beyond the input", "label accuracy"]
        parts += ["", "## A million rows", "", markdown_table(header, table)]
        if len(sizes) > 1:
            grown = np.polyfit(*(np.log([r[k] for r in sizes]) for k in ("scale", "cpu")), 1)[0]
            parts += ["", f"CPU time grows as rows to the power {grown:.2f}."]
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / f"{name}.md").write_text("\n".join(parts) + "\n")


def main() -> None:
    """Run what is missing, then render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=10_000, help="rows of CIFAR-10")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="data sets")
    parser.add_argument("--noises", nargs="*")
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--scale", type=int, nargs="*", default=[], help="numbers of rows")
    parser.add_argument("--cache", default=str(Path(tempfile.gettempdir()) / "nllearn-cleaning"))
    parser.add_argument("--render", action="store_true")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--one-scale", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args)))
        return
    if args.one_scale:
        Path(args.cache).mkdir(parents=True, exist_ok=True)
        print(json.dumps(scale(args.one_scale, args.threads, Path(args.cache))))
        return
    name = "cleaning" if args.rows == 10_000 else f"cleaning_{args.rows}"
    runs = Runs(name)
    shared = ["--threads", str(args.threads), "--cache", args.cache]
    for n in args.scale if not args.render else []:
        if not runs.done(scale=n):
            runs.add(scale=n, **in_process("--one-scale", str(n), *shared))
    for seed in range(0 if args.render or args.scale else args.seeds):
        for data, noise in CELLS:
            if (args.only and data not in args.only) or (args.noises and noise not in args.noises):
                continue
            for method in args.methods:
                if method == "Datalab" and importlib.util.find_spec("datasets") is None:
                    print("Datalab is left out: pip install 'cleanlab[datalab]'", flush=True)
                    continue
                key = {"data": data, "noise": noise, "method": method, "seed": seed}
                if runs.done(**key):
                    continue
                words = ["--one", data, noise, method, str(seed), "--rows", str(args.rows)]
                if data in ("banking77", "cifar10 features"):
                    words += ["--data", str(data_folder(args.data))]
                runs.add(**key, **in_process(*words, *shared))
    if Runs(name).rows:
        render(Runs(name), name)


if __name__ == "__main__":
    main()
