"""The methods of the image benchmark by name: our defaults, and the papers to the letter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from accuracy import ALL_EPOCHS

from nllearn import AnchorHallucinationClassifier, MixNNClassifier, presets

AH, MIXNN = "Anchor Hallucination", "MixNN"
#: Epochs -> parameters; a method is a classifier with its parameters.
Params = Callable[[int], dict[str, Any]]
#: A small network is trained by its own optimiser; all else is the preset's.
OPTIMISER = ("lr", "weight_decay", "optimizer", "net_params")


def ours(**params: Any) -> Params:
    """Our defaults, with changes."""
    return lambda epochs: params


def letter(preset: Params, **changes: Any) -> Params:
    """A paper's schedule, with changes."""
    return lambda epochs: preset(epochs) | changes


#: Name -> classifier and parameters.
CLASSIFIERS: dict[str, tuple[type, Params]] = {
    "plain network": (MixNNClassifier, ours(warmup_epochs=ALL_EPOCHS)),
    MIXNN: (MixNNClassifier, ours()),
    AH: (AnchorHallucinationClassifier, ours()),
}
#: One stage of our defaults changed at a time.
STAGES: dict[str, tuple[type, Params]] = {
    f"{AH}, no unlabelled loss": (AnchorHallucinationClassifier, ours(lambda_u=0.0)),
    f"{AH}, unlabelled loss 1": (AnchorHallucinationClassifier, ours(lambda_u=1.0)),
    f"{AH}, no vote of anchors": (AnchorHallucinationClassifier, ours(n_votes=0)),
    f"{AH}, threshold selector": (AnchorHallucinationClassifier, ours(selector="threshold")),
    f"{AH}, threshold selector, no vote": (
        AnchorHallucinationClassifier,
        ours(selector="threshold", n_votes=0),
    ),
    f"{AH}, no averaged weights": (
        AnchorHallucinationClassifier,
        ours(net_params={"ema_decay": 0.0}),
    ),
    f"{MIXNN}, neighbours inside the batch": (MixNNClassifier, ours(neighbors="batch")),
    f"{MIXNN}, five neighbours inside the batch": (
        MixNNClassifier,
        ours(neighbors="batch", n_neighbors=5),
    ),
    f"{MIXNN}, no averaged weights": (MixNNClassifier, ours(net_params={"ema_decay": 0.0})),
}
#: The papers' own training, without our last phase.
LETTER: dict[str, tuple[type, Params]] = {
    "plain network, to the letter": (
        MixNNClassifier,
        letter(presets.mixnn, warmup_epochs=ALL_EPOCHS),
    ),
    f"{MIXNN}, to the letter": (MixNNClassifier, letter(presets.mixnn)),
    f"{AH}, to the letter": (AnchorHallucinationClassifier, letter(presets.anchor_hallucination)),
    f"{AH}, to the letter, no vote": (
        AnchorHallucinationClassifier,
        letter(presets.anchor_hallucination, n_votes=0),
    ),
    f"{AH}, to the letter, threshold, no vote": (
        AnchorHallucinationClassifier,
        letter(presets.anchor_hallucination, selector="threshold", n_votes=0),
    ),
    f"{AH}, half of warm-up": (
        AnchorHallucinationClassifier,
        letter(presets.anchor_hallucination, warmup_epochs=0.5),
    ),
    f"{AH}, half of warm-up, no vote": (
        AnchorHallucinationClassifier,
        letter(presets.anchor_hallucination, warmup_epochs=0.5, n_votes=0),
    ),
    f"{AH}, half of warm-up, threshold, no vote": (
        AnchorHallucinationClassifier,
        letter(presets.anchor_hallucination, warmup_epochs=0.5, selector="threshold", n_votes=0),
    ),
}
METHODS = CLASSIFIERS | STAGES | LETTER


def build(name: str, epochs: int, settings: dict[str, Any]) -> Any:
    """The classifier of a name.

    Parameters
    ----------
    name : str
        Key of ``METHODS``.
    epochs : int
        Of the fit.
    settings : dict
        Of the scale. What a method sets itself goes first, but the papers' optimiser is for
        their networks: it is left out where the settings name no backbone.
    """
    kind, params = METHODS[name]
    own = params(epochs)
    if name in LETTER and "backbone" not in settings:
        own = {k: v for k, v in own.items() if k not in OPTIMISER}
    return kind(**{**settings, "max_epochs": epochs, **own})
