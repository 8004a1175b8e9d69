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
from threadpoolctl import threadpool_limits

from nllearn import LabelCleaner, MixNNClassifier
from nllearn.exceptions import NoisyLabelWarning
from nllearn.training import resolve_batch_size

matplotlib.use("Agg")
import matplotlib.pyplot as plt

#: Classes and rows of the embeddings: 25 classes of Banking77, drawn once for all studies.
N_CLASSES, ROWS = 25, 2500
#: 500 gradient steps are 50 epochs of 2,500 rows and take about 3 CPU seconds on one thread.
#: With 20 epochs the methods have one refresh before their last phase, which is too little to
#: see them at work; the 200 of the default take 13 seconds, too long for hundreds of fits.
STEPS = 500
#: Colours that colour-blind readers tell apart (Okabe and Ito), and marks to go with them.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
MARKS = "os^Dvphx"

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


# -- fits


def epochs_for(n_rows: int, steps: int = STEPS) -> int:
    """Epochs of a table fit by the rule of the default, with fewer steps in all."""
    per_epoch = -(-n_rows // resolve_batch_size(None, n_rows))
    return int(np.clip(round(steps / per_epoch), 30, 200))


def fit_network(estimator: Any, X: np.ndarray, y: np.ndarray, seed: int, steps: int = STEPS) -> Any:
    """Fit one of our classifiers at the length of the studies."""
    estimator.set_params(max_epochs=epochs_for(len(X), steps), random_state=seed)
    return estimator.fit(X, y)


def plain_network() -> MixNNClassifier:
    """The same network, trained on the given labels throughout."""
    return MixNNClassifier(warmup_epochs=ALL_EPOCHS)


def clean_then_network(case: Case, seed: int, steps: int = STEPS) -> tuple[Any, np.ndarray, float]:
    """LabelCleaner, then the plain network on its labels; also the CPU seconds of both."""
    start = time.process_time()
    labels = LabelCleaner(random_state=seed).fit(case.X, case.y_noisy).corrected_labels_
    clf = fit_network(plain_network(), case.X, labels, seed, steps)
    return clf, labels, time.process_time() - start


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
