"""The papers' own training, epoch by epoch: where it is won or lost against the plain network.

    python benchmarks/papers_schedule.py --data DIR            # run what is missing, then render
    python benchmarks/papers_schedule.py --data DIR --only "worst"   # some runs
    python benchmarks/papers_schedule.py --render              # the page alone

Every method trains for the same number of gradient steps on the same small network. Clean labels
are used to look; in the variants "true easy labels" alone they replace the labels of the easy
rows, which separates what the selection costs from what the training costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from _image_cases import ImageCase, load_images
from _image_curves import Curve, observed, points
from _image_methods import AH, MIXNN, OPTIMISER
from _runs import Runs, centre_and_error, markdown_table, mean_and_error
from _studies import Job, draw_line, legend_below, page_of, panels, save_figure, select, start
from accuracy import ALL_EPOCHS
from torch.nn import functional as F

from nllearn import AnchorHallucinationClassifier, MixNNClassifier, presets
from nllearn.metrics import label_accuracy
from nllearn.networks import SmallBackbone

STUDY = "papers_schedule"
NOISES = ("classification-based 40 %", "cifar10n worst", "symmetric 40 %")
SIZES = (5_000, 10_000)
#: 3,000 gradient steps of 128 images.
STEPS, BATCH = 3_000, 128
#: Test images that are scored in an epoch, and epochs between two scores.
N_TEST, EVERY = 2_000, 3


@dataclass(frozen=True)
class Variant:
    """A classifier with its parameters.

    `true_labels` trains on the true labels of all rows: the most that any cleaning could give.
    `true_easy` gives them to the easy rows alone.
    """

    method: type
    params: Callable[[int], dict[str, Any]]
    true_labels: bool = False
    true_easy: bool = False


def _letter(preset: Callable[[int], dict[str, Any]], **changes: Any) -> Callable[[int], Any]:
    def params(epochs: int) -> dict[str, Any]:
        found = {k: v for k, v in preset(epochs).items() if k not in OPTIMISER}
        return found | changes

    return params


#: What runs without --all.
VARIANTS: dict[str, Variant] = {
    "plain network": Variant(MixNNClassifier, lambda epochs: {"warmup_epochs": ALL_EPOCHS}),
    "plain network, true labels": Variant(
        MixNNClassifier, lambda epochs: {"warmup_epochs": ALL_EPOCHS}, true_labels=True
    ),
    f"{AH}, to the letter": Variant(
        AnchorHallucinationClassifier, _letter(presets.anchor_hallucination)
    ),
    f"{AH}, a fifth of warm-up": Variant(
        AnchorHallucinationClassifier, _letter(presets.anchor_hallucination, warmup_epochs=0.2)
    ),
    f"{AH}, half of warm-up": Variant(
        AnchorHallucinationClassifier, _letter(presets.anchor_hallucination, warmup_epochs=0.5)
    ),
    f"{AH}, true easy labels": Variant(
        AnchorHallucinationClassifier,
        _letter(presets.anchor_hallucination, warmup_epochs=0.2),
        true_easy=True,
    ),
    f"{AH}, half of warm-up, no vote": Variant(
        AnchorHallucinationClassifier,
        _letter(presets.anchor_hallucination, warmup_epochs=0.5, n_votes=0),
    ),
    f"{AH}, half of warm-up, threshold, no vote": Variant(
        AnchorHallucinationClassifier,
        _letter(presets.anchor_hallucination, warmup_epochs=0.5, selector="threshold", n_votes=0),
    ),
    f"{MIXNN}, to the letter": Variant(MixNNClassifier, _letter(presets.mixnn)),
    f"{AH}, our default": Variant(AnchorHallucinationClassifier, lambda epochs: {}),
    f"{MIXNN}, our default": Variant(MixNNClassifier, lambda epochs: {}),
}


class TrueEasy:
    """Mixin of a classifier: the true labels replace those of the easy rows."""

    truth: torch.Tensor

    def _correct(self, bank: Any, selection: Any, loop: Any) -> dict[str, torch.Tensor]:
        update = super()._correct(bank, selection, loop)
        easy, own = update["easy"], F.one_hot(self.truth, loop.n_classes).float()
        update["targets"] = torch.where(easy.unsqueeze(1), own, update["targets"])
        update["confidence"] = update["confidence"].masked_fill(easy, 1.0)
        return update


def fit(name: str, case: ImageCase, seed: int, epochs: int, width: int) -> dict[str, Any]:
    """One run: scores at the end and the curve."""
    variant = VARIANTS[name]
    kind = variant.method
    if variant.true_easy:
        kind = type(kind.__name__, (TrueEasy, kind), {})
    clf = observed(kind(**variant.params(epochs)), case.y_clean)
    clf.set_params(
        max_epochs=epochs,
        batch_size=BATCH,
        backbone=SmallBackbone(width),
        random_state=seed,
        callbacks=[Curve(clf, case, EVERY, N_TEST)],
    ).fit(case.X, case.y_clean if variant.true_labels else case.y_noisy)
    network = clf.label_issues()["predicted_label"].to_numpy()
    return {
        "test": clf.score(case.X_test, case.y_test),
        "labels": label_accuracy(case.y_clean, clf.corrected_labels_),
        "network_labels": label_accuracy(case.y_clean, network),
        "given_labels": label_accuracy(case.y_clean, case.y_noisy),
        "curve": points(clf.history_),
    }


#: Columns of the last refresh: heading and key.
MECHANISMS = (
    ("labelled", "labelled"),
    ("purity of the easy rows", "purity"),
    ("best purity", "best_purity"),
    ("targets right", "targets_right"),
    ("valid anchors", "anchors_valid"),
    ("hard rows with votes", "hard_heard"),
    ("votes right", "votes_right"),
    ("argmax right there", "argmax_right"),
    ("given right there", "given_right"),
)
#: Lines of the pictures.
SHOWN = (
    "plain network",
    f"{AH}, to the letter",
    f"{MIXNN}, to the letter",
    f"{AH}, our default",
    f"{AH}, half of warm-up",
)


def _at(row: dict[str, Any], key: str) -> list[float | None]:
    return [point.get(key) for point in row["curve"]]


def crossing(plain: list[dict[str, Any]], other: list[dict[str, Any]]) -> str:
    """First epoch from which the mean curve stays above the plain network's."""
    if not plain or not other:
        return ""
    epochs = [point["epoch"] for point in plain[0]["curve"]]
    first, second = (np.mean([_at(r, "test_average") for r in rows], 0) for rows in (plain, other))
    below = np.flatnonzero(second <= first)
    if len(below) == 0:
        return str(epochs[0])
    return str(epochs[below[-1] + 1]) if below[-1] + 1 < len(epochs) else "never"


