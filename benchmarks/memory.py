"""Peak memory and time by the number of rows, and what a row costs on paper.

    python benchmarks/memory.py            # run what is not there yet, then render
    python benchmarks/memory.py --threads  # searches and fits side by side, then render
    python benchmarks/memory.py --render   # the page alone

Every size runs in a process of its own with one thread. Memory is what the process holds
beyond its data and its libraries (anonymous pages, read every few milliseconds); pages of
mapped files are left out, since the system takes them back when others need them. The same
fit on a memmap with nothing declared free shows what is left when tables and features stay
on the disk.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from _runs import DOCS, Runs, markdown_table

N_COLUMNS, N_CLASSES, EPOCHS, WIDTH = 128, 10, 3, 256
#: Of the rows that the cleaner sees.
CLEANER_CLASSES = 100
SIZES = {
    "MixNNClassifier": (5_000, 15_000, 45_000),
    "AnchorHallucinationClassifier": (5_000, 15_000, 45_000),
    "LabelCleaner": (10_000, 100_000, 1_000_000),
}
# What is measured once more on a memmap, with nothing declared free.
ON_DISK = ("MixNNClassifier", "AnchorHallucinationClassifier")


def anonymous_bytes() -> int:
    """Memory of this process that no file stands behind."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no RssAnon: this benchmark needs Linux")


class Peak:
    """Largest anonymous memory between start and stop, above that at the start."""

    def __enter__(self) -> Peak:
        gc.collect()
        self._start = self._most = anonymous_bytes()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._stopped.wait(0.005):
            self._most = max(self._most, anonymous_bytes())

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self.bytes = max(self._most, anonymous_bytes()) - self._start


