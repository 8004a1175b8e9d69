"""Images: both classifiers on the published rows, beside simple baselines.

    python benchmarks/images.py --data DIR --scale small      # CPU, 10,000 images, small net
    python benchmarks/images.py --data DIR --scale whole      # CPU, all images, small net
    python benchmarks/images.py --data DIR --scale full       # GPU, all images, ResNet-18
    python benchmarks/images.py --data DIR --scale paper      # GPU, ResNet-34, 300 epochs
    python benchmarks/images.py --render                      # the page alone

One run is one row, method and seed. A run that is killed goes on from its checkpoint when
the same command is given again. On a machine that is lent for minutes::

    python benchmarks/images.py --data PART_1 PART_2 --scale full --minutes 9 --commit abc1234 \\
        --out DIR --checkpoints SCRATCH

ends in good order before the limit. Each result goes at once to a file in DIR; so does the run
in progress, in at most 16 MB for a ResNet-18. With DIR the same command goes on elsewhere.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _cases import data_folder
from _image_cases import PART_VARIANT, ROWS, ImageCase, load_images
from _image_curves import Curve, observed, points
from _image_methods import CLASSIFIERS, METHODS, build
from _runs import DOCS, RESULTS, Runs, markdown_table, mean_and_error
from _small_state import keep_state, restore_state
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from skorch.callbacks import Callback

from nllearn.metrics import label_accuracy, quality_calibration_error
from nllearn.networks import ResNetBackbone

#: Gradient steps of a fit of few images: what the default of the classifiers aims at.
STEPS = 3_000
#: Scale -> images, settings of the classifiers.
SCALES: dict[str, dict[str, Any]] = {
    "small": {"rows": 10_000, "settings": {"batch_size": 128}},
    "whole": {"rows": None, "settings": {"batch_size": 128, "max_epochs": 20}},
    "full": {
        "rows": None,
        "settings": {
            "backbone": ResNetBackbone(18),
            "max_epochs": 120,
            "batch_size": 256,
            "augmentation": "strong",
        },
    },
    "paper": {
        "rows": None,
        "settings": {"backbone": ResNetBackbone(34), "max_epochs": 300, "batch_size": 128},
    },
}


class Deadline(Callback):
    """Leaves the process in good order before a limit: the next call goes on from a small file."""

    def __init__(self, deadline: float, checkpoints: Path, state: Path):
        self.deadline, self.checkpoints, self.state = deadline, checkpoints, state

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Stop when this epoch might not end in time; the one before is saved by now."""
        longest = max((row.get("dur", 0.0) for row in net.history), default=0.0)
        if time.monotonic() + 1.5 * longest + 10 > self.deadline:
            keep_state(self.checkpoints, self.state)
            sys.exit("out of time; the same command goes on from the checkpoint")

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """The label posterior of the end may take long: keep the trained network before it."""
        keep_state(self.checkpoints, self.state)


