"""What the studies share: small cases with known truth, scores of a fit, figures and pages.

A study is a script with one page in ``docs/benchmarks`` and one file of raw results. Its cases
are small, so that many settings can be compared on one core. The runs go seed by seed: a run
that is stopped leaves a balanced part of the whole, and goes on when it is started again.
"""

from __future__ import annotations

import argparse
import functools
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from _cases import Case, data_folder, make_labels
from _runs import DOCS, ROOT, Runs, centre_and_error
from accuracy import ALL_EPOCHS
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from nllearn import LabelCleaner, MixNNClassifier
from nllearn.exceptions import NoisyLabelWarning
from nllearn.functional.loss_mixture import scale_losses, small_loss_posterior
from nllearn.metrics import label_accuracy
from nllearn.training import ImageViews, resolve_batch_size

matplotlib.use("Agg")
import matplotlib.pyplot as plt

#: Classes and rows of the embeddings: 25 classes of Banking77, drawn once for all studies.
N_CLASSES, ROWS = 25, 2500
#: Images of the digits; the others are the test images.
IMAGE_ROWS = 1347
#: 500 gradient steps are 50 epochs of 2,500 rows and take about 3 CPU seconds on one thread.
#: With 20 epochs the methods have one refresh before their last phase, which is too little to
#: see them at work; the 200 of the default take 13 seconds, too long for hundreds of fits.
STEPS = 500
#: About 3 CPU seconds. 8 epochs are not enough: 0.90 of the test digits right.
IMAGE_EPOCHS = 16
#: Digits must not be mirrored.
IMAGE_VIEWS = ImageViews(flip=False)

#: Colours that colour-blind readers tell apart (Okabe and Ito), and marks to go with them.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
MARKS = "os^Dvphx"
RIGHT, WRONG = COLORS[0], COLORS[1]
#: Bins of a histogram of losses.
BINS = 40

# -- cases


@functools.cache
def banking77(folder: Path, n_classes: int | None = N_CLASSES) -> tuple[np.ndarray, ...]:
    """Training and test rows of the drawn classes, or of all 77, coded from 0."""
    with np.load(folder / "banking77_minilm.npz") as data:
        X, y = data["X_train"].astype(np.float32), data["y_train"].astype(np.int64)
        X_test, y_test = data["X_test"].astype(np.float32), data["y_test"].astype(np.int64)
    if n_classes is None:
        return X, y, X_test, y_test
    classes = np.sort(np.random.default_rng(77).permutation(77)[:n_classes])
    train, test = np.isin(y, classes), np.isin(y_test, classes)
    return (
        X[train],
        np.searchsorted(classes, y[train]),
        X_test[test],
        np.searchsorted(classes, y_test[test]),
    )


@functools.lru_cache(maxsize=2)
def embeddings(
    folder: Path, noise: str, seed: int, rows: int = ROWS, n_classes: int | None = N_CLASSES
) -> Case:
    """Embeddings of Banking77; the seed draws the rows and the noise."""
    X, y, X_test, y_test = banking77(folder, n_classes)
    order = np.random.default_rng(seed).permutation(len(y))[:rows]
    X, y = X[order], y[order]
    return Case(X, make_labels(noise, X, y, seed), y, X_test, y_test)


@functools.lru_cache(maxsize=2)
def digit_images(noise: str, seed: int) -> Case:
    """Digits as uint8 images of 8 x 8; the seed draws the split and the noise."""
    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.target))
    # Pixels run from 0 to 16.
    X = (15 * digits.images[order]).astype(np.uint8)
    y = digits.target[order].astype(np.int64)
    train, test = slice(IMAGE_ROWS), slice(IMAGE_ROWS, None)
    return Case(X[train], make_labels(noise, X[train], y[train], seed), y[train], X[test], y[test])


# -- fits


