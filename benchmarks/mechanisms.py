"""Mechanisms: do the losses, neighbours, anchors and targets do what the methods rest on?

    python benchmarks/mechanisms.py --data DIR            # run what is missing, then render
    python benchmarks/mechanisms.py --render              # the page alone

The methods run without their last phase on posterior labels, with a refresh every five epochs, so
that each mechanism is seen over the whole fit. Clean labels are used to look, never to learn.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _cases import Case, load_case
from _runs import Runs, markdown_table
from _studies import (
    Job,
    describe_losses,
    draw_line,
    draw_losses,
    embeddings,
    legend_below,
    page_of,
    panels,
    plain_network,
    save_figure,
    select,
    start,
)
from skorch.callbacks import Callback

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.functional.relabelling import accept_votes
from nllearn.functional.similarity import centred_unit_rows, cosine_topk
from nllearn.metrics import label_accuracy
from nllearn.training import collect

CIFAR, CIFAR_ROWS, CIFAR_TEST = "cifar10 features human_worst", 2500, 3000
CASES = ("symmetric 0.4", "part-dependent 0.4", "classification-based 0.4", CIFAR)
METHODS = ("plain network", "AH", "MixNN")
EPOCHS = 50
#: Epochs after which the losses and features are looked at; 5 is the end of the warm-up.
SHOTS = (1, 2, 5, 10, 20, 30, 40, EPOCHS)
REFRESH_EVERY = 5
NEIGHBORS = 10


def _mean(values: torch.Tensor) -> float | None:
    return float(values.float().mean()) if len(values) else None


class WatchedAH(AnchorHallucinationClassifier):
    """Writes down at every refresh what the anchors say of the hard rows."""

    def _correct(self, bank: Any, selection: Any, loop: Any) -> dict[str, torch.Tensor]:
        self._guess = bank.logits.argmax(1)
        return super()._correct(bank, selection, loop)

    def _vote(
        self, unit: Any, easy_rows: Any, hard_rows: Any, anchors: Any, loop: Any
    ) -> torch.Tensor:
        votes = super()._vote(unit, easy_rows, hard_rows, anchors, loop)
        # As the method itself: two votes or more, 60 % of them for one class.
        labels, _, accepted = accept_votes(votes, min_votes=min(2, self.n_votes), min_share=0.6)
        truth, votes_per_row = self._truth[hard_rows], votes.sum(1)
        right = {
            "votes": labels == truth,
            "network": self._guess[hard_rows] == truth,
            "given": loop.sample_state.given[hard_rows] == truth,
        }
        self._notes.append(
            {
                "epoch": loop.epoch,
                "hard": len(hard_rows),
                "valid": float(loop.notes["share_valid_anchors"]),
                "one_vote": _mean(votes_per_row >= 1),
                "all_votes": _mean(votes_per_row >= self.n_votes),
                "accepted": _mean(accepted),
                **{f"{name}_right": _mean(mask[accepted]) for name, mask in right.items()},
                "network_right_on_hard": _mean(right["network"]),
                "easy_right": _mean(loop.sample_state.given[easy_rows] == self._truth[easy_rows]),
            }
        )
        return votes


class WatchedMixNN(MixNNClassifier):
    """Writes down at every refresh what the soft targets say of the wrong labels."""

    def _correct(self, bank: Any, selection: Any, loop: Any) -> dict[str, torch.Tensor]:
        update = super()._correct(bank, selection, loop)
        rows, given = torch.arange(len(self._truth)), loop.sample_state.given
        wrong = given != self._truth
        to_true, to_given = update["targets"][rows, self._truth], update["targets"][rows, given]
        self._notes.append(
            {
                "epoch": loop.epoch,
                "wrong_to_true": _mean(to_true[wrong]),
                "wrong_to_given": _mean(to_given[wrong]),
                "right_to_true": _mean(to_true[~wrong]),
                "turned": _mean((to_true > to_given)[wrong]),
                "clean_proba_wrong": _mean(update["clean_proba"][wrong]),
                "clean_proba_right": _mean(update["clean_proba"][~wrong]),
            }
        )
        return update


def make(method: str) -> Any:
    """The classifier of a method."""
    made = {"AH": WatchedAH, "MixNN": WatchedMixNN, "plain network": plain_network}[method]()
    # Without the last phase, in which the methods do not correct any more.
    return made.set_params(max_epochs=EPOCHS, refresh_every=REFRESH_EVERY, posterior_share=0.0)


class Look(Callback):
    """Losses and neighbours of the training rows at some epochs, by the averaged weights."""

    def __init__(self, estimator: Any, case: Case):
        self.estimator, self.case = estimator, case
        self.shots: list[dict[str, Any]] = []

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Look, when it is time."""
        epoch = len(net.history)
        if epoch not in SHOTS:
            return
        case = self.case
        source = self.estimator._input.new_source(self.estimator, case.X, torch.device(net.device))
        bank = collect(net.scoring_module, source, torch.from_numpy(case.y_noisy), amp=net.amp)
        unit, _ = centred_unit_rows(bank.features)
        _, near = cosine_topk(unit, unit, NEIGHBORS, exclude=torch.arange(len(unit)))
        near = near.numpy()
        same_true = (case.y_clean[near] == case.y_clean[:, None]).mean(1)
        same_given = (case.y_noisy[near] == case.y_noisy[:, None]).mean(1)
        guess = bank.logits.argmax(1).numpy()
        wrong = case.y_noisy != case.y_clean
        self.shots.append(
            {
                "epoch": epoch,
                **describe_losses(bank.losses.double().numpy(), wrong),
                "purity_true": float(same_true.mean()),
                "purity_true_wrong": float(same_true[wrong].mean()),
                "purity_given": float(same_given.mean()),
                "purity_given_wrong": float(same_given[wrong].mean()),
                "fits_given": float((guess == case.y_noisy)[wrong].mean()),
                "right": float((guess == case.y_clean).mean()),
            }
        )