def of_classifier(
    name: str, case: ImageCase, seed: int, settings: dict[str, Any], args: argparse.Namespace
) -> dict[str, Any]:
    """Fit one of ours and score it."""
    key = f"{args.scale}-{len(case.y_noisy)}-{args.row}-{name}-{seed}".replace(" ", "_")
    folder, state = args.checkpoints / key, args.out / "state" / key
    restore_state(state, folder)
    epochs = settings.get("max_epochs") or round(
        STEPS / -(-len(case.y_noisy) // settings["batch_size"])
    )
    clf = observed(build(name, epochs, settings), case.y_clean)
    clf.set_params(random_state=seed, verbose=args.verbose, checkpoint_dir=folder)
    callbacks: list[Any] = []
    if args.test_every:
        callbacks.append(Curve(clf, case, args.test_every))
    if args.minutes:
        callbacks.append(Deadline(args.started + 60 * args.minutes, folder, state))
    clf.set_params(callbacks=callbacks)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    start, cpu = time.perf_counter(), time.process_time()
    clf.fit(case.X, case.y_noisy)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    stages = sum(v for r in clf.history_ for k, v in r.items() if k.startswith("seconds"))
    curve = points(clf.history_)
    # Over all processes of a run that was killed and resumed.
    trained = sum(row["dur"] for row in clf.history_)
    result = {
        "seconds": max(wall, trained),
        "test": clf.score(case.X_test, case.y_test),
        "best_test": max((point["test_average"] for point in curve), default=None),
        "noise_rate": clf.noise_rate_,
        "epochs": clf.n_iter_,
        "steps": clf.n_iter_ * -(-len(case.y_noisy) // clf.resolved_params_["batch_size"]),
        "backbone": repr(clf.backbone_),
        "wall": wall,
        "cpu": cpu - sum(point["cpu"] for point in curve),
        "stage_seconds": stages,
        "peak_memory_gb": (
            torch.cuda.max_memory_allocated() / 2**30
            if torch.cuda.is_available()
            else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        ),
        "curve": curve,
    }
    if case.y_clean is not None:
        network = clf.label_issues()["predicted_label"].to_numpy()
        result |= {
            "labels": label_accuracy(case.y_clean, clf.corrected_labels_),
            "network_labels": label_accuracy(case.y_clean, network),
            "given_labels": label_accuracy(case.y_clean, case.y_noisy),
            "calibration": quality_calibration_error(
                case.y_clean, case.y_noisy, clf.label_quality_
            ),
        }
    shutil.rmtree(folder, ignore_errors=True)
    state.unlink(missing_ok=True)
    return result


def of_features(case: ImageCase, folder: Path) -> dict[str, dict[str, Any]]:
    """Neighbour vote and logistic regression on k-means features of the same images."""
    with np.load(folder / "cifar10_kmeans_features.npz") as data:
        X = data["X_train"][case.order].astype(np.float32)
        X_test = data["X_test"].astype(np.float32)
    model = LogisticRegression(max_iter=1000).fit(X, case.y_noisy)
    unit = X - X.mean(0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    near = NearestNeighbors(n_neighbors=21, algorithm="brute").fit(unit)
    votes = np.eye(case.y_noisy.max() + 1)[case.y_noisy][near.kneighbors(return_distance=False)]
    assert case.y_clean is not None
    return {
        "given labels": {"labels": label_accuracy(case.y_clean, case.y_noisy)},
        "neighbour vote (21), k-means features": {
            "labels": label_accuracy(case.y_clean, votes.sum(1).argmax(1))
        },
        "logistic regression, k-means features": {
            "test": model.score(X_test, case.y_test),
            "labels": label_accuracy(case.y_clean, model.predict(X)),
        },
    }


def render() -> None:
    """Write the page from the raw results."""
    parts = [
        "# Images",
        "",
        "Test accuracy at the last epoch first; the best epoch on the test set is given "
        "only because the papers report that. `labels` is the share of training labels that are "
        "right after the fit. The plain network is the same network trained on the given labels "
        "for the same number of gradient steps; its labels are its own predictions. "
        f"Part-dependent noise is the variant `{PART_VARIANT}`.",
        "",
        "Made by `python benchmarks/images.py --data DIR --scale small` or `--scale full`."
        + (" All images on a CPU: [](images_whole.md)." * (DOCS / "images_whole.md").exists()),
    ]
    # All images on the small network have a page of their own: images_whole.py.
    for scale in ("small", "full", "paper"):
        runs = Runs(f"images_{scale}")
        if not runs.rows:
            continue
        parts += ["", f"## Scale {scale}", "", f"Run on {runs.machines()}."]
        groups = sorted({(r["row"], r["rows"]) for r in runs.rows}, key=str)
        for row, n in groups:
            found = [r for r in runs.rows if r["row"] == row and r["rows"] == n]
            parts += ["", f"### {row}, {n:,} images", "", _table(found)]
            published = ROWS[row].published
            if published:
                figures = ", ".join(f"{who} {value}" for who, value in published.items())
                parts += ["", f"Published, all 50,000 images, best epoch: {figures}."]
    parts += ["", _READING]
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "images.md").write_text("\n".join(parts) + "\n")


_READING = (Path(__file__).parent / "_images_reading.md").read_text()


def _table(found: list[dict[str, Any]]) -> str:
    columns = [
        ("test accuracy", "test", 3),
        ("best epoch", "best_test", 3),
        ("label accuracy", "labels", 3),
        ("calibration error", "calibration", 3),
        ("noise rate", "noise_rate", 2),
        ("epochs", "epochs", 0),
        ("minutes", "minutes", 1),
        ("GB", "peak_memory_gb", 1),
    ]
    rows = []
    for method in dict.fromkeys(r["method"] for r in found):
        mine = [r for r in found if r["method"] == method]
        for r in mine:
            r["minutes"] = r.get("seconds", r["wall"]) / 60 if "wall" in r else None
            if method == "plain network":
                r["labels"], r["calibration"], r["noise_rate"] = r["network_labels"], None, None
        rows.append(
            [f"{method} ({len(mine)} seed{'s' * (len(mine) > 1)})"]
            + [mean_and_error((r.get(key) for r in mine), digits) for _, key, digits in columns]
        )
    return markdown_table(["method", *(name for name, _, _ in columns)], rows)


def _gathered(folders: list[str] | None, scratch: Path) -> Path:
    """One folder of the data, of links where its files came in parts."""
    if not folders or len(folders) == 1:
        return data_folder(folders[0] if folders else None)
    whole = scratch / "data"
    whole.mkdir(parents=True, exist_ok=True)
    for path in (path for folder in folders for path in Path(folder).iterdir()):
        link = whole / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())
    return whole


def main(argv: list[str] | None = None) -> None:
    """Run what is missing, then render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="*", help="its folder, or several that have a part each")
    parser.add_argument("--scale", choices=list(SCALES), default="small")
    parser.add_argument("--row", nargs="*", default=["cifar10n worst"], choices=list(ROWS))
    parser.add_argument("--method", nargs="*", default=list(CLASSIFIERS), choices=list(METHODS))
    parser.add_argument("--rows", type=int, help="training images; default by scale")
    parser.add_argument("--test-rows", type=int, help="test images; default all")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="default by scale")
    parser.add_argument("--batch-size", type=int, help="default by scale or paper")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="leave in good order before this")
    parser.add_argument("--test-every", type=int, default=0, help="epochs between test scores")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--commit", help="of the package, where there is no git")
    parser.add_argument("--checkpoints", type=Path, default=".checkpoints")
    parser.add_argument("--verbose", type=int, default=0)
    parser.add_argument("--render", action="store_true")
    args = parser.parse_args(argv)
    args.started = time.monotonic()
    if args.render:
        render()
        return
    torch.set_num_threads(args.threads)
    scale = SCALES[args.scale]
    args.rows = args.rows or scale["rows"]
    settings = dict(scale["settings"])
    for name, value in (("max_epochs", args.epochs), ("batch_size", args.batch_size)):
        if value:
            settings[name] = value
    folder = _gathered(args.data, args.checkpoints)
    runs = Runs(f"images_{args.scale}", args.out, args.commit)
    rows, methods = args.row, args.method
    for seed in args.seeds:
        for args.row in rows:
            todo = [
                m
                for m in methods
                if not runs.done(row=args.row, method=m, seed=seed, rows=args.rows or 50_000)
            ]
            if not todo:
                continue
            case = load_images(folder, args.row, seed, args.rows, args.test_rows)
            n = len(case.y_noisy)
            key = {"row": args.row, "seed": seed, "rows": n}
            has_features = (folder / "cifar10_kmeans_features.npz").exists()
            if ROWS[args.row].data == "cifar10" and has_features and args.scale == "small":
                for method, result in of_features(case, folder).items():
                    if not runs.done(**key, method=method):
                        runs.add(**key, method=method, **result)
            for method in todo:
                runs.add(**key, method=method, **of_classifier(method, case, seed, settings, args))
    if args.out == RESULTS:
        render()


if __name__ == "__main__":
    main()
