"""Harm on images: label accuracy of a classifier's corrected labels, also where all are right.

    python benchmarks/harm_images.py --data DIR              # run what is missing, then render
    python benchmarks/harm_images.py --render                # the page alone

`MixNNClassifier` with its defaults on 4,000 images of CIFAR-10 and a narrow network, 35 epochs.
Rows of other versions of the package, run with ``--package NAME``, stand beside the present ones.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from _image_cases import load_images
from _runs import Runs, markdown_table, mean_and_error
from _studies import Job, page_of, select, start

from nllearn import MixNNClassifier
from nllearn.metrics import label_accuracy, quality_calibration_error
from nllearn.networks import SmallBackbone

STUDY = "harm_images"
PRESENT = "present"
NOISES = (
    "clean",
    "symmetric 40 %",
    "cifar10n random1",
    "cifar10n worst",
    "part-dependent 40 %",
    "classification-based 40 %",
)
N_ROWS, N_EPOCHS, WIDTH, BATCH = 4_000, 35, 16, 128


def jobs(seed: int, args: Any) -> Iterator[Job]:
    """One fit for every kind of noise."""
    for noise in NOISES:

        def job(noise=noise) -> dict[str, Any]:
            case = load_images(args.folder, noise, seed, N_ROWS)
            begin = time.process_time()
            clf = MixNNClassifier(
                max_epochs=N_EPOCHS,
                batch_size=BATCH,
                backbone=SmallBackbone(WIDTH),
                random_state=seed,
            ).fit(case.X, case.y_noisy)
            return {
                "cpu": time.process_time() - begin,
                "given": label_accuracy(case.y_clean, case.y_noisy),
                "labels": label_accuracy(case.y_clean, clf.corrected_labels_),
                "calibration": quality_calibration_error(
                    case.y_clean, case.y_noisy, clf.label_quality_
                ),
                "test": float(clf.score(case.X_test, case.y_test)),
            }

        yield {"noise": noise, "package": args.package}, job


def render(runs: Runs) -> str:
    """Write the page."""
    packages = sorted({row["package"] for row in runs.rows}, key=lambda name: name == PRESENT)
    table = []
    for noise in NOISES:
        for package in packages:
            mine = select(runs.rows, noise=noise, package=package)
            if mine:
                values = (
                    mean_and_error([row[key] for row in mine], 3)
                    for key in ("given", "labels", "calibration", "test")
                )
                table.append([noise, package, str(len(mine)), *values])
    intro = (
        f"{N_ROWS:,} images of CIFAR-10, a network of width {WIDTH}, {N_EPOCHS} epochs, MixNN with "
        "its defaults: the share of the labels that is right in the end, the calibration error of "
        "their quality, and test accuracy. Package: the present one, or another commit."
    )
    header = ["labels", "package", "seeds", "given", "labels right", "calibration error", "test"]
    return page_of(STUDY, "Harm on images", intro, [markdown_table(header, table)], runs)


if __name__ == "__main__":
    start(
        STUDY,
        __doc__,
        jobs,
        render,
        package={"default": PRESENT, "help": "name of the version that is imported"},
    )