# -- the runs


@functools.lru_cache(maxsize=1)
def load(folder: Path, name: str, seed: int) -> Case:
    """A case; the seed draws the rows and the noise."""
    if name != CIFAR:
        return embeddings(folder, name, seed)
    case = load_case(folder, name, seed, CIFAR_ROWS)
    return replace(case, X_test=case.X_test[:CIFAR_TEST], y_test=case.y_test[:CIFAR_TEST])


def one(folder: Path, name: str, method: str, seed: int) -> dict[str, Any]:
    """Fit one method and return what was seen."""
    case = load(folder, name, seed)
    clf = make(method)
    # Codes are the labels: every class is among the given ones.
    clf._truth, clf._notes = torch.from_numpy(case.y_clean), []
    look = Look(clf, case)
    start = time.process_time()
    clf.set_params(callbacks=[look], random_state=seed).fit(case.X, case.y_noisy)
    return {
        "test": float(clf.score(case.X_test, case.y_test)),
        "labels": label_accuracy(case.y_clean, clf.corrected_labels_),
        "given": label_accuracy(case.y_clean, case.y_noisy),
        "shots": look.shots,
        "refreshes": clf._notes,
        "cpu": time.process_time() - start,
    }


def jobs(seed: int, args: Any) -> Iterator[Job]:
    """Every case and method of a seed."""
    for name in CASES:
        for method in METHODS:
            key = {"case": name, "method": method}
            yield key, functools.partial(one, args.folder, name, method, seed)


# -- the page


def series(rows: list[dict[str, Any]], case: str, method: str, field: str) -> dict[int, list]:
    """Values of a field over the seeds, by epoch; from the shots or the refreshes."""
    found: dict[int, list] = {}
    for row in select(rows, case=case, method=method):
        for seen in (*row["shots"], *row["refreshes"]):
            if seen.get(field) is not None:
                found.setdefault(seen["epoch"], []).append(seen[field])
    return found


def show(
    rows: list[dict[str, Any]], name: str, lines: list[tuple], axis: str, dashed: str = ""
) -> str:
    """One panel per case; a line is a label, a method and a field over the epochs."""
    figure, axes = panels(len(CASES), 2, width=4.2, height=2.7, sharey=True)
    colors = {label: n for n, label in enumerate(dict.fromkeys(line[0] for line in lines))}
    for ax, case in zip(axes, CASES, strict=True):
        for label, method, field in lines:
            found = sorted(series(rows, case, method, field).items())
            if found:
                style = {"ls": "--", "mfc": "white"} if field == dashed else {"label": label}
                epochs, values = zip(*found, strict=True)
                draw_line(ax, epochs, list(values), colors[label], **style)
        ax.set_title(case, fontsize=10)
        ax.set_xlabel("epoch")
    for ax in axes[::2]:
        ax.set_ylabel(axis, fontsize=9)
    legend_below(figure, axes[0], 3)
    return save_figure(figure, "mechanisms", name, f"{axis} over the epochs, one panel per case")


def numbers(
    rows: list[dict[str, Any]], methods: tuple[str, ...], fields: dict[str, str], at: tuple
) -> str:
    """Means over the seeds at some epochs."""
    body = []
    for case in CASES:
        for method in methods:
            found = {field: series(rows, case, method, field) for field in fields}
            for epoch in at:
                values = [by_epoch.get(epoch) for by_epoch in found.values()]
                if any(values):
                    means = [f"{np.mean(v):.3f}" if v else "" for v in values]
                    name = [method] if len(methods) > 1 else []
                    body.append([case, *name, str(epoch), *means])
    head = ["case", *(["method"] if len(methods) > 1 else []), "epoch", *fields.values()]
    return markdown_table(head, body)


