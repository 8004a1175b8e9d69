"""What each stage of both methods contributes, on real features with known truth.

    python benchmarks/ablation.py --data DIR            # run what is missing, then render
    python benchmarks/ablation.py --data DIR --seeds 3 --variants "AH, default" "MixNN, default"
    python benchmarks/ablation.py --render              # the page alone

A variant changes one thing of the default. Stages without a parameter are switched by a
subclass below, so that the estimators carry no option that only an ablation wants.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from _cases import NOISY, data_folder, load_case
from _runs import DOCS, Runs, markdown_table, mean_and_error
from _studies import N_CLASSES, ROWS, embeddings
from accuracy import ALL_EPOCHS, of_classifier

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.functional.hallucination import anchor_validity
from nllearn.functional.similarity import cosine_topk, unit_rows


def vote_nearest_anchors(hard, anchors, labels, n_classes, n_votes):
    """Votes of the most similar anchors on every hard row."""
    votes = torch.zeros(len(hard), n_classes)
    if len(anchors) == 0 or len(hard) == 0:
        return votes
    _, nearest = cosine_topk(hard, anchors, n_votes)
    return votes.scatter_add_(1, labels[nearest], torch.ones(nearest.shape))


class NearestAnchors(AnchorHallucinationClassifier):
    """Reading B: the valid anchors most similar to a hard row vote, whosever they are."""

    def _vote(self, unit, easy_rows, hard_rows, anchors, loop):
        made, hard = unit_rows(anchors.features), unit[hard_rows]
        similarity, _ = cosine_topk(made, hard, 1)
        valid = anchor_validity(
            similarity.squeeze(1), lambda_conf=None, quantile=self.anchor_quantile
        )
        return vote_nearest_anchors(
            hard, made[valid], anchors.labels[valid], loop.n_classes, self.n_votes
        )


class EasyRowsVote(AnchorHallucinationClassifier):
    """A plain vote of the nearest easy rows in place of the anchors."""

    def _vote(self, unit, easy_rows, hard_rows, anchors, loop):
        return vote_nearest_anchors(
            unit[hard_rows],
            unit[easy_rows],
            loop.sample_state.given[easy_rows],
            loop.n_classes,
            self.n_votes,
        )


class NetworkVote(AnchorHallucinationClassifier):
    """The network's own argmax in place of the anchors."""

    def _correct(self, bank, selection, loop):
        self._own = bank.logits.argmax(1)
        return super()._correct(bank, selection, loop)

    def _vote(self, unit, easy_rows, hard_rows, anchors, loop):
        votes = torch.zeros(len(hard_rows), loop.n_classes)
        votes[torch.arange(len(hard_rows)), self._own[hard_rows]] = float(self.n_votes)
        return votes


class CleanProbaWeight(AnchorHallucinationClassifier):
    """A corrected label keeps as much of itself as the clean probability of its row."""

    def _confidence_in_vote(self, clean_proba, share):
        return clean_proba


class FullWeight(AnchorHallucinationClassifier):
    """A corrected label is not mixed with the prediction."""

    def _confidence_in_vote(self, clean_proba, share):
        return torch.ones_like(share)


class NoNeighbors(MixNNClassifier):
    """Every row alone: soft targets without mixing."""

    _in_batch = False

    def _neighbor_graph(self, features, loop):
        return torch.arange(len(features)).unsqueeze(1)


class RandomPartners(MixNNClassifier):
    """Five random rows in place of the nearest."""

    _in_batch = False

    def _neighbor_graph(self, features, loop):
        own = torch.arange(len(features)).unsqueeze(1)
        partners = torch.randint(len(own), (len(own), 5), generator=loop.generator(4))
        return torch.cat([own, partners], 1)


class EqualWeights(MixNNClassifier):
    """Neighbours mixed in equal parts, whatever their clean probability."""

    def _correct(self, bank, selection, loop):
        update = super()._correct(bank, selection, loop)
        return {**update, "clean_proba": torch.ones_like(update["clean_proba"])}