def render(runs: Runs) -> str:
    """Write the page: curves, last epochs, mechanisms."""
    cells = sorted(
        {(r["width"], r["rows"], r["noise"], r["epochs"]) for r in runs.rows},
        key=lambda cell: (-cell[0], NOISES.index(cell[2]), cell[1], cell[3]),
    )
    figure, axes = panels(len(cells), 3, width=3.4, height=2.8)
    scores, mechanisms = [], []
    for ax, (width, rows, noise, epochs) in zip(axes, cells, strict=False):
        mine = select(runs.rows, width=width, rows=rows, noise=noise, epochs=epochs)
        plain = select(mine, method="plain network")
        for number, method in enumerate(SHOWN):
            found = select(mine, method=method)
            if found:
                x = [point["epoch"] for point in found[0]["curve"]]
                y = list(zip(*(_at(r, "test_average") for r in found), strict=True))
                draw_line(ax, x, y, number, label=method, marker="", capsize=0)
        ax.set_title(f"{noise}, {rows:,} images, width {width}", fontsize=8)
        ax.set_xlabel("epoch")
        for method in dict.fromkeys(VARIANTS):
            found = select(mine, method=method)
            if not found:
                continue
            cell = [str(width), f"{rows:,}", noise, f"{method} ({len(found)})", str(epochs)]
            scores.append(
                [
                    *cell,
                    *(mean_and_error(r[k] for r in found) for k in ("test", "network_labels")),
                    mean_and_error(max(_at(r, "test_average")) for r in found),
                    _gain(plain, found),
                    "" if method == "plain network" else crossing(plain, found),
                ]
            )
            last = [r["curve"][-1] for r in found]
            if "purity" in last[0] and "default" not in method:
                mechanisms.append(
                    [*cell[:4], *(mean_and_error(p.get(k) for p in last) for _, k in MECHANISMS)]
                )
    axes[0].set_ylabel("test accuracy")
    legend_below(figure, axes[0], 3)
    words = "Test accuracy of the averaged weights over the epochs, for every method and case"
    parts = [
        save_figure(figure, STUDY, "curves", words),
        "## Last epoch",
        "In brackets the number of seeds. `network_labels`: share of the training rows whose true "
        "label the network predicts. Best epoch: of the curve, on test images, as papers report.",
        markdown_table(
            ["width", "images", "noise", "method", "epochs", "test accuracy", "network_labels"]
            + ["best epoch", "points above plain", "above plain from epoch"],
            scores,
        ),
        "## The last refresh",
        "Best purity: of the best choice of as many easy rows in every given class.",
        markdown_table(
            ["width", "images", "noise", "method", *(name for name, _ in MECHANISMS)], mechanisms
        ),
    ]
    intro = (
        "Where the papers' own training is won or lost against the plain network. All methods "
        "make the same number of gradient steps of 128 images on the small network; clean labels "
        "are used to look, and to learn only where the name says so. Width: channels of the first "
        "layer; 32 is the default for images."
    )
    return page_of(STUDY, "The papers' own schedule", intro, parts, runs)


def _gain(plain: list[dict[str, Any]], found: list[dict[str, Any]]) -> str:
    """Points of test accuracy above the plain network, seed by seed."""
    base = {r["seed"]: r["test"] for r in plain}
    gains = [100 * (r["test"] - base[r["seed"]]) for r in found if r["seed"] in base]
    if not gains:
        return ""
    centre, error = centre_and_error(gains)
    return f"{centre:+.1f}" + (f" ± {error:.1f}" if len(gains) > 1 else "")


def jobs(seed: int, args: Any) -> Iterator[Job]:
    """All runs of a seed."""
    for rows in args.rows:
        for noise in args.noise:
            for method in args.method:
                epochs = round(args.length * STEPS * BATCH / rows)

                def job(noise=noise, rows=rows, method=method, epochs=epochs) -> dict[str, Any]:
                    case = load_images(args.folder, noise, seed, rows)
                    return fit(method, case, seed, epochs, args.width)

                key = {"noise": noise, "rows": rows, "width": args.width}
                yield key | {"method": method, "epochs": epochs}, job


if __name__ == "__main__":
    start(
        STUDY,
        __doc__,
        jobs,
        render,
        noise={"nargs": "*", "default": list(NOISES), "choices": list(NOISES)},
        rows={"type": int, "nargs": "*", "default": list(SIZES)},
        method={"nargs": "*", "default": list(VARIANTS), "choices": list(VARIANTS)},
        width={"type": int, "default": 32, "help": "of the small network"},
        length={"type": float, "default": 1.0, "help": "times 3,000 gradient steps"},
    )
