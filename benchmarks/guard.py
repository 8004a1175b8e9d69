"""Count what five fits compute, and compare with the counts under version control.

    python benchmarks/guard.py           # fails where a fit computes more than before
    python benchmarks/guard.py --write   # the counts of now become those to compare with

Counts, not seconds: they are the same on a busy machine. More by 5 % fails; less by as much asks
for ``--write``, so that the gain is kept. The counts of a fit:

- ``products``: multiplications in matrix products and convolutions, in millions;
- ``decompositions``: operations of matrix decompositions, in millions;
- ``sorted``: numbers in what is sorted or selected from, in millions;
- ``passes``: numbers in what all operations on tensors return, over the numbers in X;
- ``peak``: largest size of all tensors at a time, in MB, of those that operations return.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from _runs import RESULTS
from sklearn.datasets import load_digits, make_blobs
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from nllearn import AnchorHallucinationClassifier, LabelCleaner, MixNNClassifier
from nllearn.datasets import make_symmetric_noise

FILE = RESULTS / "guard.json"
# A difference by rounding, which another processor makes, is far smaller.
TOLERANCE = 0.05
# Below this a count is not compared: millions, passes or MB.
LEAST = 0.01

_SORTS = {"sort", "topk", "argsort", "kthvalue", "median", "mode"}
_NUMPY_SORTS = ("sort", "argsort", "partition", "argpartition", "lexsort")
# Operations over the cube of the matrix's order, as the textbooks count them. Eigenvalues alone
# take fewer, but look the same from here.
_DECOMPOSITIONS = {
    "_linalg_eigh": 9.0,
    "_linalg_eigvals": 10.0,
    "_linalg_solve_ex": 2.0 / 3.0,
    "_linalg_svd": 22.0,
    "linalg_cholesky_ex": 1.0 / 3.0,
    "linalg_eig": 25.0,
    "linalg_inv_ex": 2.0,
    "linalg_qr": 4.0 / 3.0,
    "linalg_solve_triangular": 1.0,
}


class Counter(TorchDispatchMode):
    """Counts of all operations on tensors, and of numpy's sorts, while it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = dict.fromkeys(("products", "decompositions", "sorted", "written"), 0)
        self.peak = self._held = 0
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = function(*args, **kwargs)
        packet = function._overloadpacket
        name = packet.__name__
        if packet in flop_registry:
            # A multiplication and an addition each.
            self.counts["products"] += int(flop_registry[packet](*args, **kwargs, out_val=out)) // 2
        elif name in _DECOMPOSITIONS:
            self.counts["decompositions"] += int(_DECOMPOSITIONS[name] * args[0].shape[-1] ** 3)
        elif name in _SORTS:
            self.counts["sorted"] += args[0].numel()
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                if not function.is_view:
                    self.counts["written"] += tensor.numel()
                self._hold(tensor)
        return out

    def _hold(self, tensor: torch.Tensor) -> None:
        """Count the memory of a tensor until nothing refers to it."""
        storage = tensor.untyped_storage()
        if storage in self._seen:
            return
        self._seen.add(storage)
        size = storage.nbytes()
        self._held += size
        self.peak = max(self.peak, self._held)
        weakref.finalize(storage, self._release, size)

    def _release(self, size: int) -> None:
        self._held -= size

    @contextmanager
    def numpy_sorts(self) -> Iterator[None]:
        """Count what numpy sorts too."""

        def counting(sort: Callable) -> Callable:
            def counted(values: Any, *args: Any, **kwargs: Any) -> Any:
                self.counts["sorted"] += np.size(values)
                return sort(values, *args, **kwargs)

            return counted

        patches = [patch.object(np, name, counting(getattr(np, name))) for name in _NUMPY_SORTS]
        for each in patches:
            each.start()
        try:
            yield
        finally:
            for each in patches:
                each.stop()


def embeddings(n: int, d: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows in clusters, and labels of which 40 % are wrong."""
    X, y = make_blobs(n, d, centers=n_classes, cluster_std=6.0, random_state=0)
    return X.astype(np.float32), make_symmetric_noise(y, noise_rate=0.4, random_state=0)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images of handwritten digits, bytes, and labels of which 40 % are wrong."""
    X, y = load_digits(return_X_y=True)
    images = (X[:600].reshape(-1, 8, 8) * 15).astype(np.uint8)
    return images, make_symmetric_noise(y[:600], noise_rate=0.4, random_state=0)


def fits() -> dict[str, tuple[Any, np.ndarray, np.ndarray]]:
    """The five fits: name to estimator, rows and labels."""
    run: dict[str, Any] = {"random_state": 0, "n_jobs": 1}
    return {
        "cleaner, 4000 x 64, 10 classes": (LabelCleaner(**run), *embeddings(4000, 64, 10)),
        "cleaner, 2500 x 32, 100 classes": (LabelCleaner(**run), *embeddings(2500, 32, 100)),
        "cleaner, noise at the boundary": (
            LabelCleaner(boundary_noise=True, **run),
            *embeddings(1500, 20, 5),
        ),
        "MixNN, table": (MixNNClassifier(max_epochs=10, **run), *embeddings(1500, 20, 5)),
        "Anchor Hallucination, images": (
            # Without half precision, which goes by the processor.
            AnchorHallucinationClassifier(max_epochs=5, net_params={"amp": False}, **run),
            *digits(),
        ),
    }


def count(estimator: Any, X: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Counts of one fit."""
    counter = Counter()
    with warnings.catch_warnings(), counter.numpy_sorts(), counter:
        warnings.simplefilter("ignore")
        estimator.fit(X, y)
    made = counter.counts
    counts = {name: made[name] / 1e6 for name in ("products", "decompositions", "sorted")}
    counts |= {"passes": made["written"] / X.size, "peak": counter.peak / 1e6}
    return {name: float(f"{value:.5g}") for name, value in counts.items()}


def compare(
    found: dict[str, dict[str, float]], known: dict[str, dict[str, float]]
) -> tuple[list[str], list[str]]:
    """What is more than before, and what is less, in words."""
    more, less = [], []
    for fit in sorted({*found, *known}):
        if fit not in found or fit not in known:
            more.append(f"{fit}: {'has no counts' if fit in found else 'is no longer counted'}")
            continue
        for name, value in found[fit].items():
            before = known[fit].get(name, math.nan)
            if max(value, before) < LEAST:
                continue
            line = f"{fit}: {name} {before:g} -> {value:g}"
            if not value <= before * (1.0 + TOLERANCE):
                more.append(line)
            elif value < before * (1.0 - TOLERANCE):
                less.append(line)
    return more, less


def main() -> int:
    """Count, and compare or write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="make these the counts to meet")
    write = parser.parse_args().write
    torch.set_num_threads(1)
    found = {}
    for name, (estimator, X, y) in fits().items():
        found[name] = count(estimator, X, y)
        print(f"{name}: " + ", ".join(f"{key} {value:g}" for key, value in found[name].items()))
    if write:
        FILE.write_text(json.dumps(found, indent=1) + "\n")
        return 0
    more, less = compare(found, json.loads(FILE.read_text()))
    for line in less:
        print("less:", line)
    if less:
        print("python benchmarks/guard.py --write keeps what was gained")
    for line in more:
        print("MORE:", line)
    if more:
        print("a fit computes more than before; if it must, python benchmarks/guard.py --write")
    return int(bool(more))


if __name__ == "__main__":
    sys.exit(main())