#: Fewer rows, other noise and more of it: a fit of three seconds, and where stages differ most.
HARD = [
    f"25 classes: {noise}"
    for noise in (
        "symmetric 0.8",
        "pair flip 0.4",
        "part-dependent 0.6",
        "classification-based 0.4",
    )
]
AH, MIX = AnchorHallucinationClassifier, MixNNClassifier
VARIANTS: dict[str, Any] = {
    "plain network": lambda: MIX(warmup_epochs=ALL_EPOCHS),
    "AH, default": AH,
    "AH, no last phase on posterior labels": lambda: AH(posterior_share=0.0),
    "AH, last phase 30 % instead of 60 %": lambda: AH(posterior_share=0.3),
    "AH, no correction of hard rows": lambda: AH(n_votes=0),
    "AH, vote of easy rows instead of anchors": EasyRowsVote,
    "AH, network's argmax instead of anchors": NetworkVote,
    "AH, nearest anchors vote (reading B)": NearestAnchors,
    "AH, four anchors per easy row": lambda: AH(n_anchors=4),
    "AH, interpolated anchors": lambda: AH(hallucinator="interpolation"),
    "AH, corrected label weighs w": CleanProbaWeight,
    "AH, corrected label weighs 1": FullWeight,
    "AH, no unlabelled loss": lambda: AH(lambda_u=0.0),
    "AH, unlabelled loss 25": lambda: AH(lambda_u=25.0),
    "AH, no MixMatch (mixup, sharpening, unlabelled loss off)": lambda: AH(
        lambda_u=0.0, mixup_alpha=0.0, temperature=1.0
    ),
    "AH, threshold selector": lambda: AH(selector="threshold"),
    "AH, purity selector": lambda: AH(selector="purity"),
    "AH, no EMA teacher": lambda: AH(net_params={"ema_decay": 0.0}),
    "MixNN, default": MIX,
    "MixNN, no last phase on posterior labels": lambda: MIX(posterior_share=0.0),
    "MixNN, no neighbours": NoNeighbors,
    "MixNN, random partners": RandomPartners,
    "MixNN, neighbours of the whole set": lambda: MIX(neighbors="auto"),
    "MixNN, one neighbour": lambda: MIX(n_neighbors=1),
    "MixNN, one neighbour of the whole set": lambda: MIX(n_neighbors=1, neighbors="auto"),
    "MixNN, equal weights": EqualWeights,
    "MixNN, no correction (alpha 1)": lambda: MIX(alpha=1.0),
    "MixNN, 2 neighbours": lambda: MIX(n_neighbors=2),
    "MixNN, 10 neighbours": lambda: MIX(n_neighbors=10),
    "MixNN, no EMA teacher": lambda: MIX(net_params={"ema_decay": 0.0}),
}


def differences(runs: Runs, cases: list[str]) -> str:
    """Table of each variant less the default of its method, paired by case and seed."""
    cells = {(r["variant"], r["case"], r["seed"]): r for r in runs.rows if r["case"] in cases}
    table = []
    for variant in VARIANTS:
        default = "MixNN, default" if variant.startswith("MixNN") else "AH, default"
        keys = [k[1:] for k in cells if k[0] == variant and (default, *k[1:]) in cells]
        if variant == default or not keys:
            continue
        gains = [
            mean_and_error(
                (100 * (cells[(variant, *k)][key] - cells[(default, *k)][key]) for k in keys), 2
            )
            for key in ("test", "labels")
        ]
        table.append([variant, str(len(keys)), *gains])
    scores = ["test accuracy, points", "label accuracy, points"]
    return markdown_table(["variant, less its default", "pairs", *scores], table)


def render(runs: Runs) -> None:
    """Write the page from the raw results."""

    def per_case(cases: list[str]) -> str:
        most = 1 + max((row["seed"] for row in runs.rows if row["case"] in cases), default=-1)
        return f"{most} seed{'s' if most > 1 else ''}"

    parts = [
        "# Ablation: what each stage contributes",
        "",
        "Each variant changes one thing of the default. Test accuracy of the last epoch / "
        "label accuracy of the training rows after the fit / label accuracy of the network's own "
        "predictions. 40 epochs (about 1,600 gradient steps; the default is 75), "
        "10,003 rows of Banking77, 10,000 rows of the CIFAR-10 features; the hard cases are "
        f"{ROWS:,} rows of {N_CLASSES} classes of Banking77, 50 epochs. "
        f"Up to {per_case(NOISY)} of the usual cases and {per_case(HARD)} of the hard ones.",
        "",
        f"Made by `python benchmarks/ablation.py --data DIR`. Run on {runs.machines()}.",
        "",
    ]
    table = []
    for variant in VARIANTS:
        cells = []
        for case in [*NOISY, *HARD]:
            found = [r for r in runs.rows if r["case"] == case and r["variant"] == variant]
            cells.append(
                " / ".join(
                    mean_and_error(r[key] for r in found).split(" ")[0]
                    for key in ("test", "labels", "network_labels")
                )
                if found
                else ""
            )
        table.append([variant, *cells])
    parts += ["## Differences", "", "Mean and standard error over pairs of equal case and seed."]
    parts += ["", differences(runs, NOISY), "", "On the hard cases:", "", differences(runs, HARD)]
    parts += ["", "## Every case", "", markdown_table(["variant", *NOISY, *HARD], table)]
    reading = DOCS / "_ablation_reading.md"
    if reading.exists():
        parts += ["", reading.read_text().strip()]
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "ablation.md").write_text("\n".join(parts) + "\n")


def main() -> None:
    """Run what is missing, then render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=40, help="epochs of every fit")
    parser.add_argument("--cases", nargs="*", default=[*NOISY, *HARD])
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--render", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    runs = Runs("ablation")
    for seed in range(0 if args.render else args.seeds):
        for variant in args.variants:
            make = VARIANTS[variant]
            for case_name in args.cases:
                if runs.done(case=case_name, variant=variant, seed=seed):
                    continue
                folder, epochs = data_folder(args.data), args.epochs
                if case_name in HARD:
                    case, epochs = embeddings(folder, case_name.split(": ")[1], seed), 50
                else:
                    case = load_case(folder, case_name, seed)
                runs.add(
                    case=case_name,
                    variant=variant,
                    seed=seed,
                    **of_classifier(make().set_params(max_epochs=epochs), case, seed),
                )
    render(Runs("ablation"))


if __name__ == "__main__":
    main()
