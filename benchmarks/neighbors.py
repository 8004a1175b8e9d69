"""Exact and approximate neighbour searches: CPU seconds, recall, and what their votes are worth.

    python benchmarks/neighbors.py --data DIR                       # measure what can be imported
    python benchmarks/neighbors.py --data DIR --cases "made blobs"  # some of the cases
    python benchmarks/neighbors.py --render                         # the page alone

faiss-cpu and usearch take part where they are installed. One thread. A search of all rows among
themselves is timed, compilation and building included. 2,000 drawn rows are compared with their
exact neighbours.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _cases import data_folder, load_case
from _runs import DOCS, Runs, markdown_table
from sklearn.datasets import make_blobs

from nllearn.datasets import make_symmetric_noise
from nllearn.functional.neighbor_votes import neighbor_shares
from nllearn.functional.similarity import centred_unit_rows, cosine_topk
from nllearn.neighbors import DescentNeighbors, ExactNeighbors

K, N_COMPARED = 30, 2000
Found = tuple[torch.Tensor, np.ndarray, np.ndarray]


def blobs(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Made clusters."""
    X, y = make_blobs(100_000, 128, centers=100, cluster_std=12.0, random_state=0)
    return X.astype(np.float32), make_symmetric_noise(y, noise_rate=0.4, random_state=0), y


