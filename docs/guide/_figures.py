"""Draw the pictures of the user guide: `python docs/guide/_figures.py`, about half a minute.

They lie in `docs/guide/figures/` and are kept with the pages. Needs the extra `report`, and
Chromium for the picture of the review page.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from sklearn.datasets import load_digits

from nllearn import LabelCleaner, MixNNClassifier
from nllearn.datasets import (
    make_classification_noise,
    make_part_dependent_noise,
    make_symmetric_noise,
)
from nllearn.functional import hallucination, loss_mixture, mixup, relabelling
from nllearn.functional.similarity import cosine_topk, unit_rows
from nllearn.inspection import LabelQualityDisplay
from nllearn.selectors import ClassBalancedSelector

FOLDER = Path(__file__).parent / "figures"
RIGHT, WRONG, THIRD, GREY = "#0072b2", "#d55e00", "#009e73", "#777777"
CLASS_COLORS = (RIGHT, WRONG, THIRD)


def box(ax, x, y, text, *, width=0.2, height=0.15, color="#e8f0f7"):
    """A box with its centre at (x, y)."""
    corner = (x - width / 2, y - height / 2)
    ax.add_patch(
        FancyBboxPatch(corner, width, height, boxstyle="round,pad=0.008", fc=color, ec=GREY, lw=1)
    )
    ax.text(x, y, text, ha="center", va="center", fontsize=9)


def arrow(ax, start, end, text="", *, bend=0.0, shift=(0.0, 0.022)):
    """An arrow with text at its middle."""
    style = f"arc3,rad={bend}"
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=12, connectionstyle=style, color="#444444"
        )
    )
    middle = (np.array(start) + np.array(end)) / 2 + shift
    ax.text(*middle, text, ha="center", va="bottom", fontsize=8, color="#333333", style="italic")


def draw_flow():
    """The stages of a fit and the data between them."""
    figure, ax = plt.subplots(figsize=(8.6, 3.5))
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.axis("off")
    box(ax, 0.10, 0.72, "rows $X$,\ngiven labels $\\tilde y$", width=0.16)
    box(ax, 0.35, 0.72, "network", width=0.13, color="#fdeee2")
    box(ax, 0.60, 0.72, "selector", width=0.13)
    box(ax, 0.87, 0.72, "anchors (AH)\nor neighbours\n(MixNN)", width=0.19, height=0.2)
    box(
        ax, 0.60, 0.22, "sample state: one target\nand weights per row", width=0.25, color="#eef5e9"
    )
    box(ax, 0.20, 0.22, "predictors and $T$:\nlabel posterior", width=0.24)
    arrow(ax, (0.185, 0.72), (0.28, 0.72))
    arrow(ax, (0.42, 0.72), (0.53, 0.72), "losses")
    arrow(ax, (0.67, 0.72), (0.77, 0.72), "easy, $w$")
    arrow(ax, (0.36, 0.81), (0.82, 0.83), "features", bend=-0.22, shift=(0.0, 0.05))
    arrow(ax, (0.87, 0.61), (0.72, 0.25), "corrections", bend=-0.2, shift=(0.07, -0.08))
    arrow(ax, (0.53, 0.31), (0.38, 0.64), "targets\nof the next epochs", shift=(0.10, -0.04))
    arrow(ax, (0.31, 0.64), (0.22, 0.31), "features", shift=(-0.045, -0.02))
    arrow(ax, (0.325, 0.22), (0.465, 0.22), "last phase")
    save(figure, "flow")


def digits_after_warmup():
    """Losses of digits with part-dependent noise after a short warm-up."""
    X, y = load_digits(return_X_y=True)
    given = make_part_dependent_noise(X, y, noise_rate=0.4, random_state=0)
    # Warm-up alone: a network on the given labels.
    clf = MixNNClassifier(max_epochs=3, warmup_epochs=3, random_state=0).fit(X, given)
    proba = clf.predict_proba(X)
    return y, given, -np.log(proba[np.arange(len(y)), given])


def draw_losses():
    """The mixture on the losses, and the quota of every class."""
    y, given, losses = digits_after_warmup()
    scaled = loss_mixture.scale_losses(losses)
    clean, mixture = loss_mixture.small_loss_posterior(losses)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.2), layout="constrained")
    edges = np.linspace(0, 1, 41)
    parts = [scaled[given == y], scaled[given != y]]
    left.hist(parts, edges, stacked=True, color=[RIGHT, WRONG], label=["right label", "wrong"])
    grid = np.linspace(0, 1, 300)
    for mean, variance, weight in zip(*mixture.values(), strict=True):
        bell = np.exp(-((grid - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
        left.plot(grid, weight * bell * len(y) / 40, color="black", lw=1)
    left.set(xlabel="loss against the given label, scaled", ylabel="rows")
    left.set_ylim(0, 125)
    left.legend(fontsize=8, ncols=2, loc="upper left")
    twin = left.twinx()
    order = np.argsort(scaled)
    twin.plot(scaled[order], clean[order], color=THIRD, lw=2)
    twin.set(ylim=(-0.02, 1.05))
    twin.set_ylabel("clean probability $w$", color=THIRD)

    selection = ClassBalancedSelector(0.6).select(losses, given)
    classes = np.arange(10)
    right.bar(classes, np.bincount(given), color="#dddddd", label="given label $j$: $N_j$ rows")
    easy = selection.easy
    chosen = np.bincount(given[easy], minlength=10)
    bad = np.bincount(given[easy & (given != y)], minlength=10)
    right.bar(classes, chosen - bad, color=RIGHT, label="easy, label right")
    right.bar(classes, bad, bottom=chosen - bad, color=WRONG, label="easy, label wrong")
    quota = np.ceil(0.6 * len(y) / 10)
    right.axhline(quota, color="black", lw=1, ls="--")
    right.set(
        xlabel="class", ylabel="rows", xticks=classes, ylim=(0, 1.55 * np.bincount(given).max())
    )
    right.legend(fontsize=8, ncols=1, loc="upper right")
    save(figure, "losses")


def toy_features():
    """Centred features of three classes in the plane; the last rows of each class are hard."""
    rng = np.random.default_rng(3)
    angles = np.deg2rad([90.0, 215.0, 330.0])
    easy = [angle + rng.normal(0, 0.16, 14) for angle in angles]
    hard = [angle + spread for angle, spread in zip(angles, (0.62, -0.62, 0.62), strict=True)]
    hard = [angle + rng.normal(0, 0.12, 5) for angle in hard]
    labels = np.repeat(np.arange(3), 14)
    length = rng.uniform(0.75, 1.25, 42)[:, None]
    flat = np.concatenate(easy)
    rows = np.column_stack([np.cos(flat), np.sin(flat)]) * length
    flat = np.concatenate(hard)
    far = np.column_stack([np.cos(flat), np.sin(flat)]) * rng.uniform(0.7, 1.1, 15)[:, None]
    return (
        torch.tensor(rows).float(),
        torch.tensor(labels),
        torch.tensor(far).float(),
    )


def draw_anchors(ax):
    """Anchors between the classes, and the hard row that each valid one votes for."""
    easy, labels, hard = toy_features()
    generator = torch.Generator().manual_seed(1)
    first, second = hallucination.draw_partners(labels, 1, generator=generator)
    anchors = torch.lerp(unit_rows(easy)[second], unit_rows(easy)[first], 0.75)
    similarity, nearest = cosine_topk(unit_rows(anchors), unit_rows(hard), 1)
    similarity, nearest = similarity[:, 0], nearest[:, 0]
    valid = hallucination.anchor_validity(similarity, lambda_conf=None, quantile=0.5)
    votes = relabelling.vote_assigned_anchors(
        similarity[valid], nearest[valid], labels[first][valid], len(hard), 3, 5
    )
    winner, _, accepted = relabelling.accept_votes(votes, min_votes=2, min_share=0.6)
    for a, h in zip(anchors[valid], hard[nearest[valid]], strict=True):
        ax.plot(*zip(a.tolist(), h.tolist(), strict=True), color="#bbbbbb", lw=0.8, zorder=1)
    for code, color in enumerate(CLASS_COLORS):
        ax.scatter(*easy[labels == code].T, s=26, color=color, zorder=2)
        mine = labels[first] == code
        for mask, alpha in ((mine & valid, 1.0), (mine & ~valid, 0.25)):
            ax.scatter(*anchors[mask].T, s=34, marker="^", color=color, alpha=alpha, zorder=3)
        got = accepted & (winner == code)
        ax.scatter(*hard[got].T, s=70, marker="s", fc="white", ec=color, lw=2, zorder=4)
    ax.scatter(*hard[~accepted].T, s=70, marker="s", fc="white", ec="#999999", lw=1, zorder=4)
    ax.set_title("anchors vote on hard rows", fontsize=10)
    marks = {
        "easy row": ("o", "black", "black"),
        "anchor, faint: not valid": ("^", "black", "black"),
        "hard row, relabelled": ("s", "white", "black"),
        "hard row, no vote accepted": ("s", "white", "#bbbbbb"),
    }
    for name, (marker, face, edge) in marks.items():
        ax.scatter([], [], marker=marker, fc=face, ec=edge, label=name)
    ax.legend(fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2)


def draw_mixing(ax):
    """Every row moves towards its nearest neighbour, by their clean probabilities."""
    easy, labels, _ = toy_features()
    given = labels.clone()
    wrong = torch.tensor([3, 9, 17, 24, 33, 40])
    given[wrong] = (given[wrong] + 1) % 3
    clean = torch.full((len(easy),), 0.95)
    clean[wrong] = 0.05
    _, near = cosine_topk(unit_rows(easy), unit_rows(easy), 1, exclude=torch.arange(len(easy)))
    graph = torch.cat([torch.arange(len(easy))[:, None], near], 1)
    weights = mixup.clean_weights(clean, graph)
    mixed, _ = mixup.mix_neighbors(easy, torch.eye(3)[given], graph, weights)
    for start, end in zip(easy, mixed, strict=True):
        ax.annotate("", end.tolist(), start.tolist(), arrowprops={"arrowstyle": "->", "lw": 0.9})
    for code, color in enumerate(CLASS_COLORS):
        mine = given == code
        ax.scatter(*easy[mine].T, s=30, color=color)
    ax.scatter(*easy[wrong].T, s=110, fc="none", ec="black", lw=1)
    ax.set_title("rows are mixed with their neighbours", fontsize=10)
    ax.scatter([], [], marker="o", color="black", label="row, colour: given label")
    ax.scatter([], [], marker="o", s=80, fc="none", ec="black", label="small clean probability")
    ax.legend(fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2)


def draw_methods():
    """The step in which the two methods differ, in the plane."""
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 4.3), layout="constrained")
    for ax, draw in zip(axes, (draw_anchors, draw_mixing), strict=True):
        draw(ax)
        ax.set(xticks=[], yticks=[], aspect="equal")
        for side in ax.spines.values():
            side.set_color("#cccccc")
    save(figure, "methods")


def draw_posterior():
    """Bayes' rule on two rows with the same given label."""
    transition = torch.tensor([[0.8, 0.15, 0.05], [0.05, 0.85, 0.10], [0.05, 0.15, 0.80]])
    cases = {
        "low confidence: the given label stays": [0.50, 0.42, 0.08],
        "high confidence: the label is changed": [0.93, 0.05, 0.02],
    }
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 2.9), layout="constrained", sharey=True)
    for ax, (title, proba) in zip(axes, cases.items(), strict=True):
        row = torch.tensor([proba])
        posterior = relabelling.posterior_given_label(row.log(), torch.tensor([1]), transition)[0]
        bars = {
            "$p(k \\mid x)$, predictors": (proba, RIGHT),
            "$T_{kj}$, given label $j = 1$": (transition[:, 1].tolist(), "#bbbbbb"),
            "$P(k \\mid x, j)$, posterior": (posterior.tolist(), WRONG),
        }
        for step, (name, (values, color)) in enumerate(bars.items()):
            ax.bar(np.arange(3) + 0.26 * (step - 1), values, 0.24, color=color, label=name)
        ax.set(title=title, xticks=[0, 1, 2], xlabel="true class $k$", ylim=(0, 1.05))
        ax.title.set_fontsize(10)
    axes[0].set_ylabel("probability")
    axes[0].legend(fontsize=8, loc="upper right")
    save(figure, "posterior")