def draw_histograms(rows: list[dict[str, Any]], at: tuple[int, ...] = (1, 5, 20, EPOCHS)) -> str:
    """Losses of AH by right and wrong label with the mixture; cases down, epochs across."""
    figure, axes = panels(len(CASES) * len(at), len(at), width=2.5, height=1.8)
    for place, ax in enumerate(axes):
        case, epoch = CASES[place // len(at)], at[place % len(at)]
        runs = sorted(select(rows, case=case, method="AH"), key=lambda row: row["seed"])
        for shot in select(runs[0]["shots"], epoch=epoch) if runs else []:
            draw_losses(ax, shot)
            ax.set_title(f"epoch {epoch}, AUROC {shot['auroc']:.2f}", fontsize=8)
        ax.set_yticks([])
        ax.tick_params(labelsize=7)
        if place % len(at) == 0:
            ax.set_ylabel(case.replace(" ", "\n"), fontsize=8)
    for ax in axes[-len(at) :]:
        ax.set_xlabel("loss of the given label, scaled", fontsize=8)
    legend_below(figure, axes[0])
    words = "Losses of right and wrong labels with the mixture, cases down, epochs across"
    return save_figure(figure, "mechanisms", "histograms", words)


def render(runs: Runs) -> str:
    """Draw the pictures, and make the page from the raw results."""
    rows, shots = runs.rows, (5, 20, EPOCHS)
    refreshes = tuple(range(REFRESH_EVERY, EPOCHS, REFRESH_EVERY))
    intro = (
        "Four cases of 2,500 rows: 25 classes of Banking77 embeddings with three kinds of noise "
        f"at 40 %, and CIFAR-10 features with human labels (Worst). All run for {EPOCHS} epochs. "
        "AH and MixNN have 5 epochs of warm-up, a refresh every 5 epochs, and no last phase on "
        "posterior labels. Numbers are means over the seeds; losses and features are those that "
        "the methods use. True labels are used for these pictures alone."
    )
    loss = {
        "auroc": "AUROC of the loss",
        "bic_gain": "BIC gain of two components, per row",
        "ashman_d": "Ashman's D",
        "fits_given": "wrong labels that the network predicts",
        "right": "network right on training rows",
    }
    purity = {
        "purity_true": "same true label",
        "purity_given": "same given label",
        "purity_true_wrong": "wrong rows: same true label",
        "purity_given_wrong": "wrong rows: same given label",
    }
    anchor = {
        "valid": "valid anchors",
        "easy_right": "easy rows right",
        "one_vote": "hard rows with a vote",
        "all_votes": "with all K votes",
        "accepted": "votes accepted",
        "votes_right": "accepted votes right",
        "network_right": "network right on the same rows",
        "network_right_on_hard": "network right on all hard rows",
    }
    target = {
        "wrong_to_true": "wrong labels: probability of the true label",
        "wrong_to_given": "wrong labels: probability of the given label",
        "turned": "wrong labels whose target prefers the true one",
        "right_to_true": "right labels: probability of the label",
        "clean_proba_wrong": "clean probability of wrong labels",
        "clean_proba_right": "clean probability of right labels",
    }
    on_anchors = ("one_vote", "accepted", "votes_right", "network_right", "network_right_on_hard")
    lines = [(m, m, f) for m in METHODS for f in ("purity_true", "purity_given")]
    parts = [
        "## Do the losses separate wrong labels from right ones?",
        "Losses of AH in the first seed, with the mixture that the method fits. The axis is cut "
        "where one bin is far above all others.",
        draw_histograms(rows),
        show(rows, "auroc", [(m, m, "auroc") for m in METHODS], "AUROC of the loss"),
        "AUROC: chance that a wrong label has the larger loss. BIC gain above 0: two components "
        "describe the losses better than one. Ashman's D above 2: the two modes are separated.",
        numbers(rows, METHODS, loss, shots),
        "## Do neighbours belong to one class?",
        f"Share of the {NEIGHBORS} nearest rows in the network's features that have the row's own "
        "true label (solid) and its own given label (dashed).",
        show(rows, "purity", lines, "Neighbours alike", "purity_given"),
        numbers(rows, METHODS, purity, shots),
        "## Do hard rows get votes, and are the votes right?",
        "A vote is accepted when two anchors or more vote and 60 % of them agree. By default half "
        "of the anchors are valid (`anchor_quantile`).",
        show(rows, "anchors", [(anchor[f], "AH", f) for f in on_anchors], "Share"),
        numbers(rows, ("AH",), anchor, refreshes[::2]),
        "## Do the soft targets move towards the true label?",
        "Targets of MixNN after each refresh, mean over the rows.",
        show(rows, "targets", [(target[f], "MixNN", f) for f in target], "Mean"),
        numbers(rows, ("MixNN",), target, refreshes[::2]),
    ]
    return page_of("mechanisms", "Mechanisms", intro, parts, runs)


def main() -> None:
    """Run what is missing, then render."""
    start("mechanisms", __doc__, jobs, render)


if __name__ == "__main__":
    main()
