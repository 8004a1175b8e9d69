"""What the training loop costs beyond the network's own passes, and what the refreshes cost.

    python benchmarks/overhead.py            # tables: run, then render
    python benchmarks/overhead.py --images   # images: run, then render
    python benchmarks/overhead.py --render   # the page alone

A network 384-256-77 on 10,003 made rows, batches of 256. The bare loop does the same
forward and backward passes and optimiser steps in plain torch on sliced tensors: one pass
with gradient per batch, and for Anchor Hallucination one without between warm-up and last
phase. Its optimiser is fused, as that of fit; its batches are taken by an index in brackets,
which takes longer than the ``index_select`` of fit. It has no averaged weights, no weights of
rows, and none of the arithmetic on targets. Both are timed in turn in one process; the ratio
is that of the medians.

With ``--images``: 5,000 synthetic images of 32x32 pixels, the default network for images on this
device, batches of 128; the bare loop standardises slices of uint8 and uses the same memory
format and precision, but has no random views. Anchor Hallucination has two views of every
image between warm-up and last phase, so the bare loop has two passes of each kind there.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from _runs import DOCS, Runs, markdown_table
from sklearn.datasets import make_blobs
from skorch.callbacks import Callback
from torch.nn import functional as F

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.datasets import make_symmetric_noise
from nllearn.functional.similarity import centred_unit_rows, cosine_topk
from nllearn.networks import Dropout

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


def make_images(n: int = 5000) -> tuple[np.ndarray, np.ndarray]:
    """Images with a pattern per class, and labels with 40 % symmetric noise."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, n)
    patterns = rng.normal(0, 40, (10, 8, 8, 3)).repeat(4, 1).repeat(4, 2)
    X = (128 + patterns[y] + rng.normal(0, 40, (n, 32, 32, 3))).clip(0, 255).astype(np.uint8)
    return X, make_symmetric_noise(y, noise_rate=0.4, random_state=0)