def draw_reliability():
    """Calibration of LabelCleaner under two kinds of noise."""
    X, y = load_digits(return_X_y=True)
    kinds = {
        "part-dependent noise, 40 %": make_part_dependent_noise,
        "classification-based noise, 40 %": make_classification_noise,
    }
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 4.0), layout="constrained")
    for ax, (title, make_noise) in zip(axes, kinds.items(), strict=True):
        given = make_noise(X, y, noise_rate=0.4, random_state=0)
        cleaner = LabelCleaner(random_state=0).fit(X, given)
        LabelQualityDisplay.from_estimator(cleaner, y, n_bins=5, ax=ax)
        ax.set_title(title, fontsize=10)
    save(figure, "reliability")


def draw_review():
    """A screenshot of the review page in Chromium, of the code in the README."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("no Chromium: review.png is not redrawn")
        return
    digits = load_digits()
    given = make_symmetric_noise(digits.target, noise_rate=0.2, random_state=0)
    cleaner = LabelCleaner(random_state=0).fit(digits.data, given)
    with tempfile.TemporaryDirectory() as folder:
        page = cleaner.report(Path(folder, "digits.html"), images=digits.images / 16)
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        flags += [f"--user-data-dir={folder}/profile", "--window-size=1240,720"]
        flags += ["--virtual-time-budget=8000", f"--screenshot={FOLDER / 'review.png'}"]
        subprocess.run([chromium, *flags, page.as_uri()], check=True, capture_output=True)
    print(FOLDER / "review.png")


def draw_audit(n_answers=14):
    """A screenshot of the audit on the review page, some of its rows answered by key."""
    paths = shutil.which("chromium"), shutil.which("chromedriver")
    if None in paths:
        print("no Chromium or its driver: audit.png is not redrawn")
        return
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    digits = load_digits()
    given = make_symmetric_noise(digits.target, noise_rate=0.2, random_state=0)
    cleaner = LabelCleaner(random_state=0).fit(digits.data, given)
    cleaner.compact()  # the map is below the picture, and takes most of the time
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    with tempfile.TemporaryDirectory() as folder:
        for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
            options.add_argument(flag)
        options.add_argument(f"--user-data-dir={folder}/profile")
        page = cleaner.report(Path(folder, "digits.html"), images=digits.images / 16, audit=40)
        driver = webdriver.Chrome(options=options, service=Service(paths[1]))
        try:
            size = {"width": 1240, "height": 720, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            driver.get(page.as_uri())
            press(driver, "c")
            for _ in range(n_answers):
                row = driver.execute_script("return ITEMS[current].row")
                true, suggested = digits.target[row], cleaner.corrected_labels_[row]
                press(driver, "r" if given[row] == true else "a" if suggested == true else "s")
            driver.save_screenshot(str(FOLDER / "audit.png"))
        finally:
            driver.quit()
    print(FOLDER / "audit.png")


def press(driver, key):
    """Press a key where the focus is."""
    driver.execute_script(
        "document.activeElement.dispatchEvent(new KeyboardEvent("
        "'keydown', { key: arguments[0], bubbles: true, cancelable: true }));",
        key,
    )


def save(figure, name):
    """Write the picture and print its path."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.png"
    # Without the version of matplotlib in it, the same picture is the same file.
    figure.savefig(
        path, dpi=120, metadata={"Software": None}, facecolor="white", bbox_inches="tight"
    )
    plt.close(figure)
    print(path)


if __name__ == "__main__":
    torch.set_num_threads(1)
    draw_flow()
    draw_losses()
    draw_methods()
    draw_posterior()
    draw_reliability()
    draw_review()
    draw_audit()
