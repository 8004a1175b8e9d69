"""Where the time of a label cleaning goes, stage by stage, before and after a change.

    python benchmarks/stages.py --data DIR --before DIR --commit 1234567  # measure both, render
    python benchmarks/stages.py --render                                  # the page alone

``--before`` is a folder with the package as it was, made by ``git archive COMMIT nllearn``. Each
version fits three times in a process of its own, with one thread: twice against the clock of the
process, of which the faster counts, and once to count multiplications.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _cases import data_folder
from _runs import DOCS, Runs, machine, markdown_table

# Stage to the functions of the package that it consists of. What one of them calls and is
# another one's stage counts there.
STAGES = {
    "choice of the scale": ("choose_scaling",),
    "neighbours": ("find_graph",),
    "kernel features": ("kernel_map", "kernel_features"),
    "normal equations": ("ridge_system",),
    "ridges and leave-one-out scores": ("LeaveOneOutKernelRidge",),
}
REST = "votes, noise model, all else"
ROOT = Path(__file__).resolve().parents[1]


class Stages:
    """Shares out what a clock shows among the stages that are open."""

    def __init__(self, clock: Callable[[], float]):
        self._clock, self._open = clock, [REST]
        self._last = clock()
        self.spent = dict.fromkeys([*STAGES, REST], 0.0)

    def tick(self) -> None:
        """Charge what has passed to the innermost stage."""
        now = self._clock()
        self.spent[self._open[-1]] += now - self._last
        self._last = now

    def inside(self, stage: str, function: Callable) -> Callable:
        """The function, charged to a stage."""

        @functools.wraps(function)
        def charged(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            self._open.append(stage)
            try:
                return function(*args, **kwargs)
            finally:
                self.tick()
                self._open.pop()

        return charged

    def watch(self) -> Callable[[], None]:
        """Put the stages where their functions are named; returns the way back."""
        undo = []
        modules = [m for name, m in sys.modules.items() if name.startswith("nllearn") and m]
        for stage, names in STAGES.items():
            for name in names:
                for module in modules:
                    found = vars(module).get(name)
                    if isinstance(found, type):
                        if "_fit" in vars(found) and found.__module__ == module.__name__:
                            undo.append((found, "_fit", vars(found)["_fit"]))
                            found._fit = self.inside(stage, vars(found)["_fit"])
                    elif callable(found):
                        undo.append((module, name, found))
                        setattr(module, name, self.inside(stage, found))

        def leave() -> None:
            for place, name, function in undo:
                setattr(place, name, function)

        return leave


def fit(X: np.ndarray, y: np.ndarray, clock: Callable[[], float]) -> tuple[dict[str, float], Any]:
    """What each stage of one fit spends, and the fitted cleaner."""
    from nllearn import LabelCleaner

    stages = Stages(clock)
    leave = stages.watch()
    try:
        cleaner = LabelCleaner(random_state=0, n_jobs=1).fit(X, y)
        stages.tick()
    finally:
        leave()
    return stages.spent, cleaner


def product_speed() -> float:
    """Multiplications of a product of matrices that the cache holds, in 10^9 per CPU second."""
    import torch

    matrix, out = torch.rand(1024, 1024), torch.empty(1024, 1024)
    times = []
    for _ in range(20):
        start = time.process_time()
        torch.mm(matrix, matrix, out=out)
        times.append(time.process_time() - start)
    return 1024**3 / min(times) / 1e9


def measure(folder: Path) -> dict[str, Any]:
    """All figures of the version that this process imports."""
    import torch
    from _cases import load_case
    from guard import Counter

    import nllearn.cleaning

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    case = load_case(folder, "banking77 symmetric 40 %", 0)
    fit(case.X[:2000], case.y_noisy[:2000], time.process_time)
    runs = [fit(case.X, case.y_noisy, time.process_time) for _ in range(2)]
    spent, cleaner = min(runs, key=lambda run: sum(run[0].values()))
    counter = Counter()
    with counter:
        products, _ = fit(case.X, case.y_noisy, lambda: float(counter.counts["products"]))
    return {
        "shape": [*case.X.shape, len(cleaner.classes_)],
        "seconds": spent,
        "products": {stage: count / 1e9 for stage, count in products.items()},
        "speed": product_speed(),
        "label accuracy": float((cleaner.corrected_labels_ == case.y_clean).mean()),
        "package": str(Path(nllearn.cleaning.__file__).parents[1]),
    }


def render() -> None:
    """Write the page of the last two runs."""
    before, after = Runs("stages").rows[-2:]
    host = after["machine"]
    n, d, n_classes = after["shape"]
    share = {
        which: {s: row["products"][s] / max(row["seconds"][s], 1e-9) / row["speed"] for s in STAGES}
        for which, row in (("before", before), ("after", after))
    }
    table = [
        [
            stage,
            f"{before['seconds'][stage]:.2f}",
            f"{after['seconds'][stage]:.2f}",
            f"{before['products'][stage]:.1f}",
            f"{after['products'][stage]:.1f}",
            f"{100 * share['before'][stage]:.0f} %" if stage in STAGES else "",
            f"{100 * share['after'][stage]:.0f} %" if stage in STAGES else "",
        ]
        for stage in after["seconds"]
    ]
    totals = [
        f"{sum(row[key].values()):.{digits}f}"
        for key, digits in (("seconds", 2), ("products", 1))
        for row in (before, after)
    ]
    table.append(["**all**", *totals, "", ""])
    header = ["stage", "CPU s before", "after", "10^9 multiplications before", "after"]
    header += ["of the processor's speed before", "after"]
    lines = [
        "# Where the time of a cleaning goes",
        "",
        f"One fit of `LabelCleaner` on Banking77, {n:,} rows of {d} columns, {n_classes} classes, "
        f"40 % symmetric noise, with one thread: before ({before['commit']}) and after "
        f"({after['commit']}), one after the other on the same processor. CPU seconds of the "
        "faster of two fits. The processor's speed is that of a product of two matrices of order "
        f"1,024, {after['speed']:.0f} x 10^9 multiplications per second; a stage reaches less of "
        "it where it sorts, decomposes or passes over memory.",
        "",
        "Made by `python benchmarks/stages.py`.",
        "",
        markdown_table(header, table),
        "",
        f"Label accuracy: {before['label accuracy']:.4f} before, "
        f"{after['label accuracy']:.4f} after.",
        "",
        f"Processor: {host['cpu']}. torch {host['torch']}, scikit-learn {host['scikit-learn']}, "
        f"Python {host['python']}.",
    ]
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "stages.md").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Measure both versions, then render."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--before", type=Path, help="folder with the package as it was")
    parser.add_argument("--commit", help="the commit of that package")
    parser.add_argument("--render", action="store_true")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(data_folder(args.data))))
        return
    if not args.render:
        if args.before is None or args.commit is None:
            parser.error("pass --before and --commit, or --render")
        runs = Runs("stages")
        for folder, commit in ((args.before.resolve(), args.commit), (ROOT, None)):
            call = [sys.executable, __file__, "--one", "--data", str(data_folder(args.data))]
            env = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
            done = subprocess.run(call, env=env, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            if not Path(found.pop("package")).is_relative_to(folder):
                raise SystemExit(f"another nllearn than that of {folder} was imported")
            runs.add(commit=commit or machine()["commit"], **found)
    render()


if __name__ == "__main__":
    main()
