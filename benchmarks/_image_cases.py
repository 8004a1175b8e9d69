"""The rows of the image benchmark: which labels, and what was published for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nllearn.datasets import (
    fetch_cifar10,
    fetch_cifar10n,
    fetch_cifar100,
    fetch_cifar100n,
    load_clothing1m,
    load_noise_file,
    load_webvision,
    make_asymmetric_noise,
    make_part_dependent_noise,
    make_symmetric_noise,
)


@dataclass(frozen=True)
class Row:
    """One published row.

    Parameters
    ----------
    data : {"cifar10", "cifar100", "clothing1m", "webvision"}
    noise : tuple
        Kind and settings.
    published : dict of str to float
        Test accuracy in percent, best epoch as their authors report it: "AH", "MixNN"
        and "best" (of any method that trains from scratch).
    """

    data: str
    noise: tuple[Any, ...]
    published: dict[str, float]


#: Published figures: tables 1 to 3 of arXiv 2407.07331, the abstract of arXiv 2406.16966,
#: and the repositories of ProMix, SSR and TSCSI for the best of anyone.
ROWS: dict[str, Row] = {
    "cifar10n worst": Row("cifar10", ("human", "worst"), {"AH": 93.52, "best": 96.34}),
    "classification-based 40 %": Row("cifar10", ("file", 40), {"AH": 92.47, "best": 92.47}),
    "symmetric 80 %": Row("cifar10", ("symmetric", 0.8), {"MixNN": 86.08, "best": 95.6}),
    "part-dependent 40 %": Row("cifar10", ("part", 0.4), {"AH": 95.28, "best": 95.28}),
    "cifar10n random1": Row("cifar10", ("human", "random1"), {"AH": 95.21, "best": 97.39}),
    "classification-based 20 %": Row("cifar10", ("file", 20), {"AH": 92.98, "best": 92.98}),
    "classification-based 10 %": Row("cifar10", ("file", 10), {"AH": 93.68, "best": 93.68}),
    "part-dependent 20 %": Row("cifar10", ("part", 0.2), {"AH": 94.26, "best": 94.26}),
    "cifar10n aggregate": Row("cifar10", ("human", "aggregate"), {"best": 97.65}),
    "cifar10n random2": Row("cifar10", ("human", "random2"), {"AH": 95.31, "best": 97.55}),
    "cifar10n random3": Row("cifar10", ("human", "random3"), {"AH": 95.25, "best": 97.52}),
    "cifar100n": Row("cifar100", ("human", "fine"), {"AH": 70.79, "best": 73.79}),
    "symmetric 20 %": Row("cifar10", ("symmetric", 0.2), {"best": 97.69}),
    "symmetric 40 %": Row("cifar10", ("symmetric", 0.4), {}),
    "symmetric 50 %": Row("cifar10", ("symmetric", 0.5), {"best": 97.40}),
    "symmetric 90 %": Row("cifar10", ("symmetric", 0.9), {"best": 95.2}),
    "asymmetric 40 %": Row("cifar10", ("asymmetric", 0.4), {"best": 96.59}),
    "cifar100 symmetric 20 %": Row("cifar100", ("symmetric", 0.2), {}),
    "cifar100 symmetric 50 %": Row("cifar100", ("symmetric", 0.5), {}),
    "cifar100 symmetric 80 %": Row("cifar100", ("symmetric", 0.8), {}),
    "cifar100 asymmetric 40 %": Row("cifar100", ("asymmetric", 0.4), {}),
    "clothing1m": Row("clothing1m", ("web",), {"AH": 74.62, "best": 75.40}),
    "webvision": Row("webvision", ("web",), {"best": 81.47}),
    "clean": Row("cifar10", ("clean",), {}),
}
#: Data -> loader, its name of the training and of the test part.
LOADERS: dict[str, tuple[Any, str, str]] = {
    "cifar10": (fetch_cifar10, "train", "test"),
    "cifar100": (fetch_cifar100, "train", "test"),
    "clothing1m": (load_clothing1m, "noisy_train", "clean_test"),
    "webvision": (load_webvision, "train", "val"),
}
#: Which class becomes which by asymmetric noise, as in the code of MixNN.
MAPPINGS = {"cifar10": "cifar10", "cifar100": "cifar100-blocks"}
#: The variant of part-dependent noise that the benchmark draws.
PART_VARIANT = "per_class_standardized"


@dataclass(frozen=True)
class ImageCase:
    """Images and labels of one row and seed; clean labels only where they are known."""

    X: Any
    y_noisy: np.ndarray
    y_clean: np.ndarray | None
    X_test: Any
    y_test: np.ndarray
    order: np.ndarray


def load_images(
    folder: Path, name: str, seed: int, rows: int | None, test_rows: int | None = None
) -> ImageCase:
    """Load a row; the seed draws made noise, and which images when there are fewer.

    Parameters
    ----------
    folder : Path
        Of the data.
    name : str
        Key of ``ROWS``.
    seed : int
    rows : int or None
        Number of training images; None takes all.
    test_rows : int or None
        Number of test images, the first; None takes all.

    Returns
    -------
    case : ImageCase
    """
    row = ROWS[name]
    load, train_part, test_part = LOADERS[row.data]
    train, test = (load(folder, subset=subset) for subset in (train_part, test_part))
    if row.noise == ("web",):
        noisy, clean = train.target, None
    else:
        noisy, clean = _noisy_labels(folder, row, train.data, train.target, seed), train.target
    order = np.arange(len(noisy))
    if rows is not None and rows < len(order):
        order = np.random.default_rng(seed).permutation(len(order))[:rows]
    return ImageCase(
        train.data[order],
        noisy[order],
        None if clean is None else clean[order],
        test.data[:test_rows],
        test.target[:test_rows],
        order,
    )


def _noisy_labels(folder: Path, row: Row, X: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    kind, *settings = row.noise
    if kind == "human":
        fetch = fetch_cifar10n if row.data == "cifar10" else fetch_cifar100n
        return fetch(folder, noise=settings[0]).target
    if kind == "file":
        packed = folder / "cifar10_labels.npz"
        if packed.exists():
            with np.load(packed) as labels:
                return labels[f"seal{settings[0]}"].astype(np.int64)
        return load_noise_file(folder / f"dependent0.{settings[0] // 10}.csv", clean=y).target
    if kind == "symmetric":
        # As the usual tables mean it: the new label may be the old one.
        return make_symmetric_noise(
            y, noise_rate=settings[0], include_own_class=True, random_state=seed
        )
    if kind == "asymmetric":
        return make_asymmetric_noise(
            y, noise_rate=settings[0], mapping=MAPPINGS[row.data], random_state=seed
        )
    if kind == "part":
        return make_part_dependent_noise(
            X.reshape(len(X), -1),
            y,
            noise_rate=settings[0],
            variant=PART_VARIANT,
            random_state=seed,
        )
    return y.copy()
