"""Accuracy on tables: both classifiers with their defaults, beside simple baselines.

    python benchmarks/accuracy.py --data DIR            # run what is missing, then render
    python benchmarks/accuracy.py --render              # the page alone

Last epoch always. The plain network is the same network, optimiser, schedule and number
of gradient steps, trained on the given labels throughout.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from _cases import CASES, Case, data_folder, load_case
from _runs import DOCS, Runs, markdown_table, mean_and_error
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.metrics import label_accuracy, quality_calibration_error

#: More epochs of warm-up than any fit has: the network is trained plainly throughout.
ALL_EPOCHS = 1_000_000


def of_classifier(estimator: Any, case: Case, seed: int) -> dict[str, Any]:
    """Fit one of ours and score it."""
    start, cpu = time.perf_counter(), time.process_time()
    estimator.set_params(random_state=seed).fit(case.X, case.y_noisy)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    network = estimator.label_issues()["predicted_label"].to_numpy()
    stages = [v for row in estimator.history_ for k, v in row.items() if k.startswith("seconds")]
    return {
        "test": estimator.score(case.X_test, case.y_test),
        "labels": label_accuracy(case.y_clean, estimator.corrected_labels_),
        "network_labels": label_accuracy(case.y_clean, network),
        "calibration": quality_calibration_error(
            case.y_clean, case.y_noisy, estimator.label_quality_
        ),
        "noise_rate": estimator.noise_rate_,
        "true_rate": float(np.mean(case.y_clean != case.y_noisy)),
        "wall": wall,
        "cpu": cpu,
        "refresh_share": sum(stages) / wall,
    }


def of_logistic_regression(case: Case, seed: int) -> dict[str, Any]:
    """Logistic regression on the rows as they are; C=1, scikit-learn's default."""
    model = LogisticRegression(max_iter=1000).fit(case.X, case.y_noisy)
    return {
        "test": model.score(case.X_test, case.y_test),
        "labels": label_accuracy(case.y_clean, model.predict(case.X)),
    }


def of_vote(case: Case, seed: int) -> dict[str, Any]:
    """Vote of the 21 nearest rows by cosine, the row itself left out."""
    X = case.X - case.X.mean(0)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    near = NearestNeighbors(n_neighbors=21, algorithm="brute").fit(X)
    votes = np.eye(case.y_noisy.max() + 1)[case.y_noisy][near.kneighbors(return_distance=False)]
    return {"labels": label_accuracy(case.y_clean, votes.sum(1).argmax(1))}


METHODS = {
    "given labels": lambda case, seed: {"labels": label_accuracy(case.y_clean, case.y_noisy)},
    "neighbour vote (21)": of_vote,
    "logistic regression": of_logistic_regression,
    "plain network": lambda case, seed: of_classifier(
        MixNNClassifier(warmup_epochs=ALL_EPOCHS), case, seed
    ),
    "MixNN": lambda case, seed: of_classifier(MixNNClassifier(), case, seed),
    "Anchor Hallucination": lambda case, seed: of_classifier(
        AnchorHallucinationClassifier(), case, seed
    ),
}


def render(runs: Runs, rows: int) -> None:
    """Write the page from the raw results."""
    parts = [
        "# Accuracy on tables and embeddings",
        "",
        "Test accuracy at the last epoch, and the share of training labels that are right "
        "after the fit. Mean and standard error over the seeds. The seed draws the noise of "
        f"Banking77 and the {rows:,} of the 50,000 rows of CIFAR-10. One default for all "
        "cases. The plain network is the same network trained on the given labels for the "
        "same number of gradient steps; its labels are its own predictions. Seconds "
        "depend on the load of the machine; the overhead page has times of an idle machine.",
        "",
        f"Made by `python benchmarks/accuracy.py --data DIR`. Run on {runs.machines()}.",
    ]
    for case in CASES:
        table = []
        for method in METHODS:
            found = [r for r in runs.rows if r["case"] == case and r["method"] == method]
            if not found:
                continue
            labels = "network_labels" if method == "plain network" else "labels"
            table.append(
                [method]
                + [
                    mean_and_error((r.get(key) for r in found), digits)
                    for key, digits in (
                        ("test", 3),
                        (labels, 3),
                        ("calibration", 3),
                        ("noise_rate", 2),
                        ("wall", 0),
                    )
                ]
            )
        if table:
            header = ["method", "test accuracy", "label accuracy", "calibration error"]
            parts += ["", f"## {case}", ""]
            parts += [markdown_table([*header, "noise rate", "seconds"], table)]
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "accuracy.md").write_text("\n".join(parts) + "\n")


def main() -> None:
    """Run what is missing, then render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=10_000, help="rows of CIFAR-10")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    parser.add_argument("--render", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    name = "accuracy" if args.rows == 10_000 else f"accuracy_{args.rows}"
    runs = Runs(name)
    for seed in range(0 if args.render else args.seeds):
        for case_name in args.cases:
            missing = [m for m in METHODS if not runs.done(case=case_name, method=m, seed=seed)]
            if not missing:
                continue
            case = load_case(data_folder(args.data), case_name, seed, args.rows)
            for method in missing:
                runs.add(case=case_name, method=method, seed=seed, **METHODS[method](case, seed))
    if name == "accuracy":
        render(Runs(name), args.rows)


if __name__ == "__main__":
    main()
