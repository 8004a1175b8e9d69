"""Eight small fits whose results must not change while code only moves.

    python tools/golden.py golden.npz           # save them
    python tools/golden.py --check golden.npz   # compare, to the bit

Each case is fitted by the cleaner and by both classifiers, on one thread. Only public names are
used, so that the same file runs before and after a move. Results are equal to the bit on one
machine with the same libraries; on another one they are not meant to be.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits, make_classification
from sklearn.linear_model import LogisticRegression

from nllearn import AnchorHallucinationClassifier, LabelCleaner, MixNNClassifier

Case = tuple[np.ndarray, np.ndarray, dict[str, Any]]


def uniform_flips(y: np.ndarray, rate: float, seed: int) -> np.ndarray:
    """Give a share of the rows another class, each other class as often."""
    rng = np.random.default_rng(seed)
    n_classes = int(y.max()) + 1
    wrong = rng.random(len(y)) < rate
    return np.where(wrong, (y + rng.integers(1, n_classes, len(y))) % n_classes, y)


def pair_flips(y: np.ndarray, rate: float, seed: int) -> np.ndarray:
    """Give a share of the rows of every class the next class."""
    wrong = np.random.default_rng(seed).random(len(y)) < rate
    return np.where(wrong, (y + 1) % (int(y.max()) + 1), y)


def boundary_flips(X: np.ndarray, y: np.ndarray, rate: float) -> np.ndarray:
    """Give the rows of the smallest margin the other of their two most probable classes."""
    proba = LogisticRegression(max_iter=300).fit(X, y).predict_proba(X)
    order = np.argsort(proba, axis=1)[:, ::-1]
    ranked = np.sort(proba, axis=1)[:, ::-1]
    hard = np.argsort(ranked[:, 0] - ranked[:, 1], kind="stable")[: round(rate * len(y))]
    noisy = y.copy()
    other = np.where(order[hard, 0] == y[hard], order[hard, 1], order[hard, 0])
    noisy[hard] = other
    return noisy


def table(n_rows: int, n_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A table of 12 columns, two of them in other units."""
    X, y = make_classification(
        n_rows,
        12,
        n_informative=8,
        n_redundant=2,
        n_classes=n_classes,
        n_clusters_per_class=1,
        class_sep=1.6,
        random_state=seed,
    )
    X[:, 0] *= 100.0
    X[:, 3] += 1000.0
    return X, y


def embeddings(n_rows: int, n_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of 48 columns and about unit length around the directions of their classes."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_classes, 48))
    y = rng.integers(0, n_classes, n_rows)
    X = centres[y] + 1.2 * rng.normal(size=(n_rows, 48))
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32), y


def cases() -> dict[str, Case]:
    """Rows, given labels and further arguments of ``fit``, by name."""
    made: dict[str, Case] = {}
    X, y = table(700, 4, 1)
    made["table"] = X, uniform_flips(y, 0.3, 1), {}
    X, y = embeddings(800, 6, 2)
    made["embeddings"] = X, uniform_flips(y, 0.4, 2), {}
    X, y = load_digits(return_X_y=True)
    made["images"] = X[:360].reshape(-1, 8, 8), uniform_flips(y[:360], 0.3, 3), {}
    X, y = table(150, 3, 4)
    made["few rows"] = X, uniform_flips(y, 0.25, 4), {}
    X, y = table(600, 3, 5)
    noisy = uniform_flips(y, 0.35, 5)
    trusted = np.random.default_rng(5).random(len(y)) < 0.1
    made["trusted"] = X, np.where(trusted, y, noisy), {"trusted": trusted}
    X, y = table(600, 3, 6)
    weight = np.random.default_rng(6).choice([0.0, 0.5, 1.0, 3.0], len(y))
    made["weights"] = X, uniform_flips(y, 0.3, 6), {"sample_weight": weight}
    X, y = embeddings(900, 3, 7)
    made["boundary noise"] = X, boundary_flips(X, y, 0.25), {}
    X, y = embeddings(900, 5, 8)
    made["pair flips"] = X, pair_flips(y, 0.4, 8), {}
    return made


def estimators(name: str) -> dict[str, Any]:
    """Estimators of a case, short classifiers."""
    epochs = 6 if name == "images" else 10
    return {
        "cleaner": LabelCleaner(n_landmarks=300, random_state=0, device="cpu"),
        "mixnn": MixNNClassifier(max_epochs=epochs, random_state=0, device="cpu"),
        "anchors": AnchorHallucinationClassifier(max_epochs=epochs, random_state=0, device="cpu"),
    }


def fit_all() -> dict[str, np.ndarray]:
    """Results of all fits, by case, estimator and attribute."""
    results: dict[str, np.ndarray] = {}
    for case, (X, y, more) in cases().items():
        for name, estimator in estimators(case).items():
            began = time.perf_counter()
            is_cleaner = name == "cleaner"
            rows = X.reshape(len(X), -1) if is_cleaner else X
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                estimator.fit(rows, y, **more)
            proba = estimator.label_proba(rows) if is_cleaner else estimator.predict_proba(rows)
            found = {
                "label_quality": estimator.label_quality_,
                "corrected": np.searchsorted(estimator.classes_, estimator.corrected_labels_),
                "transition": estimator.transition_matrix_,
                "proba": proba,
            }
            results |= {f"{case}/{name}/{key}": value for key, value in found.items()}
            print(f"{case:15} {name:8} {time.perf_counter() - began:5.1f} s", file=sys.stderr)
    return results


def compare(found: dict[str, np.ndarray], expected: Any) -> list[str]:
    """Say what differs; bits count, so NaN equals NaN."""
    differ = sorted(found.keys() ^ set(expected.files))
    for key in sorted(found.keys() & set(expected.files)):
        one, two = found[key], expected[key]
        if one.dtype != two.dtype or one.shape != two.shape:
            differ.append(f"{key}: {one.dtype}{one.shape}, was {two.dtype}{two.shape}")
        elif one.tobytes() != two.tobytes():
            most = np.abs(one.astype(float) - two.astype(float)).max()
            # The sums of the transition matrix are not part of the promise: float64 or float32.
            if not (key.endswith("/transition") and most < 1e-5):
                differ.append(f"{key}: differs by up to {most:.3g}")
    return differ


def main() -> int:
    """Save or compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true", help="compare instead of saving")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = fit_all()
    if not options.check:
        np.savez(options.file, **found)
        return 0
    with np.load(options.file) as expected:
        differ = compare(found, expected)
    print("\n".join(differ) if differ else f"all {len(found)} results are equal to the bit")
    return bool(differ)


if __name__ == "__main__":
    raise SystemExit(main())
