"""The papers' own schedules, as parameters of the classifiers.

The defaults of the classifiers are made for a few minutes on any data: their last epochs learn
from the label posterior. The sets here switch that phase off and train as the papers do, to
the end and with a refresh before every epoch. Each returns a dict for ``**``, which can be
changed like any other.

Examples
--------
>>> from nllearn import AnchorHallucinationClassifier, presets
>>> clf = AnchorHallucinationClassifier(**presets.anchor_hallucination(max_epochs=60))
>>> clf.posterior_share, clf.refresh_every, clf.warmup_epochs
(0.0, 1, 2)
"""

from __future__ import annotations

from typing import Any

__all__ = ["anchor_hallucination", "mixnn"]

# Epochs of both papers on CIFAR.
_EPOCHS = 300


def _share(epochs: int, max_epochs: int) -> int:
    """So many of the papers' 300 epochs, at another length; at least one."""
    return max(1, round(epochs * max_epochs / _EPOCHS))


def anchor_hallucination(max_epochs: int = _EPOCHS) -> dict[str, Any]:
    """Parameters of Anchor Hallucination as its paper trains on CIFAR-10.

    From the paper (arXiv 2407.07331): P = 60 % easy rows in every class, alternating phases of
    classifier and hallucinator to the end, no averaged weights, MixMatch with two views of each
    image. The paper is silent on the other numbers. Those of its closest released code,
    DivideMix (arXiv 2002.07394), are taken: stochastic gradient descent with momentum .9,
    learning rate .02 divided by ten at half time, weight decay 5e-4, 64 + 64 images in a batch,
    10 epochs of warm-up, random crops and mirror images, weight 25 of the squared error on
    unlabelled rows. Sharpening at .5 and mixup with Beta(.75, .75) are those of MixMatch
    (arXiv 1905.02249), which the paper names. What none of them has (number of anchors and of
    votes, validity of an anchor) keeps the default of the classifier.

    Parameters
    ----------
    max_epochs : int, default=300
        Other lengths keep the paper's shares of the epochs. The warm-up of 10 epochs is 3,900
        gradient steps on 50,000 images; on fewer images set ``warmup_epochs`` to about as many
        steps, since the method hardly learns what its warm-up did not
        (docs/benchmarks/papers_schedule.md).

    Returns
    -------
    params : dict
        For :class:`~nllearn.AnchorHallucinationClassifier`.

    Examples
    --------
    >>> from nllearn import presets
    >>> presets.anchor_hallucination()["easy_fraction"]
    0.6
    """
    from nllearn.training import StepDecay

    return {
        "easy_fraction": 0.6,
        "lambda_u": 25.0,
        "temperature": 0.5,
        "mixup_alpha": 0.75,
        "max_epochs": max_epochs,
        "warmup_epochs": _share(10, max_epochs),
        "refresh_every": 1,
        "posterior_share": 0.0,
        "batch_size": 128,
        "lr": 0.02,
        "weight_decay": 5e-4,
        "optimizer": "sgd",
        "augmentation": "weak",
        "selector": "balanced",
        "hallucinator": "learned",
        "net_params": {
            "ema_decay": 0.0,
            "lr_schedule": StepDecay(0.5, 0.1),
            "optimizer__nesterov": False,
        },
    }


def mixnn(max_epochs: int = _EPOCHS) -> dict[str, Any]:
    """Parameters of MixNN as its paper trains on CIFAR-10.

    Warm-up with cross-entropy, then every row mixed with its nearest neighbour among all rows,
    and from a start epoch on labels that are a moving average of the predictions, renewed
    every epoch (arXiv 2406.16966). Numbers from its released code: K = 1, alpha = .9, 10 epochs
    of warm-up, correction from epoch 60 of 300, stochastic gradient descent with momentum .9,
    learning rate .02 in cosine cycles of 10 epochs down to .001, weight decay 1e-3, batches of
    128, random crops and mirror images, no averaged weights. That code looks for neighbours
    inside the batch (``neighbors="batch"``); the paper says the whole set.

    Parameters
    ----------
    max_epochs : int, default=300
        Other lengths keep the paper's shares of the epochs.

    Returns
    -------
    params : dict
        For :class:`~nllearn.MixNNClassifier`.

    Examples
    --------
    >>> from nllearn import presets
    >>> presets.mixnn(30)["correction_start"]
    6
    """
    from nllearn.training import WarmRestarts

    return {
        "n_neighbors": 1,
        "alpha": 0.9,
        "correction_start": _share(60, max_epochs),
        "max_epochs": max_epochs,
        "warmup_epochs": _share(10, max_epochs),
        "refresh_every": 1,
        "posterior_share": 0.0,
        "batch_size": 128,
        "lr": 0.02,
        "weight_decay": 1e-3,
        "optimizer": "sgd",
        "augmentation": "weak",
        "neighbors": "auto",
        "net_params": {
            "ema_decay": 0.0,
            "lr_schedule": WarmRestarts(10, 0.05),
            "optimizer__nesterov": False,
        },
    }
