"""Comparison of the label cleaner with the other tools, cell by cell, from the raw results."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from _runs import centre_and_error

OURS, TRUSTED = "LabelCleaner", "LabelCleaner, 2 % trusted"
CLASSIFIERS = ("Anchor Hallucination", "MixNN")
Row = dict[str, Any]
Cells = dict[tuple[str, str], dict[str, list[Row]]]


def standing(rows: list[Row], cells: Iterable[tuple[str, str]]) -> list[str]:
    """Lines of a section: cells won, level and lost, and the calibration of the quality.

    Level is within one standard error, the larger of the two, on the seeds that both have.
    Clean cells are left out of the comparison with doing nothing, which is right there by
    definition. Symmetric noise of 0.8 is left out everywhere.
    """
    found: Cells = {cell: {} for cell in cells if "0.8" not in cell[1]}
    for row in rows:
        if (row["data"], row["noise"]) in found:
            found[row["data"], row["noise"]].setdefault(row["method"], []).append(row)
    found = {cell: methods for cell, methods in found.items() if OURS in methods}
    noisy = {cell: methods for cell, methods in found.items() if cell[1] != "none"}
    return [
        f"Of {len(found)} cells, symmetric noise of 0.8 left out. Level is within one standard "
        "error, the larger of the two, on the seeds that both have. Clean cells are left "
        "out of the comparison with doing nothing.",
        "",
        _labels_line(
            found, "every other tool and doing nothing", lambda method: method not in CLASSIFIERS
        ),
        _labels_line(
            found,
            "our two classifiers, which train a network",
            lambda method: method in CLASSIFIERS,
        ),
        _calibration_line(noisy),
        _auroc_line(noisy),
        _trusted_line(found),
    ]


def _labels_line(cells: Cells, name: str, is_peer: Callable[[str], bool]) -> str:
    lost = []
    for (data, noise), methods in cells.items():
        # Of every peer: how far it is ahead, the larger error, and the two means.
        gaps = []
        for method, theirs in methods.items():
            if not is_peer(method) or method in (OURS, TRUSTED):
                continue
            if method == "given labels" and noise == "none":
                continue
            seeds = {r["seed"] for r in methods[OURS]} & {r["seed"] for r in theirs}
            if seeds:
                (mine, my_error), (other, other_error) = (
                    _score([r for r in some if r["seed"] in seeds], "labels")
                    for some in (methods[OURS], theirs)
                )
                gaps.append((other - mine, max(my_error, other_error), mine, other, method))
        if gaps:
            gap, error, mine, other, method = max(gaps)
            if gap > error:
                lost.append(f"{data}, {noise}: {mine:.3f}, {method} {other:.3f}")
    return (
        f"- **Label accuracy against {name}**: ahead or level in {len(cells) - len(lost)}"
        + _named(", behind in", lost)
    )


def _calibration_line(noisy: Cells) -> str:
    errors = [_score(methods[OURS], "calibration")[0] for methods in noisy.values()]
    return (
        f"- **Calibration error** in the {len(noisy)} cells with noise: at most 0.03 in "
        f"{sum(e <= 0.03 for e in errors)}, at most 0.05 in {sum(e <= 0.05 for e in errors)}."
    )


def _auroc_line(noisy: Cells) -> str:
    behind = []
    for (data, noise), methods in noisy.items():
        others = [
            (_score(found, "auroc")[0], method)
            for method, found in methods.items()
            if method not in (OURS, TRUSTED, *CLASSIFIERS) and found[0].get("auroc") is not None
        ]
        mine, (other, method) = _score(methods[OURS], "auroc")[0], max(others)
        if mine < other - 0.0005:
            behind.append(f"{data}, {noise}: {mine:.3f}, {method} {other:.3f}")
    return (
        f"- **AUROC** at least that of the best other tool in {len(noisy) - len(behind)} of them"
        + _named(", below in", behind)
    )


def _trusted_line(cells: Cells) -> str:
    changes = [
        _score(methods[TRUSTED], "labels")[0] - _score(methods[OURS], "labels")[0]
        for methods in cells.values()
        if TRUSTED in methods
    ]
    return (
        "- **2 % trusted rows** raise the share of right labels in "
        f"{sum(c > 1e-4 for c in changes)} of {len(changes)} cells and lower it in "
        f"{sum(c < -1e-4 for c in changes)}."
    )


def _score(rows: list[Row], key: str) -> tuple[float, float]:
    return centre_and_error(row.get(key) for row in rows)


def _named(words: str, cells: list[str]) -> str:
    return f"{words} {len(cells)} ({'; '.join(cells)})." if cells else "."
