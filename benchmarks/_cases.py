"""The cases of the table benchmarks: real features, clean labels, noisy labels."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nllearn.datasets import (
    make_classification_noise,
    make_pairflip_noise,
    make_part_dependent_noise,
    make_symmetric_noise,
)

CASES = {
    "banking77 symmetric 40 %": ("banking77", "symmetric"),
    "banking77 part-dependent 40 %": ("banking77", "part-dependent"),
    "cifar10 features human_worst": ("cifar10", "human_worst"),
    "cifar10 features seal40": ("cifar10", "seal40"),
    "banking77 clean": ("banking77", "clean"),
    "cifar10 features clean": ("cifar10", "clean"),
}
NOISY = [name for name in CASES if "clean" not in name]

#: Generators of noise by its name, and whether they look at the rows.
MADE: dict[str, tuple[Callable, bool]] = {
    "symmetric": (make_symmetric_noise, False),
    "pair flip": (make_pairflip_noise, False),
    "part-dependent": (make_part_dependent_noise, True),
    "classification-based": (make_classification_noise, True),
}


@dataclass(frozen=True)
class Case:
    """Rows and labels of one case and seed."""

    X: np.ndarray
    y_noisy: np.ndarray
    y_clean: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def data_folder(given: str | None) -> Path:
    """Folder of the data: ``--data``, else the variable NLLEARN_DATA."""
    folder = given or os.environ.get("NLLEARN_DATA")
    if not folder:
        raise SystemExit("pass --data DIR or set NLLEARN_DATA to the folder of the data")
    return Path(folder)


def load_case(folder: Path, name: str, seed: int, rows: int = 10_000) -> Case:
    """Load a case; the seed draws the noise (banking77) and the rows (cifar10)."""
    source, noise = CASES[name]
    rng = np.random.default_rng(seed)
    if source == "banking77":
        with np.load(folder / "banking77_minilm.npz") as data:
            X, y = data["X_train"].astype(np.float32), data["y_train"].astype(np.int64)
            X_test, y_test = data["X_test"].astype(np.float32), data["y_test"].astype(np.int64)
        if noise == "symmetric":
            noisy = make_symmetric_noise(y, noise_rate=0.4, random_state=seed)
        elif noise == "part-dependent":
            noisy = make_part_dependent_noise(X, y, noise_rate=0.4, random_state=seed)
        else:
            noisy = y.copy()
        order = rng.permutation(len(y))
    else:
        with np.load(folder / "cifar10_kmeans_features.npz") as data:
            X, X_test = data["X_train"].astype(np.float32), data["X_test"].astype(np.float32)
        with np.load(folder / "cifar10_labels.npz") as data:
            y, y_test = data["train_clean"].astype(np.int64), data["test_clean"].astype(np.int64)
            noisy = y.copy() if noise == "clean" else data[noise].astype(np.int64)
        order = rng.permutation(len(y))[:rows]
    return Case(X[order], noisy[order], y[order], X_test, y_test)


def make_labels(noise: str, X: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Noisy labels by a name such as "symmetric 0.4"; "none" and rate 0 copy."""
    kind, _, rate = noise.rpartition(" ")
    if noise == "none" or float(rate) == 0:
        return y.copy()
    make, needs_features = MADE[kind]
    inputs = (X.reshape(len(X), -1), y) if needs_features else (y,)
    return make(*inputs, noise_rate=float(rate), random_state=seed)
