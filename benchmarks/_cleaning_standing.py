"""Where the label cleaner stands beside the others, cell by cell, from the raw results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

OURS, TRUSTED = "LabelCleaner", "LabelCleaner, 2 % trusted"
CLASSIFIERS = ("Anchor Hallucination", "MixNN")
Row = dict[str, Any]


def standing(rows: list[Row], cells: Iterable[tuple[str, str]]) -> list[str]:
    """Lines of a section: cells won, level and lost, and how the quality does.

    Level is within one standard error, the larger of the two, on the seeds that both have.
    Without noise doing nothing is right by definition and no peer. Symmetric noise of 0.8
    counts nowhere.
    """
    by_cell: dict[tuple[str, str], dict[str, list[Row]]] = {
        cell: {} for cell in cells if "0.8" not in cell[1]
    }
    for row in rows:
        if (row["data"], row["noise"]) in by_cell:
            by_cell[row["data"], row["noise"]].setdefault(row["method"], []).append(row)
    by_cell = {cell: methods for cell, methods in by_cell.items() if OURS in methods}
    lines = [
        f"Of {len(by_cell)} cells, symmetric noise of 0.8 left out. Level is within one standard "
        "error, the larger of the two, on the seeds that both have. Without noise doing nothing is "
        "no peer.",
        "",
    ]
    for name, known in (
        ("every other tool and doing nothing", lambda method: method not in CLASSIFIERS),
        ("our two classifiers, which train a network", lambda method: method in CLASSIFIERS),
    ):
        lost = []
        for (data, noise), methods in by_cell.items():
            # On the seeds that both have.
            pairs = {
                method: _common(methods[OURS], found)
                for method, found in methods.items()
                if known(method)
                and method not in (OURS, TRUSTED)
                and not (method == "given labels" and noise == "none")
            }
            gaps = {
                method: _centre(theirs, "labels") - _centre(mine, "labels")
                for method, (mine, theirs) in pairs.items()
                if mine
            }
            if not gaps:
                continue
            best = max(gaps, key=gaps.__getitem__)
            if gaps[best] > max(_error(found, "labels") for found in pairs[best]):
                mine, theirs = (_centre(found, "labels") for found in pairs[best])
                lost.append(f"{data}, {noise}: {mine:.3f}, {best} {theirs:.3f}")
        lines.append(
            f"- **Labels right, against {name}**: ahead or level in {len(by_cell) - len(lost)}"
            + (f", behind in {len(lost)} ({'; '.join(lost)})." if lost else ".")
        )
    noisy = {cell: methods for cell, methods in by_cell.items() if cell[1] != "none"}
    error = [_centre(methods[OURS], "calibration") for methods in noisy.values()]
    lines.append(
        f"- **Calibration error** in the {len(noisy)} cells with noise: at most 0.03 in "
        f"{sum(e <= 0.03 for e in error)}, at most 0.05 in {sum(e <= 0.05 for e in error)}."
    )
    behind = []
    for (data, noise), methods in noisy.items():
        others = {
            method: _centre(found, "auroc")
            for method, found in methods.items()
            if method not in (OURS, TRUSTED, *CLASSIFIERS) and found[0].get("auroc") is not None
        }
        mine = _centre(methods[OURS], "auroc")
        best = max(others, key=others.__getitem__)
        if mine < others[best] - 0.0005:
            behind.append(f"{data}, {noise}: {mine:.3f}, {best} {others[best]:.3f}")
    lines.append(
        f"- **AUROC** at least that of the best other tool in {len(noisy) - len(behind)} of them"
        + (f", below in {len(behind)} ({'; '.join(behind)})." if behind else ".")
    )
    change = [
        _centre(methods[TRUSTED], "labels") - _centre(methods[OURS], "labels")
        for methods in by_cell.values()
        if TRUSTED in methods
    ]
    lines.append(
        "- **2 % trusted rows** raise the share of right labels in "
        f"{sum(c > 1e-4 for c in change)} of {len(change)} cells and lower it in "
        f"{sum(c < -1e-4 for c in change)}."
    )
    return lines


def _common(one: list[Row], two: list[Row]) -> tuple[list[Row], list[Row]]:
    """Rows of the seeds that both have."""
    seeds = {r["seed"] for r in one} & {r["seed"] for r in two}
    mine, theirs = ([r for r in rows if r["seed"] in seeds] for rows in (one, two))
    return mine, theirs


def _values(rows: list[Row], key: str) -> np.ndarray:
    return np.array([r[key] for r in rows if r.get(key) is not None], dtype=float)


def _centre(rows: list[Row], key: str) -> float:
    return float(_values(rows, key).mean())


def _error(rows: list[Row], key: str) -> float:
    values = _values(rows, key)
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
