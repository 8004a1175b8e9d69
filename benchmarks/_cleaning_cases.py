"""The cases of the label cleaning benchmark: real features, true labels, given labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from _cases import MADE, Case, make_labels
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.model_selection import train_test_split

_SHIPPED: dict[str, Callable] = {
    "digits": load_digits,
    "breast cancer": load_breast_cancer,
    "wine": load_wine,
}
DATA = ["banking77", "cifar10 features", *_SHIPPED]
NOISES = [
    "none",
    *(f"symmetric {r}" for r in (0.2, 0.4, 0.8)),
    *(f"{kind} {r}" for kind in list(MADE)[1:] for r in (0.2, 0.4)),
]
HUMAN = ["human_aggregate", "human_random1", "human_worst"]
CELLS = [
    (data, noise)
    for data in DATA
    for noise in (["none", *HUMAN] if data.startswith("cifar") else NOISES)
]


def load_cell(
    folder: Path | None, cache: Path, data: str, noise: str, seed: int, rows: int
) -> Case:
    """Load a cell; the seed draws the noise, the split of shipped data and rows of CIFAR-10."""
    X, y, X_test, y_test, human = _load(folder, data, noise, seed, rows)
    if noise == "none":
        noisy = y.copy()
    elif noise in HUMAN:
        assert human is not None
        noisy = human
    else:
        name = f"{data}-{noise}-{seed}-{len(y)}.npy".replace(" ", "_")
        if not (cache / name).exists():
            cache.mkdir(parents=True, exist_ok=True)
            np.save(cache / name, make_labels(noise, X, y, seed))
        noisy = np.load(cache / name)
    return Case(X, noisy, y, X_test, y_test)


def _load(folder: Path | None, data: str, noise: str, seed: int, rows: int) -> tuple:
    if data in _SHIPPED:
        X, y = _SHIPPED[data](return_X_y=True)
        X, X_test, y, y_test = train_test_split(
            X.astype(np.float32), y.astype(np.int64), test_size=0.25, random_state=seed, stratify=y
        )
        return X, y, X_test, y_test, None
    assert folder is not None
    rng = np.random.default_rng(seed)
    if data == "banking77":
        with np.load(folder / "banking77_minilm.npz") as file:
            X, y = file["X_train"].astype(np.float32), file["y_train"].astype(np.int64)
            X_test, y_test = file["X_test"].astype(np.float32), file["y_test"].astype(np.int64)
        order = rng.permutation(len(y))
        return X[order], y[order], X_test, y_test, None
    with np.load(folder / "cifar10_kmeans_features.npz") as file:
        X, X_test = file["X_train"].astype(np.float32), file["X_test"].astype(np.float32)
    with np.load(folder / "cifar10_labels.npz") as file:
        y, y_test = file["train_clean"].astype(np.int64), file["test_clean"].astype(np.int64)
        human = file[noise].astype(np.int64) if noise in HUMAN else None
    order = rng.permutation(len(y))[:rows]
    return X[order], y[order], X_test, y_test, None if human is None else human[order]