def seconds_in_batches(clf: Any, X: np.ndarray, phases: list[str]) -> float:
    """Seconds that the searches inside the batches of a fit take."""
    device, size = torch.device(clf.resolved_params_["device"]), clf.resolved_params_["batch_size"]
    with torch.no_grad():
        features = clf.net_.module_.eval()(torch.from_numpy(X[:size]).to(device))[1].float()
    own = torch.arange(len(features), device=device)
    n_batches = phases.count("robust") * -(-len(X) // size)
    start = time.perf_counter()
    for _ in range(n_batches):
        unit, _ = centred_unit_rows(features)
        cosine_topk(unit, unit, clf.resolved_params_["n_neighbors"], exclude=own)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def with_own_dropout(module: torch.nn.Module) -> torch.nn.Module:
    """The same network with torch's own dropout."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, Dropout):
                setattr(parent, name, torch.nn.Dropout(child.p))
    return module


def bare_loop(
    clf: Any,
    X: np.ndarray,
    y: np.ndarray,
    phases: list[str],
    teach: bool,
    change: Callable[[torch.nn.Module], torch.nn.Module] = lambda module: module,
) -> float:
    """Seconds of the same passes without anything around them."""
    looks = getattr(clf, "_in_batch", False)
    module = change(copy.deepcopy(clf.net_.module_)).train()
    teacher = copy.deepcopy(module).eval()
    device, amp = torch.device(clf.resolved_params_["device"]), clf.net_.amp
    x = torch.from_numpy(X).to(device)
    target = F.one_hot(torch.from_numpy(y), int(y.max()) + 1).float().to(device)
    images = x.dim() == 4
    if images:
        mean, std = x.float().mean((0, 1, 2)), x.float().std((0, 1, 2))
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    batch_size = clf.resolved_params_["batch_size"]
    begin = time.perf_counter()
    for phase in phases:
        order = torch.randperm(len(x), device=device)
        for start in range(0, len(x), batch_size):
            rows = order[start : start + batch_size]
            batch, wanted = x[rows], target[rows]
            if images:
                batch = ((batch.float() - mean) / std).permute(0, 3, 1, 2)
            two_views = images and teach and phase == "robust"
            if two_views:
                batch, wanted = torch.cat([batch, batch]), torch.cat([wanted, wanted])
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=amp):
                if phase == "robust" and (teach or looks):
                    # Targets of Anchor Hallucination, neighbours of MixNN inside the batch.
                    with torch.no_grad():
                        (teacher if teach else module)(batch)
                optimizer.zero_grad()
                logits = module(batch)[0]
            F.cross_entropy(logits.float(), wanted).backward()
            optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def measure(
    cls: Any, X: np.ndarray, y: np.ndarray, batch: int, repeats: int, epochs: int | None
) -> dict[str, Any]:
    """Median seconds of loop, bare loop and stages."""
    loop, bare, own, fit, stages = [], [], [], [], {}
    for _ in range(repeats):
        start = time.perf_counter()
        clf = cls(batch_size=batch, max_epochs=epochs, callbacks=[Clock()], random_state=0)
        clf.fit(X, y)
        fit.append(time.perf_counter() - start)
        named: dict[str, float] = {}
        for row in clf.history_:
            for key, value in row.items():
                if key.startswith("seconds_"):
                    named[key[8:]] = named.get(key[8:], 0.0) + value
        phases = [row["phase"] for row in clf.history_]
        if getattr(clf, "_in_batch", False):
            named["search"] = seconds_in_batches(clf, X, phases)
        for key, value in named.items():
            stages.setdefault(key, []).append(value)
        # The final estimate comes when the clock has stopped.
        inside = sum(v for k, v in named.items() if k != "label_posterior")
        loop.append(CLOCKS[-1] - inside)
        teach = cls is AnchorHallucinationClassifier
        bare.append(bare_loop(clf, X, y, phases, teach))
        own.append(bare_loop(clf, X, y, phases, teach, with_own_dropout))
    seconds = {key: float(np.median(values)) for key, values in stages.items()}
    return {
        "epochs": len(phases),
        "images_per_second": len(X) * len(phases) / float(np.median(loop)),
        "fit": float(np.median(fit)),
        "loop": float(np.median(loop)),
        "bare": float(np.median(bare)),
        "own_dropout": float(np.median(own)),
        "ratio": float(np.median(loop) / np.median(bare)),
        "stages": seconds,
        "refresh_share": float(sum(seconds.values()) / np.median(fit)),
    }


_TABLE_HEAD = (
    "Network 384-256-77, 10,003 rows, batches of 256, default length and refreshes. "
    "Wall seconds, medians. The loop is training without the refresh stages; the bare "
    "loop does the same forward and backward passes and optimiser steps in plain torch, "
    "timed in turn in the same process, on an otherwise idle machine. Refresh stages "
    "include the final estimate, and for MixNN the search inside the batches."
)
_IMAGE_HEAD = (
    "5,000 synthetic images of 32x32 pixels, the default network for images, batches of 128. The "
    "bare loop has no random views; the loop of fit draws the default, strong views of every "
    "image. Two views of "
    "an image in Anchor Hallucination are two passes in both loops."
)


def _table(rows: dict[str, dict[str, Any]]) -> str:
    return markdown_table(
        [
            "method",
            "epochs",
            "fit",
            "loop",
            "bare loop",
            "loop / bare",
            "refresh share",
            "stages",
            "bare loop, torch's dropout",
        ],
        [
            [
                method,
                str(row["epochs"]),
                f"{row['fit']:.1f}",
                f"{row['loop']:.1f}",
                f"{row['bare']:.1f}",
                f"{row['ratio']:.2f}",
                f"{row['refresh_share']:.0%}",
                ", ".join(f"{k} {v:.1f}" for k, v in row["stages"].items()),
                f"{row['own_dropout']:.1f}" if "own_dropout" in row else "",
            ]
            for method, row in rows.items()
        ],
    )


def render() -> None:
    """Write the page from the last result of each classifier."""
    parts = ["# Overhead"]
    for name, title, head in (
        ("overhead", "Tables", _TABLE_HEAD),
        ("overhead_images", "Images", _IMAGE_HEAD),
    ):
        runs = Runs(name)
        if runs.rows:
            last = {row["method"]: row for row in runs.rows}
            flag = " --images" if name.endswith("images") else ""
            made = f"Made by `python benchmarks/overhead.py{flag}`. Run on {runs.machines()}."
            parts += ["", f"## {title}", "", head, "", made, "", _table(last)]
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "overhead.md").write_text("\n".join(parts) + "\n")


def main() -> None:
    """Measure both classifiers, then render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", action="store_true")
    parser.add_argument("--render", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if not args.render:
        runs = Runs("overhead_images" if args.images else "overhead")
        X, y = make_images() if args.images else make_rows()
        batch = 128 if args.images else BATCH
        epochs = args.epochs or (10 if args.images else None)
        for cls in (MixNNClassifier, AnchorHallucinationClassifier):
            result = measure(cls, X, y, batch, args.repeats, epochs)
            runs.add(method=cls.__name__, **result)
    render()


if __name__ == "__main__":
    main()
