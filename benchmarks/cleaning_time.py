"""Time and right labels of one cleaning, beside cleanlab's tools.

    python benchmarks/cleaning_time.py --data DIR            # run what is missing, then render
    python benchmarks/cleaning_time.py --render              # the page alone

Needs ``pip install "cleanlab[datalab]"``. Every tool sees the same rows in a process with one
thread; CPU seconds from the rows to the cleaned labels. CleanLearning cross-validates logistic
regression, finds the issues and fits its final model on the rest, as its ``fit`` does.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _cases import load_case
from _runs import Runs, markdown_table
from _studies import Job, page_of, select, start
from sklearn.linear_model import LogisticRegression

STUDY = "cleaning_time"


def _banking(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    case = load_case(folder, "banking77 symmetric 40 %", 0)
    return case.X, case.y_noisy, case.y_clean


def _cifar(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with np.load(folder / "cifar10_kmeans_features.npz") as data:
        X = data["X_train"].astype(np.float32)
    with np.load(folder / "cifar10_labels.npz") as data:
        return X, data["human_worst"].astype(np.int64), data["train_clean"].astype(np.int64)


CASES: dict[str, Callable[[Path], tuple[np.ndarray, np.ndarray, np.ndarray]]] = {
    "10,003 x 384, 77 classes": _banking,
    "50,000 x 512, 10 classes": _cifar,
}


def of_cleaner(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """LabelCleaner with its defaults."""
    from nllearn import LabelCleaner

    return LabelCleaner(random_state=0, n_jobs=1).fit(X, y).corrected_labels_


def of_cleanlearning(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """cleanlab's CleanLearning; flagged rows get the label that it predicts."""
    from cleanlab.classification import CleanLearning

    model = CleanLearning(LogisticRegression(max_iter=1000), seed=0, verbose=False)
    issues = model.fit(X, y).get_label_issues()
    predicted = issues["predicted_label"].to_numpy()
    return np.where(issues["is_label_issue"].to_numpy(), predicted, y)


def of_datalab(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """cleanlab's Datalab on the features; flagged rows get the label that it predicts."""
    from cleanlab import Datalab

    lab = Datalab({"y": y}, label_name="y", verbosity=0)
    lab.find_issues(features=X, issue_types={"label": {}})
    issues = lab.get_issues("label")
    return np.where(issues["is_label_issue"], issues["predicted_label"], y)


TOOLS = {"LabelCleaner": of_cleaner, "CleanLearning": of_cleanlearning, "Datalab": of_datalab}


def jobs(seed: int, args: Any) -> Iterator[Job]:
    """Every tool on every case."""
    for name, load in CASES.items():
        for tool, function in TOOLS.items():

            def job(load=load, function=function) -> dict[str, Any]:
                warnings.simplefilter("ignore")
                X, given, y = load(args.folder)
                function(X[:1500], given[:1500])  # imports and compilation
                begin = time.process_time()
                labels = function(X, given)
                seconds = time.process_time() - begin
                right = {"given": float((given == y).mean()), "labels": float((labels == y).mean())}
                return {"seconds": seconds, **right}

            yield {"case": name, "tool": tool}, job


def render(runs: Runs) -> str:
    """Write the page."""
    table = []
    for name in CASES:
        ours = select(runs.rows, case=name, tool="LabelCleaner")
        for tool in TOOLS:
            for row in select(runs.rows, case=name, tool=tool):
                ratio = f"{ours[-1]['seconds'] / row['seconds']:.2f}" if ours else ""
                table.append(
                    [
                        name,
                        tool,
                        f"{row['seconds']:.1f}",
                        ratio,
                        f"{row['given']:.3f}",
                        f"{row['labels']:.3f}",
                    ]
                )
    header = ["rows", "tool", "CPU s", "LabelCleaner's time in its own", "given", "labels right"]
    intro = (
        "Text embeddings with 40 % symmetric noise, and weak image features with the human labels "
        "Worst. One thread, three runs each."
    )
    return page_of(STUDY, "Time beside cleanlab", intro, [markdown_table(header, table)], runs)


if __name__ == "__main__":
    start(STUDY, __doc__, jobs, render)
