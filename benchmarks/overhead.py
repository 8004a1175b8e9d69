"""What the training loop costs beyond the network's own passes, and what the refreshes cost.

    python benchmarks/overhead.py            # run, then render
    python benchmarks/overhead.py --render   # the page alone

A network 384-256-77 on 10,003 made rows, batches of 256. The bare loop does the same
forward and backward passes and optimiser steps in plain torch on sliced tensors: one pass
with gradient per batch, and for Anchor Hallucination one without between warm-up and last
phase. Both are timed in turn in one process; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import copy
import time
from typing import Any

import numpy as np
import torch
from _runs import DOCS, Runs, markdown_table
from sklearn.datasets import make_blobs
from skorch.callbacks import Callback
from torch.nn import functional as F

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.datasets import make_symmetric_noise

N_ROWS, N_FEATURES, N_CLASSES, BATCH = 10_003, 384, 77, 256


class Clock(Callback):
    """Seconds between the start and the end of the training loop."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Start."""
        self.start_ = time.perf_counter()

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Stop."""
        CLOCKS.append(time.perf_counter() - self.start_)


CLOCKS: list[float] = []


def make_rows() -> tuple[np.ndarray, np.ndarray]:
    """Clustered rows and labels with 40 % symmetric noise."""
    X, y = make_blobs(
        N_ROWS, n_features=N_FEATURES, centers=N_CLASSES, cluster_std=8.0, random_state=0
    )
    return X.astype(np.float32), make_symmetric_noise(y, noise_rate=0.4, random_state=0)


def bare_loop(module: torch.nn.Module, X: Any, y: Any, phases: list[str], teach: bool) -> Any:
    """Seconds of the same passes without anything around them."""
    module = copy.deepcopy(module).train()
    teacher = copy.deepcopy(module).eval()
    x, target = torch.from_numpy(X), F.one_hot(torch.from_numpy(y), N_CLASSES).float()
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.01)
    begin = time.perf_counter()
    for phase in phases:
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            batch, wanted = x[rows], target[rows]
            if teach and phase == "robust":
                with torch.no_grad():
                    teacher(batch)
            optimizer.zero_grad()
            F.cross_entropy(module(batch)[0], wanted).backward()
            optimizer.step()
    return time.perf_counter() - begin


def measure(cls: Any, X: np.ndarray, y: np.ndarray, repeats: int, epochs: int | None) -> dict:
    """Median seconds of loop, bare loop and stages."""
    loop, bare, fit, stages = [], [], [], {}
    for _ in range(repeats):
        start = time.perf_counter()
        clf = cls(batch_size=BATCH, max_epochs=epochs, callbacks=[Clock()], random_state=0)
        clf.fit(X, y)
        fit.append(time.perf_counter() - start)
        named: dict[str, float] = {}
        for row in clf.history_:
            for key, value in row.items():
                if key.startswith("seconds_"):
                    named[key[8:]] = named.get(key[8:], 0.0) + value
        for key, value in named.items():
            stages.setdefault(key, []).append(value)
        inside = sum(v for k, v in named.items() if k != "conclusion")
        loop.append(CLOCKS[-1] - inside)
        phases = [row["phase"] for row in clf.history_]
        teach = cls is AnchorHallucinationClassifier
        bare.append(bare_loop(clf.net_.module_, X, y, phases, teach))
    seconds = {key: float(np.median(values)) for key, values in stages.items()}
    return {
        "epochs": len(phases),
        "fit": float(np.median(fit)),
        "loop": float(np.median(loop)),
        "bare": float(np.median(bare)),
        "ratio": float(np.median(loop) / np.median(bare)),
        "stages": seconds,
        "refresh_share": float(sum(seconds.values()) / np.median(fit)),
    }


def render(runs: Runs) -> None:
    """Write the page from the last result of each classifier."""
    last = {row["method"]: row for row in runs.rows}
    parts = [
        "# Overhead",
        "",
        "Network 384-256-77, 10,003 rows, batches of 256, default length and refreshes. "
        "Wall seconds, medians. The loop is training without the refresh stages; the bare "
        "loop does the same forward and backward passes and optimiser steps in plain torch, "
        "timed in turn in the same process, on an otherwise idle machine. Refresh stages "
        "include the conclusion at the end.",
        "",
        f"Made by `python benchmarks/overhead.py`. Run on {runs.machines()}.",
        "",
        markdown_table(
            ["method", "fit", "loop", "bare loop", "loop / bare", "refresh share", "stages"],
            [
                [
                    method,
                    f"{row['fit']:.1f}",
                    f"{row['loop']:.1f}",
                    f"{row['bare']:.1f}",
                    f"{row['ratio']:.2f}",
                    f"{row['refresh_share']:.0%}",
                    ", ".join(f"{k} {v:.1f}" for k, v in row["stages"].items()),
                ]
                for method, row in last.items()
            ],
        ),
    ]
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "overhead.md").write_text("\n".join(parts) + "\n")


def main() -> None:
    """Measure both classifiers, then render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--render", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    runs = Runs("overhead")
    if not args.render:
        X, y = make_rows()
        for cls in (MixNNClassifier, AnchorHallucinationClassifier):
            result = measure(cls, X, y, args.repeats, args.epochs)
            runs.add(method=cls.__name__, **result)
    render(Runs("overhead"))


if __name__ == "__main__":
    main()