def make_rows(
    n: int, path: Path | None = None, n_classes: int = N_CLASSES
) -> tuple[np.ndarray, np.ndarray]:
    """Clustered rows, in memory or in a file, and labels of which 30 % are wrong."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((n_classes, N_COLUMNS), dtype=np.float32)
    y = rng.integers(0, n_classes, n)
    shape = (n, N_COLUMNS)
    X = np.empty(shape, np.float32) if path is None else np.memmap(path, "f4", "w+", shape=shape)
    for start in range(0, n, 10_000):
        some = y[start : start + 10_000]
        noise = rng.standard_normal((len(some), N_COLUMNS), dtype=np.float32)
        X[start : start + 10_000] = centres[some] + 2.0 * noise
    wrong = rng.random(n) < 0.3
    return X, np.where(wrong, (y + rng.integers(1, n_classes, n)) % n_classes, y)


def make_truth(n: int, n_classes: int) -> np.ndarray:
    """True labels of :func:`make_rows`."""
    rng = np.random.default_rng(0)
    rng.standard_normal((n_classes, N_COLUMNS), dtype=np.float32)
    return rng.integers(0, n_classes, n)


def measure(method: str, n: int, on_disk: bool) -> dict[str, float]:
    """Fit once and tell peak memory, seconds and what the estimator keeps."""
    import nllearn
    from nllearn.classifiers import _preprocessing
    from nllearn.training import _inference

    is_cleaner = method == "LabelCleaner"
    params = {} if is_cleaner else {"max_epochs": EPOCHS}
    estimator = getattr(nllearn, method)(device="cpu", random_state=0, **params)
    # Libraries load and compile on first use; that is no cost of a row.
    if n > 30_000:
        type(estimator)(**params, neighbors="descent").fit(*make_rows(400))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X" if on_disk else None
        X, y = make_rows(n, path, CLEANER_CLASSES if is_cleaner else N_CLASSES)
        if on_disk:
            _preprocessing.free_bytes = _inference.free_bytes = lambda device: 0.0
        wall, cpu = time.perf_counter(), time.process_time()
        with Peak() as peak:
            estimator.fit(X, y)
        seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        gc.collect()
    truth = make_truth(n, CLEANER_CLASSES if is_cleaner else N_CLASSES)
    right = float((estimator.corrected_labels_ == truth).mean())
    return {"peak": float(peak.bytes), "labels": right, **seconds}


def run_sizes(runs: Runs, methods: list[str]) -> None:
    """Measure every size in a process of its own, forked from one that is warm."""
    from nllearn import LabelCleaner, MixNNClassifier

    context = multiprocessing.get_context("fork")
    for cls in (LabelCleaner, MixNNClassifier):
        cls(device="cpu").fit(*make_rows(400))
    todo = [(m, n, False) for m, sizes in SIZES.items() for n in sizes]
    todo += [(m, n, True) for m in ON_DISK for n in SIZES[m]]
    todo = [item for item in todo if item[0] in methods]
    for method, n, on_disk in sorted(todo, key=lambda item: item[1]):
        key = {"method": method, "n": n, "on_disk": on_disk}
        if not runs.done(**key):
            with context.Pool(1) as pool:
                runs.add(**key, **pool.apply(measure, (method, n, on_disk)))


# -- threads


def work(kind: str) -> dict[str, float]:
    """Wall and processor seconds of one way to do four fits."""
    from sklearn.model_selection import GridSearchCV

    from nllearn import MixNNClassifier

    X, y = make_rows(10_000)
    clf = MixNNClassifier(max_epochs=20, device="cpu", random_state=0)
    # Libraries and workers are started before the clock.
    GridSearchCV(clf, {"max_epochs": [3]}, cv=2, n_jobs=2 if "n_jobs=2" in kind else None).fit(X, y)
    before, wall = _processor_seconds(), time.perf_counter()
    if kind.startswith("GridSearchCV"):
        search = GridSearchCV(clf, {"alpha": [0.8, 0.9]}, cv=2, refit=False)
        search.set_params(n_jobs=2 if "n_jobs=2" in kind else None).fit(X, y)
    elif kind == "4 fits, 2 threads":
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: MixNNClassifier(**clf.get_params()).fit(X, y), range(4)))
    else:
        for _ in range(4):
            MixNNClassifier(**clf.get_params()).fit(X, y)
    wall = time.perf_counter() - wall
    return {"wall": wall, "cpu": _processor_seconds() - before, "load": os.getloadavg()[0]}


def _processor_seconds() -> float:
    """What this process and its living workers have used so far."""
    import psutil  # comes with dask's distributed

    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children(recursive=True))]
    return sum(used.user + used.system for used in times)


WORK = ("GridSearchCV, serial", "GridSearchCV, n_jobs=2", "4 fits, serial", "4 fits, 2 threads")


def run_threads(runs: Runs) -> None:
    """Each way with torch's own number of threads and with one."""
    for threads in (None, 1):
        for kind in WORK:
            key = {"kind": kind, "threads": threads or "unset"}
            if not runs.done(**key):
                runs.add(**key, **_child(kind, threads))


