"""Forty suggested changes to Banking77's own labels, read by hand.

    python benchmarks/suggestions.py --data DIR

The rows are those of the lowest quality when LabelCleaner is fitted to the labels as they were
published. What the reader thought of each stands in results/banking77_read.csv; a row that was
not read is shown without a reading. The page is docs/benchmarks/suggestions.md.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from _cases import data_folder
from _runs import DOCS, RESULTS, machine, markdown_table

from nllearn import LabelCleaner

N_READ = 40


def main() -> None:
    """Fit, join with the readings, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data")
    args = parser.parse_args()
    with np.load(data_folder(args.data) / "banking77_minilm.npz") as file:
        X, texts = file["X_train"].astype(np.float32), file["texts_train"]
        y = file["class_names"][file["y_train"]]
    run = machine()
    cleaner = LabelCleaner(random_state=0).fit(X, y)
    issues = cleaner.label_issues().assign(text=texts)
    flagged = issues[issues["is_label_issue"]].sort_values("label_quality")
    read = pd.read_csv(RESULTS / "banking77_read.csv").set_index("text")["reading"]
    worst = flagged.head(N_READ)
    readings = read.reindex(worst["text"]).fillna("not read").to_list()
    counts = pd.Series(readings).value_counts()
    rows = [
        [f"{row.label_quality:.4f}", row.given_label, row.corrected_label, row.text, reading]
        for row, reading in zip(worst.itertuples(), readings, strict=True)
    ]
    parts = [
        "# Doubtful labels of Banking77",
        "",
        "[Banking77](https://github.com/PolyAI-LDN/task-specific-datasets) (CC BY 4.0) holds "
        "questions to a bank under 77 intents. Nobody made its labels wrong on purpose. "
        f"`LabelCleaner`, fitted to the MiniLM embeddings of its {len(X):,} training texts and "
        f"the published labels, suggests another label for {len(flagged)} of them "
        f"({len(flagged) / len(X):.1%}).",
        "",
        f"The {N_READ} with the lowest quality were read, both labels known. "
        + ", ".join(f"{name}: {count}" for name, count in counts.items())
        + ".",
        "",
        "Made by `python benchmarks/suggestions.py --data DIR`; the readings are in "
        f"`benchmarks/results/banking77_read.csv`. Commit {run['commit']}, torch {run['torch']}, "
        f"scikit-learn {run['scikit-learn']}, Python {run['python']}.",
        "",
        markdown_table(["quality", "published label", "suggested label", "text", "reading"], rows),
        "",
        "**What a user should do.** Look at the suggestions of the lowest quality first. "
        "Where two intents overlap, as with a transfer that is pending and a balance that is not "
        "updated, no label is wrong, and the list shows which classes to merge or to redefine.",
    ]
    (DOCS / "suggestions.md").write_text("\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
