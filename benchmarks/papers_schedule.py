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
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _image_cases import ImageCase, load_images
from _runs import Runs, centre_and_error, markdown_table, mean_and_error
from _studies import Job, draw_line, legend_below, panels, save_figure, select, start, write_page
from accuracy import ALL_EPOCHS
from skorch.callbacks import Callback
from torch.nn import functional as F

from nllearn import AnchorHallucinationClassifier, MixNNClassifier, presets
from nllearn.functional.correction import accept_votes
from nllearn.metrics import label_accuracy
from nllearn.selectors import Selection
from nllearn.training import predict_logits

STUDY = "papers_schedule"
NOISES = ("classification-based 40 %", "cifar10n worst", "symmetric 40 %")
SIZES = (5_000, 10_000)
#: 3,000 gradient steps of 128 images.
STEPS, BATCH = 3_000, 128
#: The small network is trained by its own optimiser; all else is the preset's.
OPTIMISER = ("lr", "weight_decay", "optimizer", "net_params")
#: Test images that are scored in an epoch, and epochs between two scores.
N_TEST, EVERY = 2_000, 3
AH, MIXNN = "Anchor Hallucination", "MixNN"


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
    f"{AH}, true easy labels": Variant(
        AnchorHallucinationClassifier, _letter(presets.anchor_hallucination), true_easy=True
    ),
    f"{AH}, no vote": Variant(
        AnchorHallucinationClassifier, _letter(presets.anchor_hallucination, n_votes=0)
    ),
    f"{AH}, threshold, no vote": Variant(
        AnchorHallucinationClassifier,
        _letter(presets.anchor_hallucination, selector="threshold", n_votes=0),
    ),
    f"{MIXNN}, to the letter": Variant(MixNNClassifier, _letter(presets.mixnn)),
    f"{AH}, our default": Variant(AnchorHallucinationClassifier, lambda epochs: {}),
    f"{MIXNN}, our default": Variant(MixNNClassifier, lambda epochs: {}),
}


class Observed:
    """Writes down at every refresh what the method knows, against the truth."""

    def _correct(self, bank: Any, selection: Any, session: Any) -> dict[str, torch.Tensor]:
        truth, given = self._truth, session.ledger.given
        self._guess = bank.logits.argmax(1)
        update = super()._correct(bank, selection, session)
        easy, labelled = update["easy"], update["labelled"]
        if self._true_easy:
            own = F.one_hot(truth, session.n_classes).float()
            update["targets"] = torch.where(easy.unsqueeze(1), own, update["targets"])
            update["confidence"] = update["confidence"].masked_fill(easy, 1.0)
        named = update["targets"].argmax(1)
        heard = labelled & ~easy
        self._seen = {
            "labelled": float(labelled.float().mean()),
            "purity": float((given == truth)[easy].float().mean()),
            "best_purity": best_purity(given.numpy(), truth.numpy(), easy.numpy()),
            "targets_right": float((named == truth)[labelled].float().mean()),
            "network_labels": float((self._guess == truth).float().mean()),
            "anchors_valid": session.notes.get("share_valid_anchors"),
            "hard_heard": float(heard.sum() / (~easy).sum().clamp_min(1)),
        }
        if heard.any():
            self._seen |= {
                "votes_right": float((named == truth)[heard].float().mean()),
                "argmax_right": float((self._guess == truth)[heard].float().mean()),
                "given_right": float((given == truth)[heard].float().mean()),
            }
        return update


def best_purity(given: np.ndarray, truth: np.ndarray, easy: np.ndarray) -> float:
    """Purity of the best choice of as many easy rows in every given class."""
    right = 0
    for label in np.unique(given):
        mine = given == label
        right += min(int((mine & easy).sum()), int((mine & (truth == label)).sum()))
    return right / max(1, int(easy.sum()))


class Curve(Callback):
    """A point of the curves every few epochs."""

    def __init__(self, estimator: Any, case: ImageCase, points: list[dict[str, Any]]):
        self.estimator, self.case, self.points = estimator, case, points

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Score the last and the averaged weights."""
        epoch = len(net.history)
        if epoch % EVERY and epoch != net.max_epochs:
            return
        source = self.estimator._input.new_source(
            self.estimator, self.case.X_test[:N_TEST], torch.device("cpu")
        )
        truth = torch.from_numpy(self.case.y_test[:N_TEST].astype(np.int64))

        def score(module: Any) -> float:
            logits, _ = predict_logits(module, source, amp=net.amp)
            return float((logits.argmax(1) == truth).float().mean())

        row = net.history[-1]
        self.points.append(
            {
                "epoch": epoch,
                "phase": row["phase"],
                "train_loss": row["train_loss"],
                "test_average": score(net.scoring_module),
                "test_last": score(net.module_),
                **getattr(self.estimator, "_seen", {}),
            }
        )


def fit(name: str, case: ImageCase, seed: int, epochs: int) -> dict[str, Any]:
    """One run: scores at the end and the curve."""
    variant = VARIANTS[name]
    kind = type(variant.method.__name__, (Observed, variant.method), {})
    clf = kind(**variant.params(epochs))
    clf._truth = torch.from_numpy(case.y_clean.astype(np.int64))
    clf._true_easy = variant.true_easy
    points: list[dict[str, Any]] = []
    clf.set_params(
        max_epochs=epochs,
        batch_size=BATCH,
        random_state=seed,
        callbacks=[Curve(clf, case, points)],
    ).fit(case.X, case.y_clean if variant.true_labels else case.y_noisy)
    network = clf.label_issues()["predicted_label"].to_numpy()
    return {
        "test": clf.score(case.X_test, case.y_test),
        "labels": label_accuracy(case.y_clean, clf.corrected_labels_),
        "network_labels": label_accuracy(case.y_clean, network),
        "given_labels": label_accuracy(case.y_clean, case.y_noisy),
        "curve": points,
    }


def render(runs: Runs) -> None:
    """Write the page."""
    raise SystemExit("rendered later")


def jobs(seed: int, args: Any) -> Iterator[Job]:
    """All runs of a seed."""
    for rows in args.rows:
        for noise in args.noise:
            for method in args.method:
                epochs = round(args.length * STEPS * BATCH / rows)

                def job(noise=noise, rows=rows, method=method, epochs=epochs) -> dict[str, Any]:
                    return fit(method, load_images(args.folder, noise, seed, rows), seed, epochs)

                yield {"noise": noise, "rows": rows, "method": method, "epochs": epochs}, job


if __name__ == "__main__":
    start(
        STUDY,
        __doc__,
        jobs,
        render,
        noise={"nargs": "*", "default": list(NOISES), "choices": list(NOISES)},
        rows={"type": int, "nargs": "*", "default": list(SIZES)},
        method={"nargs": "*", "default": list(VARIANTS), "choices": list(VARIANTS)},
        length={"type": float, "default": 1.0, "help": "times 3,000 gradient steps"},
    )
