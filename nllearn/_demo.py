"""The demonstration behind ``nllearn demo``: real images, known noise, clean test labels."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["run_demo"]

NOISE_RATE = 0.4


def run_demo(
    *,
    seed: int = 0,
    epochs: int | None = None,
    verbose: int = 0,
    say: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """Compare a plain network, the cleaner and both methods on digits with noisy labels.

    The images are scikit-learn's 1,797 handwritten digits. A part-dependent generator makes 40 %
    of the training labels wrong; the test labels stay clean and are used for nothing but the
    score of the last epoch. No method uses the noise rate. The cleaner trains no network, so
    that the plain one is trained on its labels.

    Parameters
    ----------
    seed : int, default=0
        Seed of the split, the noise and the training.
    epochs : int, optional
        Epochs of every method. None takes each classifier's own default.
    verbose : int, default=0
        1 shows a progress bar per method.
    say : callable, default=print
        Receives each line of the screen output.

    Returns
    -------
    list of dict
        One per method: ``name``, ``test_accuracy``, ``label_accuracy`` (share of training labels
        that are right afterwards), ``seconds``.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    from nllearn.classifiers import AnchorHallucinationClassifier, MixNNClassifier
    from nllearn.cleaning import LabelCleaner
    from nllearn.datasets import make_part_dependent_noise

    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.25, stratify=y, random_state=seed
    )
    y_noisy = make_part_dependent_noise(X_train, y_train, noise_rate=NOISE_RATE, random_state=seed)
    before = float(np.mean(y_noisy == y_train))
    say(f"{len(y_train)} images of digits to learn from, {len(y_test)} to test on")
    say(f"{1 - before:.1%} of the training labels are wrong (part-dependent noise)")
    say("")
    options: dict[str, Any] = {"max_epochs": epochs, "random_state": seed, "verbose": verbose}

    def plain() -> tuple[Any, Any]:
        return _plain_network(options, X_train, y_noisy), y_noisy

    def cleaned() -> tuple[Any, Any]:
        cleaner = LabelCleaner(random_state=seed, verbose=verbose).fit(X_train, y_noisy)
        labels = cleaner.corrected_labels_
        return _plain_network(options, X_train, labels), labels

    def fitted(cls: Any) -> tuple[Any, Any]:
        classifier = cls(**options).fit(X_train, y_noisy)
        return classifier, classifier.corrected_labels_

    methods: list[tuple[str, Callable[[], tuple[Any, Any]]]] = [
        ("plain network", plain),
        ("LabelCleaner, network", cleaned),
        ("MixNN", lambda: fitted(MixNNClassifier)),
        ("Anchor Hallucination", lambda: fitted(AnchorHallucinationClassifier)),
    ]
    rows = []
    for name, fit in methods:
        say(f"training: {name} ...")
        start = time.perf_counter()
        estimator, labels = fit()
        seconds = time.perf_counter() - start
        rows.append(
            {
                "name": name,
                "test_accuracy": float(estimator.score(X_test, y_test)),
                "label_accuracy": _share(labels, y_train),
                "seconds": seconds,
            }
        )
    say("")
    # After the last progress bar, which would tear the table apart.
    say(f"{'':<22}{'test accuracy':>14}{'label accuracy':>18}{'seconds':>9}")
    for row in rows:
        right = f"{before:.3f} -> {row['label_accuracy']:.3f}"
        say(f"{row['name']:<22}{row['test_accuracy']:>14.3f}{right:>18}{row['seconds']:>9.1f}")
    say("")
    say("test accuracy: after the last epoch, on clean labels.")
    say("label accuracy: share of right training labels, before and after correction;")
    say("a plain network does not change them. LabelCleaner trains no network: the plain network")
    say("is trained on its labels.")
    return rows


def _plain_network(options: dict[str, Any], X: Any, y: Any) -> Any:
    """Fit the same network for the same number of epochs on the given labels alone.

    A classifier that is in its warm-up from the first epoch to the last is a plain network. No
    fit has as many epochs as are asked for here.
    """
    from nllearn.classifiers import MixNNClassifier

    return MixNNClassifier(**options, warmup_epochs=100_000).fit(X, y)


def _share(labels: NDArray[np.generic], truth: NDArray[np.generic]) -> float:
    return float(np.mean(labels == truth))