def epochs_for(n_rows: int, steps: int = STEPS) -> int:
    """Epochs of a table fit by the rule of the default, with fewer steps in all."""
    per_epoch = -(-n_rows // resolve_batch_size(None, n_rows))
    return int(np.clip(round(steps / per_epoch), 30, 200))


def fit_network(estimator: Any, X: np.ndarray, y: np.ndarray, seed: int, steps: int = STEPS) -> Any:
    """Fit one of our classifiers at the length of the studies."""
    if X.ndim == 2:
        estimator.set_params(max_epochs=epochs_for(len(X), steps))
    else:
        estimator.set_params(max_epochs=IMAGE_EPOCHS, augmentation=IMAGE_VIEWS)
    return estimator.set_params(random_state=seed).fit(X, y)


def plain_network() -> MixNNClassifier:
    """The same network, trained on the given labels throughout."""
    return MixNNClassifier(warmup_epochs=ALL_EPOCHS)


def score_network(clf: Any, case: Case, *, own_labels: bool = False) -> dict[str, Any]:
    """Test accuracy of the last epoch and label accuracy of the training rows.

    With `own_labels` the labels are what the network predicts, as for a method without a posterior.
    """
    labels = clf.predict(case.X) if own_labels else clf.corrected_labels_
    return {
        "test": float(clf.score(case.X_test, case.y_test)),
        "labels": label_accuracy(case.y_clean, labels),
    }


def fit_and_score(
    estimator: Any, case: Case, seed: int, *, own_labels: bool = False, steps: int = STEPS
) -> dict[str, Any]:
    """Fit one of our classifiers to a case and score it."""
    start = time.process_time()
    clf = fit_network(estimator, case.X, case.y_noisy, seed, steps)
    cpu = time.process_time() - start
    return {**score_network(clf, case, own_labels=own_labels), "cpu": cpu}


def clean_then_network(case: Case, seed: int, steps: int = STEPS) -> tuple[Any, np.ndarray, float]:
    """LabelCleaner, then the plain network on its labels; also the CPU seconds of both."""
    start = time.process_time()
    labels = LabelCleaner(random_state=seed).fit(flat(case.X), case.y_noisy).corrected_labels_
    clf = fit_network(plain_network(), case.X, labels, seed, steps)
    return clf, labels, time.process_time() - start


def flat(X: np.ndarray) -> np.ndarray:
    """Rows of numbers, also from images."""
    return X.reshape(len(X), -1).astype(np.float32)


# -- the script


def arguments(doc: str, **more: dict[str, Any]) -> argparse.Namespace:
    """Parse what every study takes; `more` adds options by name."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--data", help="folder of the data")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="runs whose name has it")
    parser.add_argument("--render", action="store_true", help="the page alone, no fits")
    for name, settings in more.items():
        parser.add_argument(f"--{name}", **settings)
    args = parser.parse_args()
    args.folder = None if args.render else data_folder(args.data)
    return args


#: What identifies a run, and what makes its row.
Job = tuple[dict[str, Any], Callable[[], dict[str, Any]]]


def run(runs: Runs, args: argparse.Namespace, jobs: Callable[[int], Iterator[Job]]) -> None:
    """Do the jobs of every seed that are not done, seed by seed."""
    torch.set_num_threads(args.threads)
    warnings.filterwarnings("ignore", category=NoisyLabelWarning)
    warnings.filterwarnings("ignore", message="lbfgs failed to converge")
    with threadpool_limits(args.threads):
        for seed in range(args.seeds):
            for key, job in jobs(seed):
                named = args.only in ", ".join(str(value) for value in key.values())
                if named and not runs.done(**key, seed=seed):
                    # Set-up, such as drawing the noise, counts too: it is part of the budget.
                    start = time.process_time()
                    row = job()
                    runs.add(**key, seed=seed, **row, cpu_all=time.process_time() - start)


def start(
    study: str,
    doc: str,
    jobs: Callable[[int, argparse.Namespace], Iterator[Job]],
    render: Callable[[Runs], str],
    **more: dict[str, Any],
) -> None:
    """Run what is missing, then draw the pictures and write the page."""
    args = arguments(doc, **more)
    if not args.render:
        run(Runs(study), args, lambda seed: jobs(seed, args))
    runs = Runs(study)
    if not runs.rows:
        raise SystemExit(f"no results in {runs.path}")
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / f"{study}.md").write_text(render(runs))


# -- figures and pages


def select(rows: Iterable[dict[str, Any]], /, **key: Any) -> list[dict[str, Any]]:
    """Rows with these values."""
    return [row for row in rows if all(row.get(k) == v for k, v in key.items())]


def draw_line(ax: Any, x: Iterable[float], values: list[list[float]], number: int, **style: Any):
    """Means over the seeds with error bars, in the colour and mark of a number."""
    centres, errors = zip(*(centre_and_error(v) for v in values), strict=True)
    look = {
        "color": COLORS[number % 8],
        "marker": MARKS[number % 8],
        "ms": 4,
        "lw": 1.2,
        "capsize": 2,
    }
    return ax.errorbar(list(x), centres, errors, **{**look, **style})


def panels(n: int, columns: int, *, width: float = 2.9, height: float = 2.5, **kwargs: Any):
    """A figure with n panels in rows; the places left over are empty, the last first."""
    rows = -(-n // columns)
    size = (width * columns, height * rows + 0.5)
    figure, axes = plt.subplots(
        rows, columns, figsize=size, squeeze=False, layout="constrained", **kwargs
    )
    for ax in axes.flat[n:]:
        ax.set_axis_off()
    return figure, list(axes.flat)


def legend_below(figure: Any, ax: Any, columns: int = 4) -> None:
    """One legend for all panels, under them."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8)


def describe_losses(losses: np.ndarray, wrong: np.ndarray) -> dict[str, Any]:
    """Histogram by right and wrong label, the methods' mixture, and how bimodal the losses are."""
    scaled = scale_losses(losses)
    clean_proba, mixture = small_loss_posterior(losses)
    edges = np.linspace(0, 1, BINS + 1)
    column = scaled[:, None]
    bic = [
        GaussianMixture(k, reg_covar=5e-4, random_state=0).fit(column).bic(column) for k in (1, 2)
    ]
    found: dict[str, Any] = {
        "auroc": float(roc_auc_score(wrong, losses)),
        "auroc_proba": float(roc_auc_score(wrong, 1 - clean_proba)),
        # Above zero, two components describe the losses better than one, per row.
        "bic_gain": float((bic[0] - bic[1]) / len(losses)),
        "ashman_d": None,
        "right_counts": np.histogram(scaled[~wrong], edges)[0].tolist(),
        "wrong_counts": np.histogram(scaled[wrong], edges)[0].tolist(),
        "mixture": None,
    }
    if mixture is not None:
        means, variances = mixture["means"], mixture["variances"]
        # Ashman's D: above 2 two modes stand apart.
        found["ashman_d"] = float(np.sqrt(2) * np.ptp(means) / np.sqrt(variances.sum()))
        found["mixture"] = {name: values.tolist() for name, values in mixture.items()}
    return found


def draw_losses(ax: Any, shot: dict[str, Any]) -> None:
    """Histogram of :func:`describe_losses` with the mixture over it."""
    right, wrong = np.array(shot["right_counts"]), np.array(shot["wrong_counts"])
    edges, grid = np.linspace(0, 1, BINS + 1), np.linspace(0, 1, 100)
    ax.stairs(right, edges, fill=True, color=RIGHT, label="right label")
    ax.stairs(right + wrong, edges, baseline=right, fill=True, color=WRONG, label="wrong label")
    scale = (right.sum() + wrong.sum()) / BINS
    for mean, var, weight in zip(*(shot["mixture"] or {}).values(), strict=True):
        bell = weight * np.exp(-((grid - mean) ** 2) / (2 * var)) / np.sqrt(2 * np.pi * var)
        ax.plot(grid, scale * bell, color="black", lw=1)
    # The first bins can be ten times as high as all others.
    ax.set_ylim(0, 1.3 * np.sort(right + wrong)[-4])


def save_figure(figure: Any, study: str, name: str, words: str) -> str:
    """Write the figure beside the page; returns the line of Markdown that shows it.

    The pictures are not under version control: the documentation draws them from the raw
    results when it is built.
    """
    folder = DOCS / study
    folder.mkdir(parents=True, exist_ok=True)
    # The same picture is the same file: no date, no random names inside.
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(folder / f"{name}.svg", facecolor="white", metadata={"Date": None})
    plt.close(figure)
    return f"![{words}]({study}/{name}.svg)"


def page_of(study: str, title: str, intro: str, parts: list[str], runs: Runs) -> str:
    """Text of the page: what it is, figures and tables, and what to do, where that is written."""
    seeds = len({row["seed"] for row in runs.rows})
    minutes = sum(row.get("cpu_all", 0.0) for row in runs.rows) / 60
    made = (
        f"Made by `python benchmarks/{study}.py --data DIR`: {len(runs.rows)} runs, {seeds} "
        f"seed(s){f', {minutes:.0f} CPU minutes' if minutes else ''}. Run on {runs.machines()}."
    )
    page = [f"# {title}", intro, made, *parts]
    reading = ROOT / f"_{study}_reading.md"
    if reading.exists():
        page.append(reading.read_text().strip())
    return "\n\n".join(part.strip() for part in page) + "\n"
