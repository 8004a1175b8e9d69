"""What Anchor Hallucination finds in CIFAR-10N: worst labels, anchors, losses.

    python examples/cifar10n_worst.py --data DIR [--rows 10000] [--out FOLDER]

DIR holds CIFAR-10 and its human labels, as ``nllearn.datasets.fetch_cifar10`` reads them; what is
missing is downloaded. Four files are written to FOLDER:

``worst.png``    the images whose given label has the lowest quality, given -> corrected
``losses.png``   losses against the given labels over the epochs, with the fitted mixture
``anchors.png``  t-SNE of features and anchors, coloured by label, before and after correction
``figures.json`` the numbers under the pictures
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from sklearn.manifold import TSNE
from sklearn.mixture import GaussianMixture
from skorch.callbacks import Callback

from nllearn import AnchorHallucinationClassifier
from nllearn.datasets import fetch_cifar10, fetch_cifar10n
from nllearn.functional.similarity import centred_unit_rows
from nllearn.metrics import label_accuracy
from nllearn.training import collect

matplotlib.use("Agg")
import matplotlib.pyplot as plt

#: Points of the t-SNE map.
MAP_ROWS = 1500


class Snapshots(Callback):
    """Losses of the training images against their given labels, at some epochs."""

    def __init__(self, estimator: Any, X: np.ndarray, codes: np.ndarray, n_shots: int = 4):
        self.estimator, self.X, self.codes, self.n_shots = estimator, X, codes, n_shots
        self.losses: dict[int, np.ndarray] = {}

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Score all images with the averaged weights."""
        epoch = len(net.history)
        if epoch % max(1, net.max_epochs // self.n_shots):
            return
        device = torch.device(net.device)
        source = self.estimator._input.new_source(self.estimator, self.X, device)
        given = torch.from_numpy(self.codes).to(device)
        bank = collect(net.scoring_module, source, given, amp=net.amp)
        self.losses[epoch] = bank.losses.cpu().numpy()


def draw_worst(clf: Any, X: np.ndarray, names: np.ndarray, path: Path) -> None:
    """Grid of the images of lowest quality, one per predicted class in turn."""
    issues = clf.label_issues().sort_values("label_quality")
    # A few of every class, so that no single class fills the page.
    worst = issues.groupby("corrected_label").head(4).head(40)
    fig, axes = plt.subplots(5, 8, figsize=(11, 8))
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, (row, issue) in zip(axes.flat, worst.iterrows(), strict=False):
        ax.imshow(X[row])
        given, corrected = names[issue.given_label], names[issue.corrected_label]
        ax.set_title(f"{given}\n-> {corrected}", fontsize=9)
    fig.suptitle("CIFAR-10N Worst: given label -> corrected label, lowest quality first")
    fig.tight_layout()
    fig.savefig(path, dpi=110)
    plt.close(fig)


def draw_losses(losses: dict[int, np.ndarray], right: np.ndarray, path: Path) -> list[dict]:
    """Histograms of right and wrong labels with the two components of the mixture."""
    fig, axes = plt.subplots(1, len(losses), figsize=(3.4 * len(losses), 3), squeeze=False)
    found = []
    for ax, (epoch, loss) in zip(axes[0], losses.items(), strict=True):
        mixture = GaussianMixture(2, random_state=0).fit(loss[:, None])
        means, spreads = mixture.means_.ravel(), np.sqrt(mixture.covariances_.ravel())
        grid = np.linspace(0, np.quantile(loss, 0.995), 200)
        bins = np.linspace(0, grid[-1], 50)
        names = ["right label", "wrong label"]
        ax.hist([loss[right], loss[~right]], bins, stacked=True, density=True, label=names)
        for weight, mean, spread in zip(mixture.weights_, means, spreads, strict=True):
            bell = weight * np.exp(-0.5 * ((grid - mean) / spread) ** 2)
            ax.plot(grid, bell / (spread * np.sqrt(2 * np.pi)), color="k", lw=1)
        # Ashman's D above 2: two separate modes.
        apart = np.sqrt(2) * abs(means[0] - means[1]) / np.sqrt((spreads**2).sum())
        wrong_above = float((loss[~right][:, None] > loss[right][None, :500]).mean())
        ax.set_title(f"epoch {epoch}, Ashman's D {apart:.1f}", fontsize=9)
        ax.set_xlabel("loss of the given label")
        found.append({"epoch": epoch, "ashman_d": float(apart), "auroc": wrong_above})
    axes[0][0].lines[0].set_label("mixture")
    axes[0][0].legend(fontsize=7)
    fig.tight_layout()
    fig.savefig(path, dpi=110)
    plt.close(fig)
    return found


def draw_anchors(clf: Any, given: np.ndarray, names: np.ndarray, path: Path) -> None:
    """Features and anchors in two dimensions, by given and by corrected label."""
    rng = np.random.default_rng(0)
    features = torch.from_numpy(clf.training_features().astype(np.float32))
    easy = np.flatnonzero(clf.label_issues()["is_easy"].to_numpy())
    some = rng.choice(len(features), min(MAP_ROWS, len(features)), replace=False)
    pick = torch.from_numpy(rng.choice(easy, min(400, len(easy)), replace=False))
    centred = features - features.mean(0)
    anchors = clf.hallucinator_.hallucinate(
        centred[pick], torch.from_numpy(given)[pick], generator=torch.Generator().manual_seed(0)
    )
    every = torch.cat([centred[torch.from_numpy(some)], anchors.features])
    unit, _ = centred_unit_rows(every)
    place = TSNE(random_state=0, init="pca").fit_transform(unit.numpy())
    n = len(some)
    fig, axes = plt.subplots(1, 2, figsize=(11, 5))
    for ax, labels, title in (
        (axes[0], given, "given labels"),
        (axes[1], np.searchsorted(clf.classes_, clf.corrected_labels_), "corrected labels"),
    ):
        ax.scatter(*place[:n].T, c=labels[some], cmap="tab10", s=5)
        ax.scatter(*place[n:].T, c=anchors.labels.numpy(), cmap="tab10", s=14, marker="^", lw=0.3)
        ax.set_title(f"{title}; triangles are anchors")
        ax.set_axis_off()
    handles = [
        plt.Line2D([], [], marker="o", ls="", color=plt.get_cmap("tab10")(k), label=name)
        for k, name in enumerate(names)
    ]
    axes[1].legend(handles=handles, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    fig.tight_layout()
    fig.savefig(path, dpi=110)
    plt.close(fig)


def main() -> None:
    """Fit, then draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the data; default as scikit-learn's data home")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("cifar10n_worst"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    train = fetch_cifar10(args.data)
    noisy = fetch_cifar10n(args.data, noise="worst").target
    order = np.random.default_rng(0).permutation(len(noisy))[: args.rows]
    X, y, given = train.data[order], train.target[order], noisy[order]
    names = np.array(train.target_names)

    clf = AnchorHallucinationClassifier(max_epochs=args.epochs, verbose=1, random_state=0)
    shots = Snapshots(clf, X, given.astype(np.int64))
    clf.set_params(callbacks=[shots]).fit(X, given)

    args.out.mkdir(parents=True, exist_ok=True)
    draw_worst(clf, X, names, args.out / "worst.png")
    mixtures = draw_losses(shots.losses, given == y, args.out / "losses.png")
    draw_anchors(clf, given.astype(np.int64), names, args.out / "anchors.png")
    found = {
        "rows": len(X),
        "given label accuracy": label_accuracy(y, given),
        "corrected label accuracy": label_accuracy(y, clf.corrected_labels_),
        "estimated noise rate": clf.noise_rate_,
        "losses": mixtures,
    }
    (args.out / "figures.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
