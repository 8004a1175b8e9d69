"""The page "Reproduce the papers": every published row, what runs it here, and what came out.

    python benchmarks/reproduce.py        # from published.csv and results/, writes the page

Nothing is trained. The script fails when a row names a row or a method that
``benchmarks/images.py`` does not have.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from _image_cases import PART_VARIANT, ROWS
from _image_methods import METHODS
from _runs import DOCS, Runs, markdown_table, mean_and_error
from images import SCALES

PAPERS = {
    "arXiv 2407.07331": "Anchor Hallucination",
    "arXiv 2406.16966": "MixNN",
}
#: Where runs of ours are looked for. The name of a row is under the first key.
SOURCES = (
    ("images_paper", "row"),
    ("images_full", "row"),
    ("images_whole", "row"),
    ("images_small", "row"),
    ("papers_schedule", "noise"),
)
#: Our method -> the same as its paper trains it.
LETTER = {
    "plain network": "plain network, to the letter",
    "Anchor Hallucination": "Anchor Hallucination, to the letter",
    "Anchor Hallucination, no vote of anchors": "Anchor Hallucination, to the letter, no vote",
    "Anchor Hallucination, threshold selector, no vote": (
        "Anchor Hallucination, to the letter, threshold, no vote"
    ),
    "MixNN": "MixNN, to the letter",
}
#: Studies whose methods are those of the papers.
OF_PAPERS = ("images_paper", "papers_schedule")


def ours(row: str, method: str) -> list[dict[str, Any]]:
    """The runs of ours on the most images, of the first study that has one."""
    if not row:
        return []
    for study, key in SOURCES:
        name = LETTER[method] if study in OF_PAPERS else method
        found = [r for r in Runs(study).rows if r.get(key) == row and r["method"] == name]
        most = max((r["rows"] for r in found), default=0)
        if most:
            return [{**r, "study": study} for r in found if r["rows"] == most]
    return []


def differs(runs: list[dict[str, Any]]) -> str:
    """What is not as in the paper."""
    if not runs:
        return ""
    first = runs[0]
    network = first.get("backbone") or f"SmallBackbone(width={first['width']})"
    steps = {
        "images_paper": "as the paper trains",
        "papers_schedule": "the paper's steps with our optimiser",
    }.get(first["study"], "our defaults, last phase included")
    epochs = sorted({r["epochs"] for r in runs})
    return (
        f"{first['rows']:,} images, `{network}`, {'/'.join(map(str, epochs))} epochs, {steps}, "
        f"{len(runs)} seed{'s' * (len(runs) > 1)}"
    )


def best_epochs(runs: list[dict[str, Any]]) -> list[float | None]:
    """Best test accuracy over the epochs of every run, where it was looked at."""
    curves = [[e["test_average"] for e in r.get("curve", []) if "test_average" in e] for r in runs]
    return [r.get("best_test") or max(c, default=None) for r, c in zip(runs, curves, strict=True)]


def command(row: str, method: str) -> str:
    """What follows the common part of the command; empty where there is none."""
    if not row:
        return ""
    if row not in ROWS or not {method, LETTER[method]} <= set(METHODS):
        raise ValueError(f"benchmarks/images.py has no row {row!r} or no method {method!r}")
    return f'`--row "{row}" --method "{method}"`'


def table(rows: list[dict[str, str]]) -> str:
    """The rows of one paper."""
    cells = []
    for r in rows:
        runs = ours(r["row"], r["run"])
        labels = "network_labels" if r["run"] == "plain network" else "labels"
        cells.append(
            [
                r["table"],
                f"{r['data']}, {r['noise']}",
                r["method"],
                r["published"],
                mean_and_error((100 * x["test"] for x in runs), 2),
                mean_and_error((100 * x for x in best_epochs(runs) if x is not None), 2),
                mean_and_error((100 * x[labels] for x in runs if labels in x), 2),
                differs(runs),
                f"`{r['configuration']}`" if r["configuration"] else "",
                command(r["row"], r["run"]),
                f'`--method "{LETTER[r["run"]]}"`' if r["row"] else "",
            ]
        )
    header = ["table", "data", "method", "published", "ours, last epoch", "ours, best epoch"]
    more = ["ours, labels right", "what differs", "the paper's configuration", "command"]
    more.append("method of the paper's own schedule")
    return markdown_table(header + more, cells)


def render() -> None:
    """Write the page."""
    with (Path(__file__).parent / "published.csv").open(newline="") as file:
        published = list(csv.DictReader(file))
    full, paper = (SCALES[name]["settings"] for name in ("full", "paper"))
    common = "python benchmarks/images.py --data DIR --scale full --test-every 1"
    parts = [
        "# Reproduce the papers",
        "",
        "Every row of the two papers that is known to us, in percent of test accuracy, with what "
        "trains it in nllearn and the command that runs it. A cell is empty where there is "
        "nothing: no published figure at hand, no run of ours, or no such method here.",
        "",
        "Made by `python benchmarks/reproduce.py` from `benchmarks/published.csv` and "
        "`benchmarks/results/`; nothing is trained by it.",
        "",
        "## How to run a row",
        "",
        "Every command in the tables follows the common part:",
        "",
        "```bash no-run",
        f'{common} --row "cifar10n worst" --method "Anchor Hallucination" --seeds 0 1 2',
        "```",
        "",
        f"It trains a ResNet-{full['backbone'].depth} for {full['max_epochs']} epochs in batches "
        f"of {full['batch_size']}, with strong views and our last phase, on all images, on a GPU "
        "where there is one. It writes test accuracy at the last epoch and at the best one. "
        "`--scale small` takes 10,000 images and the small network. `--minutes` ends it in good "
        "order, and the same command goes on from there.",
        "",
        "`--scale whole` takes all images and the small network, for a CPU. `--scale paper` trains "
        f"a ResNet-{paper['backbone'].depth} for {paper['max_epochs']} epochs in batches of "
        f"{paper['batch_size']}. With a method of the last column it trains as the paper does, "
        "with its optimiser and without our last phase, by the configuration beside it:",
        "",
        "```bash no-run",
        "python benchmarks/images.py --data DIR --scale paper --test-every 1 "
        '--row "cifar10n worst" --method "Anchor Hallucination, to the letter" --seeds 0',
        "```",
        "",
        "On fewer images the papers' schedule was run by `benchmarks/papers_schedule.py`; see "
        "[](papers_schedule.md).",
        "",
        "## What differs from the papers",
        "",
        "- **Epoch.** Both papers report the best epoch on the test set. We report the last epoch, "
        "and the best one beside it where the test set was scored along the way.",
        "- **Part-dependent noise** has several variants in circulation, and the paper does not "
        f"say which file it used. The benchmark draws `{PART_VARIANT}`.",
        "- **Symmetric noise** is drawn with replacement: the new label may be the old one.",
        "- **Anchor Hallucination** has no public code. What its paper leaves out is taken from "
        "DivideMix, or is a default of ours; `nllearn.presets` says which.",
        "- **Asymmetric noise on CIFAR-100** is drawn as the code of MixNN does: within blocks of "
        "five labels in their alphabetical order, which are not the superclasses.",
        "- **MixNN.** Of its tables one figure is known to us. Its code looks for neighbours "
        "inside the batch; the preset looks in the whole training set, as the text says.",
        "- **Clothing1M.** The paper trains two networks there, a ResNet-50 that was trained on "
        "ImageNet; nllearn trains one.",
        "- **Other methods** of the papers' tables are not part of nllearn. Cross-entropy is the "
        "plain network.",
    ]
    for source, name in PAPERS.items():
        rows = [r for r in published if r["paper"] == source]
        done = sum(bool(ours(r["row"], r["run"])) for r in rows)
        runnable = sum(bool(r["row"]) for r in rows)
        parts += [
            "",
            f"## {name} ({source})",
            "",
            f"{len(rows)} rows, of which {runnable} have a command and {done} a run of ours.",
            "",
            table(rows),
        ]
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "reproduce.md").write_text("\n".join(parts) + "\n")


if __name__ == "__main__":
    render()