def _child(kind: str, threads: int | None) -> dict[str, float]:
    """Do the work in a new process."""
    env = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    if threads is not None:
        env |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    call = [sys.executable, __file__, "--child", kind]
    done = subprocess.run(call, env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


# -- the page


def exponent(sizes: list[int], values: list[float]) -> str:
    """By how much the value grows between the two largest sizes: n to this power."""
    a, b = sizes[-2:]
    return f"{np.log(values[-1] / values[-2]) / np.log(b / a):.2f}"


def _sizes_table(rows: list[dict[str, Any]]) -> str:
    body = []
    for method, on_disk in sorted({(r["method"], r["on_disk"]) for r in rows}):
        mine = [r for r in rows if (r["method"], r["on_disk"]) == (method, on_disk)]
        mine.sort(key=lambda r: r["n"])
        n, peak, cpu = ([r[k] for r in mine] for k in ("n", "peak", "cpu"))
        if len(n) < 2:
            continue
        slope = (peak[-1] - peak[-2]) / (n[-1] - n[-2])
        body.append(
            [
                method,
                "memmap, on the disk" if on_disk else "in memory",
                ", ".join(f"{v:,}" for v in n),
                ", ".join(f"{v / 1e6:.0f}" for v in peak),
                f"{slope:,.0f}",
                exponent(n, peak),
                ", ".join(f"{v:.1f}" for v in cpu),
                exponent(n, cpu),
            ]
        )
    head = ["estimator", "table and features", "rows", "peak, MB", "bytes per further row"]
    return markdown_table(
        [*head, "memory grows as n to the", "processor seconds", "time grows as n to the"], body
    )


def _threads_table(rows: list[dict[str, Any]]) -> str:
    return markdown_table(
        ["work", "OMP_NUM_THREADS", "wall seconds", "processor seconds, with workers"],
        [[r["kind"], str(r["threads"]), f"{r['wall']:.1f}", f"{r['cpu']:.1f}"] for r in rows],
    )


# Bytes per row of each part: d columns, F features of the network, C classes, k neighbours.
PARTS = (
    ("standardised copy of a table", "4 d", lambda d, f, c, k: 4 * d, "0"),
    (
        "book: labels, weights, targets, flags",
        "43 + 4 C",
        lambda d, f, c, k: 43 + 4 * c,
        "the same",
    ),
    ("its renewal: targets, one-hot labels", "20 C", lambda d, f, c, k: 20 * c, "the same"),
    ("bank: logits, losses", "4 C + 4", lambda d, f, c, k: 4 * c + 4, "the same"),
    ("bank: features", "4 F", lambda d, f, c, k: 4 * f, "0 (2 F of disk)"),
    (
        "unit rows that are searched: features and table",
        "4 F + 8 d",
        lambda d, f, c, k: 4 * f + 8 * d,
        "4 F",
    ),
    (
        "neighbours: cosines, numbers, distances",
        "24 k",
        lambda d, f, c, k: 24 * k,
        "the same",
    ),
    (
        "votes and leave-one-out scores (kernel features: 300 MB at most)",
        "32 C",
        lambda d, f, c, k: 32 * c,
        "blocks of 65,536 rows",
    ),
    (
        "what fit keeps: features, distributions, evidence",
        "2 F + 8 C + 57",
        lambda d, f, c, k: 2 * f + 8 * c + 57,
        "the same",
    ),
)


def _paper_table() -> str:
    body = []
    for part, formula, count, on_disk in PARTS:
        n_bytes = count(N_COLUMNS, WIDTH, N_CLASSES, 50)
        body.append([part, formula, f"{n_bytes:,}", f"{n_bytes / 10:,.1f}", on_disk])
    return markdown_table(
        ["part", "bytes per row", "here", "GB at 100 million rows", "when on the disk"], body
    )


def render() -> None:
    """Write the page."""
    sizes, threads = Runs("memory"), Runs("threads")
    text = (DOCS / "_memory_reading.md").read_text().split("<!-- next -->")
    tables = [_sizes_table(sizes.rows), _paper_table(), _threads_table(threads.rows)]
    made = f"Made by `python benchmarks/memory.py`. Run on {sizes.machines()}."
    body = [part for pair in zip(text, [*tables, ""], strict=True) for part in pair]
    if not threads.rows:
        # The last section is about them alone.
        body = body[:-3]
        body[-1] = body[-1].split("\n## Searches and fits")[0]
    page = "\n\n".join(part.strip() for part in body if part.strip())
    (DOCS / "memory.md").write_text(page.replace("MADE", made) + "\n")


def main() -> None:
    """Measure what is missing, then render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", action="store_true")
    parser.add_argument("--methods", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--render", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(work(args.child)))
        return
    if not args.render:
        if args.threads:
            run_threads(Runs("threads"))
        elif os.environ.get("OMP_NUM_THREADS") != "1":
            # Before numpy and torch start their threads.
            one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | one)
        else:
            run_sizes(Runs("memory"), args.methods)
    render()


if __name__ == "__main__":
    main()
