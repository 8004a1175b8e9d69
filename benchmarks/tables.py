"""``nllearn clean`` on tables as people have them: texts, gaps, categories, ids and dates.

    python benchmarks/tables.py --data DIR     # run what is missing, then render
    python benchmarks/tables.py --render       # the page alone
    python benchmarks/tables.py --cases "reviews, text alone" "reviews, all columns"

Every run writes a table with wrong labels, calls the command in a process of its own, and reads
the column ``corrected_label`` of what it wrote. CPU seconds are those of the whole command:
imports, reading and writing are in them.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from os import environ, pathsep
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _cases import data_folder, make_labels
from _runs import DOCS, ROOT, Runs, markdown_table, mean_and_error
from sklearn.datasets import load_breast_cancer, load_digits

METHODS = {"cleaner": "LabelCleaner", "mixnn": "MixNN", "ah": "Anchor Hallucination"}
#: Table, its noise, the words of the command behind the label.
CASES = {
    "Banking77, texts": ("symmetric 0.4", ["--text", "text"]),
    "Banking77, texts with vectors": (
        "symmetric 0.4",
        ["--drop", "text", "--embeddings", "vectors.npy"],
    ),
    "breast cancer with gaps": ("symmetric 0.3", []),
    "digits with gaps": ("part-dependent 0.4", []),
    "reviews, text alone": (
        "pairs 0.25",
        [word for name in ("price", "stars", "flag", "weight") for word in ("--drop", name)],
    ),
    "reviews, all columns": ("pairs 0.25", []),
    "reviews, columns of no use": ("pairs 0.25", []),
}
N_REVIEWS, N_TOPICS = 3000, 8


def reviews(seed: int, *, useful: bool) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Mixed reviews as a shop exports them: the table, true classes, given ones.

    A text of 8 to 21 words, of which a few are of its class, of a class that it is taken for, or
    of the pair of both. Beside it a price with decimal commas, stars, a flag and a weight that say
    little (`useful`) or nothing of the class, with gaps, an id and a date. A quarter of the labels
    are moved, four in five to the other class of the pair.
    """
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnoprstuvz"))

    def words(n: int) -> list[str]:
        return ["".join(rng.choice(letters, rng.integers(4, 9))) for _ in range(n)]

    common, pairs = words(250), [words(25) for _ in range(4)]
    own = [words(18) for _ in range(N_TOPICS)]
    y = rng.integers(N_TOPICS, size=N_REVIEWS)
    texts = []
    for k in y:
        other = k ^ 1 if rng.random() < 0.8 else rng.integers(N_TOPICS)
        said = []
        for share in rng.random(rng.integers(8, 22)):
            if share < 0.525:
                said.append(own[k if share < 0.405 else other][min(int(rng.exponential(5)), 17)])
            elif share < 0.615:
                said.append(pairs[k // 2][rng.integers(25)])
            else:
                said.append(common[min(int(rng.exponential(50)), 249)])
        texts.append(" ".join(said))
    at = y if useful else np.zeros_like(y)
    price = np.exp(np.log(np.geomspace(5, 200, N_TOPICS))[at] + 0.8 * rng.normal(size=N_REVIEWS))
    comma = str.maketrans(",.", ".,")
    days = pd.to_timedelta(rng.integers(0, 900, N_REVIEWS), unit="D")
    table = pd.DataFrame(
        {
            "id": [f"R{number:05d}" for number in rng.permutation(N_REVIEWS)],
            "text": texts,
            "price": [f"{value:,.2f} €".translate(comma) for value in price],
            "stars": np.clip(np.round(3 + at % 2 + 1.2 * rng.normal(size=N_REVIEWS)), 1, 5),
            "date": (pd.Timestamp("2021-01-01") + days).strftime("%d.%m.%Y"),
            "flag": np.where(rng.random(N_REVIEWS) < 0.4 + 0.2 * (at % 2), "yes", "no"),
            "weight": rng.normal(70, 10, N_REVIEWS).round(1),
        }
    )
    for name in ("price", "stars", "weight"):
        table.loc[rng.random(N_REVIEWS) < 0.08, name] = None
    moved = np.where(rng.random(N_REVIEWS) < 0.8, y ^ 1, rng.integers(N_TOPICS, size=N_REVIEWS))
    return table, y, np.where(rng.random(N_REVIEWS) < 0.25, moved, y)


def with_gaps(X: np.ndarray, names: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """A tidy table as it would come from a real system.

    Every third column has holes in a tenth of its rows, every eighth is in three words instead
    of numbers, and there are an id, a date, an empty and a constant column.
    """
    table = pd.DataFrame(X, columns=names)
    for number, name in enumerate(names):
        if number % 8 == 7 and table[name].nunique() > 3:
            ranks = table[name].rank(method="first")
            table[name] = pd.qcut(ranks, 3, labels=["low", "middle", "high"]).astype(object)
        if number % 3 == 0:
            table.loc[rng.random(len(table)) < 0.1, name] = np.nan
    table.insert(0, "record", [f"R-{number:06d}" for number in rng.permutation(len(table))])
    days = pd.to_timedelta(rng.integers(0, 3000, len(table)), unit="D")
    table.insert(1, "seen_on", (pd.Timestamp("2015-01-01") + days).strftime("%Y-%m-%d"))
    table["remarks"] = np.nan
    table["site"] = "A"
    return table


def load(
    folder: Path | None, case: str, seed: int
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Table without labels, numbers that the noise may look at, true label names, given ones."""
    rng = np.random.default_rng(seed)
    if case.startswith("reviews"):
        table, y, noisy = reviews(seed, useful=case != "reviews, columns of no use")
        names = np.array([f"topic {letter}" for letter in "abcdefgh"])
        return table, np.zeros((len(y), 0)), names[y], names[noisy]
    if case.startswith("Banking77"):
        assert folder is not None
        with np.load(folder / "banking77_minilm.npz") as file:
            X, names = file["X_train"].astype(np.float32), file["class_names"]
            y, texts = file["y_train"].astype(np.int64), file["texts_train"]
        order = rng.permutation(len(y))
        X, y, table = X[order], y[order], pd.DataFrame({"text": texts[order]})
    else:
        data = (load_digits if case.startswith("digits") else load_breast_cancer)()
        order = rng.permutation(len(data.target))
        X, y, names = data.data[order], data.target[order], data.target_names.astype(str)
        if case.startswith("digits"):
            names = np.array([f"digit {name}" for name in names])
        table = with_gaps(X, [str(name) for name in data.feature_names], rng)
    noisy = make_labels(CASES[case][0], X, y, seed)
    return table, X, names[y], names[noisy]


def one(folder: Path | None, case: str, method: str, seed: int, threads: int) -> dict[str, float]:
    """Write the table, call the command, score what it wrote."""
    table, X, true, given = load(folder, case, seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        table.assign(label=given).to_csv(place / "table.csv", index=False)
        if "--embeddings" in CASES[case][1]:
            np.save(place / "vectors.npy", X)
        words = ["clean", "table.csv", "--label", "label", *CASES[case][1]]
        words += ["--method", method, "-o", "cleaned.csv", "--seed", str(seed), "--quiet"]
        limits = {f"{pool}_NUM_THREADS": str(threads) for pool in ("OMP", "MKL", "OPENBLAS")}
        path = [str(ROOT.parent), *filter(None, [environ.get("PYTHONPATH")])]
        start = cpu_of_children()
        subprocess.run(
            [sys.executable, "-m", "nllearn", *words],
            cwd=place,
            env={**environ, **limits, "PYTHONPATH": pathsep.join(path)},
            check=True,
        )
        cpu = cpu_of_children() - start
        cleaned = pd.read_csv(place / "cleaned.csv")["corrected_label"].to_numpy()
    return {
        "rows": len(true),
        "given": float((given == true).mean()),
        "labels": float((cleaned == true).mean()),
        "cpu": cpu,
    }


def cpu_of_children() -> float:
    """CPU seconds of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def render(runs: Runs) -> None:
    """Write the page from the raw results."""
    table = []
    for case, (noise, words) in CASES.items():
        for method, title in METHODS.items():
            found = [r for r in runs.rows if (r["case"], r["method"]) == (case, method)]
            if found:
                given, labels = (mean_and_error(r[k] for r in found) for k in ("given", "labels"))
                times = [r["cpu"] for r in found if "cpu" in r]
                cpu = f"{np.median(times):.0f}" if times else ""
                rows = f"{found[0]['rows']:,}"
                table.append([case, noise, rows, " ".join(words), title, given, labels, cpu])
    header = ["table", "noise", "rows", "options", "method", "given label accuracy"]
    parts = [
        "# Tables from the command line",
        "",
        "`nllearn clean table.csv --label label OPTIONS -o cleaned.csv` on tables as people have "
        "them. The texts are those of Banking77 under 77 intents, the vectors MiniLM embeddings "
        "of them. The other two are tables of scikit-learn with holes in a tenth of the rows of "
        "every third column, every eighth column in three words instead of numbers, and an id, a "
        "date, an empty and a constant column. The reviews are made up: a text of one of eight "
        "topics, a price with decimal commas, stars, a flag and a weight, with gaps, an id and a "
        "date; a quarter of the labels are moved, mostly between topics that are confused. "
        "The command gets the name of the label column and nothing else about the tables. The seed "
        "draws the order, the holes and the noise. Mean and standard error over the seeds; CPU "
        "seconds (median, where they were taken) are those of the whole command on one thread, "
        "with imports, reading and writing.",
        "",
        f"Made by `python benchmarks/tables.py --data DIR`. Run on {runs.machines()}.",
        "",
        markdown_table([*header, "label accuracy after", "CPU seconds"], table),
    ]
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "tables.md").write_text("\n".join(parts) + "\n")


def main() -> None:
    """Run what is missing, then render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--render", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    runs = Runs("tables")
    for seed in range(0 if args.render else args.seeds):
        for case in args.cases:
            folder = data_folder(args.data) if case.startswith("Banking77") else None
            for method in args.methods:
                key = {"case": case, "method": method, "seed": seed}
                if not runs.done(**key):
                    runs.add(**key, **one(folder, case, method, seed, args.threads))
    render(runs)


if __name__ == "__main__":
    main()
