"""All 50,000 images of CIFAR-10 on a CPU: both methods beside the plain network, as curves.

    python benchmarks/images_whole.py --data DIR     # what is missing, then the page
    python benchmarks/images_whole.py --render       # the page alone

The runs are those of ``images.py --scale whole``, whose other options are taken as well; a run
that is killed goes on from its checkpoint.
"""

from __future__ import annotations

import sys
from typing import Any

import images
from _image_methods import AH, MIXNN
from _runs import DOCS, Runs, markdown_table, mean_and_error
from _studies import draw_line, legend_below, page_of, panels, save_figure, select

STUDY = "images_whole"
LETTER = f"{AH}, half of warm-up"
#: Row -> its methods, in the order of the runs.
PLAN = {
    "cifar10n worst": ["plain network", MIXNN, AH, LETTER],
    "classification-based 40 %": [
        "plain network",
        AH,
        MIXNN,
        LETTER,
        f"{LETTER}, no vote",
        f"{LETTER}, threshold, no vote",
    ],
}
#: Columns of the refreshes: heading and key.
MECHANISMS = (
    ("labelled", "labelled"),
    ("purity of the easy rows", "purity"),
    ("best purity", "best_purity"),
    ("targets right", "targets_right"),
    ("hard rows with votes", "hard_heard"),
    ("votes right", "votes_right"),
    ("argmax right there", "argmax_right"),
)
#: Panels of a row: title and key of a point.
CURVES = (
    ("test accuracy", "test_average"),
    ("labels, by the network", "network_labels"),
    ("labels, by the targets", "target_labels"),
)


def render(runs: Runs) -> str:
    """Text of the page; draws the curves."""
    parts = []
    for row in PLAN:
        mine = select(runs.rows, row=row)
        if not mine:
            continue
        name = row.replace(" ", "_").replace("-", "_").replace("_%", "")
        words = f"Curves over the epochs with the labels {row}, one line for each method"
        parts += [f"## {row}", _curves(mine, row, name, words), _scores(mine, row)]
        refreshes = _refreshes(mine)
        if refreshes:
            parts += [f"### {row}: what a refresh of {LETTER} knows", refreshes]
    intro = (
        "Both methods and the plain network on all images of CIFAR-10, with the default network, "
        "the same number of gradient steps and one thread. Test accuracy is that of the averaged "
        "weights on all 10,000 test images. `labels` is the share of training labels that are "
        "right after the fit; of the plain network, the share of its predictions. The curves have "
        "it for the network's predictions on 10,000 training images, and for the targets that it "
        "learns from. Best epoch: of the curve, on test images, as papers report. Best purity: of "
        "the best choice of as many easy rows in every given class."
    )
    return page_of(STUDY, "All of CIFAR-10 on a CPU", intro, parts, runs)


def _curves(rows: list[dict[str, Any]], row: str, name: str, words: str) -> str:
    figure, axes = panels(len(CURVES), len(CURVES), width=3.4, height=2.8)
    for ax, (title, key) in zip(axes, CURVES, strict=True):
        for number, method in enumerate(PLAN[row]):
            found = select(rows, method=method)
            if found:
                x = [point["epoch"] for point in found[0]["curve"]]
                y = list(zip(*([p[key] for p in r["curve"]] for r in found), strict=True))
                draw_line(ax, x, y, number, label=method, marker="", capsize=0)
        ax.set_title(title, fontsize=8)
        ax.set_xlabel("epoch")
    legend_below(figure, axes[0], 3)
    return save_figure(figure, STUDY, name, words)


def _scores(rows: list[dict[str, Any]], row: str) -> str:
    plain = {r["seed"]: r["test"] for r in select(rows, method="plain network")}
    cells = []
    for method in PLAN[row]:
        found = select(rows, method=method)
        if not found:
            continue
        labels = "network_labels" if method == "plain network" else "labels"
        gains = [100 * (r["test"] - plain[r["seed"]]) for r in found if r["seed"] in plain]
        cells.append(
            [
                f"{method} ({len(found)})",
                *(mean_and_error(r[key] for r in found) for key in ("test", "best_test")),
                mean_and_error(gains, 1),
                *(mean_and_error(r[key] for r in found) for key in (labels, "network_labels")),
                mean_and_error((r["epochs"] for r in found), 0),
            ]
        )
    header = ["method (seeds)", "test accuracy", "best epoch", "points above plain", "labels"]
    return markdown_table([*header, "labels by the network", "epochs"], cells)


def _refreshes(rows: list[dict[str, Any]]) -> str:
    found = select(rows, method=LETTER)
    if not found:
        return ""
    cells = [
        [str(point["epoch"]), *(mean_and_error([point.get(key)]) for _, key in MECHANISMS)]
        for point in found[0]["curve"]
        if "purity" in point
    ]
    return markdown_table(["epoch", *(name for name, _ in MECHANISMS)], cells)


if __name__ == "__main__":
    if "--render" not in sys.argv:
        for row, methods in PLAN.items():
            fixed = ["--scale", "whole", "--test-every", "2", "--row", row, "--method", *methods]
            images.main([*sys.argv[1:], "--seeds", "0", *fixed])
    (DOCS / f"{STUDY}.md").write_text(render(Runs(STUDY)))