def sentences(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings of sentences, each five times, the copies moved a little."""
    case = load_case(folder, "banking77 symmetric 40 %", 0)
    X, y = np.repeat(case.X, 5, axis=0), np.repeat(case.y_clean, 5)
    X = X + np.random.default_rng(0).normal(0, 0.5 * X.std(), X.shape)
    return X.astype(np.float32), make_symmetric_noise(y, noise_rate=0.4, random_state=0), y


def pictures(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weak features of images."""
    case = load_case(folder, "cifar10 features human_worst", 0, rows=50_000)
    return case.X, case.y_noisy, case.y_clean


CASES = {
    "made blobs": blobs,
    "sentences, each five times": sentences,
    "cifar10 features": pictures,
}


def search_ours(search: Any) -> Callable[[torch.Tensor], np.ndarray]:
    """A search of the package as a function of the rows."""
    return lambda rows: search.fit(rows).kneighbors(return_distance=False).numpy()


def without_own(found: np.ndarray) -> np.ndarray:
    """Neighbours without the row itself, wherever it stands."""
    own = found == np.arange(len(found))[:, None]
    own[~own.any(1), -1] = True
    return found[~own].reshape(len(found), -1)


def faiss_hnsw(rows: torch.Tensor) -> np.ndarray:
    """A navigable graph of faiss."""
    import faiss

    index = faiss.IndexHNSWFlat(rows.shape[1], 24, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = 80, 80
    index.add(rows.numpy())
    return without_own(index.search(rows.numpy(), K + 1)[1])


def faiss_cells(rows: torch.Tensor) -> np.ndarray:
    """Cells of faiss by k-means, of which a twelfth is searched."""
    import faiss

    n_cells = int(len(rows) ** 0.5)
    quantizer = faiss.IndexFlatIP(rows.shape[1])
    index = faiss.IndexIVFFlat(quantizer, rows.shape[1], n_cells, faiss.METRIC_INNER_PRODUCT)
    index.train(rows.numpy()[np.random.default_rng(0).permutation(len(rows))[: 50 * n_cells]])
    index.add(rows.numpy())
    index.nprobe = n_cells // 12
    return without_own(index.search(rows.numpy(), K + 1)[1])


def usearch_hnsw(rows: torch.Tensor) -> np.ndarray:
    """A navigable graph of usearch."""
    from usearch.index import Index

    index = Index(ndim=rows.shape[1], metric="ip", connectivity=24, expansion_search=80)
    index.add(np.arange(len(rows)), rows.numpy(), threads=1)
    return without_own(index.search(rows.numpy(), K + 1, threads=1).keys.astype(np.int64))


ENGINES: dict[str, tuple[str, Callable[[torch.Tensor], np.ndarray]]] = {
    "exact": ("torch", search_ours(ExactNeighbors(K))),
    "pynndescent": ("pynndescent", search_ours(DescentNeighbors(K, random_state=0))),
    "faiss, graph": ("faiss", faiss_hnsw),
    "faiss, cells": ("faiss", faiss_cells),
    "usearch, graph": ("usearch", usearch_hnsw),
}


def votes(rows: torch.Tensor, found: np.ndarray, drawn: np.ndarray, codes: torch.Tensor) -> Any:
    """Class that the neighbours of the drawn rows vote for."""
    indices = torch.from_numpy(found[drawn])
    cosines = torch.einsum("nd,nkd->nk", rows[drawn], rows[indices])
    n_classes = int(codes.max()) + 1
    shares = neighbor_shares(cosines, indices, codes, n_classes, torch.ones(len(rows)))
    return shares.argmax(1).numpy()


def measure(runs: Runs, folder: Path, name: str) -> None:
    """All engines on one case."""
    X, y, clean = CASES[name](folder)
    rows, _ = centred_unit_rows(torch.from_numpy(X))
    codes = torch.from_numpy(y)
    drawn = np.sort(np.random.default_rng(0).permutation(len(X))[:N_COMPARED])
    _, exact = cosine_topk(rows[drawn], rows, K, exclude=torch.from_numpy(drawn))
    whole = np.zeros((len(X), K), dtype=np.int64)
    whole[drawn] = exact.numpy()
    wanted = votes(rows, whole, drawn, codes)
    for engine, (module, search) in ENGINES.items():
        if importlib.util.find_spec(module) is None:
            continue
        start = time.process_time()
        found = search(rows)
        seconds = time.process_time() - start
        same = [len(np.intersect1d(a, b)) for a, b in zip(found[drawn], whole[drawn], strict=True)]
        voted = votes(rows, found, drawn, codes)
        runs.add(
            case=name,
            shape=[*X.shape, int(codes.max()) + 1],
            engine=engine,
            seconds=seconds,
            recall=float(np.mean(same)) / K,
            same_vote=float((voted == wanted).mean()),
            label_accuracy=float((voted == clean[drawn]).mean()),
        )


def render() -> None:
    """Write the page of the last run of each engine on each case."""
    runs = Runs("neighbors")
    last = {(row["case"], row["engine"]): row for row in runs.rows}
    lines = [
        "# Neighbour searches",
        "",
        f"{K} neighbours of every row among all rows, one thread. CPU seconds hold compilation "
        f"(pynndescent) and building. On {N_COMPARED:,} drawn rows: the share of the exact "
        "neighbours that are found, the share of rows whose neighbours vote for the same class as "
        "the exact ones, and the share for whose true class they vote. 40 % of the labels that "
        "vote are wrong.",
        "",
        f"Made by `python benchmarks/neighbors.py --data DIR`. Run on {runs.machines()}.",
    ]
    for name in CASES:
        found = [row for (case, _), row in last.items() if case == name]
        if not found:
            continue
        n, d, n_classes = found[0]["shape"]
        table = [
            [row["engine"], f"{row['seconds']:.0f}"]
            + [f"{row[key]:.3f}" for key in ("recall", "same_vote", "label_accuracy")]
            for row in found
        ]
        header = ["search", "CPU s", "recall", "same vote", "label accuracy of the votes"]
        lines += ["", f"## {name[0].upper()}{name[1:]}, {n:,} x {d}, {n_classes} classes", ""]
        lines.append(markdown_table(header, table))
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "neighbors.md").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Measure, then render."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--cases", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--render", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if not args.render:
        for name in args.cases:
            measure(Runs("neighbors"), data_folder(args.data), name)
    render()


if __name__ == "__main__":
    main()
